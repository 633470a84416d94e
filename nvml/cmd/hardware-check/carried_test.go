//go:build cgo && linux

package main

import (
	"debug/elf"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gpusignal/nvml/nvmltest"
)

// TestSymbolsOfTheReader holds the list of functions to those that gpusignal's reader names.
func TestSymbolsOfTheReader(t *testing.T) {
	files, err := filepath.Glob("../../*.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("find the reader's files: %v", err)
	}
	function := regexp.MustCompile(`^nvml[A-Z]\w*$`)
	var want []string
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		tree, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(tree, func(n ast.Node) bool {
			if literal, is := n.(*ast.BasicLit); is && literal.Kind == token.STRING {
				if text, err := strconv.Unquote(literal.Value); err == nil && function.MatchString(text) {
					want = append(want, text)
				}
			}
			return true
		})
	}
	slices.Sort(want)
	if diff := cmp.Diff(slices.Compact(want), looksUp()); diff != "" {
		t.Errorf("symbols.go is behind (-want +got):\n%s", diff)
	}
}

// TestCarriedPrograms holds the built programs, where there are any, to what they are carried for: lazy binding, and glibc 2.36.
func TestCarriedPrograms(t *testing.T) {
	const folder = "../../../build/hardware-check"
	if _, err := os.Stat(folder); err != nil {
		t.Skip("the programs are not built: make hardware-check")
	}
	for _, name := range []string{"hardware-check", "gpusignal", "kubelet"} {
		t.Run(name, func(t *testing.T) {
			program := filepath.Join(folder, name)
			nvmltest.Lazy(t, program)
			file, err := elf.Open(program)
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
			if name == "kubelet" {
				if needed, err := file.ImportedLibraries(); err != nil || len(needed) > 0 {
					t.Errorf("it needs %v, %v", needed, err)
				}
				return
			}
			symbols, err := file.ImportedSymbols()
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range symbols {
				var minor int
				if n, _ := fmt.Sscanf(s.Version, "GLIBC_2.%d", &minor); n == 1 && minor > 36 {
					t.Errorf("%s needs %s: build on an older machine", s.Name, s.Version)
				}
			}
		})
	}
}

// TestCarriedScript: the script begins with the plan it is asked for, and hands on the rest.
func TestCarriedScript(t *testing.T) {
	dir := t.TempDir()
	script, err := os.ReadFile("carried/run.sh")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"run.sh": string(script), "hardware-check": "#!/bin/sh\necho \"$*\"\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for args, want := range map[string]string{
		"":            "prove -plan short -json /out/report.json -table /out/report.md",
		"long -gpu 1": "prove -plan long -json /out/report.json -table /out/report.md -gpu 1",
	} {
		cmd := exec.Command(filepath.Join(dir, "run.sh"), strings.Fields(args)...)
		cmd.Env = append(os.Environ(), "OUT=/out")
		if out, err := cmd.CombinedOutput(); err != nil || strings.TrimSpace(string(out)) != want {
			t.Errorf("run.sh %s: %s, %v, want %s", args, out, err, want)
		}
	}
}
