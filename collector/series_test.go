package collector

import (
	"strings"
	"testing"

	"gpusignal/node"
)

// series returns the samples of a page, by name and labels.
func series(t *testing.T, s *node.Snapshot) map[string]string {
	t.Helper()
	return seriesOf(t, collectorOf(s))
}

func seriesOf(t *testing.T, c *Collector) map[string]string {
	t.Helper()
	families, err := c.Metrics().Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := make(map[string]string)
	for line := range strings.Lines(encode(t, families)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		space := strings.LastIndexByte(line, ' ')
		if _, again := out[line[:space]]; again {
			t.Errorf("twice: %s", line[:space])
		}
		out[line[:space]] = strings.TrimSpace(line[space:])
	}
	return out
}

func expect(t *testing.T, got map[string]string, want map[string]string) {
	t.Helper()
	for name, value := range want {
		if got[name] != value {
			t.Errorf("%s is %q, want %q", name, got[name], value)
		}
	}
}
