// Package parsers measures the scanner of engine/ beside the parsers of Prometheus. It is a module of its own, so that the
// daemon's does not depend on Prometheus.
package parsers

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
)

// BenchmarkParsers reads the pages of engine's BenchmarkScan, which runs in the same run, once before each parser.
func BenchmarkParsers(b *testing.B) {
	dir := b.TempDir()
	scan(b, dir) // It writes the pages.
	for _, name := range []string{"vllm", "triton"} {
		page, err := os.ReadFile(filepath.Join(dir, name+".prom"))
		if err != nil {
			b.Fatal(err)
		}
		lines := float64(bytes.Count(page, []byte("\n")))
		for _, parser := range []struct {
			name string
			read func([]byte) error
		}{{"walk", walk}, {"textparse-series", series}, {"textparse-labels", withLabels}, {"expfmt", families}} {
			b.Run(name+"/"+parser.name, func(b *testing.B) {
				ours := scan(b, dir)[name]
				b.ReportAllocs()
				for b.Loop() {
					if err := parser.read(page); err != nil {
						b.Fatal(err)
					}
				}
				theirs := float64(b.Elapsed()) / float64(b.N)
				b.ReportMetric(theirs/lines, "ns/line")
				b.ReportMetric(ours/lines, "scan-ns/line")
				b.ReportMetric(theirs/ours, "times-scan")
			})
		}
	}
}

// scan runs engine's benchmark and returns the nanoseconds a page.
func scan(b *testing.B, dir string) map[string]float64 {
	b.Helper()
	cmd := exec.Command("go", "test", "./engine", "-run", "^$", "-bench", "^BenchmarkScan$", "-benchtime", "300ms")
	cmd.Dir = filepath.Join("..", "..")
	cmd.Env = append(os.Environ(), "GPUSIGNAL_BENCH_PAGES="+dir)
	out, err := cmd.CombinedOutput()
	if err != nil {
		b.Fatalf("run engine's benchmark: %v\n%s", err, out)
	}
	times := make(map[string]float64)
	for _, m := range regexp.MustCompile(`BenchmarkScan/(\w+)-?\d*\s+\d+\s+([0-9.]+) ns/op`).FindAllSubmatch(out, -1) {
		times[string(m[1])], _ = strconv.ParseFloat(string(m[2]), 64)
	}
	if times["vllm"] == 0 || times["triton"] == 0 {
		b.Fatalf("engine's benchmark says nothing of both pages:\n%s", out)
	}
	return times
}

// walk is the floor: the ends of lines are found, and nothing is read.
func walk(page []byte) error {
	for len(page) > 0 {
		end := bytes.IndexByte(page, '\n')
		if end < 0 {
			return errors.New("half a line")
		}
		page = page[end+1:]
	}
	return nil
}

func series(page []byte) error { return parse(page, func(textparse.Parser) {}) }

func withLabels(page []byte) error {
	return parse(page, func(p textparse.Parser) {
		var l labels.Labels
		p.Labels(&l)
	})
}

func parse(page []byte, each func(textparse.Parser)) error {
	p := textparse.NewPromParser(page, labels.NewSymbolTable(), false)
	for {
		entry, err := p.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("parse: %w", err)
		}
		if entry == textparse.EntrySeries {
			p.Series()
			each(p)
		}
	}
}

func families(page []byte) error {
	parser := expfmt.NewTextParser(model.LegacyValidation)
	_, err := parser.TextToMetricFamilies(bytes.NewReader(page))
	return err
}
