package engine

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"gpusignal/node"
)

// An address belongs to one pod; who gives it by the stronger word has it.
func TestSettle(t *testing.T) {
	of := func(pod, url string) target {
		return target{Endpoint: Endpoint{URL: url, Pod: node.PodID{Namespace: "ns", Name: pod}}}
	}
	const url, same, other = "http://10.1.2.3:80/metrics", "http://10.1.2.3:80/m", "http://10.1.2.3:81/metrics"
	searches := func(pods ...string) (s []search) {
		for _, pod := range pods {
			s = append(s, search{steps: []step{{targets: targets(of(pod, url))}}})
		}
		return s
	}
	tests := []struct {
		name          string
		static, named []target
		searches      []search
		want          []string // Details of all of them, in their order.
	}{
		{"two pods", nil, targets(of("a", url), of("b", same)), nil, []string{
			"pods ns/a and ns/b both announce 10.1.2.3:80", "pods ns/a and ns/b both announce 10.1.2.3:80",
		}},
		{"two ports", nil, targets(of("a", url), of("b", other)), nil, []string{"", ""}},
		{"one pod", nil, targets(of("a", url), of("a", same)), nil, []string{"", ""}},
		{"the configuration and the same pod", targets(of("a", url)), targets(of("a", url)), nil, []string{"", ""}},
		{"the configuration and another", targets(of("a", url)), targets(of("b", url)), searches("c"), []string{
			"", "10.1.2.3:80 is given to ns/a by the configuration", "10.1.2.3:80 is given to ns/a by the configuration",
		}},
		{"an annotation and a guess", nil, targets(of("a", url)), searches("b"), []string{
			"", "10.1.2.3:80 is given to ns/a by the annotations of that pod",
		}},
		{"two guesses", nil, nil, searches("a", "b"), []string{
			"pods ns/a and ns/b both announce 10.1.2.3:80", "pods ns/a and ns/b both announce 10.1.2.3:80",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			settle(tt.static, tt.named, tt.searches)
			all := append(tt.static, tt.named...)
			for _, s := range tt.searches {
				all = append(all, s.steps[0].targets...)
			}
			var got []string
			for _, one := range all {
				got = append(got, one.detail)
				if (one.fault == FaultAmbiguous) != (one.detail != "") {
					t.Errorf("fault %q, detail %q", one.fault, one.detail)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("details (-want +got):\n%s", diff)
			}
		})
	}
}

func targets(t ...target) []target { return t }
