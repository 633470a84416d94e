package e2e

import (
	"path/filepath"
	"strings"

	"gpusignal/test/e2e/proof"
)

// presets asks the API server whether it would take what the chart makes for each platform.
func (f *fleet) presets() {
	f.t.Helper()
	paths, err := filepath.Glob(built + "/preset-*.yaml")
	if err != nil || len(paths) < 6 {
		f.t.Fatalf("the presets: %v, %v", paths, err)
	}
	preset := f.t.TempDir() + "/preset.yaml"
	for _, path := range paths {
		// OpenShift's own kind is not known here.
		var known []string
		for object := range strings.SplitSeq(read(f.t, path), "\n---\n") {
			if !strings.Contains(object, "kind: SecurityContextConstraints") {
				known = append(known, object)
			}
		}
		write(f.t, preset, strings.Join(known, "\n---\n"))
		if out, err := f.Kubectl("apply", "--dry-run=server", "-f", preset); err != nil {
			f.t.Errorf("%s: %v\n%s", filepath.Base(path), err, out)
		}
	}
	proof.Shown(f.t, "the API server takes what the chart makes of each of %d presets, but for OpenShift's own kind, which it does not know", len(paths))
}
