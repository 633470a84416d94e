// Package charts_test holds the chart, and the manifests that are rendered from it, to what an API server takes.
package charts_test

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write daemonset.yaml, kustomize/ and the chart's rules anew")

// helm is the program of this module's tool directive.
var helm string

func TestMain(m *testing.M) {
	flag.Parse()
	path, err := exec.Command("go", "tool", "-n", "helm").Output()
	if err != nil {
		fmt.Fprintln(os.Stderr, "build helm:", explained(err))
		os.Exit(1)
	}
	helm = strings.TrimSpace(string(path))
	if *update {
		// Before anything is rendered from them.
		if err := copyRules(); err != nil {
			fmt.Fprintln(os.Stderr, "copy the rules:", err)
			os.Exit(1)
		}
	}
	// helm reads the chart. What this process reads itself go test knows of, and does not repeat a result when that has changed.
	err = filepath.WalkDir("gpusignal", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		_, err = os.ReadFile(path)
		return err
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, "read the chart:", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// copyRules makes the chart's rules those of the repository.
func copyRules() error {
	paths, err := filepath.Glob("../rules/*.yaml")
	if err != nil || len(paths) == 0 {
		return err
	}
	if err := os.RemoveAll("gpusignal/rules"); err != nil {
		return err
	}
	if err := os.Mkdir("gpusignal/rules", 0o755); err != nil {
		return err
	}
	for _, path := range paths {
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if err := os.WriteFile("gpusignal/rules/"+filepath.Base(path), content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// explained is an error with what the program wrote.
func explained(err error) error {
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return fmt.Errorf("%w: %s", err, exit.Stderr)
	}
	return err
}

// runHelm runs helm with nothing of this machine's configuration.
func runHelm(args ...string) (string, error) {
	command := exec.Command(helm, args...)
	nowhere := filepath.Join(os.TempDir(), "no-helm-here")
	command.Env = []string{"HELM_CONFIG_HOME=" + nowhere, "HELM_DATA_HOME=" + nowhere, "HELM_CACHE_HOME=" + nowhere, "KUBECONFIG=/dev/null"}
	out, err := command.Output()
	if err != nil {
		return "", explained(err)
	}
	return string(out), nil
}

// render is what the chart makes of these arguments, of helm template.
func render(t *testing.T, args ...string) string {
	t.Helper()
	out, err := runHelm(append([]string{"template", "gpusignal", "gpusignal", "--namespace", "gpusignal"}, args...)...)
	if err != nil {
		t.Fatalf("helm template %s: %v", strings.Join(args, " "), err)
	}
	return out
}

// refused is why the chart makes nothing of these arguments.
func refused(t *testing.T, args ...string) string {
	t.Helper()
	out, err := runHelm(append([]string{"template", "gpusignal", "gpusignal"}, args...)...)
	if err == nil {
		t.Fatalf("helm template %s made something of it:\n%s", strings.Join(args, " "), out)
	}
	return err.Error()
}

// presets are the files of values by platform.
func presets(t *testing.T) []string {
	t.Helper()
	paths, err := filepath.Glob("gpusignal/presets/*.yaml")
	if err != nil || len(paths) == 0 {
		t.Fatalf("%d presets: %v", len(paths), err)
	}
	return paths
}

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// golden compares a file with what it has to be, or writes it with -update.
func golden(t *testing.T, path, want string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(strings.Split(read(t, path), "\n"), strings.Split(want, "\n")); diff != "" {
		t.Errorf("%s is not what the chart makes (make manifests writes it; -file +chart):\n%s", path, diff)
	}
}
