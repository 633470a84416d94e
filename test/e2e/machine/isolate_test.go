package machine

import (
	"slices"
	"testing"
)

func TestSelection(t *testing.T) {
	for run, want := range map[string][]string{
		"Selection":          {"^TestSelection$"},
		"Selection/a|b/c":    {"^TestSelection$/a|b/c"},
		"TestSel|TestDiffer": {"^TestSelection$", "^TestDifferences$"},
		"TestOfNothing":      nil,
	} {
		got, err := selection(run)
		slices.Sort(got)
		slices.Sort(want)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("selection(%q): %q, %v; want %q", run, got, err, want)
		}
	}
	if all, err := selection(""); err != nil || len(all) < 4 {
		t.Errorf("selection of everything: %q, %v", all, err)
	}
	if _, err := selection("("); err == nil {
		t.Error("no error for what is no pattern")
	}
}
