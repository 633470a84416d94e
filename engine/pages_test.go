package engine_test

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gpusignal/engine"
	"gpusignal/node"
)

// written is a page of testdata/pages, which names the source that each of its lines follows, and what is to be read of it
// two seconds after, when some of its values have changed. Every number is worked out by hand.
type written struct {
	file, engine string
	args         []string
	first        map[string]float64
	edits        []string
	second       map[string]float64
}

func TestWrittenPages(t *testing.T) {
	done := make(map[string]bool)
	for _, w := range writtenPages() {
		done[w.file] = true
		t.Run(w.file, w.run)
	}
	files, err := filepath.Glob("testdata/pages/*.prom")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d pages: %v", len(files), err)
	}
	for _, f := range files {
		if !done[filepath.Base(f)] {
			t.Errorf("%s is read by no test", f)
		}
	}
}

func (w written) run(t *testing.T) {
	body, err := os.ReadFile(filepath.Join("testdata/pages", w.file))
	if err != nil {
		t.Fatal(err)
	}
	page := string(body)
	play(t, engine.Config{}, func(s *stage) {
		s.setPods(vllmPod(time.Now(), w.args...))
		w.check(t, "first page", s.show(page, read), w.first)
		w.check(t, "second page", s.show(edit(t, page, w.edits...), read), w.second)
	})
}

func (w written) check(t *testing.T, what string, s node.Server, want map[string]float64) {
	t.Helper()
	if s.Engine != w.engine || s.Fault != "" {
		t.Errorf("%s: engine %q, fault %q %s; want a good page of %s", what, s.Engine, s.Fault, s.Detail, w.engine)
	}
	check(t, what, s, want)
}

// with returns the readings, some of them changed or added.
func with(base map[string]float64, changes map[string]float64) map[string]float64 {
	out := make(map[string]float64)
	maps.Copy(out, base)
	maps.Copy(out, changes)
	return out
}

// zero lists counters of which the first page is history.
func zero(base map[string]float64, counters string) map[string]float64 {
	out := with(base, nil)
	for c := range strings.SplitSeq(counters, ",") {
		c = strings.TrimSpace(c)
		if latency, ok := strings.CutSuffix(c, "*"); ok {
			out[latency+" sum"], out[latency+" count"] = 0, 0
			continue
		}
		out[c] = 0
	}
	return out
}
