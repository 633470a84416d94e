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
	helm, err := inCharts("go", "tool", "-n", "helm")
	if err != nil {
		return err
	}
	presets, err := filepath.Glob(root + "/charts/gpusignal/presets/*.yaml")
	if err != nil || len(presets) == 0 {
		return fmt.Errorf("find the chart's presets: %w", errors.Join(err, os.ErrNotExist))
	}
	// As it is where GPUs are shared.
	values := map[string][]string{"chart.yaml": {"--set", "hostPID=true"}}
	for _, preset := range presets {
		name := filepath.Base(preset)
		values["preset-"+name] = []string{"--values", "gpusignal/presets/" + name}
	}
	for name, flags := range values {
		out, err := inCharts(strings.TrimSpace(helm), append([]string{"template", "gpusignal", "./gpusignal", "--namespace", "gpusignal"}, flags...)...)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(built, name), []byte(out), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// inCharts runs a program in the chart's module and returns what it prints.
func inCharts(program string, args ...string) (string, error) {
	cmd := exec.Command(program, args...)
	cmd.Dir = root + "/charts"
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off")
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%v: %w\n%s", cmd.Args, err, said.String())
	}
	return string(out), nil
}
