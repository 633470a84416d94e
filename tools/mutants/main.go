// Command mutants shows that the tests see each fault that the daemon has to survive: it takes away the line that deals with the
// fault and runs the test that should turn red. The tree is not touched: the changed file is laid over it by go test -overlay.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// mutant is one change that a test has to see.
type mutant struct {
	// fault is what the line deals with.
	fault string
	// file, from the root of the module, and the text in it, which has to be there once, with what stands in its place.
	file, text, instead string
	// folder and test that turns red.
	folder, test string
}

func main() {
	root := flag.String("root", ".", "root of the module")
	only := flag.String("run", "", "run only the mutants whose fault matches this regular expression")
	flag.Parse()
	if err := run(*root, *only); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

// run every mutant and say which tests turned red. It fails when one did not.
func run(root, only string) error {
	match, err := regexp.Compile(only)
	if err != nil {
		return fmt.Errorf("read -run: %w", err)
	}
	root, err = filepath.Abs(root)
	if err != nil {
		return err
	}
	var missed []error
	green := make(map[string]error)
	for _, m := range table() {
		if !match.MatchString(m.fault) {
			continue
		}
		// A test that is red anyway sees nothing.
		if _, ok := green[m.folder+m.test]; !ok {
			green[m.folder+m.test] = m.green(root)
		}
		err := green[m.folder+m.test]
		if err == nil {
			err = m.check(root)
		}
		if err != nil {
			fmt.Printf("MISSED  %s: %v\n", m.fault, err)
			missed = append(missed, fmt.Errorf("%s: %w", m.fault, err))
			continue
		}
		fmt.Printf("red     %-60s %s without %q\n", m.fault, m.test, strings.TrimSpace(firstLine(m.text)))
	}
	return errors.Join(missed...)
}

// green says that the test is green without the change.
func (m mutant) green(root string) error {
	if out, err := goTest(root, m); err != nil {
		return fmt.Errorf("%s is red without the change:\n%s", m.test, out)
	}
	return nil
}

// check that the test is red with the change; the stub library aborts the process for what a driver would not forgive.
func (m mutant) check(root string) error {
	dir, err := os.MkdirTemp("", "mutant-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	overlay, err := m.overlay(root, dir)
	if err != nil {
		return err
	}
	out, err := goTest(root, m, "-overlay="+overlay)
	switch {
	case err == nil:
		return fmt.Errorf("%s stays green", m.test)
	case !strings.Contains(out, "--- FAIL: "+strings.Split(m.test, "/")[0]) && !strings.Contains(out, "panic: ") && !strings.Contains(out, "SIGABRT"):
		return fmt.Errorf("it does not build, or something else failed than %s:\n%s", m.test, out)
	}
	return nil
}

// overlay writes the changed file and the overlay that names it, and returns the overlay's path.
func (m mutant) overlay(root, dir string) (string, error) {
	path := filepath.Join(root, m.file)
	content, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	if n := strings.Count(string(content), m.text); n != 1 {
		return "", fmt.Errorf("%s holds the text %d times: %q", m.file, n, m.text)
	}
	changed := filepath.Join(dir, filepath.Base(m.file))
	if err := os.WriteFile(changed, []byte(strings.Replace(string(content), m.text, m.instead, 1)), 0o600); err != nil {
		return "", err
	}
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {path: changed}})
	if err != nil {
		return "", err
	}
	name := filepath.Join(dir, "overlay.json")
	return name, os.WriteFile(name, overlay, 0o600)
}

// goTest runs the one test of a mutant.
func goTest(root string, m mutant, args ...string) (string, error) {
	parts := strings.Split(m.test, "/")
	for i := range parts {
		parts[i] = "^" + regexp.QuoteMeta(parts[i]) + "$"
	}
	args = append([]string{"test", "-count=1", "-timeout=3m", "-ldflags=-extldflags=-Wl,-z,lazy", "-run=" + strings.Join(parts, "/")}, args...)
	cmd := exec.Command("go", append(args, m.folder)...)
	cmd.Dir = root
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return line
}
