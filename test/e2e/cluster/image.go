package cluster

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// Image is a container image made by hand: there is no registry here and nothing that builds images.
type Image struct {
	Name string
	// Files are paths in the image and where their content comes from.
	Files      map[string]string
	Entrypoint []string
	Env        []string
	// User is a number, root if it is empty.
	User string
}

// Import makes an image and gives it to containerd, where a pod that asks for its name finds it.
func (c *Cluster) Import(image Image) {
	c.t.Helper()
	path := filepath.Join(c.dir, "images", strings.NewReplacer("/", "_", ":", "_").Replace(image.Name)+".tar")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		c.t.Fatal(err)
	}
	if err := image.write(path); err != nil {
		c.t.Fatalf("make the image %s: %v", image.Name, err)
	}
	if _, err := c.ctr("images", "import", path); err != nil {
		c.t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		c.t.Fatal(err)
	}
}

// write an archive of one layer in the layout of the Open Container Initiative:
// https://github.com/opencontainers/image-spec/blob/v1.1.1/image-layout.md
func (i Image) write(path string) error {
	layer, err := i.layer()
	if err != nil {
		return err
	}
	type object = map[string]any
	config := encode(object{
		"architecture": runtime.GOARCH, "os": "linux",
		"config": object{"Entrypoint": i.Entrypoint, "User": i.User, "Env": append([]string{"PATH=/usr/local/bin:/usr/bin:/bin"}, i.Env...)},
		"rootfs": object{"type": "layers", "diff_ids": []string{digest(layer)}},
	})
	blob := func(kind string, content []byte) object {
		return object{"mediaType": "application/vnd.oci.image." + kind, "digest": digest(content), "size": len(content)}
	}
	manifest := encode(object{
		"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
		"config": blob("config.v1+json", config), "layers": []object{blob("layer.v1.tar", layer)},
	})
	entry := blob("manifest.v1+json", manifest)
	entry["annotations"] = object{"io.containerd.image.name": i.Name}
	files := []file{
		{"oci-layout", encode(object{"imageLayoutVersion": "1.0.0"})},
		{"index.json", encode(object{"schemaVersion": 2, "manifests": []object{entry}})},
	}
	for _, content := range [][]byte{config, manifest, layer} {
		files = append(files, file{"blobs/sha256/" + strings.TrimPrefix(digest(content), "sha256:"), content})
	}
	out, err := os.Create(path)
	if err != nil {
		return err
	}
	defer out.Close()
	if err := archive(out, files, 0o644); err != nil {
		return err
	}
	return out.Close()
}

// layer is the image's one layer: its files, and the folders that a runtime mounts on.
func (i Image) layer() ([]byte, error) {
	var files []file
	for _, path := range slices.Sorted(maps.Keys(i.Files)) {
		content, err := os.ReadFile(i.Files[path])
		if err != nil {
			return nil, err
		}
		files = append(files, file{strings.TrimPrefix(path, "/"), content})
	}
	for _, folder := range []string{"dev/", "etc/", "proc/", "sys/", "tmp/"} {
		files = append(files, file{name: folder})
	}
	var layer bytes.Buffer
	err := archive(&layer, files, 0o755)
	return layer.Bytes(), err
}

// file of an archive; a name that ends with a slash is a folder.
type file struct {
	name    string
	content []byte
}

func archive(w io.Writer, files []file, mode int64) error {
	out := tar.NewWriter(w)
	for _, f := range files {
		header := &tar.Header{Name: f.name, Mode: mode, Size: int64(len(f.content)), Typeflag: tar.TypeReg}
		if strings.HasSuffix(f.name, "/") {
			header.Typeflag = tar.TypeDir
		}
		if err := out.WriteHeader(header); err != nil {
			return err
		}
		if _, err := out.Write(f.content); err != nil {
			return err
		}
	}
	return out.Close()
}

func digest(content []byte) string {
	sum := sha256.Sum256(content)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// encode a value of maps, slices, strings and numbers, which cannot fail.
func encode(v any) []byte {
	content, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("encode %v: %v", v, err))
	}
	return content
}

// Libraries returns the shared libraries and the loader of a program, as files of an image at the same paths.
func Libraries(program string) (map[string]string, error) {
	out, err := run("", "ldd", program)
	if err != nil {
		return nil, err
	}
	files := make(map[string]string)
	for line := range strings.Lines(out) {
		for field := range strings.FieldsSeq(line) {
			if filepath.IsAbs(field) {
				files[field] = field
			}
		}
	}
	return files, nil
}
