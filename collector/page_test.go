package collector

import (
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gpusignal/node"
	"gpusignal/scaling"
)

func TestNoUIDLeaves(t *testing.T) {
	for name := range series(t, full()) {
		if strings.Contains(name, "uid-") {
			t.Errorf("a UID in %s", name)
		}
	}
}

func TestAPageStaysAsItWas(t *testing.T) {
	s := full()
	c := New(Config{Snapshot: func() *node.Snapshot { return s }, Targets: func() scaling.Targets { return scaling.Targets{} }})
	first, _ := c.Metrics().Gather()
	before := encode(t, first)
	s = full()
	s.Devices, s.Accounts = s.Devices[1:], s.Accounts[:1]
	s.Devices[0].Utilization = node.Some(0.01)
	if _, err := c.Metrics().Gather(); err != nil {
		t.Fatal(err)
	}
	if after := encode(t, first); after != before {
		t.Errorf("a later scrape changed an earlier one:\n%s", cmp.Diff(before, after))
	}
	kept := len(c.metrics.labels.sets)
	for _, set := range c.metrics.labels.sets {
		kept += len(set.children)
	}
	if used := c.metrics.labels.used; used != kept || kept != c.metrics.labels.kept {
		t.Errorf("%d label sets kept, %d counted, %d in use", kept, c.metrics.labels.kept, used)
	}
}

func TestManyScrapers(t *testing.T) {
	c := collectorOf(full())
	want, _ := c.Metrics().Gather()
	text := encode(t, want)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 20 {
				families, _ := c.Metrics().Gather()
				if got := encode(t, families); got != text {
					t.Error("pages differ")
				}
				if _, err := c.Signals().Gather(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
}
