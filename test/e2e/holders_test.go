package e2e

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"gpusignal/test/e2e/cluster"
)

// holders are pods that hold GPUs and do nothing: their program waits for its end. The stub tells what they use.
type holders struct {
	*cluster.Cluster
	*watch
	t       *testing.T
	started time.Time
}

// namespace of the holders.
const holdersNamespace = "holders"

// Resources that the node offers: GPUs as they are, shares of one as a device plugin calls them by default, and shares of another
// under a name that somebody chose.
const (
	wholeGPU   = "nvidia.com/gpu"
	sharedGPU  = "nvidia.com/gpu.shared"
	renamedGPU = "nvidia.com/renamed"
)

// Which of the stub's GPUs are shared.
const (
	sharedIndex  = gpus - 2
	renamedIndex = gpus - 1
)

// newHolders starts a cluster with pods that hold GPUs, and gpusignal from daemonset.yaml as it stands.
func newHolders(t *testing.T) *holders {
	t.Helper()
	ids := uuids(gpus)
	s := &holders{t: t, started: time.Now(), Cluster: startCluster(t, time.Minute,
		offer{wholeGPU, ids[:sharedIndex]}, offer{sharedGPU, shares(ids[sharedIndex], 3)}, offer{renamedGPU, shares(ids[renamedIndex], 2)})}
	s.logf("the node is ready")
	s.MustKubectl("create", "namespace", holdersNamespace)
	s.Apply(holder("alone", wholeGPU, 1, "main") + holder("ends", wholeGPU, 1, "main") + holder("forced", wholeGPU, 1, "main") +
		holder("first", sharedGPU, 2, "main") + holder("second", sharedGPU, 1, "main") + holder("pair", renamedGPU, 1, "left", "right"))
	s.MustKubectl("-n", holdersNamespace, "wait", "--for=condition=Ready", "pods", "--all", "--timeout=60s")
	s.follow()
	return s
}

// shares of a device, as a device plugin names them.
func shares(id string, n int) []string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf("%s::%d", id, i))
	}
	return all
}

// holder is the manifest of a pod each of whose containers asks for so many of a resource.
func holder(name, resource string, n int, containers ...string) string {
	out := fmt.Sprintf(`
---
apiVersion: v1
kind: Pod
metadata: {name: %s, namespace: %s}
spec:
  automountServiceAccountToken: false
  restartPolicy: Never
  containers:
`, name, holdersNamespace)
	for _, container := range containers {
		out += fmt.Sprintf("    - {name: %s, image: %q, imagePullPolicy: Never, resources: {limits: {%s: %d}}}\n", container, cluster.PauseImage, resource, n)
	}
	return out
}

// follow waits for the daemon of the DaemonSet as it now is, and watches it.
func (s *holders) follow() {
	s.t.Helper()
	s.MustKubectl("-n", "gpusignal", "rollout", "status", "daemonset/gpusignal", "--timeout=110s")
	var address string
	s.Wait("the one pod of the daemon", time.Minute, func() error {
		list, err := pods(s.Cluster, "gpusignal", "app.kubernetes.io/name=gpusignal")
		if err != nil || len(list) != 1 {
			return fmt.Errorf("pods of the daemon: %v, %w", list, err)
		}
		address = net.JoinHostPort(list[0].Status.PodIP, "9478")
		return nil
	})
	s.watch = watchMetrics(s.t, address)
	s.logf("the daemon is ready")
}

// device that the kubelet has given to a pod: the GPU's UUID, and its number.
func (s *holders) device(pod string) (uuid string, n int) {
	s.t.Helper()
	given, err := claims(holdersNamespace)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, id := range given[pod] {
		board, _, _ := strings.Cut(id, "::")
		if uuid != "" && board != uuid {
			s.t.Fatalf("pod %s has %v, want shares of one GPU", pod, given[pod])
		}
		uuid = board
	}
	if n = slices.Index(uuids(gpus), uuid); n < 0 {
		s.t.Fatalf("pod %s has %q of the kubelet, which is no GPU of the stub", pod, given[pod])
	}
	return uuid, n
}

// process of a pod's container main, as this side of the containers sees it.
func (s *holders) process(pod string) int {
	s.t.Helper()
	id, err := process(s.Cluster, holdersNamespace, pod)
	if err != nil {
		s.t.Fatal(err)
	}
	return id
}

// parent of a process: of a container's first process it is the runtime of the pod.
func (s *holders) parent(process int) int {
	s.t.Helper()
	for line := range strings.Lines(read(s.t, fmt.Sprintf("/proc/%d/status", process))) {
		var parent int
		if n, _ := fmt.Sscanf(line, "PPid: %d", &parent); n == 1 && parent > 1 {
			return parent
		}
	}
	s.t.Fatalf("process %d has no parent", process)
	return 0
}

// held says that the kubelet lists a GPU for each of the pods, and for no other one.
func (s *holders) held(pods ...string) error {
	given, err := claims(holdersNamespace)
	if err != nil {
		return err
	}
	for _, pod := range pods {
		if len(given[pod]) == 0 {
			return fmt.Errorf("the kubelet lists %v, nothing of %s", given, pod)
		}
	}
	if len(given) != len(pods) {
		return fmt.Errorf("the kubelet lists %v, want the GPUs of %v alone", given, pods)
	}
	return nil
}

// show what a user would look at: the pods, and what the daemon says of them.
func (s *holders) show(format string, args ...any) {
	s.t.Helper()
	s.logf(format, args...)
	command := []string{"-n", holdersNamespace, "get", "pods", "-o", "wide"}
	s.t.Logf("$ kubectl %s\n%s", strings.Join(command, " "), s.MustKubectl(command...))
	s.t.Logf("$ curl http://%s/metrics\n%s", s.address, told(s.next()))
}

// logf with the time since the start.
func (s *holders) logf(format string, args ...any) {
	s.t.Helper()
	s.t.Logf("== %v: %s", since(s.started), fmt.Sprintf(format, args...))
}
