package proof

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// TestDocs holds docs/hardware/README.md to the plans, the parts and the limits.
func TestDocs(t *testing.T) {
	text, err := os.ReadFile("../../../../docs/hardware/README.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(text)
	short, long := plans()["short"], plans()["long"]
	brief := func(d time.Duration) string { // 8m, not 8m0s
		if s, whole := strings.CutSuffix(d.String(), "m0s"); whole {
			return s + "m"
		}
		return d.String()
	}
	for _, row := range []string{
		fmt.Sprintf("| `-probe` | %s | %s |", brief(short.Probe), brief(long.Probe)),
		fmt.Sprintf("| `-step` | %s | %s |", brief(short.Step), brief(long.Step)),
		fmt.Sprintf("| `-shares` | %s | %s |", brief(short.Shares), brief(long.Shares)),
		fmt.Sprintf("| `-segment`, `-rounds` | %s, %d | %s, %d |", brief(short.Segment), short.Rounds, brief(long.Segment), long.Rounds),
		fmt.Sprintf("| `-daemon` | %s | %s |", brief(short.Daemon), brief(long.Daemon)),
		fmt.Sprintf("| `-budget` | %s | %s |", brief(short.Budget), brief(long.Budget)),
		"`" + strings.Join(partNames(), ",") + "`",
		fmt.Sprintf("at most %v points apart", stepLimit),
		fmt.Sprintf("within %v points |", peakLimit),
		fmt.Sprintf("at most %v points, the budget of a minute's mean", rmseLimit),
		fmt.Sprintf("within %v %% of `driver_j`", 100*energyLimit),
		fmt.Sprintf("within %v points. By gpusignal's reader", sharesLimit),
		fmt.Sprintf("at most %v %%. Off, on, on, off", 100*modes(false)[0].budget),
		fmt.Sprintf("within %d MiB", memoryLimit>>20),
	} {
		if !strings.Contains(page, row) {
			t.Errorf("docs/hardware/README.md lacks %q", row)
		}
	}
}
