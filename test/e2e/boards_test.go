package e2e

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// boards plays the GPUs of a fleet: the stub of the driver's library tells what a script says, and each second the script is made
// anew of what the servers on the shared GPUs computed, as their clients know it. A whole GPU is busy for some share of the time.
type boards struct {
	folder string
	// given are the GPUs of the pods as the kubelet last told. One that has just started tells nothing.
	given map[string][]string
	// processes of pods, which are looked for once.
	processes map[string]int
	// lost GPUs by their number, which no call reaches.
	lost map[int]bool
}

// computes is the span over which what was computed is averaged.
const computes = 2 * time.Second

func newBoards(t *testing.T) *boards {
	t.Helper()
	b := &boards{folder: t.TempDir(), processes: make(map[string]int), lost: make(map[int]bool)}
	if err := os.Chmod(b.folder, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := b.write(nil); err != nil {
		t.Fatal(err)
	}
	return b
}

// lose the GPU of a number, or find it again.
func (f *fleet) lose(lost bool, numbers ...int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, n := range numbers {
		f.boards.lost[n] = lost
	}
}

// use of a GPU by a process, in percent.
type use struct {
	process, percent int
}

// play what the servers computed just now.
func (b *boards) play(f *fleet) error {
	w := f.named("utilization")
	given, failed := claims(w.Namespace)
	if len(given) > 0 {
		b.given = given
	}
	ids := uuids(wholeGPUs + sharedGPUs)
	uses := make(map[int][]use)
	for _, name := range slices.Sorted(maps.Keys(b.given)) {
		id, err := b.process(f, w.Namespace, name)
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		now := time.Now()
		percent := int(100*w.load.Busy(name, now.Add(-computes), now).Seconds()/computes.Seconds() + 0.5)
		board, _, _ := strings.Cut(b.given[name][0], "::")
		n := slices.Index(ids, board)
		uses[n] = append(uses[n], use{id, min(percent, 100)})
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return errors.Join(failed, b.write(uses))
}

// process of a pod.
func (b *boards) process(f *fleet, namespace, pod string) (int, error) {
	if id, ok := b.processes[pod]; ok {
		return id, nil
	}
	id, err := process(f.Cluster, namespace, pod)
	if err == nil {
		b.processes[pod] = id
	}
	return id, err
}

// write the script, at once.
func (b *boards) write(uses map[int][]use) error {
	ids := uuids(wholeGPUs + sharedGPUs)
	lines := fmt.Sprintf("devices %d\n", len(ids))
	for n, id := range ids {
		busy := 30 + n
		if n >= wholeGPUs {
			busy = 0
		}
		for _, u := range uses[n] {
			busy += u.percent
			lines += fmt.Sprintf("gpu.%[1]d.process %[2]d 1073741824\ngpu.%[1]d.process_use %[2]d %[3]d\n", n, u.process, u.percent)
		}
		lines += fmt.Sprintf("gpu.%[1]d.uuid %[2]s\ngpu.%[1]d.utilization %[3]d\n", n, id, min(busy, 100))
		if b.lost[n] {
			lines += fmt.Sprintf("gpu.%d.lost 1\n", n)
		}
	}
	return writeScript(b.folder, lines)
}
