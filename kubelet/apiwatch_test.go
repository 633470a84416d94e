package kubelet

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
)

func apiConfig(url string) *rest.Config { return &rest.Config{Host: url} }

// apiServer speaks list and watch of pods as an API server does, in JSON.
type apiServer struct {
	url string
	// old is a server before 1.34: it refuses to send initial events in a watch.
	old bool

	mu        sync.Mutex
	pods      map[string]*corev1.Pod
	forbidden bool
	lists     int
	watches   map[chan metav1.WatchEvent]bool
	selector  string
}

func newAPIServer(t *testing.T, old bool, pods ...*corev1.Pod) *apiServer {
	t.Helper()
	s := &apiServer{old: old, pods: map[string]*corev1.Pod{}, watches: map[chan metav1.WatchEvent]bool{}}
	for _, pod := range pods {
		s.pods[string(pod.UID)] = pod
	}
	server := httptest.NewServer(s)
	// Cleanups run last first: by then the Kubelet of the test has ended, and with it its watches.
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

func (s *apiServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	s.mu.Lock()
	s.selector = query.Get("fieldSelector")
	forbidden := s.forbidden
	s.mu.Unlock()
	initial := query.Get("sendInitialEvents") == "true"
	switch {
	case r.URL.Path != "/api/v1/pods":
		http.NotFound(w, r)
	case forbidden:
		refuse(w, http.StatusForbidden, metav1.StatusReasonForbidden)
	case query.Get("watch") == "":
		s.list(w)
	case initial && s.old:
		refuse(w, http.StatusUnprocessableEntity, metav1.StatusReasonInvalid)
	default:
		s.watch(w, r, initial)
	}
}

func refuse(w http.ResponseWriter, code int, reason metav1.StatusReason) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(metav1.Status{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: metav1.StatusFailure, Code: int32(code), Reason: reason,
		Message: "pods is forbidden",
	})
}

func (s *apiServer) list(w http.ResponseWriter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lists++
	list := corev1.PodList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "PodList"}, ListMeta: metav1.ListMeta{ResourceVersion: "1"}}
	for _, pod := range s.pods {
		list.Items = append(list.Items, *pod)
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(list)
}

func (s *apiServer) watch(w http.ResponseWriter, r *http.Request, initial bool) {
	w.Header().Set("Content-Type", "application/json")
	events := make(chan metav1.WatchEvent, 100)
	s.mu.Lock()
	if initial {
		for _, pod := range s.pods {
			events <- event("ADDED", pod)
		}
		events <- event("BOOKMARK", &corev1.Pod{
			TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
			ObjectMeta: metav1.ObjectMeta{
				ResourceVersion: "1", Annotations: map[string]string{metav1.InitialEventsAnnotationKey: "true"},
			},
		})
	}
	s.watches[events] = true
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.watches, events)
		s.mu.Unlock()
	}()
	w.WriteHeader(http.StatusOK)
	w.(http.Flusher).Flush()
	for {
		select {
		case <-r.Context().Done():
			return
		case e, open := <-events:
			if !open {
				return
			}
			_ = json.NewEncoder(w).Encode(e)
			w.(http.Flusher).Flush()
		}
	}
}

func event(kind string, pod *corev1.Pod) metav1.WatchEvent {
	raw, err := json.Marshal(pod)
	if err != nil {
		panic(err)
	}
	return metav1.WatchEvent{Type: kind, Object: runtime.RawExtension{Raw: raw}}
}

// set changes the pods under the lock and sends an event to all watches.
func (s *apiServer) send(kind string, pod *corev1.Pod) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if kind == "DELETED" {
		delete(s.pods, string(pod.UID))
	} else {
		s.pods[string(pod.UID)] = pod
	}
	for events := range s.watches {
		events <- event(kind, pod)
	}
}

// forbid takes the right to read pods away, or gives it, and ends all watches.
func (s *apiServer) forbid(forbidden bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forbidden = forbidden
	for events := range s.watches {
		close(events)
		delete(s.watches, events)
	}
}

func (s *apiServer) watching() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.watches)
}

