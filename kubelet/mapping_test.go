package kubelet

import (
	"strings"
	"testing"
	"time"
)

// TestMapping plays lists, failures and silence against the seconds at which they come.
func TestMapping(t *testing.T) {
	type event struct {
		second int
		// list is what the kubelet lists, one letter a pod with the digit of its device, "x" a pod without; "!" is a failure,
		// "~" a list over a new connection, and "?" one while no source of pods is live.
		list string
		want string
	}
	tests := []struct {
		name   string
		events []event
	}{
		{"a settled kubelet is believed", []event{{0, "a0 b1", "a0 b1"}, {1, "a0", "a0"}, {2, "a0 c1", "a0 c1"}}},
		{"a failure changes nothing", []event{{0, "a0", "a0"}, {1, "!", "a0"}, {500, "!", "a0"}, {501, "a0", "a0"}}},
		{"empty after a restart", []event{{0, "a0 b1", "a0 b1"}, {1, "!", "a0 b1"}, {2, "", "a0 b1"}, {3, "a0 b1", "a0 b1"}}},
		{"partial after a restart", []event{{0, "a0 b1", "a0 b1"}, {1, "!", "a0 b1"}, {2, "b1", "a0 b1"}, {3, "a0 b1", "a0 b1"}}},
		{
			"gone with the restart",
			[]event{{0, "a0 b1", "a0 b1"}, {1, "!", "a0 b1"}, {2, "b1", "a0 b1"}, {60, "b1", "a0 b1"}, {61, "b1", "b1"}},
		},
		{
			"empty without a failure",
			[]event{{0, "a0", "a0"}, {1, "", "a0"}, {60, "", "a0"}, {61, "", ""}, {62, "", ""}},
		},
		{"the last pod with a GPU is gone and others are there", []event{{0, "a0 x", "a0"}, {1, "x", ""}}},
		{
			"a restart so quick that nothing failed",
			[]event{{0, "a0 x", "a0"}, {1, "~ x", "a0"}, {2, "x", "a0"}, {60, "x", "a0"}, {61, "x", ""}},
		},
		{"connected for the first time", []event{{0, "~ a0 b1", "a0 b1"}, {1, "a0", "a0"}}},
		{"a device that another got is not kept", []event{{0, "a0 b1", "a0 b1"}, {1, "!", "a0 b1"}, {2, "c0", "b1 c0"}}},
		{"empty from the start", []event{{0, "", ""}, {1, "a0", "a0"}, {2, "a0 b1", "a0 b1"}, {3, "a0", "a0"}}},
		{
			"absence starts anew once it was seen",
			[]event{{0, "a0", "a0"}, {1, "", "a0"}, {59, "a0", "a0"}, {60, "", "a0"}, {119, "", "a0"}, {120, "", ""}},
		},
		{
			"a restart while nobody tells of pods",
			[]event{
				{0, "a0 b1", "a0 b1"},
				{1, "!", "a0 b1"},
				{2, "?", "a0 b1"},
				{60, "?", "a0 b1"},
				{110, "? ~ x", "a0 b1"},
				{160, "? b1", "a0 b1"},
				{161, "b1", "a0 b1"},
				{219, "b1", "a0 b1"},
				{220, "b1", "b1"},
			},
		},
		{
			"nobody tells of pods, and the kubelet is settled",
			[]event{{0, "a0 b1", "a0 b1"}, {1, "? b1", "b1"}},
		},
		{
			"down for an hour, then settled",
			[]event{{0, "a0 b1", "a0 b1"}, {1, "!", "a0 b1"}, {3600, "!", "a0 b1"}, {3601, "a0 b1", "a0 b1"}, {3661, "a0", "a0"}},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var m mapping
			begin := time.Now()
			for _, e := range test.events {
				at := begin.Add(time.Duration(e.second) * time.Second)
				if e.list == "!" {
					m.fail(at)
				} else {
					var l listing
					blind := false
					for word := range strings.FieldsSeq(e.list) {
						switch word {
						case "~":
							l.anew = true
							continue
						case "?":
							blind = true
							continue
						case "x":
						default:
							l.allocations = append(l.allocations, allocation{pod: word[:1], id: word[1:]})
						}
						l.pods++
					}
					m.list(at, l, blind)
				}
				var have []string
				for _, h := range m.held {
					have = append(have, h.pod+h.id)
				}
				if got := strings.Join(have, " "); got != e.want {
					t.Errorf("after second %d: %q, want %q", e.second, got, e.want)
				}
			}
		})
	}
}

// TestMappingAge checks that what a list lacks and is kept makes the mapping as old as the last list that had it.
func TestMappingAge(t *testing.T) {
	var m mapping
	begin := time.Now()
	second := func(n int) time.Time { return begin.Add(time.Duration(n) * time.Second) }
	a, b := allocation{pod: "a", id: "0"}, allocation{pod: "b", id: "1"}
	one, both := listing{allocations: []allocation{a}, pods: 1}, listing{allocations: []allocation{a, b}, pods: 2}
	m.list(second(0), both, false)
	m.list(second(5), both, false)
	if got := m.confirmed(second(5)); !got.Equal(second(5)) {
		t.Errorf("confirmed at %v, want the newest list", got.Sub(begin))
	}
	m.fail(second(6))
	m.list(second(8), one, false)
	m.list(second(9), one, false)
	if got := m.confirmed(second(9)); !got.Equal(second(5)) {
		t.Errorf("confirmed at %v, want the last list that had b", got.Sub(begin))
	}
	m.list(second(10), both, false)
	if got := m.confirmed(second(10)); !got.Equal(second(10)) {
		t.Errorf("confirmed at %v, want the newest list again", got.Sub(begin))
	}
	for _, h := range m.held {
		if !h.since.Equal(begin) {
			t.Errorf("%s is held since %v, want the first list: it was kept throughout", h.pod, h.since.Sub(begin))
		}
	}
}
