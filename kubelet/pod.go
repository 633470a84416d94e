package kubelet

import (
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"gpusignal/node"
)

// podOf keeps of a pod what gpusignal reads: everything else, environment and volumes first, is dropped here.
func podOf(pod *corev1.Pod) node.Pod {
	out := node.Pod{
		ID:          node.PodID{UID: podUID(pod), Namespace: pod.Namespace, Name: pod.Name},
		Workload:    workload(&pod.ObjectMeta),
		Place:       place(pod.Labels),
		IPs:         podIPs(&pod.Status),
		HostNetwork: pod.Spec.HostNetwork,
		Annotations: annotations(pod.Annotations),
		Phase:       string(pod.Status.Phase),
		Ready:       podReady(&pod.Status),
		Containers:  containers(pod),
	}
	if pod.DeletionTimestamp != nil {
		out.Deleted = pod.DeletionTimestamp.Time
	}
	return out
}

// podIPs returns the addresses of a pod, the first one first.
func podIPs(status *corev1.PodStatus) []netip.Addr {
	var ips []netip.Addr
	add := func(text string) {
		ip, err := netip.ParseAddr(text)
		if err == nil && !slices.Contains(ips, ip) {
			ips = append(ips, ip)
		}
	}
	add(status.PodIP)
	for _, ip := range status.PodIPs {
		add(ip.IP)
	}
	return ips
}

// annotations returns the ones that begin with "gpusignal/" or "prometheus.", nil where there is none.
func annotations(all map[string]string) map[string]string {
	var ours map[string]string
	for key, value := range all {
		if !strings.HasPrefix(key, "gpusignal/") && !strings.HasPrefix(key, "prometheus.") {
			continue
		}
		if ours == nil {
			ours = map[string]string{}
		}
		ours[key] = value
	}
	return ours
}

// podReady returns the pod's Ready condition.
func podReady(status *corev1.PodStatus) bool {
	for i := range status.Conditions {
		if status.Conditions[i].Type == corev1.PodReady {
			return status.Conditions[i].Status == corev1.ConditionTrue
		}
	}
	return false
}

// containers returns the pod's containers: the sidecars (restartable init containers) first, as they start first. Plain
// init containers are over before the pod serves and are left out, as the kubelet leaves them out of its lists.
func containers(pod *corev1.Pod) []node.Container {
	out := make([]node.Container, 0, len(pod.Spec.Containers))
	for i := range pod.Spec.InitContainers {
		c := &pod.Spec.InitContainers[i]
		if c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			out = append(out, container(c, pod.Status.InitContainerStatuses))
		}
	}
	for i := range pod.Spec.Containers {
		out = append(out, container(&pod.Spec.Containers[i], pod.Status.ContainerStatuses))
	}
	return out
}

// container joins what a container is to be with how it stands. Args are its whole command line as far as the pod gives
// it: command, then arguments.
func container(spec *corev1.Container, statuses []corev1.ContainerStatus) node.Container {
	out := node.Container{Name: spec.Name, Image: spec.Image, Args: slices.Concat(spec.Command, spec.Args)}
	for _, port := range spec.Ports {
		if port.Protocol == "" || port.Protocol == corev1.ProtocolTCP {
			out.Ports = append(out.Ports, node.Port{Name: port.Name, Number: int(port.ContainerPort)})
		}
	}
	for i := range statuses {
		status := &statuses[i]
		if status.Name != spec.Name {
			continue
		}
		out.Ready, out.Restarts = status.Ready, int(status.RestartCount)
		_, out.ID, _ = strings.Cut(status.ContainerID, "://")
		if status.State.Running != nil {
			out.Started = status.State.Running.StartedAt.Time
		}
	}
	return out
}
