package sim

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// ticksPerSecond is the unit in which a kernel tells times of processes (USER_HZ).
const ticksPerSecond = 100

// firstPID is above every PID that Linux gives (2^22), so a simulated process is never mistaken for a real one.
const firstPID = 1<<22 + 1000

// procTree is the part of /proc that tells whose a process is and when it began: stat, and <pid>/cgroup and <pid>/stat of the
// simulated processes, as proc(5) and cgroups(7) describe them.
type procTree struct {
	dir  string
	boot time.Time

	mu   sync.Mutex
	last int // PID given
	err  error
}

// newProcTree makes the folder, of a machine that was booted at an instant.
func newProcTree(dir string, boot time.Time) (*procTree, error) {
	t := &procTree{dir: dir, boot: boot.Truncate(time.Second), last: firstPID}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("make folder of processes: %w", err)
	}
	content := fmt.Sprintf("btime %d\n", t.boot.Unix())
	if err := os.WriteFile(filepath.Join(dir, "stat"), []byte(content), 0o600); err != nil {
		return nil, fmt.Errorf("write boot time: %w", err)
	}
	return t, nil
}

// begin writes a process that started at an instant in a cgroup, and returns its PID.
func (t *procTree) begin(comm, cgroup string, started time.Time) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last++
	if err := t.write(t.last, comm, cgroup, started); err != nil && t.err == nil {
		t.err = fmt.Errorf("write process %d: %w", t.last, err)
	}
	return t.last
}

// write makes all of a process visible at once, as a kernel does, in place of one that an earlier node left behind.
func (t *procTree) write(pid int, comm, cgroup string, started time.Time) error {
	unseen, err := os.MkdirTemp(t.dir, ".new-")
	if err != nil {
		return err
	}
	for name, content := range map[string]string{"cgroup": "0::" + cgroup + "\n", "stat": t.stat(pid, comm, started)} {
		if err := os.WriteFile(filepath.Join(unseen, name), []byte(content), 0o600); err != nil {
			return err
		}
	}
	if err := os.RemoveAll(t.path(pid)); err != nil {
		return err
	}
	return os.Rename(unseen, t.path(pid))
}

// stat is the one line of that file: PID, command, state, parent, 17 fields that are of no use here, the start in ticks since
// the boot, and 30 more.
func (t *procTree) stat(pid int, comm string, started time.Time) string {
	const commLength = 15 // TASK_COMM_LEN without the end of the string
	ticks := started.Sub(t.boot) * ticksPerSecond / time.Second
	return fmt.Sprintf("%d (%.*s) S 1%s %d%s\n", pid, commLength, comm, strings.Repeat(" 0", 17), ticks, strings.Repeat(" 0", 30))
}

// end removes a process.
func (t *procTree) end(pid int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := os.RemoveAll(t.path(pid)); err != nil && t.err == nil {
		t.err = fmt.Errorf("remove process %d: %w", pid, err)
	}
}

// fault is the first error of the file system.
func (t *procTree) fault() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.err
}

func (t *procTree) path(pid int) string { return filepath.Join(t.dir, strconv.Itoa(pid)) }
