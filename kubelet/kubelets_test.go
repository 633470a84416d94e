package kubelet

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	corev1 "k8s.io/api/core/v1"
	podresources "k8s.io/kubelet/pkg/apis/podresources/v1"
)

// reasonsOf renders what is told of devices and ids without owner, as "GPU-0 unclaimed".
func reasonsOf(k *Kubelet) string {
	_, unmapped := k.Claims(time.Now())
	var words []string
	for _, u := range unmapped {
		words = append(words, u.Device[:5]+" "+u.Reason)
	}
	return strings.Join(words, ", ")
}

// moment is what a kubelet lists and an API server has at one time, and what is to be made of it.
type moment struct {
	what    string
	list    []*podresources.PodResources
	pods    []*corev1.Pod
	claims  string
	reasons string
}

// TestKubelets plays kubelets of several versions over the real protocol: what each lists of pods that have ended, are being
// deleted or are only beginning. The API server tells of pods; where it is empty names only are known.
func TestKubelets(t *testing.T) {
	running := func(name string) *corev1.Pod { return corePod(name, name, corev1.PodRunning) }
	ended := func(name string, how corev1.PodPhase) *corev1.Pod { return corePod(name, name, how) }
	list := func(pods ...*podresources.PodResources) []*podresources.PodResources { return pods }
	for _, test := range []struct {
		version string
		names   bool // no source of pods
		moments []moment
	}{
		{"1.27 to 1.33, pods known", false, []moment{
			{"a job runs", list(holds("a", gpu0)), []*corev1.Pod{running("a")}, "a(a)/main GPU-0+", "GPU-1 unclaimed"},
			{"it succeeds and stays listed", list(holds("a", gpu0)), []*corev1.Pod{ended("a", corev1.PodSucceeded)}, "", "GPU-0 pod_ended, GPU-1 unclaimed"},
			{"another gets its GPU", list(holds("a", gpu0), holds("b", gpu0)), []*corev1.Pod{ended("a", corev1.PodSucceeded), running("b")}, "b(b)/main GPU-0+", "GPU-1 unclaimed"},
			{"that fails", list(holds("a", gpu0), holds("b", gpu0)), []*corev1.Pod{ended("a", corev1.PodSucceeded), ended("b", corev1.PodFailed)}, "", "GPU-0 pod_ended, GPU-1 unclaimed"},
			{"both are deleted", list(holds("c")), []*corev1.Pod{running("c")}, "", "GPU-0 unclaimed, GPU-1 unclaimed"},
		}},
		{"1.27 to 1.33, names only", true, []moment{
			{"a job runs", list(holds("a", gpu0), holds("c", gpu1)), nil, "a/main GPU-0+, c/main GPU-1+", ""},
			{"another gets its GPU", list(holds("a", gpu0), holds("b", gpu0), holds("c", gpu1)), nil, "b/main GPU-0+, c/main GPU-1+", ""},
		}},
		{"1.27 to 1.33, names only, both there from the start", true, []moment{
			{"two claim one GPU", list(holds("a", gpu0), holds("b", gpu0), holds("c", gpu1)), nil, "a/main GPU-0+, b/main GPU-0+, c/main GPU-1+", "GPU-0 conflict"},
			{"one is deleted", list(holds("b", gpu0), holds("c", gpu1)), nil, "b/main GPU-0+, c/main GPU-1+", ""},
		}},
		{"1.34 and later: ended pods are not listed", false, []moment{
			{"a job runs", list(holds("a", gpu0), holds("c", gpu1)), []*corev1.Pod{running("a"), running("c")}, "a(a)/main GPU-0+, c(c)/main GPU-1+", ""},
			{"it succeeds", list(holds("c", gpu1)), []*corev1.Pod{ended("a", corev1.PodSucceeded), running("c")}, "c(c)/main GPU-1+", "GPU-0 unclaimed"},
		}},
		{"1.34 and later: a pod deleted by force goes on unseen", false, []moment{
			{"it runs", list(holds("a", gpu0), holds("c", gpu1)), []*corev1.Pod{running("a"), running("c")}, "a(a)/main GPU-0+, c(c)/main GPU-1+", ""},
			// Its process may still be there; that it was the last to hold the GPU does not make it the owner.
			{"it is gone from both", list(holds("c", gpu1)), []*corev1.Pod{running("c")}, "c(c)/main GPU-1+", "GPU-0 unclaimed"},
		}},
		{"1.34 and later: a plain init container is never listed", false, []moment{
			{"it uses its GPU", list(holds("a")), []*corev1.Pod{corePod("a", "a", corev1.PodPending)}, "", "GPU-0 unclaimed, GPU-1 unclaimed"},
		}},
		{"1.37: nvidia.com/gpu served by DRA shows in dynamic resources alone", false, []moment{
			{"it runs", list(holdsDRA("a", "gpu-1"), holds("c", gpu0)), []*corev1.Pod{running("a"), running("c")}, "a(a)/main GPU-1+, c(c)/main GPU-0+", ""},
		}},
	} {
		t.Run(test.version, func(t *testing.T) {
			path := socketPath(t, "kubelet.sock")
			server := &resources{}
			server.set(nil, test.moments[0].list...)
			serve(t, path, server.register)
			api := newAPIServer(t, true, test.moments[0].pods...)
			cfg := Config{PodResourcesSocket: path, PodsMode: "api", API: apiConfig(api.url), NodeName: "n"}
			if test.names {
				cfg = Config{PodResourcesSocket: path, PodsMode: "off"}
			}
			k := start(t, cfg)
			for i, m := range test.moments {
				if i > 0 {
					server.set(nil, m.list...)
					api.turn(m.pods...)
				}
				eventually(t, m.what+": claims "+m.claims+" and "+m.reasons, func() bool {
					return claimsOf(k.Kubelet) == m.claims && reasonsOf(k.Kubelet) == m.reasons
				})
				server.listsMore(t)
				if got, why := claimsOf(k.Kubelet), reasonsOf(k.Kubelet); got != m.claims || why != m.reasons {
					t.Errorf("%s: it did not last: claims %q, reasons %q", m.what, got, why)
				}
			}
		})
	}
}

