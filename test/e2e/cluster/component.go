package cluster

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// component is a program of the cluster that runs until the test ends.
type component struct {
	name string
	log  string // path of the file with what it says
	env  []string
	args []string
	cmd  *exec.Cmd     // of its newest run
	done chan struct{} // closed when that has ended
	// away says that the test has ended it.
	away bool
}

// start a program until the test ends. What it says goes to a file, whose end is shown when the test fails.
func (c *Cluster) start(name string, env []string, program string, args ...string) {
	c.t.Helper()
	p := &component{name: name, log: filepath.Join(c.dir, "logs", name+".log"), env: env, args: append([]string{program}, args...)}
	if err := os.MkdirAll(filepath.Dir(p.log), 0o755); err != nil {
		c.t.Fatal(err)
	}
	p.run(c.t)
	c.components = append(c.components, p)
	c.t.Cleanup(func() { p.stop(c.t) })
}

// run begins to run.
func (p *component) run(t testing.TB) {
	t.Helper()
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	cmd, done := exec.Command(p.args[0], p.args[1:]...), make(chan struct{})
	cmd.Env = append(os.Environ(), p.env...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", p.name, err)
	}
	go func() {
		_ = cmd.Wait()
		_ = log.Close()
		close(done)
	}()
	p.cmd, p.done, p.away = cmd, done, false
}

// stop kills a component, and with a failed test shows what it said last. Its namespaces end next, and nothing reads what it would
// keep; an API server that is asked to end waits 10 s for those who watch.
func (p *component) stop(t testing.TB) {
	if t.Failed() {
		t.Logf("%s said last:\n%s", p.name, p.tail())
	}
	p.end(syscall.SIGKILL)
}

// end by a signal, and by SIGKILL where that takes too long.
func (p *component) end(s syscall.Signal) {
	p.away = true
	_ = p.cmd.Process.Signal(s)
	select {
	case <-p.done:
	case <-time.After(10 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

// End a component by a signal.
func (c *Cluster) End(name string, s syscall.Signal) {
	c.t.Helper()
	c.component(name).end(s)
}

// Again starts a component that was ended, as it was started before, and does not wait until it is ready.
func (c *Cluster) Again(name string) {
	c.t.Helper()
	c.component(name).run(c.t)
}

func (c *Cluster) component(name string) *component {
	c.t.Helper()
	i := slices.IndexFunc(c.components, func(p *component) bool { return p.name == name })
	if i < 0 {
		c.t.Fatalf("the cluster has no component %q", name)
	}
	return c.components[i]
}

// tail is the end of what a component said.
func (p *component) tail() string {
	content, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	lines := bytes.Split(bytes.TrimSpace(content), []byte("\n"))
	return string(bytes.Join(lines[max(0, len(lines)-10):], []byte("\n")))
}

// ended tells of a component that has ended by itself.
func (c *Cluster) ended() error {
	for _, p := range c.components {
		if p.away {
			continue
		}
		select {
		case <-p.done:
			return fmt.Errorf("%s has ended: %v; it said last:\n%s", p.name, p.cmd.ProcessState, p.tail())
		default:
		}
	}
	return nil
}

// Wait until a condition holds: it returns nil.
func (c *Cluster) Wait(what string, limit time.Duration, condition func() error) {
	c.t.Helper()
	var err error
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); time.Sleep(250 * time.Millisecond) {
		if err = condition(); err == nil {
			return
		}
		if ended := c.ended(); ended != nil {
			c.t.Fatalf("waiting for %s: %v", what, ended)
		}
	}
	c.t.Fatalf("waited %v for %s: %v", limit, what, err)
}

// run a command to its end and return what it prints.
func run(input, program string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stdin = strings.NewReader(input)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return string(out), fmt.Errorf("%s %s: %w: %s", filepath.Base(program), strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return string(out), nil
}

// Kubectl runs kubectl as the cluster's administrator and returns what it prints.
func (c *Cluster) Kubectl(args ...string) (string, error) {
	return run("", c.programs+"/kubectl", append([]string{"--kubeconfig", c.admin}, args...)...)
}

// MustKubectl ends the test when kubectl fails.
func (c *Cluster) MustKubectl(args ...string) string {
	c.t.Helper()
	out, err := c.Kubectl(args...)
	if err != nil {
		c.t.Fatal(err)
	}
	return out
}

// Apply manifests, given as their text.
func (c *Cluster) Apply(manifests string) {
	c.t.Helper()
	if _, err := run(manifests, c.programs+"/kubectl", "--kubeconfig", c.admin, "apply", "-f", "-"); err != nil {
		c.t.Fatal(err)
	}
}
