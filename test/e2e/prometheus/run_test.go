package prometheus

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"gpusignal/test/e2e/programs"
)

// Paths from this folder.
const (
	root   = "../../.."
	daemon = root + "/gpusignal"
)

// theirs is the path of a program of Prometheus, built where it is not yet.
func theirs(t *testing.T, name string) string {
	t.Helper()
	paths, err := programs.Build(t.Context(), "../programs", os.Stderr, name)
	if err != nil {
		t.Fatal(err)
	}
	return paths[name]
}

// startPrometheus starts one with a configuration, until the test ends.
func startPrometheus(t *testing.T, configuration string) Server {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "prometheus.yml")
	write(t, path, configuration)
	address := freeAddress(t)
	start(t, nil, theirs(t, "prometheus"), "--config.file="+path, "--storage.tsdb.path="+filepath.Join(dir, "data"),
		"--web.listen-address="+address, "--log.level=warn")
	waitFor(t, "Prometheus to be ready", time.Minute, func() error { return answers("http://" + address + "/-/ready") })
	return Server(address)
}

// ask an instant query.
func (s Server) ask(t *testing.T, query string, at time.Time) []Series {
	t.Helper()
	answer, err := s.Query(query, at)
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

// start runs a program until the test ends, and logs what it says.
func start(t *testing.T, env []string, program string, args ...string) {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), env...)
	r, w := io.Pipe()
	cmd.Stdout, cmd.Stderr = w, w
	logged := make(chan struct{})
	go func() {
		defer close(logged)
		for lines := bufio.NewScanner(r); lines.Scan(); {
			t.Log(filepath.Base(program) + ": " + lines.Text())
		}
	}()
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", program, err)
	}
	t.Cleanup(func() {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Errorf("stop %s: %v", program, err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("%s ended with %v", program, err)
		}
		w.Close()
		<-logged
	})
}

func waitFor(t *testing.T, what string, limit time.Duration, done func() error) {
	t.Helper()
	var err error
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		if err = done(); err == nil {
			return
		}
	}
	t.Fatalf("waited %v for %s: %v", limit, what, err)
}

func answers(address string) error {
	resp, err := http.Get(address)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(resp.Body)
		return fmt.Errorf("%s: %s", resp.Status, strings.TrimSpace(string(body)))
	}
	return nil
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