// turn makes these the pods of the API server, and tells of each change.
func (s *apiServer) turn(pods ...*corev1.Pod) {
	now := map[string]bool{}
	for _, pod := range pods {
		now[string(pod.UID)] = true
		s.send("MODIFIED", pod)
	}
	s.mu.Lock()
	var gone []*corev1.Pod
	for uid, pod := range s.pods {
		if !now[uid] {
			gone = append(gone, pod)
		}
	}
	s.mu.Unlock()
	for _, pod := range gone {
		s.send("DELETED", pod)
	}
}

// TestRestartWithEverythingAway goes through a restart of a node's kubelet (1.37) with the API server away: both sockets
// vanish, the Pods API is not ready when it is back, the list is empty and then partial. The claims stand, with their age; a
// pod that ended meanwhile loses its own as soon as the Pods API tells.
func TestRestartWithEverythingAway(t *testing.T) {
	path, podsPath := socketPath(t, "kubelet.sock"), socketPath(t, "pods-api.sock")
	list := &resources{}
	list.set(nil, holds("a", gpu0), holds("b", gpu1))
	kill := serve(t, path, list.register)
	pods := newPodsServer(corePod("a", "1", corev1.PodRunning), corePod("b", "2", corev1.PodRunning))
	killPods := serve(t, podsPath, pods.register)
	k := start(t, Config{
		PodResourcesSocket: path, PodsSocket: podsPath, PodsMode: "auto", API: apiConfig("http://127.0.0.1:1"), NodeName: "n",
	})
	const all = "a(1)/main GPU-0+, b(2)/main GPU-1+"
	eventually(t, "both claims", func() bool { return claimsOf(k.Kubelet) == all })
	told := k.told()
	kill()
	killPods()
	eventually(t, "both losses", func() bool { return !health(k.Kubelet, "kubelet").Up && !health(k.Kubelet, "pods").Up })
	before := health(k.Kubelet, "kubelet").Confirmed

	pods.deny(status.Error(codes.FailedPrecondition, "pod sources are not ready"))
	list.set(nil)
	serve(t, path, list.register)
	serve(t, podsPath, pods.register)
	eventually(t, "the empty list and the refusal", func() bool {
		return strings.Contains(health(k.Kubelet, "kubelet").Detail, "lacks 2") && strings.Contains(faultsOf(health(k.Kubelet, "pods")), "starting")
	})
	list.set(nil, holds("b", gpu1))
	list.listsMore(t)
	if got := claimsOf(k.Kubelet); got != all || k.told() != told {
		t.Errorf("claims became %q, told %d times more", got, k.told()-told)
	}
	if got := health(k.Kubelet, "kubelet").Confirmed; got.After(before.Add(time.Second)) {
		t.Errorf("the mapping says that it was confirmed at %v, and part of it was not after %v", got, before)
	}

	pods.mu.Lock()
	delete(pods.pods, "1")
	pods.mu.Unlock()
	pods.deny(nil)
	eventually(t, "the end of a pod that is gone", func() bool { return claimsOf(k.Kubelet) == "b(2)/main GPU-1+" })
	if got := reasonsOf(k.Kubelet); got != "GPU-0 kubelet_restarted" {
		t.Errorf("told %q of a GPU that a kubelet just restarted does not list", got)
	}
	eventually(t, "an age that is young again", func() bool { return time.Since(health(k.Kubelet, "kubelet").Confirmed) < time.Hour })
}
