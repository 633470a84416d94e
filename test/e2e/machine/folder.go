package machine

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// folder is where a run writes. A lock keeps two runs apart: they would share the cgroup, and the programs that they build.
type folder struct {
	lock *os.File
	run  string
}

// workFolder takes the lock, removes what runs that were cut off have left, and makes a folder for this one.
func workFolder() (*folder, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, fmt.Errorf("find a folder to work in: %w", err)
	}
	cache = filepath.Join(cache, "gpusignal-e2e")
	here, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	for _, path := range []string{cache, here} {
		for _, hidden := range covered() {
			if strings.HasPrefix(path+"/", hidden+"/") {
				return nil, fmt.Errorf("%s lies in %s, which the tests mount a folder of their own over: set XDG_CACHE_HOME, or move the repository", path, hidden)
			}
		}
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return nil, err
	}
	lock, err := os.Create(filepath.Join(cache, "lock"))
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = lock.Close()
		return nil, fmt.Errorf("another run holds %s: %w", lock.Name(), err)
	}
	f := &folder{lock: lock}
	left, err := filepath.Glob(filepath.Join(cache, "run-*"))
	for _, path := range left {
		if err == nil {
			err = os.RemoveAll(path)
		}
	}
	if err == nil {
		f.run, err = os.MkdirTemp(cache, "run-")
	}
	if err != nil {
		f.release()
		return nil, err
	}
	return f, nil
}

func (f *folder) release() {
	_ = os.RemoveAll(f.run)
	_ = f.lock.Close()
}
