package kubelet

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	resourcev1 "k8s.io/api/resource/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	podresources "k8s.io/kubelet/pkg/apis/podresources/v1"

	"gpusignal/node"
)

// draSlice is a slice of a pool of one generation with devices by name: their attributes as "name=value" words.
func draSlice(name string, generation int64, devices map[string]string) *resourcev1.ResourceSlice {
	slice := &resourcev1.ResourceSlice{
		TypeMeta:   metav1.TypeMeta{APIVersion: "resource.k8s.io/v1", Kind: "ResourceSlice"},
		ObjectMeta: metav1.ObjectMeta{Name: name, ResourceVersion: "1"},
		Spec: resourcev1.ResourceSliceSpec{
			Driver: draDriver, NodeName: new("n"), Pool: resourcev1.ResourcePool{Name: "n", Generation: generation, ResourceSliceCount: 1},
		},
	}
	for device, attributes := range devices {
		d := resourcev1.Device{Name: device, Attributes: map[resourcev1.QualifiedName]resourcev1.DeviceAttribute{}}
		for word := range strings.FieldsSeq(attributes) {
			key, value, _ := strings.Cut(word, "=")
			d.Attributes[resourcev1.QualifiedName(key)] = resourcev1.DeviceAttribute{StringValue: &value}
		}
		slice.Spec.Devices = append(slice.Spec.Devices, d)
	}
	return slice
}

// read turns slices of Kubernetes' own type into ours, as the API server does that sends them.
func read(t *testing.T, slices ...*resourcev1.ResourceSlice) []*resourceSlice {
	t.Helper()
	var out []*resourceSlice
	for _, slice := range slices {
		data, err := json.Marshal(slice)
		if err != nil {
			t.Fatal(err)
		}
		one := &resourceSlice{}
		if err := json.Unmarshal(data, one); err != nil {
			t.Fatal(err)
		}
		out = append(out, one.DeepCopyObject().(*resourceSlice))
	}
	return out
}

func TestResolveBySlices(t *testing.T) {
	index := indexSlices(read(t,
		draSlice("old", 1, map[string]string{"board-b": "uuid=" + gpu0, "gone": "uuid=" + gpu0}),
		draSlice("new", 2, map[string]string{
			"board-b": "type=gpu uuid=" + gpu1, "board-c": draDriver + "/uuid=" + gpu1, "gpu-1": "uuid=" + gpu0,
			"slice-a": "type=mig parentUUID=" + gpu0 + " profile=1g.5gb", "slice-b": "type=mig parentUUID=" + gpu0 + " profile=2g.10gb",
			"elsewhere": "uuid=GPU-99999999-7777-8888-9999-aaaaaaaaaaaa", "bare": "type=gpu",
		}),
	))
	devices := someDevices()
	for i, profile := range map[int]string{3: "1g.5gb", 4: "2g.10gb"} {
		devices[i].Profile = profile
	}
	devices = append(devices, mig(0, 6, 14, 4, "MIG-eeeeeeee-7777-8888-9999-aaaaaaaaaaaa", gpu0))
	devices[len(devices)-1].Profile = "2g.10gb"
	for _, test := range []struct {
		name, pool, id string
		want           node.DeviceID
	}{
		{"uuid, of the newest generation", "n", "board-b", gpu1},
		{"uuid under the driver's domain", "n", "board-c", gpu1},
		{"the name's own minor number comes first", "n", "gpu-1", gpu1},
		{"of an older generation", "n", "gone", ""},
		{"another pool", "m", "board-b", ""},
		{"mig by parent and profile", "n", "slice-a", mig0a},
		{"mig with two instances of that profile", "n", "slice-b", ""},
		{"uuid of no device here", "n", "elsewhere", ""},
		{"a device without uuid", "n", "bare", ""},
		{"a device of no slice", "n", "board-z", ""},
	} {
		got, reason := index.resolve(allocation{resource: draDriver, pool: test.pool, id: test.id}, devices)
		if got != test.want || (reason == "") != (test.want != "") {
			t.Errorf("%s: %q (%s), want %q", test.name, got, reason, test.want)
		}
	}
	if got, reason := index.resolve(allocation{resource: "nvidia.com/gpu", pool: "n", id: "board-b"}, devices); got != "" || reason != reasonUnknownID {
		t.Errorf("a device plugin's id was looked up in slices: %q", got)
	}
}

