package proof

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
)

// WriteTable writes the report as a page of docs/hardware: Markdown, a row for each check.
func WriteTable(w io.Writer, r Report) error {
	out := &strings.Builder{}
	title := "no GPU"
	if r.GPU != nil {
		title = fmt.Sprintf("%s, driver %s", r.GPU.Name, r.GPU.Driver)
	}
	if r.Rehearsal {
		title = "Rehearsal on the stub library: no GPU was measured"
	}
	fmt.Fprintf(out, "# %s\n\n", title)
	fmt.Fprintf(out, "%s, plan %s, %.0f s, revision %s: %d passed, %d failed, %d not run.\n\n", r.Started.UTC().Format("2006-01-02 15:04 UTC"),
		r.Plan, r.Seconds, orUnknown(r.Revision), r.Counts.Passed, r.Counts.Failed, r.Counts.NotRun)
	fmt.Fprint(out, "| part | check | status | values | reason |\n|---|---|---|---|---|\n")
	for _, c := range r.Checks {
		var values []string
		for _, v := range c.Values {
			values = append(values, v.Name+" "+short(v.Value))
		}
		fmt.Fprintf(out, "| %s | %s | %s | %s | %s |\n", c.Part, inCell(c.Name), c.Status, strings.Join(values, ", "), inCell(c.Reason))
	}
	if _, err := io.WriteString(w, out.String()); err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	return nil
}

// short is a number in four digits or so.
func short(v float64) string {
	if math.Abs(v) >= 1000 || v == math.Trunc(v) {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', 4, 64)
}

// inCell is a text that breaks no table.
func inCell(s string) string {
	return strings.NewReplacer("\n", " ", "|", "\\|").Replace(strings.TrimSpace(s))
}

func orUnknown(s string) string {
	if s == "" {
		return "unknown"
	}
	return s
}
