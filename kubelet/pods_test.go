package kubelet

import (
	"fmt"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	corev1 "k8s.io/api/core/v1"

	"gpusignal/node"
)

// TestChoiceOfSource plays what the two sources of pods do against the one whose pods are shown: k and a put pods, K and A
// lose them, s is the kubelet having been steady.
func TestChoiceOfSource(t *testing.T) {
	for _, test := range []struct{ what, events, want string }{
		{"nobody", "", "-"},
		{"the kubelet alone", "k", "k"},
		{"the API server alone", "a", "a"},
		{"the kubelet comes later", "ak", "a"},
		{"and is steady", "aks", "k"},
		{"the API server comes later", "ka", "k"},
		{"the kubelet is lost while the API server lives", "aksK", "a"},
		{"a kubelet that comes and goes", "akKkKkKk", "a"},
		{"an API server that comes and goes beside a kubelet that is not steady", "akAaAa", "k"},
		{"steadiness ends with the watch", "aksKk", "a"},
		{"steady when it is gone already", "akKs", "a"},
		{"both lost", "aksAK", "lost"},
	} {
		b := newPodBook()
		for _, e := range test.events {
			switch e {
			case 'k':
				b.put(fromKubelet, map[string]node.Pod{"k": pod("k", "k", "Running")})
			case 'a':
				b.put(fromAPI, map[string]node.Pod{"a": pod("a", "a", "Running")})
			case 'K':
				b.lose(fromKubelet)
			case 'A':
				b.lose(fromAPI)
			case 's':
				b.settle()
			}
		}
		view, got := b.view.Load(), "-"
		if len(view.pods) > 0 {
			got = view.pods[0].ID.Name
		}
		if !view.live && !view.lost.IsZero() {
			got = "lost"
		}
		if got != test.want {
			t.Errorf("%s (%s): pods of %q, want %q", test.what, test.events, got, test.want)
		}
	}
}

// TestSocketMustBeSteady checks that the socket does not take the pods back from the API server before it has been steady,
// that nothing changes its identity when it does, and that it is used at once when there is nothing else.
func TestSocketMustBeSteady(t *testing.T) {
	api := newAPIServer(t, false, corePod("a", "1", corev1.PodRunning))
	path, podsPath := socketPath(t, "kubelet.sock"), socketPath(t, "pods-api.sock")
	list := &resources{}
	list.set(nil, holds("a", gpu0))
	serve(t, path, list.register)
	pods := newPodsServer(corePod("a", "1", corev1.PodRunning))
	pods.deny(status.Error(codes.FailedPrecondition, "pod sources are not ready"))
	serve(t, podsPath, pods.register)
	log := &logBook{}
	changes := make(chan string, 100)
	k := New(Config{
		PodResourcesSocket: path, PodsSocket: podsPath, PodsMode: "auto", API: apiConfig(api.url), NodeName: "n",
		Interval: 20 * time.Millisecond, Devices: twoGPUs, Logger: log.logger(),
		OnClaims: func(_ time.Time, claims []node.Claim) { changes <- render(claims) },
	})
	k.pods.settled, k.pods.waitAfterFault = time.Hour, func(int) time.Duration { return 10 * time.Millisecond }
	run(t, k)
	eventually(t, "the API server after three failures", func() bool { return health(k, "pods").Via == "api" })
	if f := health(k, "pods").Faults; len(f) != 1 || f[0].Reason != "starting" || f[0].Count < podsPatience {
		t.Errorf("faults %v, want at least %d of a kubelet that is starting", f, podsPatience)
	}
	eventually(t, "the claim with its UID", func() bool { return claimsOf(k) == "a(1)/main GPU-0+" })
	for range 5 { // the socket comes, works for a moment, and goes
		before := pods.watched()
		pods.deny(nil)
		eventually(t, "a watch", func() bool { return pods.watching() > 0 })
		pods.deny(status.Error(codes.FailedPrecondition, "pod sources are not ready"))
		pods.each(func(podsStream) error { return status.Error(codes.Unavailable, "restarting") })
		eventually(t, "the watch ended", func() bool { return pods.watching() == 0 && pods.watched() > before })
		if h := health(k, "pods"); h.Via != "api" || !h.Up {
			t.Fatalf("a socket that comes and goes took the pods: %+v", h)
		}
	}
	pods.deny(nil)
	eventually(t, "a watch that lasts", func() bool { return pods.watching() > 0 })
	api.forbid(true)
	eventually(t, "the socket, as there is nothing else", func() bool { return health(k, "pods").Via == "kubelet" })
	api.forbid(false)
	eventually(t, "a watch of the API server", func() bool { return api.watching() > 0 })
	if h := health(k, "pods"); h.Via != "kubelet" {
		t.Errorf("the API server took the pods back from a socket that lives: %+v", h)
	}
	var told []string
	for len(changes) > 0 {
		told = append(told, <-changes)
	}
	if got := fmt.Sprint(told); got != "[a/main GPU-0+ a(1)/main GPU-0+]" && got != "[a(1)/main GPU-0+]" {
		t.Errorf("claims changed: %v; a switch of sources must change none", got)
	}
}
