package kubelet

import (
	"cmp"
	"slices"

	podresources "k8s.io/kubelet/pkg/apis/podresources/v1"
)

// allocation is one device that the kubelet gave to a container, in the kubelet's words: not yet resolved, no UID.
type allocation struct {
	namespace, pod, container string
	// resource is a device plugin's resource name, or the name of a DRA driver.
	resource string
	// id is a device plugin's device id, or the device's name in DRA.
	id string
	// pool is where the DRA device's name holds, and share tells several allocations of it apart; both are empty for device
	// plugins.
	pool, share string
}

// owner names the pod, for people.
func (a allocation) owner() string { return a.namespace + "/" + a.pod }

// compareAllocations orders allocations. The kubelet's own order changes from call to call.
func compareAllocations(a, b allocation) int {
	return cmp.Or(
		cmp.Compare(a.namespace, b.namespace),
		cmp.Compare(a.pod, b.pod),
		cmp.Compare(a.container, b.container),
		cmp.Compare(a.resource, b.resource),
		cmp.Compare(a.id, b.id),
		cmp.Compare(a.pool, b.pool),
		cmp.Compare(a.share, b.share),
	)
}

// allocations flattens an answer of the kubelet into what each container was given, sorted, each once.
func allocations(answer *podresources.ListPodResourcesResponse) []allocation {
	var all []allocation
	for _, pod := range answer.GetPodResources() {
		for _, container := range pod.GetContainers() {
			owner := allocation{namespace: pod.GetNamespace(), pod: pod.GetName(), container: container.GetName()}
			all = appendPlugin(all, owner, container.GetDevices())
			all = appendDynamic(all, owner, container.GetDynamicResources())
		}
	}
	slices.SortFunc(all, compareAllocations)
	return slices.Compact(all)
}

// appendPlugin adds what device plugins gave. One resource comes in several entries where its devices sit on several NUMA
// nodes.
func appendPlugin(all []allocation, owner allocation, devices []*podresources.ContainerDevices) []allocation {
	for _, device := range devices {
		for _, id := range device.GetDeviceIds() {
			one := owner
			one.resource, one.id = device.GetResourceName(), id
			all = append(all, one)
		}
	}
	return all
}

// appendDynamic adds what DRA drivers gave. The CDI devices are not looked at: kubelets up to 1.37.2 repeat those of a
// claim's earlier devices in its later ones.
func appendDynamic(all []allocation, owner allocation, claims []*podresources.DynamicResource) []allocation {
	for _, claim := range claims {
		for _, device := range claim.GetClaimResources() {
			one := owner
			one.resource, one.pool, one.id = device.GetDriverName(), device.GetPoolName(), device.GetDeviceName()
			one.share = claim.GetClaimNamespace() + "/" + claim.GetClaimName() + "/" + device.GetShareId()
			all = append(all, one)
		}
	}
	return all
}
