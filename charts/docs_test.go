package charts_test

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// docs/install.md names values that exist, and every preset and every way to the GPU.
func TestTheGuideIsTrue(t *testing.T) {
	guide := read(t, "../docs/install.md")
	var values map[string]any
	if err := yaml.Unmarshal([]byte(read(t, "gpusignal/values.yaml")), &values); err != nil {
		t.Fatal(err)
	}
	var named []string
	for _, match := range regexp.MustCompile("--set ([^ \n`]+)").FindAllStringSubmatch(guide, -1) {
		for pair := range strings.SplitSeq(match[1], ",") {
			name, _, _ := strings.Cut(pair, "=")
			named = append(named, name)
		}
	}
	for _, match := range regexp.MustCompile("`([a-zA-Z]+(?:\\.[a-zA-Z]+)*)=[a-zA-Z]+`").FindAllStringSubmatch(guide, -1) {
		named = append(named, match[1])
	}
	if len(named) < 10 {
		t.Errorf("the guide names only %q", named)
	}
	for _, name := range named {
		at := any(values)
		for part := range strings.SplitSeq(name, ".") {
			parent, _ := at.(map[string]any)
			next, ok := parent[part]
			if !ok && !slices.Contains([]string{"release"}, part) {
				t.Errorf("the guide names %s, and there is no value %s", name, part)
			}
			at = next
		}
	}
	for _, path := range presets(t) {
		if !strings.Contains(guide, "\n| `"+filepath.Base(path)+"` |") {
			t.Errorf("the guide does not say what %s is for", path)
		}
	}
	for _, mode := range []string{"runtimeClass", "volumeMounts", "cdi", "hostPath"} {
		if !strings.Contains(guide, "\n| `"+mode+"` |") {
			t.Errorf("the guide does not explain gpuAccess.mode %s", mode)
		}
	}
}