// sliceServer is an API server that serves resource slices beside pods; an old one does not know them.
type sliceServer struct {
	*apiServer
	url string

	mu     sync.Mutex
	slices []*resourcev1.ResourceSlice
	// streams says that a watch may begin with the slices, as at an API server of 1.34 and later.
	streams bool
	// refuse is the status with which slices are refused, 0 for none.
	refuse int
	asked  int
	query  string
}

func newSliceServer(t *testing.T, pods ...*corev1.Pod) *sliceServer {
	t.Helper()
	s := &sliceServer{apiServer: newAPIServer(t, true, pods...)}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

func (s *sliceServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/apis/resource.k8s.io/v1/resourceslices" {
		s.apiServer.ServeHTTP(w, r)
		return
	}
	s.mu.Lock()
	s.asked++
	s.query = r.URL.Query().Get("fieldSelector")
	code, slices := s.refuse, s.slices
	s.mu.Unlock()
	switch {
	case code == http.StatusForbidden:
		refuse(w, code, metav1.StatusReasonForbidden)
	case code == http.StatusNotFound:
		http.NotFound(w, r) // what an API server answers that does not have the group
	case r.URL.Query().Get("sendInitialEvents") == "true" && s.streams:
		s.stream(w, r, slices)
	case r.URL.Query().Get("sendInitialEvents") == "true":
		refuse(w, http.StatusUnprocessableEntity, metav1.StatusReasonInvalid)
	case r.URL.Query().Get("watch") == "true":
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusOK)
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	case s.streams:
		http.Error(w, "a list was asked for though the watch begins with one", http.StatusInternalServerError)
	default:
		list := resourcev1.ResourceSliceList{
			TypeMeta: metav1.TypeMeta{APIVersion: "resource.k8s.io/v1", Kind: "ResourceSliceList"}, ListMeta: metav1.ListMeta{ResourceVersion: "1"},
		}
		for _, slice := range slices {
			list.Items = append(list.Items, *slice)
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(list)
	}
}

// stream is a watch that begins with the slices and the mark of their end.
func (s *sliceServer) stream(w http.ResponseWriter, r *http.Request, slices []*resourcev1.ResourceSlice) {
	end := draSlice("", 0, nil)
	end.Annotations = map[string]string{metav1.InitialEventsAnnotationKey: "true"}
	w.Header().Set("Content-Type", "application/json")
	encoder := json.NewEncoder(w)
	for _, slice := range slices {
		_ = encoder.Encode(map[string]any{"type": "ADDED", "object": slice})
	}
	_ = encoder.Encode(map[string]any{"type": "BOOKMARK", "object": end})
	w.(http.Flusher).Flush()
	<-r.Context().Done()
}

func (s *sliceServer) set(refuse int, slices ...*resourcev1.ResourceSlice) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse, s.slices = refuse, slices
}

func (s *sliceServer) requests() (int, string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked, s.query
}

// holdsDRA is a pod whose container "main" holds devices of NVIDIA's DRA driver.
func holdsDRA(pod string, names ...string) *podresources.PodResources {
	claim := &podresources.DynamicResource{ClaimName: pod, ClaimNamespace: "default"}
	for _, name := range names {
		claim.ClaimResources = append(claim.ClaimResources, &podresources.ClaimResource{DriverName: draDriver, PoolName: "n", DeviceName: name})
	}
	return &podresources.PodResources{Name: pod, Namespace: "default", Containers: []*podresources.ContainerResources{{
		Name: "main", DynamicResources: []*podresources.DynamicResource{claim},
	}}}
}

// TestSlicesWhenTheyAreNeeded goes from a node whose DRA names say all to one whose name says nothing: only then is the API
// server asked for slices, and they give the owner.
func TestSlicesWhenTheyAreNeeded(t *testing.T) {
	for name, streams := range map[string]bool{"streaming list": true, "plain list": false} {
		t.Run(name, func(t *testing.T) { testSlices(t, streams) })
	}
}

