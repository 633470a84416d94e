//go:build cgo && linux

package nvml

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"gpusignal/node"
	"gpusignal/nvml/nvmltest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const everything = node.WantMemory | node.WantUtilization | node.WantCounters | node.WantProcesses

// gpuID is the id that the stub gives GPU n.
func gpuID(n int) node.DeviceID {
	return node.DeviceID(fmt.Sprintf("GPU-00000000-0000-0000-0000-%012x", n))
}

// A bench is one driver on the stub with a script of its own.
type bench struct {
	*Driver
	t      *testing.T
	script string
	log    *log
}

// A log keeps what was logged.
type log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *log) count(message string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), message)
}

func newBench(t *testing.T, library string, lines ...string) *bench {
	t.Helper()
	b := &bench{t: t, script: nvmltest.Script(t, lines...), log: &log{}}
	t.Setenv(nvmltest.ScriptEnv, b.script)
	logger := slog.New(slog.NewTextHandler(b.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	b.Driver = New(Config{Library: library, Logger: logger})
	b.patience = patient
	t.Cleanup(b.end)
	return b
}

// patient is how long the driver waits where a test is not about that: on a busy machine a call takes long, and is no hang.
const patient = time.Minute

// end closes the driver once every call has come back. All drivers of a process share one library: a call that a test left inside
// would meet the calls of the next one, and the shutdown at its end.
func (b *bench) end() {
	b.patience = patient
	if err := b.Close(); err != nil {
		b.t.Error(err)
	}
}

func (b *bench) rewrite(lines ...string) {
	b.t.Helper()
	nvmltest.Rewrite(b.t, b.script, lines...)
}

func (b *bench) mustDevices() []node.Device {
	b.t.Helper()
	devices, err := b.Devices()
	if err != nil {
		b.t.Fatal(err)
	}
	return devices
}

func (b *bench) mustRead(id node.DeviceID, want node.Want) node.Reading {
	b.t.Helper()
	reading, err := b.Read(id, want)
	if err != nil {
		b.t.Fatal(err)
	}
	return reading
}

// hang starts a Read of a GPU and returns once it is inside the library, where it stays until the script is rewritten.
// The returned function waits for the end of the Read.
func (b *bench) hang(gpu int, others ...string) func() (node.Reading, error) {
	b.t.Helper()
	fifo := filepath.Join(b.t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		b.t.Fatal(err)
	}
	b.rewrite(append(others, fmt.Sprintf("gpu.%d.sleep_ms 600000", gpu), fmt.Sprintf("gpu.%d.notify %s", gpu, fifo))...)
	var reading node.Reading
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		reading, err = b.Read(gpuID(gpu), node.WantMemory)
	}()
	if _, readErr := os.ReadFile(fifo); readErr != nil {
		b.t.Fatal(readErr)
	}
	return func() (node.Reading, error) {
		b.t.Helper()
		select {
		case <-done:
		case <-time.After(30 * time.Second):
			b.t.Fatal("the call did not come back")
		}
		return reading, err
	}
}
