package proof

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// seat is a cgroup like that of a pod's container.
type seat struct{ made []string } // folders that were made, outermost first

// sit puts a process into a cgroup like that of a container of a pod. Nothing else of the machine changes, and leave takes it away.
func sit(pid int, uid string) (*seat, error) {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("find cgroups: %w", err)
	}
	defer f.Close()
	roots, err := hierarchies(f)
	if err != nil {
		return nil, err
	}
	err = errors.New("no hierarchy of cgroups is mounted")
	for _, root := range roots {
		var s *seat
		if s, err = sitIn(root, pid, uid); err == nil {
			return s, nil
		}
	}
	return nil, err
}

// hierarchies are where cgroups are mounted: those that limit nothing first, for to be in one of them changes nothing for a process.
func hierarchies(mountinfo io.Reader) ([]string, error) {
	var harmless, unified []string
	in := bufio.NewScanner(mountinfo)
	for in.Scan() {
		// proc_pid_mountinfo(5): … mount point is field 5; behind " - " the type, the source and the super block's options.
		mount, super, found := strings.Cut(in.Text(), " - ")
		fields, of := strings.Fields(mount), strings.Fields(super)
		if !found || len(fields) < 5 || len(of) < 3 {
			continue
		}
		switch {
		case of[0] == "cgroup2":
			unified = append(unified, fields[4])
		case of[0] == "cgroup" && (strings.HasSuffix(of[2], "pids") || strings.HasSuffix(of[2], "freezer")):
			harmless = append(harmless, fields[4])
		}
	}
	if err := in.Err(); err != nil {
		return nil, fmt.Errorf("find cgroups: %w", err)
	}
	return append(harmless, unified...), nil
}

// sitIn makes the cgroup below one mount, and moves the process.
func sitIn(root string, pid int, uid string) (*seat, error) {
	s := &seat{}
	dir := root
	for _, part := range []string{"kubepods", "burstable", "pod" + uid, strings.Repeat("c0de", 16)} {
		dir = filepath.Join(dir, part)
		switch err := os.Mkdir(dir, 0o755); {
		case err == nil:
			s.made = append(s.made, dir)
		case !errors.Is(err, os.ErrExist):
			s.leave()
			return nil, fmt.Errorf("make cgroup: %w", err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), fmt.Append(nil, pid), 0o644); err != nil {
		s.leave()
		return nil, fmt.Errorf("move process into cgroup: %w", err)
	}
	return s, nil
}

// leave removes the cgroups once their process has ended; one that another still uses stays.
func (s *seat) leave() {
	for _, dir := range slices.Backward(s.made) {
		_ = os.Remove(dir)
	}
}
