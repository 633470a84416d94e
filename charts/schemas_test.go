package charts_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// jsonSchema is a JSON schema of draft 4, or what Kubernetes makes of one.
type jsonSchema = map[string]any

const (
	// schemaFiles are where kubeconform looks for the schema of a kind; of the core group the version is also the group.
	schemaFiles = "{{.Group}}_{{.ResourceAPIVersion}}_{{.ResourceKind}}.json"
	// kubernetesTypes are what the files of its kinds refer to.
	kubernetesTypes = "kubernetes.json"
	meta            = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
	quantity        = "io.k8s.apimachinery.pkg.api.resource.Quantity"
)

// writeSchemas writes a file for each kind that is defined, and returns the folder.
func writeSchemas(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	for _, p := range definitions(t) {
		module, err := p.folder(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		paths, err := filepath.Glob(filepath.Join(module, p.files))
		if err != nil || len(paths) == 0 {
			t.Fatalf("%s %s has %d files %s: %v", p.module, p.version, len(paths), p.files, err)
		}
		for _, path := range paths {
			if err := p.schemas(folder, []byte(read(t, path))); err != nil {
				t.Fatalf("%s: %v", path, err)
			}
		}
	}
	return folder
}

// kubernetesSchemas writes those of an API server's OpenAPI document, version 2.
func kubernetesSchemas(folder string, document []byte) error {
	var api struct{ Definitions map[string]jsonSchema }
	if err := json.Unmarshal(document, &api); err != nil {
		return err
	}
	for name, definition := range api.Definitions {
		if name == quantity {
			definition["type"] = []string{"string", "number"}
		}
		closeSchema(definition)
		// Those of several groups, as DeleteOptions, are no objects.
		if kinds, _ := definition["x-kubernetes-group-version-kind"].([]any); len(kinds) == 1 {
			of := kinds[0].(jsonSchema)
			err := writeSchema(folder, of["group"].(string), of["version"].(string), of["kind"].(string), kubernetesType(name))
			if err != nil {
				return err
			}
		}
	}
	return writeJSON(filepath.Join(folder, kubernetesTypes), jsonSchema{"definitions": api.Definitions})
}

func kubernetesType(name string) jsonSchema {
	return jsonSchema{"$ref": kubernetesTypes + "#/definitions/" + name}
}

// customSchemas writes those of a CustomResourceDefinition.
func customSchemas(folder string, document []byte) error {
	var definition struct {
		Spec struct {
			Group    string
			Names    struct{ Kind string }
			Versions []struct {
				Name   string
				Schema struct{ OpenAPIV3Schema jsonSchema }
			}
		}
	}
	if err := yaml.Unmarshal(document, &definition); err != nil {
		return err
	}
	spec := definition.Spec
	for _, version := range spec.Versions {
		object := version.Schema.OpenAPIV3Schema
		properties, ok := object["properties"].(jsonSchema)
		if !ok {
			return fmt.Errorf("%s %s/%s has no properties", spec.Names.Kind, spec.Group, version.Name)
		}
		closeSchema(object)
		// An API server knows these three of itself.
		properties["apiVersion"], properties["kind"], properties["metadata"] = jsonSchema{}, jsonSchema{}, kubernetesType(meta)
		if err := writeSchema(folder, spec.Group, version.Name, spec.Names.Kind, object); err != nil {
			return err
		}
	}
	return nil
}

// closeSchema makes of Kubernetes' words those of JSON schema, and refuses fields that are not listed, as an API server does that
// validates strictly. Below allOf and its like there are no fields that are not listed elsewhere too.
func closeSchema(s jsonSchema) {
	delete(s, "description")
	properties, _ := s["properties"].(jsonSchema)
	for _, property := range properties {
		closeSchema(property.(jsonSchema))
	}
	for _, name := range []string{"items", "additionalProperties"} {
		if inner, ok := s[name].(jsonSchema); ok {
			closeSchema(inner)
		}
	}
	if _, open := s["additionalProperties"]; properties != nil && !open {
		s["additionalProperties"] = false
	}
	if s["x-kubernetes-int-or-string"] == true || s["format"] == "int-or-string" {
		s["type"] = []string{"integer", "string"}
	}
}

// writeSchema writes that of a kind to where kubeconform looks for it, which ignores case; an API server does not.
func writeSchema(folder, group, version, kind string, object jsonSchema) error {
	apiVersion := strings.TrimPrefix(group+"/"+version, "/")
	if group == "" {
		group = version
	}
	head := jsonSchema{
		"required":   []string{"apiVersion", "kind", "metadata"},
		"properties": jsonSchema{"apiVersion": jsonSchema{"enum": []string{apiVersion}}, "kind": jsonSchema{"enum": []string{kind}}},
	}
	name := strings.NewReplacer("{{.Group}}", group, "{{.ResourceAPIVersion}}", version, "{{.ResourceKind}}", strings.ToLower(kind)).Replace(schemaFiles)
	return writeJSON(filepath.Join(folder, name), jsonSchema{"allOf": []jsonSchema{head, object}})
}

func writeJSON(path string, value any) error {
	content, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return os.WriteFile(path, content, 0o644)
}
