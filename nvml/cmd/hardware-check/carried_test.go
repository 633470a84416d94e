//go:build cgo && linux

package main

import (
	"debug/elf"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
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

// TestCarriedProgram holds the built program, where there is one, to what it is carried for: lazy binding, and glibc 2.36.
func TestCarriedProgram(t *testing.T) {
	const program = "../../../build/hardware-check/hardware-check"
	if _, err := os.Stat(program); err != nil {
		t.Skip("the program is not built: make hardware-check")
	}
	nvmltest.Lazy(t, program)
	file, err := elf.Open(program)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
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
}
