// Package e2e runs the built daemon with real software around it: Prometheus, Kubernetes, containerd. It is a module of its own:
// what it builds is large, and nothing of it may weigh on the daemon.
package e2e

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"gpusignal/test/e2e/machine"
	"gpusignal/test/e2e/programs"
)

// Paths from this folder.
const (
	root   = "../.."
	daemon = root + "/gpusignal"
	// built is where prepare puts what the tests start: links to the programs of others, and the programs of ours.
	built = root + "/build/e2e"
)

// first says that no program of others is built but what TestTheWellKnownHPAScales needs.
var first = flag.Bool("first", false, "build no program of others but what TestTheWellKnownHPAScales needs")

func TestMain(m *testing.M) {
	flag.Parse()
	// Subtests that run beside each other wait, they do not compute.
	if err := flag.Set("test.parallel", "16"); err != nil {
		panic(err)
	}
	os.Exit(machine.Main(prepare, m.Run))
}

// prepare builds what the tests start.
func prepare() error {
	if _, err := os.Stat(daemon); err != nil {
		return fmt.Errorf("the daemon is not built: %w; run: make build", err)
	}
	var names []string
	if *first {
		names = programs.First()
	}
	theirs, err := programs.Build(context.Background(), "programs", os.Stderr, names...)
	if err != nil {
		return err
	}
	if err := os.RemoveAll(built); err != nil {
		return err
	}
	if err := os.MkdirAll(built, 0o755); err != nil {
		return err
	}
	for name, path := range theirs {
		if err := os.Symlink(path, built+"/"+name); err != nil {
			return err
		}
	}
	out, err := filepath.Abs(built)
	if err != nil {
		return err
	}
	if _, err := programs.Stub(root, built); err != nil {
		return err
	}
	for _, cmd := range []*exec.Cmd{
		compile(root, out+"/triton", "./sim/cmd/triton"),
		compile(root, out+"/vllm", "./sim/cmd/vllm"),
		compile(".", out+"/pause", "./pause"),
	} {
		if output, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%v: %w\n%s", cmd.Args, err, output)
		}
	}
	if *first {
		return nil
	}
	if _, err := programs.KEDADefinitions("programs", built); err != nil {
		return err
	}
	return charts()
}

// compile is the command that builds a program without cgo, so that an image of it needs nothing else.
func compile(dir, out, pkg string) *exec.Cmd {
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", out, pkg)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off")
	return cmd
}
