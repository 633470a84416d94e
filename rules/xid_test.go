package rules_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const xids = "../docs/xid.md"

// The alert is due for the numbers for which the page says to drain or to reboot, itself or by "as 48", and the page's query is the alert's.
func TestTheAlertHasTheXIDsOfThePage(t *testing.T) {
	page := read(t, xids)
	first := regexp.MustCompile(`^(?:drain|reboot)\b`)
	as := regexp.MustCompile(`^as (\d+)\b`)
	var want []string
	for _, row := range regexp.MustCompile(`(?m)^\| (\d+) \| .* \| (.*) \|$`).FindAllStringSubmatch(page, -1) {
		number, do := row[1], row[2]
		other := as.FindStringSubmatch(do)
		if first.MatchString(do) || other != nil && slices.Contains(want, other[1]) {
			want = append(want, number)
		}
	}
	if len(want) == 0 {
		t.Fatalf("%s says of no number to drain", xids)
	}
	for _, r := range load(t) {
		if r.Alert != "GpusignalXIDError" {
			continue
		}
		list := regexp.MustCompile(`xid=~"([\d|]+)"`).FindStringSubmatch(r.Expr)
		if list == nil {
			t.Fatalf("%s names no number: %s", r.Alert, r.Expr)
		}
		if diff := cmp.Diff(want, strings.Split(list[1], "|")); diff != "" {
			t.Errorf("numbers (-%s +%s):\n%s", xids, r.Alert, diff)
		}
		if !strings.Contains(page, list[0]) {
			t.Errorf("%s shows another list than %s", xids, list[0])
		}
		return
	}
	t.Error("no alert is due for an XID")
}
