package sim

import (
	"fmt"
	"math/rand/v2"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

const gib = 1 << 30

// tenant is a pod, or a few, and the last of the GPUs that it needs.
type tenant struct {
	last int
	put  func() error
}

// populate puts the pods on the node, those whose GPUs it has.
func (n *Node) populate() error {
	n.random = stream(n.cfg.Seed, "layout")
	n.loading = between(n.random, 52*time.Second, 68*time.Second)
	jobs := stream(n.cfg.Seed, "jobs")
	n.trains = func() time.Duration { return between(jobs, 4*time.Minute, 7*time.Minute) }
	tenants := n.shared
	if n.cfg.Plain {
		tenants = n.plain
	}
	for _, t := range tenants() {
		if t.last >= len(n.driver.gpus) {
			continue
		}
		if err := t.put(); err != nil {
			return err
		}
	}
	n.faults(stream(n.cfg.Seed, "faults"))
	proxy := n.pod("kube-system", "kube-proxy-"+suffix(n.random, 5), controller("apps/v1", "DaemonSet", "kube-proxy"))
	proxy.ip, proxy.hostNetwork = "127.0.0.1", true
	proxy.containers = []container{{name: "kube-proxy", image: "registry.k8s.io/kube-proxy:v1.37.2"}}
	n.add(&proxy)
	return nil
}

// plain is a node on which every GPU is held whole: 0, 1 and 4 are replicas of Deployment chat (vLLM; the one on 4 still loads
// its model), 2 and 3 of Deployment vision (Triton), 5 and 6 belong to a training Job, and 7 to nobody, though a process
// outside any pod uses it now and then.
func (n *Node) plain() []tenant {
	chat, vision := suffix(n.random, 10), suffix(n.random, 10)
	return []tenant{
		{0, func() error { return n.chat(0, chat, false) }},
		{1, func() error { return n.chat(1, chat, false) }},
		{2, func() error { return n.vision(2, vision) }},
		{3, func() error { return n.vision(3, vision) }},
		{4, func() error { return n.chat(4, chat, true) }},
		{6, func() error { return n.train(5, 6) }},
		{7, func() error { return n.stray(7) }},
	}
}

// shared is a node with every way of sharing GPUs:
//
//	0     chat, a vLLM server that holds the GPU whole
//	1     offered four times: vision (Triton), translate (vLLM) and a notebook that is idle hold a replica each
//	2     in MIG mode: summarize (vLLM, which still loads its model) and ocr (Triton) hold an instance each, nobody the third
//	3     offered twice: both replicas are held by speech, one by each of its containers
//	4, 5  reason, a LeaderWorkerSet: the leader (vLLM) and its worker, a pod and a GPU each
//	6     a training Job
//	7     nobody's, though a process outside any pod uses it now and then
func (n *Node) shared() []tenant {
	n.offer(1, 4)
	n.offer(3, 2)
	n.divide(2, mixed())
	return []tenant{
		{0, func() error { return n.chat(0, suffix(n.random, 10), false) }},
		{1, func() error { return n.vision(1, suffix(n.random, 10)) }},
		{1, func() error { return n.translate(1) }},
		{1, func() error { return n.notebook(1) }},
		{2, func() error { return n.summarize(2, 0) }},
		{2, func() error { return n.ocr(2, 1) }},
		{3, func() error { return n.speech(3) }},
		{5, func() error { return n.reason(4, 5) }},
		{6, func() error { return n.train(6) }},
		{7, func() error { return n.stray(7) }},
	}
}

// offer has the device plugin offer a GPU several times.
func (n *Node) offer(minor, replicas int) {
	if minor < len(n.driver.gpus) {
		n.driver.gpus[minor].replicas = replicas
	}
}

// divide cuts a GPU into MIG instances.
func (n *Node) divide(minor int, profiles []profile) {
	if minor < len(n.driver.gpus) {
		n.driver.gpus[minor].divide(stream(n.cfg.Seed, "mig"), profiles)
	}
}

// pod is a pod that runs for a while.
func (n *Node) pod(namespace, name string, owner metav1.OwnerReference) podSpec {
	return podSpec{
		namespace: namespace, name: name, uid: uuid(n.random), owner: owner, labels: map[string]string{"app": owner.Name},
		ip: n.address(), started: n.began.Add(-between(n.random, time.Hour, 50*time.Hour)), ready: true,
	}
}

// address is the next one for a pod.
func (n *Node) address() string {
	n.addresses++
	return fmt.Sprintf("127.0.64.%d", 9+n.addresses)
}

// replica is a pod of a Deployment.
func (n *Node) replica(namespace, deployment, hash string) podSpec {
	spec := n.pod(namespace, deployment+"-"+hash+"-"+suffix(n.random, 5), controller("apps/v1", "ReplicaSet", deployment+"-"+hash))
	spec.hash, spec.labels["app"] = hash, deployment
	return spec
}

// controller owns pods.
func controller(api, kind, name string) metav1.OwnerReference {
	return metav1.OwnerReference{APIVersion: api, Kind: kind, Name: name, UID: types.UID(uuid(stream(0, kind+name)))}
}

// add makes a pod known to the kubelet.
func (n *Node) add(spec *podSpec) { n.pods.add(spec.build(n.NodeName()), spec.containers...) }

// works says what the kernels on a device do.
func (n *Node) works(g *gpu, w kernels) {
	if g.device.Parent != "" {
		w = w.part(g.slices)
	}
	g.kernels = w.vary(n.stream("work", g))
}

// spawn starts a process of a pod's container on a device, as old as the pod.
func (n *Node) spawn(g *gpu, spec *podSpec, i int, comm string, memory uint64) *process {
	pid := n.proc.begin(comm, spec.cgroup(i), spec.started)
	return g.place(process{pid: pid, memory: memory, container: spec.id(i)})
}

// quit ends a process.
func (n *Node) quit(p *process) {
	p.leave()
	n.proc.end(p.pid)
}

// stream is of what belongs to a device.
func (n *Node) stream(name string, g *gpu) *rand.Rand {
	return stream(n.cfg.Seed, name+" "+string(g.device.ID))
}

// ready makes a pod ready.
func (n *Node) ready(spec *podSpec) {
	n.pods.change(types.UID(spec.uid), func(p *corev1.Pod) { setReady(p, true, time.Now()) })
}
