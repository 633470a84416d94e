package kubelet

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"gpusignal/node"
)

// procfs is where the kernel tells of processes.
type procfs struct {
	dir string
	// boot returns when the machine started. It is read once: the kernel works it out anew from a clock that is set now and then,
	// and the start of a process must not move.
	boot func() (time.Time, error)
}

func newProcfs(dir string) procfs {
	return procfs{dir: dir, boot: sync.OnceValues(func() (time.Time, error) { return readBoot(filepath.Join(dir, "stat")) })}
}

// userHz is how many of the kernel's clock ticks, in which /proc tells times, a second has: 100 on every architecture (the
// kernel's USER_HZ).
const userHz = 100

// Owner is the container that a process of the host belongs to, and when the process started. A process that is in no pod has an
// empty one. It is not known of a process that is gone, nor of one whose pod has not been heard of yet. It reads two files of
// /proc and is to be asked at once, before the process ends.
func (k *Kubelet) Owner(pid int) (owner node.ContainerID, started time.Time, known bool) {
	cgroup, started, err := k.proc.process(pid)
	if err != nil {
		return node.ContainerID{}, time.Time{}, false
	}
	found := parseCgroup(cgroup)
	if len(found) == 0 {
		return node.ContainerID{}, started, true
	}
	owner, known = containerOf(found, k.pods.book.view.Load().pods)
	return owner, started, known
}

// SeesProcesses says that Owner can tell whose a process is: the PIDs of the host are visible here, and the pods are known by more
// than their names.
func (k *Kubelet) SeesProcesses() bool {
	return k.cfg.HostPIDs && k.pods.book.view.Load().alive(time.Now())
}

// containerOf finds the first of the seats that is one of a known pod. A container whose id no status tells yet is the pod's only
// one, or not known.
func containerOf(found []seat, pods []node.Pod) (node.ContainerID, bool) {
	for _, s := range found {
		i := slices.IndexFunc(pods, func(p node.Pod) bool { return p.ID.UID == s.pod })
		if i < 0 {
			continue
		}
		pod := &pods[i]
		c := slices.IndexFunc(pod.Containers, func(c node.Container) bool { return c.ID == s.container })
		if c < 0 && len(pod.Containers) == 1 {
			c = 0
		}
		if c < 0 {
			return node.ContainerID{}, false
		}
		return node.ContainerID{Pod: pod.ID, Name: pod.Containers[c].Name}, true
	}
	return node.ContainerID{}, false
}

// process returns the content of a process's cgroup file and when the process started. The start is read before and after, so that
// both are of one process though PIDs are used again.
func (p procfs) process(pid int) (cgroup string, started time.Time, err error) {
	before, err := p.started(pid)
	if err != nil {
		return "", time.Time{}, err
	}
	content, err := os.ReadFile(p.file(pid, "cgroup"))
	if err != nil {
		return "", time.Time{}, fmt.Errorf("read cgroup of process %d: %w", pid, err)
	}
	after, err := p.started(pid)
	if err != nil {
		return "", time.Time{}, err
	}
	if before != after {
		return "", time.Time{}, fmt.Errorf("read process %d: %w", pid, errReused)
	}
	boot, err := p.boot()
	if err != nil {
		return "", time.Time{}, err
	}
	return string(content), boot.Add(time.Duration(before) * (time.Second / userHz)), nil
}

var errReused = errors.New("its PID was used again meanwhile")

func (p procfs) file(pid int, name string) string {
	return filepath.Join(p.dir, strconv.Itoa(pid), name)
}

// started returns when a process started, in clock ticks since the machine did.
func (p procfs) started(pid int) (ticks int64, err error) {
	content, err := os.ReadFile(p.file(pid, "stat"))
	if err != nil {
		return 0, fmt.Errorf("read start of process %d: %w", pid, err)
	}
	if ticks, err = parseStart(content); err != nil {
		return 0, fmt.Errorf("read start of process %d: %w", pid, err)
	}
	return ticks, nil
}

// parseStart finds field 22 of /proc/<pid>/stat (proc_pid_stat(5)). The name of the program, field 2, is in parentheses and may
// hold anything.
func parseStart(stat []byte) (int64, error) {
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	const start = 22 - 3
	if len(fields) <= start {
		return 0, fmt.Errorf("%d fields behind the name, want more than %d: %w", len(fields), start, errGarbled)
	}
	ticks, err := strconv.ParseInt(string(fields[start]), 10, 64)
	if err != nil || ticks < 0 {
		return 0, fmt.Errorf("start %q: %w", fields[start], errGarbled)
	}
	return ticks, nil
}

var errGarbled = errors.New("not what the kernel writes")

// readBoot finds when the machine started in /proc/stat: the line "btime" (proc_stat(5)), in seconds since 1970.
func readBoot(path string) (time.Time, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return time.Time{}, fmt.Errorf("read start of machine: %w", err)
	}
	for line := range bytes.Lines(content) {
		if value, ok := bytes.CutPrefix(line, []byte("btime ")); ok {
			seconds, err := strconv.ParseInt(string(bytes.TrimSpace(value)), 10, 64)
			if err != nil {
				return time.Time{}, fmt.Errorf("read start of machine: btime %q: %w", bytes.TrimSpace(value), errGarbled)
			}
			return time.Unix(seconds, 0), nil
		}
	}
	return time.Time{}, fmt.Errorf("read start of machine: no btime in %q: %w", path, errGarbled)
}
