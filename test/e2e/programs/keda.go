package programs

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// KEDADefinitions writes KEDA's CustomResourceDefinitions into a folder of its own below folder, and returns its path. They come
// with the source of the version that is pinned. source is the folder of this package.
func KEDADefinitions(source, folder string) (string, error) {
	cmd := exec.Command("go", "mod", "download", "-json", "github.com/kedacore/keda/v2")
	cmd.Dir = filepath.Join(source, "keda")
	cmd.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off")
	out, err := cmd.Output()
	var module struct{ Dir, Error string }
	if bad := json.Unmarshal(out, &module); module.Dir == "" {
		return "", fmt.Errorf("find the source of KEDA: %w: %s", cmp.Or(err, bad, os.ErrNotExist), module.Error)
	}
	path := filepath.Join(folder, "keda-definitions")
	if err := os.CopyFS(path, os.DirFS(filepath.Join(module.Dir, "config/crd/bases"))); err != nil {
		return "", fmt.Errorf("copy KEDA's definitions: %w", err)
	}
	return path, nil
}
