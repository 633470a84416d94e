package machine

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// TestMissing has every program in the PATH, with a bridge that is no plugin among them, as on a machine with iproute2.
func TestMissing(t *testing.T) {
	folder := t.TempDir()
	t.Setenv("PATH", folder)
	for _, need := range needs() {
		if err := os.WriteFile(filepath.Join(folder, need[0]), []byte("#!"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if _, packages := missing(""); !slices.Equal(packages, []string{"containernetworking-plugins"}) {
		t.Errorf("packages missing without plugins: %q", packages)
	}
	if programs, packages := missing("/usr/lib/cni"); len(programs) > 0 || len(packages) > 0 {
		t.Errorf("missing with everything there: %q in %q", programs, packages)
	}
	if err := os.Remove(filepath.Join(folder, "ctr")); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(folder, "containerd")); err != nil {
		t.Fatal(err)
	}
	programs, packages := missing("/usr/lib/cni")
	if !slices.Equal(programs, []string{"containerd", "ctr"}) || !slices.Equal(packages, []string{"containerd"}) {
		t.Errorf("missing without containerd: %q in %q", programs, packages)
	}
}
