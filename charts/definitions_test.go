package charts_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// published is a module in which a project publishes what its kinds look like.
type published struct {
	module, version, sum string
	files                string                                 // of the module, as filepath.Glob has them
	schemas              func(folder string, file []byte) error // writes those of a file
}

// definitions are those of every kind that users apply, but withoutSchema: of modules that make e2e builds programs of.
func definitions(t *testing.T) []published {
	t.Helper()
	return []published{
		program(t, "kubernetes", published{module: "k8s.io/kubernetes", files: "api/openapi-spec/swagger.json", schemas: kubernetesSchemas}),
		program(t, "keda", published{module: "github.com/kedacore/keda/v2", files: "config/crd/bases/*.yaml", schemas: customSchemas}),
	}
}

// program gives a module the version and the sum of the program that make e2e builds of it.
func program(t *testing.T, name string, of published) published {
	t.Helper()
	find := func(file, pattern string) string {
		path := filepath.Join("../test/e2e/programs", name, file)
		match := regexp.MustCompile("(?m)" + pattern).FindStringSubmatch(read(t, path))
		if match == nil {
			t.Fatalf("%s: nothing is like %q", path, pattern)
		}
		return match[1]
	}
	of.version = find("go.mod", regexp.QuoteMeta(of.module)+` (v\S+)`)
	of.sum = find("go.sum", `^`+regexp.QuoteMeta(of.module+" "+of.version)+` (h1:\S+=)`)
	return of
}

// folder is the module's in Go's module cache, downloaded where it is not there. Asked from an empty folder, Go needs no module of
// ours that requires it.
func (p published) folder(from string) (string, error) {
	at := p.module + "@" + p.version
	command := exec.Command("go", "mod", "download", "-json", at)
	command.Dir = from
	command.Env = append(os.Environ(), "GOWORK=off")
	out, failed := command.Output()
	var got struct{ Dir, Sum, Error string }
	if err := json.Unmarshal(out, &got); err != nil {
		return "", fmt.Errorf("download %s: %w", at, cmp.Or(failed, err))
	}
	if failed != nil {
		return "", fmt.Errorf("download %s: %s: needs the network once: cd / && go mod download %s", at, got.Error, at)
	}
	if got.Sum != p.sum {
		return "", fmt.Errorf("download %s: its sum is %s, pinned is %s", at, got.Sum, p.sum)
	}
	return got.Dir, nil
}

func TestDefinitionsAreThosePinned(t *testing.T) {
	pinned := definitions(t)[0]
	if _, err := pinned.folder(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GOPROXY", "off")
	other, unknown := pinned, pinned
	other.sum, unknown.version = "h1:other=", "v0.0.1"
	for _, test := range []struct {
		of   published
		want string
	}{
		{other, "k8s.io/kubernetes@" + pinned.version + ": its sum is " + pinned.sum + ", pinned is h1:other="},
		{unknown, "needs the network once: cd / && go mod download k8s.io/kubernetes@v0.0.1"},
	} {
		if _, err := test.of.folder(t.TempDir()); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s %s: error %v, want %q", test.of.module, test.of.version, err, test.want)
		}
	}
}