// TestPodsFromTheAPIServer goes through what happens to pods, with a server that streams its list and with an old one that
// does not.
func TestPodsFromTheAPIServer(t *testing.T) {
	for name, old := range map[string]bool{"streaming list": false, "plain list": true} {
		t.Run(name, func(t *testing.T) {
			api := newAPIServer(t, old, corePod("a", "1", corev1.PodRunning), corePod("b", "2", corev1.PodRunning))
			path := socketPath(t, "kubelet.sock")
			list := &resources{}
			list.set(nil, holds("a", gpu0), holds("b", gpu1))
			serve(t, path, list.register)
			k := start(t, Config{PodResourcesSocket: path, PodsMode: "api", API: apiConfig(api.url), NodeName: "n"})
			eventually(t, "uids", func() bool { return claimsOf(k.Kubelet) == "a(1)/main GPU-0+, b(2)/main GPU-1+" })
			api.send("MODIFIED", corePod("b", "2", corev1.PodSucceeded))
			eventually(t, "the claim of an ended pod is gone", func() bool { return claimsOf(k.Kubelet) == "a(1)/main GPU-0+" })
			api.send("DELETED", corePod("a", "1", corev1.PodRunning))
			eventually(t, "the claim of a deleted pod is gone", func() bool { return claimsOf(k.Kubelet) == "" })
			api.send("ADDED", corePod("a", "3", corev1.PodPending))
			eventually(t, "another pod of the name", func() bool { return claimsOf(k.Kubelet) == "a(3)/main GPU-0+" })
			if h := health(k.Kubelet, "pods"); !h.Up || h.Detail != "from the API server" || h.Failures != 0 || h.Attempts != 1 {
				t.Errorf("health %+v", h)
			}
			api.mu.Lock()
			defer api.mu.Unlock()
			if api.selector != "spec.nodeName=n" {
				t.Errorf("field selector %q: the whole cluster would be watched", api.selector)
			}
			if streamed := api.lists == 0; streamed == old {
				t.Errorf("%d lists", api.lists)
			}
		})
	}
}

// TestAPIServerForbids checks what is told when the right to read pods is missing, and is taken away.
func TestAPIServerForbids(t *testing.T) {
	api := newAPIServer(t, false, corePod("a", "1", corev1.PodRunning))
	path := socketPath(t, "kubelet.sock")
	list := &resources{}
	list.set(nil, holds("a", gpu0))
	serve(t, path, list.register)
	stderr := captureStderr(t)
	k := start(t, Config{PodResourcesSocket: path, PodsMode: "api", API: apiConfig(api.url), NodeName: "n"})
	eventually(t, "the pod", func() bool { return claimsOf(k.Kubelet) == "a(1)/main GPU-0+" })
	api.forbid(true)
	eventually(t, "the way out is told", func() bool {
		h := health(k.Kubelet, "pods")
		return !h.Up && strings.Contains(h.Detail, "ClusterRole with get, list and watch on pods")
	})
	if got := podsOf(k.Kubelet); got != "a(1) Running" {
		t.Errorf("pods became %q, want them kept for a minute", got)
	}
	later := k.Pods(time.Now().Add(2 * time.Minute))
	if len(later) != 1 || later[0].ID.UID != "1" || later[0].Phase != "" {
		t.Errorf("after two minutes pods are %+v, want the name and no more", later)
	}
	api.forbid(false)
	eventually(t, "it comes back", func() bool { return health(k.Kubelet, "pods").Up })
	if got := claimsOf(k.Kubelet); got != "a(1)/main GPU-0+" {
		t.Errorf("claims became %q", got)
	}
	if got := k.log.count("source is down"); got != 1 {
		t.Errorf("logged %d times, want once", got)
	}
	if got := stderr(); got != "" {
		t.Errorf("client-go wrote to standard error:\n%s", got)
	}
}

// captureStderr takes standard error until what it returns is called, which returns what was written.
func captureStderr(t *testing.T) func() string {
	t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	var buf bytes.Buffer
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(&buf, read)
	}()
	before := os.Stderr
	os.Stderr = write
	end := sync.OnceValue(func() string {
		os.Stderr = before
		_ = write.Close()
		<-done
		return buf.String()
	})
	t.Cleanup(func() { end() })
	return end
}

// TestAutoFallsBackAndReturns checks the choice: the API server while the kubelet has no Pods API, the socket as soon as
// there is one, and the API server again when it stops to work.
func TestAutoFallsBackAndReturns(t *testing.T) {
	api := newAPIServer(t, false, corePod("a", "api", corev1.PodRunning))
	dir := socketPath(t, "kubelet.sock")
	podsPath := socketPath(t, "pods-api.sock")
	k := start(t, Config{PodResourcesSocket: dir, PodsSocket: podsPath, PodsMode: "auto", API: apiConfig(api.url), NodeName: "n"})
	eventually(t, "pods of the API server", func() bool { return podsOf(k.Kubelet) == "a(api) Running" })
	if h := health(k.Kubelet, "pods"); !h.Up || h.Failures != 0 {
		t.Errorf("a kubelet without the Pods API counts as a failure: %+v", h)
	}
	pods := newPodsServer(corePod("a", "socket", corev1.PodRunning))
	kill := serve(t, podsPath, pods.register)
	eventually(t, "pods of the socket", func() bool { return podsOf(k.Kubelet) == "a(socket) Running" })
	eventually(t, "the API server is left alone", func() bool { return api.watching() == 0 })
	kill()
	eventually(t, "pods of the API server again", func() bool {
		return podsOf(k.Kubelet) == "a(api) Running" && health(k.Kubelet, "pods").Up
	})
}
