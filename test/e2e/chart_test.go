package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// charts writes what the chart makes of our values, and of those of each platform, into built: Helm has to be built, which needs
// a network.
func charts() error {
	presets, err := filepath.Glob(root + "/charts/gpusignal/presets/*.yaml")
	if err != nil || len(presets) == 0 {
		return fmt.Errorf("find the chart's presets: %w", errors.Join(err, os.ErrNotExist))
	}
	for _, preset := range presets {
		name := filepath.Base(preset)
		if err := chart("preset-"+name, "--values", "gpusignal/presets/"+name); err != nil {
			return err
		}
	}
	// As it is where GPUs are shared.
	return chart("chart.yaml", "--set", "hostPID=true")
}

// chart writes what the chart makes of some values into a file of built.
func chart(name string, values ...string) error {
	cmd := exec.Command("go", append([]string{"tool", "helm", "template", "gpusignal", "./gpusignal", "--namespace", "gpusignal"}, values...)...)
	cmd.Dir = root + "/charts"
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off")
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("%v: %w\n%s", cmd.Args, err, said.String())
	}
	return os.WriteFile(filepath.Join(built, name), out, 0o600)
}
