package machine

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// CgroupRoot is the cgroup in which the tests' kubelet makes its own, in every hierarchy.
const CgroupRoot = "/gpusignal-e2e"

// cgroupMount is where the hierarchies of cgroup v1 are mounted, or the one of v2.
const cgroupMount = "/sys/fs/cgroup"

// unified says that the machine has cgroup v2 alone.
func unified() bool {
	_, err := os.Stat(cgroupMount + "/cgroup.controllers")
	return err == nil
}

// makeCgroups makes CgroupRoot in every hierarchy, with what a kubelet needs in it.
func makeCgroups() error {
	if unified() {
		return makeUnified(cgroupMount)
	}
	hierarchies, err := filepath.Glob(cgroupMount + "/*/cgroup.procs")
	if err != nil || len(hierarchies) == 0 {
		return fmt.Errorf("no hierarchy of cgroups in %s", cgroupMount)
	}
	for _, procs := range hierarchies {
		root := filepath.Dir(procs)
		if err := os.Mkdir(root+CgroupRoot, 0o755); err != nil {
			return err
		}
		if err := fill(root); err != nil {
			return err
		}
	}
	return nil
}

// fill gives CgroupRoot in a hierarchy of cgroup v1 what it needs: a new cpuset has no processor and no memory. Its share of the
// processors is ten times that of another cgroup, so that other work on the machine does not show in the tests' timings.
func fill(root string) error {
	for _, name := range []string{"cpuset.cpus", "cpuset.mems", "cpu.shares"} {
		value, err := os.ReadFile(filepath.Join(root, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if name == "cpu.shares" {
			value = []byte("10240")
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(root+CgroupRoot, name), value, 0o644)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// makeUnified makes CgroupRoot under the one root of cgroup v2, with the controllers that the root hands down.
func makeUnified(root string) error {
	if err := os.Mkdir(root+CgroupRoot, 0o755); err != nil {
		return err
	}
	controllers, err := os.ReadFile(root + "/cgroup.subtree_control")
	if err != nil {
		return err
	}
	for controller := range strings.FieldsSeq(string(controllers)) {
		if err := os.WriteFile(root+CgroupRoot+"/cgroup.subtree_control", []byte("+"+controller), 0o644); err != nil {
			return err
		}
	}
	return os.WriteFile(root+CgroupRoot+"/cpu.weight", []byte("1000"), 0o644)
}

// readCgroups returns CgroupRoot and what is under it, in every hierarchy.
func readCgroups() (map[string]string, error) {
	cgroups := make(map[string]string)
	roots, err := filepath.Glob(cgroupMount + "/*" + CgroupRoot)
	for _, root := range append(roots, cgroupMount+CgroupRoot) {
		walked := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err == nil && entry.IsDir() {
				cgroups[path] = ""
			}
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			return err
		})
		err = errors.Join(err, walked)
	}
	return cgroups, err
}

// removeCgroups removes CgroupRoot with all in it. Processes that were killed take a moment to leave it.
func removeCgroups() error {
	var last error
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		cgroups, err := readCgroups()
		if err != nil {
			return err
		}
		last = nil
		for _, path := range slices.Backward(slices.Sorted(maps.Keys(cgroups))) {
			if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
				last = err
			}
		}
		if last == nil {
			return nil
		}
	}
	return last
}
