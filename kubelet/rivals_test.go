package kubelet

import (
	"strings"
	"testing"
	"time"

	"gpusignal/node"
)

// TestRivals plays lists of a kubelet that goes on listing ended pods (1.33 and earlier), where only names are known.
func TestRivals(t *testing.T) {
	const shared = gpu1 + "::0"
	for _, test := range []struct {
		what  string
		lists []string // pods with their devices, "a0 b0": both hold GPU 0
		want  string
		odd   string
	}{
		{"the later pod holds it", []string{"a0", "a0 b0"}, "b/main GPU-0+", ""},
		{"whatever its name", []string{"b0", "a0 b0"}, "a/main GPU-0+", ""},
		{"the third", []string{"a0", "a0 b0", "a0 b0 c0"}, "c/main GPU-0+", ""},
		{"both from the first list on", []string{"a0 b0"}, "a/main GPU-0+, b/main GPU-0+", "conflict"},
		{"until one is gone", []string{"a0 b0", "b0"}, "b/main GPU-0+", ""},
		{"or a third comes", []string{"a0 b0", "a0 b0 c0"}, "c/main GPU-0+", ""},
		{"the ended one is forgotten at last", []string{"a0", "a0 b0", "b0"}, "b/main GPU-0+", ""},
		{"an ended pod beside one with another device", []string{"a0", "a0 b1"}, "a/main GPU-0+, b/main GPU-1+", ""},
		{"replicas have one holder each too", []string{"as", "as bs"}, "b/main GPU-1+", ""},
	} {
		var m mapping
		var j joiner
		var got joined
		at := time.Now()
		for _, list := range test.lists {
			at = at.Add(time.Second)
			var answer []allocation
			for word := range strings.FieldsSeq(list) {
				id := map[string]string{"0": gpu0, "1": gpu1, "s": shared}[word[1:]]
				answer = append(answer, allocation{namespace: "default", pod: word[:1], container: "main", resource: "nvidia.com/gpu", id: id})
			}
			m.list(at, listing{allocations: answer, pods: len(answer)}, false)
			got = j.join(m.held, twoGPUs(), &podView{}, nil)
		}
		if claims := render(got.claims); claims != test.want {
			t.Errorf("%s: claims %q, want %q", test.what, claims, test.want)
		}
		var odd string
		for _, u := range got.odd {
			odd += u.Reason
			if !strings.Contains(u.Detail, "default/a and default/b") {
				t.Errorf("%s: %q does not name the pods", test.what, u.Detail)
			}
		}
		if odd != test.odd {
			t.Errorf("%s: told %q, want %q", test.what, odd, test.odd)
		}
	}
}

// TestSharesOfAClaimAreNoRivals checks that two pods may hold one DRA device: claims can be shared.
func TestSharesOfAClaimAreNoRivals(t *testing.T) {
	at := time.Now()
	one := allocation{namespace: "default", pod: "a", container: "main", resource: draDriver, pool: "n", id: "gpu-0", share: "default/c/"}
	other := one
	other.pod = "b"
	var j joiner
	got := j.join([]holding{{allocation: one, since: at}, {allocation: other, since: at.Add(time.Hour)}}, twoGPUs(), &podView{}, nil)
	if claims := render(got.claims); claims != "a/main GPU-0+, b/main GPU-0+" || len(got.odd) > 0 {
		t.Errorf("claims %q, told %v", claims, got.odd)
	}
}

// TestEndedPodsDevice checks that a device is told of that the kubelet lists with a pod which has ended.
func TestEndedPodsDevice(t *testing.T) {
	var j joiner
	a := held(holds("a", gpu0))
	j.join(a, twoGPUs(), live(pod("a", "1", "Running")), nil)
	got := j.join(a, twoGPUs(), live(pod("a", "1", "Succeeded")), nil)
	if detail := got.left[node.DeviceID(gpu0)]; len(got.claims) > 0 || !strings.Contains(detail, "default/a has ended") {
		t.Errorf("claims %v, told %q", got.claims, detail)
	}
}
