package node

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Every value of an enumeration has a label of its own: a series could not be told from another otherwise.
func TestLabelsAreDistinct(t *testing.T) {
	labels := map[string]func(i int) string{
		"feature":  func(i int) string { return Feature(i).Label() },
		"throttle": func(i int) string { return Throttle(i).Label() },
		"part":     func(i int) string { return Part(i).Label() },
		"unit":     func(i int) string { return Unit(i).Label() },
		"event":    func(i int) string { return EventKind(i).Label() },
	}
	for what, n := range map[string]int{"feature": FeatureCount, "throttle": Throttles, "unit": Units, "part": Parts, "event": EventKinds} {
		seen := make(map[string]int)
		for i := range n {
			label := labels[what](i)
			if before, again := seen[label]; again || label == "" {
				t.Errorf("%s %d is called %q, as %d is", what, i, label, before)
			}
			seen[label] = i
		}
	}
}

func TestFeatures(t *testing.T) {
	s := Features(0).With(FeatureEvents).With(FeatureMemory).With(FeatureMemory)
	if !s.Has(FeatureMemory) || !s.Has(FeatureEvents) || s.Has(FeatureRing) {
		t.Errorf("the set is %b", s)
	}
	if diff := cmp.Diff([]string{"memory", "events"}, s.Labels()); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
	if got := Features(0).Labels(); got == nil || len(got) > 0 {
		t.Errorf("labels of no feature: %#v, want an empty list", got)
	}
}
