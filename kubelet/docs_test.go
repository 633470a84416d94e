package kubelet

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func readFile(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// TestEveryReasonHasItsWayOut holds the tables of docs/attribution.md to the reasons and faults of the code.
func TestEveryReasonHasItsWayOut(t *testing.T) {
	page := readFile(t, "../docs/attribution.md")
	// told returns the words in code of the first cells of the rows between two headings.
	told := func(from, to string) []string {
		_, part, _ := strings.Cut(page, from)
		part, _, _ = strings.Cut(part, to)
		words := map[string]bool{}
		for _, row := range regexp.MustCompile("(?m)^\\| ([`a-z_, ]+) \\|").FindAllStringSubmatch(part, -1) {
			for _, word := range regexp.MustCompile("`([a-z_]+)`").FindAllStringSubmatch(row[1], -1) {
				words[word[1]] = true
			}
		}
		return slices.Sorted(maps.Keys(words))
	}
	reasons := []string{
		reasonUnclaimed, reasonUnknownID, reasonSourceDown, reasonRestarted, reasonEnded, reasonConflict, reasonDivided,
	}
	slices.Sort(reasons)
	if diff := cmp.Diff(reasons, told("## Why a GPU has no owner", "\n## ")); diff != "" {
		t.Errorf("reasons (-code +page):\n%s", diff)
	}
	kinds := map[string]bool{}
	for _, file := range []string{"socket.go", "apiclient.go", "podsapi.go"} {
		for _, kind := range regexp.MustCompile(`fault\{"(\w+)"`).FindAllStringSubmatch(readFile(t, file), -1) {
			kinds[kind[1]] = true
		}
	}
	delete(kinds, "error") // whatever else: its text is all that is known
	if diff := cmp.Diff(slices.Sorted(maps.Keys(kinds)), told("| fault of `kubelet`", "\n## ")); diff != "" {
		t.Errorf("faults (-code +page):\n%s", diff)
	}
}

// TestRights holds the DaemonSet's role to what is asked for, and to what must never be.
func TestRights(t *testing.T) {
	role := readFile(t, "../daemonset.yaml")
	for _, resource := range []string{"pods", "resourceslices"} {
		if !strings.Contains(role, "resources: ["+resource+"]\n    verbs: [get, list, watch]\n") {
			t.Errorf("the role does not let %s be watched", resource)
		}
	}
	if n := strings.Count(role, "verbs: "); n != 2 {
		t.Errorf("the role has %d rules, want the two that are needed", n)
	}
	if strings.Contains(role, "nodes/") {
		t.Error("the role has rights on nodes: who may proxy to a kubelet may run commands in its pods")
	}
}
