package proof

import (
	"testing"
	"time"
)

// TestPlansFitTheirBudgets: what the parts need together lies within the budget, and that within what is promised of the plan.
func TestPlansFitTheirBudgets(t *testing.T) {
	for name, most := range map[string]time.Duration{"short": 8 * time.Minute, "long": 25 * time.Minute, "rehearsal": 90 * time.Second} {
		d, err := named(name)
		if err != nil {
			t.Fatal(err)
		}
		rehearsal := name == "rehearsal"
		if d.Budget > most || d.all(rehearsal) > d.Budget {
			t.Errorf("plan %s needs %v of %v, and may take %v", name, d.all(rehearsal), d.Budget, most)
		}
		if len(d.needed(rehearsal)) != len(partNames()) {
			t.Errorf("plan %s leaves out parts: %v", name, d.needed(rehearsal))
		}
	}
	if d := plans()["long"]; d.Daemon < 10*time.Minute {
		t.Errorf("the daemon runs for %v only", d.Daemon)
	}
	if _, err := named("endless"); err == nil {
		t.Error("a plan that there is not")
	}
}

// TestStepsLeaveQuiet: each step begins and ends in quiet, so that no burst lies on the edge of what is compared.
func TestStepsLeaveQuiet(t *testing.T) {
	end := time.Duration(0)
	for _, s := range steps(duties(false), 8*second) {
		if s.At-end < quiet || s.Length != 8*second || s.Streams < 1 {
			t.Errorf("step %+v begins %v after the last", s, s.At-end)
		}
		end = s.At + s.Length
	}
	seen := map[float64]bool{}
	for _, d := range duties(false) {
		seen[d.share] = true
	}
	if !seen[0] || !seen[1] {
		t.Error("none and full duty are the ends of what is measured")
	}
}
