package node

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A sample counts at the first bound that is not below it; whole tenths are at their own, however floats round.
func TestDistribution(t *testing.T) {
	var got, other Distribution
	for percent := 0; percent <= 100; percent++ {
		got.Add(float64(percent) / 100)
	}
	want := Distribution{Counts: [Levels]uint64{1, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10}, Sum: got.Sum}
	if diff := cmp.Diff(want, got); diff != "" || got.Sum < 50.49 || got.Sum > 50.51 {
		t.Errorf("every percent once, sum %v, want 50.5 (-want +got):\n%s", got.Sum, diff)
	}
	other.Add(0.101)
	other.Add(0)
	got.Join(&other)
	if got.Counts[0] != 2 || got.Counts[2] != 11 || got.Sum < 50.6 || got.Sum > 50.602 {
		t.Errorf("with two more: %+v", got)
	}
}
