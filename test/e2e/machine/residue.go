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

// state is what of the machine the tests could leave changed, by kind: what is there, and in a word what it is.
type state map[string]map[string]string

// look reads the state of the machine.
func look() (state, error) {
	s := make(state)
	for kind, read := range map[string]func() (map[string]string, error){
		"mount": readMounts, "cgroup": readCgroups, "namespace": readNamespaces, "network link": readLinks,
		"kernel setting": readSettings, "folder": readFolders,
	} {
		found, err := read()
		if err != nil {
			return nil, fmt.Errorf("look at the machine's state (%s): %w", kind, err)
		}
		s[kind] = found
	}
	return s, nil
}

// compare says what is different now. Processes that end take a moment to be gone from /proc, so it looks again for a while.
func (s state) compare() error {
	var differences error
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		now, err := look()
		if err != nil {
			return err
		}
		if differences = s.differences(now); differences == nil {
			return nil
		}
	}
	return fmt.Errorf("the tests left the machine changed:\n%w", differences)
}

func (s state) differences(now state) error {
	var all []error
	for _, kind := range slices.Sorted(maps.Keys(s)) {
		for _, name := range slices.Sorted(maps.Keys(now[kind])) {
			if was, ok := s[kind][name]; !ok {
				all = append(all, fmt.Errorf("new %s %s %s", kind, name, now[kind][name]))
			} else if was != now[kind][name] && kind != "namespace" {
				all = append(all, fmt.Errorf("%s %s: %q before, %q now", kind, name, was, now[kind][name]))
			}
		}
		for _, name := range slices.Sorted(maps.Keys(s[kind])) {
			// Those of other programs end when they do.
			if _, ok := now[kind][name]; !ok && kind != "namespace" && kind != "cgroup" {
				all = append(all, fmt.Errorf("%s %s is gone", kind, name))
			}
		}
	}
	return errors.Join(all...)
}

func readMounts() (map[string]string, error) {
	table, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return nil, err
	}
	mounts := make(map[string]string)
	for line := range strings.Lines(string(table)) {
		if fields := strings.Fields(line); len(fields) > 2 {
			mounts[fields[1]] += fields[0] + " " + fields[2] + ";"
		}
	}
	return mounts, nil
}

// cgroupRoot is where the hierarchies of cgroup v1, or the one of v2, are mounted.
const cgroupRoot = "/sys/fs/cgroup"

// readCgroups returns the cgroups without processes: none of the tests' processes is left where others' may be.
func readCgroups() (map[string]string, error) {
	cgroups := make(map[string]string)
	err := filepath.WalkDir(cgroupRoot, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return err
		case entry.IsDir():
			if processes, err := os.ReadFile(filepath.Join(path, "cgroup.procs")); err == nil && len(processes) == 0 {
				cgroups[path] = ""
			}
		}
		return nil
	})
	return cgroups, err
}

// readNamespaces returns the namespaces of the processes that live in another process namespace than this one, and of what has a
// name: all of the tests' processes live in such, and cannot leave them.
func readNamespaces() (map[string]string, error) {
	ours, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return nil, err
	}
	processes, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, err
	}
	namespaces := make(map[string]string)
	for _, process := range processes {
		// A process may have ended since.
		if id, err := os.Readlink(filepath.Join(process, "ns", "pid")); err != nil || id == ours {
			continue
		}
		name, _ := os.ReadFile(filepath.Join(process, "comm"))
		for _, kind := range []string{"net", "mnt", "pid"} {
			if id, err := os.Readlink(filepath.Join(process, "ns", kind)); err == nil {
				namespaces[id] = fmt.Sprintf("(process %s, %s)", filepath.Base(process), strings.TrimSpace(string(name)))
			}
		}
	}
	named, err := filepath.Glob("/run/netns/*")
	for _, name := range named {
		namespaces[name] = ""
	}
	return namespaces, err
}

func readLinks() (map[string]string, error) {
	links := make(map[string]string)
	entries, err := os.ReadDir("/sys/class/net")
	for _, entry := range entries {
		links[entry.Name()] = ""
	}
	return links, err
}

func readSettings() (map[string]string, error) {
	values := make(map[string]string)
	for _, setting := range settings() {
		value, err := os.ReadFile(setting)
		if err != nil {
			return nil, err
		}
		values[setting] = strings.TrimSpace(string(value))
	}
	return values, nil
}

// readFolders returns which of the folders exist that Kubernetes' parts would write into.
func readFolders() (map[string]string, error) {
	folders := make(map[string]string)
	for _, path := range []string{
		"/var/lib/kubelet", "/var/lib/cni", "/var/lib/containerd", "/var/log/pods", "/var/log/containers", "/run/containerd", "/run/netns",
	} {
		if _, err := os.Stat(path); err == nil {
			folders[path] = ""
		}
	}
	return folders, nil
}

// removeCgroups removes the cgroups that the kubelet of the tests has made. That there is no other, Require has seen to.
func removeCgroups() error {
	var last error
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		cgroups, err := readCgroups()
		if err != nil {
			return err
		}
		last = nil
		for _, path := range slices.Backward(slices.Sorted(maps.Keys(cgroups))) {
			if !strings.Contains(path, "/kubepods") {
				continue
			}
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
