package prometheus

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
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

// prometheus is the address of a running Prometheus.
type prometheus string

// startPrometheus starts one with a configuration, until the test ends.
func startPrometheus(t *testing.T, configuration string) prometheus {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "prometheus.yml")
	write(t, path, configuration)
	address := freeAddress(t)
	start(t, nil, theirs(t, "prometheus"), "--config.file="+path, "--storage.tsdb.path="+filepath.Join(dir, "data"),
		"--web.listen-address="+address, "--log.level=warn")
	waitFor(t, "Prometheus to be ready", time.Minute, func() error { return answers("http://" + address + "/-/ready") })
	return prometheus(address)
}

// series as Prometheus answers an instant query.
type series struct {
	Metric map[string]string `json:"metric"`
	Value  point             `json:"value"`
	Values []point           `json:"values"`
}

type point struct {
	at    time.Time
	value float64
}

// UnmarshalJSON reads Prometheus' form: [seconds, "value"].
func (p *point) UnmarshalJSON(content []byte) error {
	var seconds float64
	var value string
	if err := json.Unmarshal(content, &[]any{&seconds, &value}); err != nil {
		return fmt.Errorf("read a sample: %w", err)
	}
	p.at = time.UnixMilli(int64(seconds*1000 + 0.5))
	_, err := fmt.Sscan(value, &p.value)
	return err
}

// query at an instant, or now for the zero one.
func (p prometheus) query(t *testing.T, query string, at time.Time) []series {
	t.Helper()
	address := "http://" + string(p) + "/api/v1/query?query=" + url.QueryEscape(query)
	if !at.IsZero() {
		address += fmt.Sprintf("&time=%.3f", float64(at.UnixMilli())/1000)
	}
	resp, err := http.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer struct {
		Error string
		Data  struct{ Result []series }
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		t.Fatalf("read the answer to %q: %v", query, err)
	}
	if answer.Error != "" {
		t.Fatalf("query %q: %s", query, answer.Error)
	}
	return answer.Data.Result
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
