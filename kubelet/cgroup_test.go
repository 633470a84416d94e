package kubelet

import (
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	uid    = "0f3b5c7a-1d2e-4f60-8a9b-0c1d2e3f4a5b"
	under  = "0f3b5c7a_1d2e_4f60_8a9b_0c1d2e3f4a5b"
	static = "0123456789abcdef0123456789abcdef"
)

var (
	idA = strings.Repeat("a1", 32)
	idB = strings.Repeat("b2", 32)
)

// Layouts of the kubelet's drivers (pkg/kubelet/cm/cgroup_manager_linux.go) and of the runtimes.
func TestParseCgroup(t *testing.T) {
	one := []seat{{uid, idA}}
	for name, test := range map[string]struct {
		content string
		want    []seat
	}{
		"v2, cgroupfs, guaranteed":        {"0::/kubepods/pod" + uid + "/" + idA + "\n", one},
		"v2, cgroupfs, burstable":         {"0::/kubepods/burstable/pod" + uid + "/" + idA + "\n", one},
		"v2, cgroupfs, besteffort":        {"0::/kubepods/besteffort/pod" + uid + "/" + idA + "\n", one},
		"v2, systemd, containerd":         {"0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" + under + ".slice/cri-containerd-" + idA + ".scope\n", one},
		"v2, systemd, guaranteed":         {"0::/kubepods.slice/kubepods-pod" + under + ".slice/cri-containerd-" + idA + ".scope\n", one},
		"v2, systemd, CRI-O":              {"0::/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod" + under + ".slice/crio-" + idA + ".scope\n", one},
		"v2, systemd, CRI-O, a subgroup":  {"0::/kubepods.slice/kubepods-pod" + under + ".slice/crio-" + idA + ".scope/container\n", one},
		"v2, systemd, cri-dockerd":        {"0::/kubepods.slice/kubepods-pod" + under + ".slice/docker-" + idA + ".scope\n", one},
		"v2, the monitor of CRI-O":        {"0::/kubepods.slice/kubepods-pod" + under + ".slice/crio-conmon-" + idA + ".scope\n", nil},
		"v2, containerd 1 under systemd":  {"0::/system.slice/containerd.service/kubepods-burstable-pod" + under + ".slice:cri-containerd:" + idA + "\n", one},
		"v2, --cgroup-root, as with kind": {"0::/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-besteffort.slice/kubelet-kubepods-besteffort-pod" + under + ".slice/cri-containerd-" + idA + ".scope\n", one},
		"v2, a node that is a container": {
			"0::/docker/" + idB + "/kubelet/kubepods/besteffort/pod" + uid + "/" + idA + "\n", one,
		},
		"v2, a node that is a pod": {
			"0::/kubepods/pod" + static + "/" + idB + "/kubelet/kubepods/pod" + uid + "/" + idA + "\n", []seat{{static, idB}, {uid, idA}},
		},
		"v2, a container in a container":              {"0::/kubepods/pod" + uid + "/" + idA + "/docker/" + idB + "\n", one},
		"v2, from another cgroup namespace, systemd":  {"0::/../../kubepods-besteffort-pod" + under + ".slice/cri-containerd-" + idA + ".scope\n", one},
		"v2, from another cgroup namespace, cgroupfs": {"0::/../../pod" + uid + "/" + idA + "\n", one},
		"v2, a static pod":                            {"0::/kubepods/burstable/pod" + static + "/" + idA + "\n", []seat{{static, idA}}},
		"v2, a static pod, systemd":                   {"0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" + static + ".slice/cri-containerd-" + idA + ".scope", []seat{{static, idA}}},
		"v1, every controller":                        {"12:devices:/kubepods/burstable/pod" + uid + "/" + idA + "\n11:cpu,cpuacct:/kubepods/burstable/pod" + uid + "/" + idA + "\n0::/\n", one},
		"v1, only some controllers":                   {"13:rdma:/\n4:memory:/kubepods.slice/kubepods-pod" + under + ".slice/docker-" + idA + ".scope\n1:name=systemd:/system.slice/x.service\n", one},
		"a service of the host":                       {"0::/system.slice/nv-hostengine.service\n", nil},
		"a user's":                                    {"0::/user.slice/user-1000.slice/session-3.scope\n", nil},
		"ourselves":                                   {"0::/\n", nil},
		"the kubelet":                                 {"0::/system.slice/kubelet.service\n", nil},
		"Docker without Kubernetes":                   {"0::/docker/" + idA + "\n", nil},
		"a pod without a container":                   {"0::/kubepods/besteffort/pod" + uid + "\n", nil},
		"an id too short":                             {"0::/kubepods/pod" + uid + "/" + idA[1:] + "\n", nil},
		"an id too long":                              {"0::/kubepods/pod" + uid + "/" + idA + "0\n", nil},
		"empty":                                       {"", nil},
		"no colons":                                   {"kubepods/pod" + uid + "/" + idA, nil},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, parseCgroup(test.content), cmp.AllowUnexported(seat{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// Whatever a cgroup file says, what comes of it looks like a pod and a container.
func FuzzParseCgroup(f *testing.F) {
	for _, s := range []string{
		"0::/kubepods/pod" + uid + "/" + idA + "\n",
		"0::/kubepods.slice/kubepods-pod" + under + ".slice/cri-containerd-" + idA + ".scope\n",
		"4:memory:/kubepods/burstable/pod" + static + "/" + idA + "\n0::/\n", "0::/../../pod" + uid + ":cri-containerd:" + idA, "::", "\n\n",
	} {
		f.Add(s)
	}
	pod := regexp.MustCompile(`^([0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32})$`)
	container := regexp.MustCompile(`^[0-9a-f]{64}$`)
	f.Fuzz(func(t *testing.T, content string) {
		for _, s := range parseCgroup(content) {
			if !pod.MatchString(s.pod) || !container.MatchString(s.container) {
				t.Errorf("%q gives %+v", content, s)
			}
			if !strings.Contains(content, s.container) {
				t.Errorf("%q gives %+v, which is not in it", content, s)
			}
		}
	})
}
