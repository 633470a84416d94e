package kubelet

import (
	"regexp"
	"strings"
)

// seat is a container that a cgroup path tells: the UID of its pod and its own id, 64 hexadecimal digits.
type seat struct{ pod, container string }

// seats in a path, outermost first: a node that is itself a container, or a pod with containers of its own, makes several. What
// lies between a pod's cgroup and the container's is the affair of the runtime and the driver:
//
//	/kubepods/burstable/pod<uid>/<id>                                                  driver cgroupfs
//	/kubepods.slice/kubepods-pod<uid>.slice/cri-containerd-<id>.scope                  driver systemd; also crio-, docker-
//	/kubepods-burstable-pod<uid>.slice:cri-containerd:<id>                             containerd 1 under systemd
//	/../../kubepods-besteffort-pod<uid>.slice/crio-<id>.scope                          as seen from another cgroup namespace
//
// (kubelet cm/cgroup_manager_linux.go). A UID has underscores under systemd, and static pods have one of 32 digits.
var seats = regexp.MustCompile(`pod([0-9a-f]{8}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{12}|[0-9a-f]{32})` +
	`(?:\.slice)?[/:](?:[a-z-]+[-:])?([0-9a-f]{64})(?:\.scope)?(?:[/\n]|$)`)

// conmon is the process of CRI-O beside each container: it has the container's id in its cgroup, and is none of its processes.
const conmon = "crio-conmon-"

// parseCgroup returns the containers that the content of /proc/<pid>/cgroup tells, outermost first: none for a process that is in
// no pod. All hierarchies of version 1 tell the same; the first that tells anything counts.
func parseCgroup(content string) []seat {
	for line := range strings.Lines(content) {
		_, rest, _ := strings.Cut(line, ":")
		_, path, ok := strings.Cut(rest, ":")
		if !ok || strings.Contains(path, conmon) {
			continue
		}
		var found []seat
		for _, match := range seats.FindAllStringSubmatch(path, -1) {
			found = append(found, seat{strings.ReplaceAll(match[1], "_", "-"), match[2]})
		}
		if len(found) > 0 {
			return found
		}
	}
	return nil
}
