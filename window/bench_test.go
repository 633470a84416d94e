package window

import (
	"testing"
	"time"
)

func BenchmarkGaugeAdd(b *testing.B) {
	g := NewGauge(15 * time.Second)
	add(b, func(from, to time.Time) { g.Add(from, to, 0.5) })
}

func BenchmarkPeakAdd(b *testing.B) {
	p, v := NewPeak(15*time.Second), 0.0
	add(b, func(from, to time.Time) {
		if v += 0.37; v > 1 {
			v--
		}
		p.Add(from, to, v)
	})
}

func BenchmarkCounterAdd(b *testing.B) {
	c := NewCounter(15 * time.Second)
	add(b, func(_, to time.Time) { c.Add(to, 1) })
}

func BenchmarkGaugeStats(b *testing.B) {
	g := NewGauge(15 * time.Second)
	for n := range 300 {
		g.Add(epoch.Add(time.Duration(n)*100*time.Millisecond), epoch.Add(time.Duration(n+1)*100*time.Millisecond), float64(n%2))
	}
	b.ReportAllocs()
	for b.Loop() {
		g.Stats()
	}
}

// add times an Add at 10 Hz whose window is full. Instants carry the monotonic clock, as those of readings do, and are
// made before the clock of the benchmark starts.
func add(b *testing.B, f func(from, to time.Time)) {
	b.Helper()
	const chunk = 4096
	ats := make([]time.Time, chunk+1)
	last := time.Now()
	fill := func() {
		for i := range ats {
			ats[i] = last.Add(time.Duration(i) * 100 * time.Millisecond)
		}
		last = ats[chunk]
	}
	fill()
	for i := range chunk {
		f(ats[i], ats[i+1])
	}
	fill()
	b.ReportAllocs()
	b.ResetTimer()
	for n := range b.N {
		i := n % chunk
		if i == 0 && n > 0 {
			b.StopTimer()
			fill()
			b.StartTimer()
		}
		f(ats[i], ats[i+1])
	}
}

func TestAddAllocatesNothingOnceFull(t *testing.T) {
	g, p, c := NewGauge(15*time.Second), NewPeak(15*time.Second), NewCounter(15*time.Second)
	at := time.Now()
	step := func() {
		next := at.Add(100 * time.Millisecond)
		g.Add(at, next, 1)
		p.Add(at, next, 1)
		c.Add(next, 1)
		at = next
	}
	for range 400 {
		step()
	}
	if n := testing.AllocsPerRun(1000, step); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}
