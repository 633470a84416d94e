package programs

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Stub compiles the stub of the driver's library, whose sources are in the repository at root, into a folder, and returns its path.
func Stub(root, folder string) (string, error) {
	sources, err := filepath.Glob(filepath.Join(root, "nvml/testdata/stub/*.c"))
	if err != nil || len(sources) == 0 {
		return "", fmt.Errorf("find the sources of the stub of the driver's library: %w", cmp.Or(err, os.ErrNotExist))
	}
	path := filepath.Join(folder, "libnvidia-ml.so.1")
	args := append([]string{"-std=gnu11", "-shared", "-fPIC", "-O1", "-w", "-pthread", "-o", path}, sources...)
	if out, err := exec.Command("gcc", args...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the stub of the driver's library: %w\n%s", err, out)
	}
	return path, nil
}
