package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
)

// A table writes cells in columns. What goes wrong with writing shows when it is flushed.
type table struct{ out *tabwriter.Writer }

func (t table) row(cells ...any) {
	text := make([]string, len(cells))
	for i, c := range cells {
		text[i] = cell(c)
	}
	fmt.Fprintln(t.out, strings.TrimRight(strings.Join(text, "\t"), "\t "))
}

// section begins a table of its own.
func (t table) section(title string, columns ...any) {
	fmt.Fprintf(t.out, "\n%s\n", title)
	if len(columns) > 0 {
		t.row(columns...)
	}
}

// cell of a table: numbers short, what is not known empty.
func cell(c any) string {
	switch v := c.(type) {
	case float64:
		return short(v)
	case *float64:
		if v == nil {
			return ""
		}
		return short(*v)
	default:
		return fmt.Sprint(v)
	}
}

// short is a number in four digits or so.
func short(v float64) string {
	if v >= 1000 || v <= -1000 || v == float64(int64(v)) {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.4g", v)
}

// spreadCells are n, median, 99th and greatest of a spread.
func spreadCells(s *Spread) []any {
	if s == nil {
		return []any{"", "", "", ""}
	}
	return []any{s.N, s.P50, s.P99, s.Max}
}

// printTables writes the report for people.
func printTables(w io.Writer, r Report) error {
	t := table{tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)}
	t.row("library", r.Library.Path)
	t.row("versions", "NVML "+r.Library.NVML+", driver "+r.Library.Driver+", CUDA "+r.Library.CUDA)
	t.row("machine", fmt.Sprintf("kernel %s, %d CPUs", r.Host.Kernel, r.Host.CPUs), r.Host.Module)
	t.row("GPUs", r.Library.Devices, fmt.Sprintf("nvmlInit took %s ms", short(r.Library.InitMS)))
	t.row("functions missing", orNone(strings.Join(r.Library.Missing, ", ")))
	for _, hung := range r.Hung {
		t.row("HUNG", hung)
	}
	for _, g := range r.GPUs {
		t.gpu(g)
	}
	if err := t.out.Flush(); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

func (t table) gpu(g GPU) {
	t.section(fmt.Sprintf("GPU %d: %s %s %s", g.Index, g.Name, g.UUID, g.PCI))
	if g.Error != "" {
		t.row("not opened", g.Error)
	}
	if g.Hung != "" {
		t.row("HUNG", g.Hung, "nothing was asked after it")
	}
	t.calls(g.Calls)
	t.rounds(g.Rounds)
	t.ring(g.Ring)
	t.gpm(g.GPM)
	t.memory(g.Memory)
	t.load(g.Load)
	t.readings(g.Readings)
	if len(g.Lacks) > 0 {
		t.section("Not told", "what", "code")
		for _, l := range g.Lacks {
			t.row(l.What, l.Error)
		}
	}
	if len(g.NotRun) > 0 {
		t.section("Not measured", "part", "why")
		for _, name := range slices.Sorted(maps.Keys(g.NotRun)) {
			t.row(name, g.NotRun[name])
		}
	}
}

func (t table) calls(calls []Call) {
	if len(calls) == 0 {
		return
	}
	t.section("Calls, µs", "call", "n", "p50", "p99", "max", "for", "note")
	for _, c := range calls {
		var notes []string
		if c.Missing {
			notes = append(notes, "missing")
		}
		if c.Failed > 0 {
			notes = append(notes, fmt.Sprintf("failed %d times, NVML error %d", c.Failed, c.Code))
		}
		if c.NothingNew > 0 {
			notes = append(notes, fmt.Sprintf("nothing new %d times", c.NothingNew))
		}
		t.row(slices.Concat([]any{c.Name}, spreadCells(c.Took), []any{c.Feature, strings.Join(notes, ", ")})...)
	}
}

func (t table) rounds(r *Rounds) {
	if r == nil {
		return
	}
	t.section(fmt.Sprintf("Rounds of gpusignal's reader, %d devices, µs", r.Devices), "round", "n", "p50", "p99", "max", "parts", "note")
	for _, round := range r.Rounds {
		note := ""
		if round.Failed > 0 {
			note = fmt.Sprintf("failed %d times: %s", round.Failed, round.Error)
		}
		t.row(slices.Concat([]any{round.Name}, spreadCells(round.Took), []any{round.Parts, note})...)
	}
	for _, f := range r.Features {
		t.row(slices.Concat([]any{"  " + f.Feature}, spreadCells(f.Took))...)
	}
	t.row("given up", orNone(strings.Join(r.Lacks, ", ")))
	if r.WallShare != nil {
		t.row("share of wall time", short(100**r.WallShare)+" %", "at the default intervals; the budget is 0.5 %")
	}
}

func (t table) ring(r *Ring) {
	if r == nil {
		return
	}
	t.section("Ring", "samples", "entries", "span s", "spacing ms: min", "p50", "max", "stamp 0", "> 100", "unsorted", "repeated", "note")
	for _, k := range r.Kinds {
		var least, median, most any = "", "", ""
		if k.Spacing != nil {
			least, median, most = k.Spacing.Min, k.Spacing.P50, k.Spacing.Max
		}
		note := ""
		if k.Code != 0 {
			note = fmt.Sprintf("NVML error %d", k.Code)
		}
		t.row(k.Kind, k.Entries, k.Span, least, median, most, k.Zero, k.Over, k.Unsorted, k.Repeated, note)
	}
	t.row("clock", orNone(r.Clock))
	for _, name := range slices.Sorted(maps.Keys(r.Ages)) {
		t.row("  newest stamp's age by "+name, short(r.Ages[name])+" s")
	}
	f := r.Follow
	t.row("read each second", fmt.Sprintf("%d times", f.Reads), fmt.Sprintf("nothing new %d, failed %d, went back %d, old entries %d",
		f.NothingNew, f.Failed, f.Back, f.Old))
	if f.New != nil {
		t.row("  new entries", fmt.Sprintf("min %s, median %s, max %s", short(f.New.Min), short(f.New.P50), short(f.New.Max)))
	}
	if f.Newest != nil {
		t.row("  newest entry's age", fmt.Sprintf("median %s ms, max %s ms", short(f.Newest.P50), short(f.Newest.Max)))
	}
}

func (t table) gpm(g *GPM) {
	if g == nil {
		return
	}
	t.section("GPM")
	if !g.Supported {
		t.row("not supported", fmt.Sprintf("NVML code %d", g.Code))
		return
	}
	t.row("µs", "n", "p50", "p99", "max")
	t.row(slices.Concat([]any{"sample"}, spreadCells(g.Sample))...)
	t.row(slices.Concat([]any{"metrics"}, spreadCells(g.Metrics))...)
	for _, w := range g.Intervals {
		t.row(fmt.Sprintf("each %s ms", short(w.Interval)), "n", "min", "mean", "max", "deviation", "zeros", "not finite", "refused",
			fmt.Sprintf("%d windows, %d failed", w.Windows, w.Failed))
		for _, m := range w.Metrics {
			var n, least, mean, most any = 0, "", "", ""
			if m.Values != nil {
				n, least, mean, most = m.Values.N, m.Values.Min, m.Values.Mean, m.Values.Max
			}
			t.row("  "+m.Name, n, least, mean, most, m.Deviation, m.Zeros, m.NotFinite, m.Refused)
		}
	}
}

func (t table) memory(m *Memory) {
	if m == nil {
		return
	}
	t.section("Memory after an allocation, µs", "step", "n", "p50", "p99", "max")
	t.row(slices.Concat([]any{"allocated"}, spreadCells(m.Allocated))...)
	t.row(slices.Concat([]any{"freed"}, spreadCells(m.Freed))...)
	t.row(fmt.Sprintf("of %d steps of %d MiB", m.Steps, m.StepBytes>>20), fmt.Sprintf("%d unseen, %d later than 10 ms", m.Unseen, m.Late))
}

func (t table) load(l *Load) {
	if l == nil {
		return
	}
	t.section("Utilisation after a kernel, ms", "step", "n", "p50", "p99", "max")
	t.row(slices.Concat([]any{"first above 0"}, spreadCells(l.First))...)
	t.row(slices.Concat([]any{"first of 95 %"}, spreadCells(l.Full))...)
	t.row(slices.Concat([]any{"gone"}, spreadCells(l.Gone))...)
	t.row(fmt.Sprintf("of %d steps", l.Steps), fmt.Sprintf("%d unseen", l.Unseen))
	if d := l.Duty; d != nil {
		t.row(fmt.Sprintf("bursts of %s ms, %s ms apart, for %s s", short(d.OnMS), short(d.OffMS), short(d.Seconds)),
			"true "+short(d.True), "live "+cell(d.Live), "ring "+cell(d.Ring), "GPM "+cell(d.GPM))
	}
}

func (t table) readings(r *Readings) {
	if r == nil {
		return
	}
	t.section("Readings, under load: "+r.Load, "reading", "reads", "every ms", "distinct", "changes", "renewed ms: min", "p50", "max", "from", "to", "unit")
	for _, s := range r.Readings {
		var every any = ""
		if s.Every != nil {
			every = s.Every.P50
		}
		switch {
		case s.Reads == 0:
			t.row(s.Name, 0, "", "", "", "", "", "", "", "", fmt.Sprintf("NVML error %d", s.Code))
		case s.Changes == 0:
			t.row(s.Name, s.Reads, every, s.Distinct, 0, "did not change", "", "", s.Least, s.Most, s.Unit)
		case s.Renewed == nil:
			t.row(s.Name, s.Reads, every, s.Distinct, s.Changes, "changed once", "", "", s.Least, s.Most, s.Unit)
		default:
			t.row(s.Name, s.Reads, every, s.Distinct, s.Changes, s.Renewed.Min, s.Renewed.P50, s.Renewed.Max, s.Least, s.Most, s.Unit)
		}
	}
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}