func testSlices(t *testing.T, streams bool) {
	api := newSliceServer(t, corePod("a", "1", corev1.PodRunning), corePod("b", "2", corev1.PodRunning))
	api.streams = streams
	api.set(0, draSlice("s", 1, map[string]string{"board-b": "uuid=" + gpu1}))
	path := socketPath(t, "kubelet.sock")
	list := &resources{}
	list.set(nil, holdsDRA("a", "gpu-0"))
	serve(t, path, list.register)
	k := start(t, Config{PodResourcesSocket: path, PodsMode: "api", API: apiConfig(api.url), NodeName: "n"})
	eventually(t, "the claim by minor number", func() bool { return claimsOf(k.Kubelet) == "a(1)/main GPU-0+" })
	list.listsMore(t)
	if asked, _ := api.requests(); asked > 0 || strings.Contains(health(k.Kubelet, "resourceslices").Detail, "answer") {
		t.Errorf("slices were asked for %d times though nothing needs them", asked)
	}
	list.set(nil, holdsDRA("a", "gpu-0"), holdsDRA("b", "board-b"))
	eventually(t, "the claim by slice", func() bool { return claimsOf(k.Kubelet) == "a(1)/main GPU-0+, b(2)/main GPU-1+" })
	if _, query := api.requests(); query != "spec.nodeName=n,spec.driver=gpu.nvidia.com" {
		t.Errorf("slices of %q were asked for", query)
	}
	if h := health(k.Kubelet, "resourceslices"); !h.Up {
		t.Errorf("health %+v", h)
	}
}

// TestSlicesRefused checks that a missing right, and an API server without the API, are told and harm nothing else.
func TestSlicesRefused(t *testing.T) {
	for reason, test := range map[string]struct {
		code   int
		detail string
	}{
		"forbidden": {http.StatusForbidden, "get, list and watch on resourceslices"},
		"unserved":  {http.StatusNotFound, "Kubernetes 1.34 and later"},
	} {
		t.Run(reason, func(t *testing.T) {
			api := newSliceServer(t, corePod("a", "1", corev1.PodRunning), corePod("b", "2", corev1.PodRunning))
			api.set(test.code)
			path := socketPath(t, "kubelet.sock")
			list := &resources{}
			list.set(nil, holds("a", gpu0), holdsDRA("b", "board-b"))
			serve(t, path, list.register)
			k := start(t, Config{PodResourcesSocket: path, PodsMode: "api", API: apiConfig(api.url), NodeName: "n"})
			eventually(t, "the reason", func() bool {
				h := health(k.Kubelet, "resourceslices")
				return !h.Up && strings.HasPrefix(faultsOf(h), reason) && strings.Contains(h.Detail, test.detail)
			})
			eventually(t, "the other claim", func() bool { return claimsOf(k.Kubelet) == "a(1)/main GPU-0+" })
			_, unmapped := k.Claims(time.Now())
			if !strings.Contains(unmapped[0].Detail, "may be one of those") {
				t.Errorf("%q says too much of a GPU that the unknown id may mean", unmapped[0].Detail)
			}
			var told []string
			for _, u := range unmapped {
				told = append(told, u.Device[:5]+" "+u.Reason)
			}
			if got := strings.Join(told, ", "); got != "GPU-1 unclaimed, board unknown_id" {
				t.Errorf("unmapped %s", got)
			}
			if h := health(k.Kubelet, "pods"); !h.Up || h.Failures > 0 {
				t.Errorf("pods suffer: %+v", h)
			}
		})
	}
}

// TestNoSlicesWithoutAPI checks that nobody is asked where names only are wanted, or there is nobody to ask.
func TestNoSlicesWithoutAPI(t *testing.T) {
	for _, cfg := range []Config{
		{PodsMode: "off", API: apiConfig("http://127.0.0.1:1"), NodeName: "n"},
		{PodsMode: "kubelet", NodeName: "n"},
		{PodsMode: "kubelet", API: apiConfig("http://127.0.0.1:1")},
	} {
		cfg.Logger, cfg.Devices = (&logBook{}).logger(), twoGPUs
		if New(cfg).slices != nil {
			t.Errorf("mode %q asks for slices", cfg.PodsMode)
		}
	}
}
