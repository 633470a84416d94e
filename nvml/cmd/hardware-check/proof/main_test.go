package proof

import (
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	second = time.Second
	uuid   = "GPU-1"
)

// on is a page at an instant with the given series: a name and label pairs in one string, and the value.
func on(t *testing.T, at time.Duration, lines map[string]float64) Page {
	t.Helper()
	p := Page{At: at}
	for key, value := range lines {
		s, err := parseSeries(key + " 0")
		if err != nil {
			t.Fatal(err)
		}
		s.Value = value
		p.Series = append(p.Series, s)
	}
	return p
}

// value of a check.
func (c Check) value(name string) float64 {
	for _, v := range c.Values {
		if v.Name == name {
			return v.Value
		}
	}
	return -1
}
