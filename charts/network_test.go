package charts_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	networkingv1 "k8s.io/api/networking/v1"
)

// Whoever reads the page is let in: where the charts of Prometheus and KEDA put them, and where OpenShift does.
func TestWhoIsLetIn(t *testing.T) {
	tests := []struct{ values, want []string }{
		{nil, []string{"keda", "monitoring"}},
		{
			[]string{"--values", "gpusignal/presets/openshift.yaml"},
			[]string{"openshift-keda", "openshift-monitoring", "openshift-user-workload-monitoring"},
		},
	}
	for _, test := range tests {
		policy := the[*networkingv1.NetworkPolicy](t, objects(t, append(test.values, "--set", "networkPolicy.enabled=true")...))
		var got []string
		for _, rule := range policy.Spec.Ingress {
			for _, peer := range rule.From {
				got = append(got, peer.NamespaceSelector.MatchLabels["kubernetes.io/metadata.name"])
				if len(peer.PodSelector.MatchLabels) == 0 {
					t.Errorf("%v: every pod of %s is let in", test.values, got[len(got)-1])
				}
			}
		}
		slices.Sort(got)
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%v: namespaces that are let in (-want +got):\n%s", test.values, diff)
		}
	}
}
