package proof

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// process is a program that runs beside the kit.
type process struct {
	name  string
	cmd   *exec.Cmd
	lines chan string // what it prints, line by line; closed at its end
	done  chan struct{}
	err   error
	// said is the end of what it wrote to standard error.
	said tail
}

// start starts a program. Its end is waited for by a goroutine that ends with it.
func start(name, program string, args ...string) (*process, error) {
	p := &process{name: name, cmd: exec.Command(program, args...), lines: make(chan string, 16), done: make(chan struct{})}
	// Who ends the kit at a terminal ends it alone: it ends what it started, in order.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	p.cmd.Stderr = &p.said
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go p.follow(out)
	return p, nil
}

func (p *process) follow(out io.Reader) {
	in := bufio.NewScanner(out)
	for in.Scan() {
		select {
		case p.lines <- in.Text():
		default: // nobody reads so much
		}
	}
	close(p.lines)
	p.err = p.cmd.Wait()
	close(p.done)
}

// await waits for a line that begins with a word.
func (p *process) await(ctx context.Context, word string, patience time.Duration) error {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		select {
		case line, open := <-p.lines:
			if !open {
				<-p.done
				return fmt.Errorf("%s ended: %w: %s", p.name, orEnded(p.err), p.said.String())
			}
			if strings.HasPrefix(line, word) {
				return nil
			}
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
			return fmt.Errorf("%s did not say %q within %v: %s", p.name, word, patience, p.said.String())
		}
	}
}

var errEnded = errors.New("without an error")

func orEnded(err error) error {
	if err == nil {
		return errEnded
	}
	return err
}

// ended says whether it has ended by itself.
func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// stop asks it to end and waits, and kills it when it does not. It returns its exit code, -1 when it was killed.
func (p *process) stop(patience time.Duration) int {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-p.done:
	case <-timer.C:
		_ = p.cmd.Process.Kill()
		<-p.done
	}
	return p.cmd.ProcessState.ExitCode()
}

// wait waits for its end.
func (p *process) wait(ctx context.Context, patience time.Duration) error {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-p.done:
	case <-ctx.Done():
		p.stop(2 * time.Second)
		return ctx.Err()
	case <-timer.C:
		p.stop(2 * time.Second)
		return fmt.Errorf("%s did not end within %v: %s", p.name, patience, p.said.String())
	}
	if p.err != nil {
		return fmt.Errorf("%s: %w: %s", p.name, p.err, p.said.String())
	}
	return nil
}

// tail keeps the end of what is written.
type tail struct {
	mu   sync.Mutex
	text []byte
}

const tailSize = 64 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	if over := len(t.text) - tailSize; over > 0 {
		t.text = bytes.Clone(t.text[over:])
	}
	return len(p), nil
}

// String is the last few lines.
func (t *tail) String() string {
	lines := t.lines()
	return strings.Join(lines[max(0, len(lines)-4):], "; ")
}

func (t *tail) lines() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.FieldsFunc(string(t.text), func(r rune) bool { return r == '\n' })
}

// writable is where files of the kit go; sockets want a short path.
func writable() (string, error) {
	dir, err := os.MkdirTemp("", "gshw")
	if err != nil {
		return "", fmt.Errorf("make a folder for logs and sockets: %w", err)
	}
	return dir, nil
}
