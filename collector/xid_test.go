package collector

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// docs/xid.md and the names in labels speak of the same errors, and each row says whose they are and what to do.
func TestXIDsAreExplained(t *testing.T) {
	page := document(t, "xid.md")
	rows := regexp.MustCompile(`(?m)^\| (\d+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$`).FindAllStringSubmatch(page, -1)
	var told []int
	for _, row := range rows {
		code, err := strconv.Atoi(row[1])
		if err != nil {
			t.Fatal(err)
		}
		told = append(told, code)
		if !regexp.MustCompile(`^(application|hardware|driver)(, (application|hardware|driver))?$`).MatchString(row[3]) {
			t.Errorf("XID %d is that of %q", code, row[3])
		}
	}
	names := slices.DeleteFunc(slices.Sorted(maps.Keys(xidNames())), func(code int) bool { return code == 0 })
	if diff := cmp.Diff(names, told); diff != "" {
		t.Errorf("XIDs with a name, and those explained (-names +explained):\n%s", diff)
	}
	metrics := document(t, "metrics.md")
	for _, name := range regexp.MustCompile("gpusignal_[a-z_]+").FindAllString(page, -1) {
		if !regexp.MustCompile("`" + name + "`").MatchString(metrics) {
			t.Errorf("%s is not in metrics.md", name)
		}
	}
}
