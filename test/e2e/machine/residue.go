package machine

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// state is what the tests could leave on the machine, or change of it, by kind.
type state map[string]map[string]string

// look reads what is on the machine of a run: mounts of its folder, processes in its namespaces or its cgroup, its cgroups; and
// the kernel's settings and folders that it covers for itself.
func look(run string, namespaces []string) (state, error) {
	s := make(state)
	for kind, read := range map[string]func() (map[string]string, error){
		"mount":          func() (map[string]string, error) { return readMounts(run) },
		"process":        func() (map[string]string, error) { return readProcesses(namespaces) },
		"cgroup":         readCgroups,
		"kernel setting": readSettings,
		"folder":         readFolders,
	} {
		found, err := read()
		if err != nil {
			return nil, fmt.Errorf("look at the machine's state (%s): %w", kind, err)
		}
		s[kind] = found
	}
	return s, nil
}

// compare says what is different after a run in the given namespaces. Processes that end take a moment to be gone from /proc, so
// it looks for a while.
func (s state) compare(run string, namespaces []string) error {
	var differences error
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		now, err := look(run, namespaces)
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
			} else if was != now[kind][name] {
				all = append(all, fmt.Errorf("%s %s: %q before, %q now", kind, name, was, now[kind][name]))
			}
		}
		for _, name := range slices.Sorted(maps.Keys(s[kind])) {
			if _, ok := now[kind][name]; !ok {
				all = append(all, fmt.Errorf("%s %s is gone", kind, name))
			}
		}
	}
	return errors.Join(all...)
}

// readMounts returns the mounts that have to do with a run's folder.
func readMounts(run string) (map[string]string, error) {
	table, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return nil, err
	}
	mounts := make(map[string]string)
	for line := range strings.Lines(string(table)) {
		if strings.Contains(line, run) {
			mounts[strings.TrimSpace(line)] = ""
		}
	}
	return mounts, nil
}

// kinds of namespaces that a process left behind would be seen by.
func kinds() []string { return []string{"net", "mnt", "pid"} }

// namespacesOf a process.
func namespacesOf(pid int) []string {
	var ids []string
	for _, kind := range kinds() {
		if id, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", pid, kind)); err == nil {
			ids = append(ids, id)
		}
	}
	return ids
}

// readProcesses returns the processes that live in one of the given namespaces or in CgroupRoot. Containers have namespaces of
// their own, but they are in the cgroup; all others of a run are in its namespaces, which they cannot leave.
func readProcesses(namespaces []string) (map[string]string, error) {
	paths, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, err
	}
	processes := make(map[string]string)
	for _, path := range paths {
		// A process may have ended since.
		cgroup, _ := os.ReadFile(filepath.Join(path, "cgroup"))
		theirs := strings.Contains(string(cgroup), CgroupRoot)
		for _, kind := range kinds() {
			id, err := os.Readlink(filepath.Join(path, "ns", kind))
			theirs = theirs || err == nil && slices.Contains(namespaces, id)
		}
		if theirs {
			name, _ := os.ReadFile(filepath.Join(path, "comm"))
			processes[filepath.Base(path)] = strings.TrimSpace(string(name))
		}
	}
	return processes, nil
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
	home, err := os.UserHomeDir()
	for _, path := range []string{
		"/var/lib/kubelet", "/var/lib/cni", "/var/log/pods", "/var/log/containers", "/run/netns", home + "/.kube/cache",
	} {
		if _, err := os.Stat(path); err == nil {
			folders[path] = ""
		}
	}
	return folders, err
}
