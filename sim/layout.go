package sim

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"time"

	"gpusignal/node"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

const gib = 1 << 30

// firstPID is above every PID that Linux gives (2^22), so a simulated process is never mistaken for a real one.
const firstPID = 1<<22 + 1000

// populate puts the pods on the node: GPUs 0, 1 and 4 are replicas of Deployment chat (vLLM; the one on 4 still loads its
// model), 2 and 3 of Deployment vision (Triton), 5 and 6 belong to a training Job, and 7 to nobody, though a process
// outside any pod uses it now and then.
func (n *Node) populate() error {
	random := stream(n.cfg.Seed, "layout")
	n.loading = between(random, 52*time.Second, 68*time.Second)
	jobs := stream(n.cfg.Seed, "jobs")
	n.trains = func() time.Duration { return between(jobs, 4*time.Minute, 7*time.Minute) }
	chatHash, visionHash := suffix(random, 10), suffix(random, 10)
	for i, put := range []func(ip string) error{
		func(ip string) error { return n.chat(random, 0, ip, chatHash, false) },
		func(ip string) error { return n.chat(random, 1, ip, chatHash, false) },
		func(ip string) error { return n.vision(random, 2, ip, visionHash) },
		func(ip string) error { return n.vision(random, 3, ip, visionHash) },
		func(ip string) error { return n.chat(random, 4, ip, chatHash, true) },
	} {
		if i >= n.cfg.GPUs {
			break
		}
		if err := put(fmt.Sprintf("127.0.64.%d", 10+i)); err != nil {
			return err
		}
	}
	if n.cfg.GPUs > 6 {
		n.train(random, "127.0.64.20", n.driver.gpus[5], n.driver.gpus[6])
	}
	if n.cfg.GPUs > 7 {
		n.stray(stream(n.cfg.Seed, "stray"), n.driver.gpus[7])
	}
	n.faults(stream(n.cfg.Seed, "faults"))
	n.pods.add(podSpec{
		namespace: "kube-system", name: "kube-proxy-" + suffix(random, 5), uid: uuid(random),
		owner:  metav1.OwnerReference{APIVersion: "apps/v1", Kind: "DaemonSet", Name: "kube-proxy", UID: types.UID(uuid(random))},
		labels: map[string]string{"k8s-app": "kube-proxy"},
		image:  "registry.k8s.io/kube-proxy:v1.37.2", container: "kube-proxy", ip: "127.0.0.1", hostNetwork: true,
		started: time.Now().Add(-between(random, time.Hour, 50*time.Hour)), ready: true,
	}.build(n.NodeName()))
	return nil
}

// listen opens a port of its own on a pod's address, and on 127.0.0.1 where the machine has no other loopback addresses.
func listen(ip string) (net.Listener, string, int, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(ip, "0"))
	if err != nil {
		ip = "127.0.0.1"
		l, err = net.Listen("tcp", net.JoinHostPort(ip, "0"))
	}
	if err != nil {
		return nil, "", 0, fmt.Errorf("listen for a pod: %w", err)
	}
	return l, ip, l.Addr().(*net.TCPAddr).Port, nil
}

// replicaSet owns the pods of a Deployment.
func replicaSet(deployment, hash string) metav1.OwnerReference {
	name := deployment + "-" + hash
	return metav1.OwnerReference{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: name, UID: types.UID(uuid(stream(0, name)))}
}

// chat puts a vLLM replica on a GPU. One that loads refuses connections until its model is in memory.
func (n *Node) chat(random *rand.Rand, minor int, ip, hash string, loads bool) error {
	listener, ip, port, err := listen(ip)
	if err != nil {
		return err
	}
	spec := podSpec{
		namespace: "chat", name: "chat-" + hash + "-" + suffix(random, 5), uid: uuid(random),
		owner: replicaSet("chat", hash), hash: hash, labels: map[string]string{"app": "chat"}, initContainer: "download-weights",
		image: "vllm/vllm-openai:v0.32.0", container: "vllm", ip: ip,
		args: []string{
			"meta-llama/Llama-3.1-8B-Instruct", "--served-model-name", "llama-3.1-8b-instruct", "--port", strconv.Itoa(port),
			"--max-num-seqs", "8", "--max-model-len", "4096", "--max-num-queued-reqs", "48", "--enable-lora",
			"--lora-modules", "support=/adapters/support", "sales=/adapters/sales",
			"--speculative-config", `{"method":"ngram","num_speculative_tokens":2}`,
		},
		ports: []corev1.ContainerPort{{Name: "http", ContainerPort: int32(port), Protocol: corev1.ProtocolTCP}},
		annotations: map[string]string{
			"gpusignal/engine": "vllm", "gpusignal/port": strconv.Itoa(port), "example.com/team": "assistants",
		},
		devices: []string{string(n.driver.gpus[minor].device.ID)}, ready: !loads,
		started: time.Now().Add(-between(random, time.Hour, 50*time.Hour)),
	}
	if loads {
		spec.started = time.Now()
	}
	g := n.driver.gpus[minor]
	g.kernels = decoding().vary(stream(n.cfg.Seed, "work "+string(g.device.ID)))
	name, adapters := spec.namespace+"/"+spec.name, []string{"support", "sales"}
	v := newVLLM(VLLMConfig{
		Pod: name, Model: "llama-3.1-8b-instruct", Adapters: adapters, MaxQueued: 48, Drafts: 2, Started: spec.started,
	}, g, n.log)
	address := listener.Addr().String()
	s := &server{run: v.Run, endpoints: []*endpoint{{address, listener, v.Handler()}}, clients: []*client{{
		pod: name, log: n.log, send: sendChat(n.client, "http://"+address),
		demand: newDemand(stream(n.cfg.Seed, "client "+strconv.Itoa(minor)), 2, chat("llama-3.1-8b-instruct", adapters)),
	}}}
	process := node.Process{PID: firstPID + minor, Started: spec.started, Container: spec.id(), Memory: 72 * gib}
	if loads {
		if err := listener.Close(); err != nil {
			return fmt.Errorf("close listener of %q: %w", name, err)
		}
		s.endpoints[0].listener = nil
		s.prepare = func(ctx context.Context) { n.load(ctx, types.UID(spec.uid), g, process) }
	} else {
		g.place(process)
	}
	n.servers = append(n.servers, s)
	n.pods.add(spec.build(n.NodeName()), spec.devices...)
	return nil
}

// load is the start of a vLLM server: 16 GiB of weights come in piece by piece, then it takes the rest of its share for
// the KV cache at once, and only then listens and becomes ready.
func (n *Node) load(ctx context.Context, uid types.UID, g *gpu, process node.Process) {
	const pieces, weights = 32, 16 * gib
	all := process.Memory
	for i := range uint64(pieces) {
		process.Memory = weights * (i + 1) / pieces
		g.place(process)
		if !sleep(ctx, n.loading/pieces, nil) {
			return
		}
	}
	process.Memory = all
	g.place(process)
	n.pods.change(uid, func(p *corev1.Pod) { setReady(p, true, time.Now()) })
}

// vision puts a Triton replica with three models on a GPU.
func (n *Node) vision(random *rand.Rand, minor int, ip, hash string) error {
	api, ip, apiPort, err := listen(ip)
	if err != nil {
		return err
	}
	metrics, err := net.Listen("tcp", net.JoinHostPort(ip, "0"))
	if err != nil {
		return errors.Join(fmt.Errorf("listen for a pod: %w", err), api.Close())
	}
	port := metrics.Addr().(*net.TCPAddr).Port
	spec := podSpec{
		namespace: "vision", name: "vision-" + hash + "-" + suffix(random, 5), uid: uuid(random),
		owner: replicaSet("vision", hash), hash: hash, labels: map[string]string{"app": "vision"},
		image: "nvcr.io/nvidia/tritonserver:26.10-py3", container: "triton", ip: ip,
		args: []string{
			"tritonserver", "--model-repository=/models", "--http-port=" + strconv.Itoa(apiPort),
			"--metrics-port=" + strconv.Itoa(port), "--metrics-config=histogram_latencies=true",
			"--metrics-config=summary_latencies=true", "--cache-config=local,size=268435456",
		},
		ports: []corev1.ContainerPort{
			{Name: "http", ContainerPort: int32(apiPort), Protocol: corev1.ProtocolTCP},
			{Name: "metrics", ContainerPort: int32(port), Protocol: corev1.ProtocolTCP},
		},
		annotations: map[string]string{
			"prometheus.io/scrape": "true", "prometheus.io/port": strconv.Itoa(port), "prometheus.io/path": "/metrics",
		},
		devices: []string{string(n.driver.gpus[minor].device.ID)}, ready: true,
		started: time.Now().Add(-between(random, time.Hour, 50*time.Hour)),
	}
	g := n.driver.gpus[minor]
	g.kernels = inferring().vary(stream(n.cfg.Seed, "work "+string(g.device.ID)))
	g.place(node.Process{PID: firstPID + minor, Started: spec.started, Container: spec.id(), Memory: 11 * gib})
	name := spec.namespace + "/" + spec.name
	t := newTriton(TritonConfig{Pod: name, Histograms: true, Summaries: true, Started: spec.started, Models: []TritonModel{
		{Name: "detector", Instances: 1, Service: 70 * time.Millisecond, MaxQueue: 64, Load: 12400 * time.Millisecond},
		{Name: "classifier", Instances: 2, Service: 25 * time.Millisecond, MaxBatch: 8, Delay: 5 * time.Millisecond, Load: 4100 * time.Millisecond},
		{Name: "embedder", Instances: 1, Service: 40 * time.Millisecond, Cache: true, Load: 6700 * time.Millisecond},
	}}, g, n.log)
	s := &server{run: t.Run, endpoints: []*endpoint{
		{api.Addr().String(), api, t.Handler()}, {metrics.Addr().String(), metrics, t.Metrics()},
	}}
	for i, m := range t.models {
		s.clients = append(s.clients, &client{
			pod: name, log: n.log, send: sendInfer(n.client, "http://"+api.Addr().String()),
			demand: newDemand(stream(n.cfg.Seed, fmt.Sprintf("client %d %d", minor, i)), []float64{5, 3, 2}[i],
				infer(m.cfg.Name, m.cfg.Service, m.cfg.Cache)),
		})
	}
	n.servers = append(n.servers, s)
	n.pods.add(spec.build(n.NodeName()), spec.devices...)
	return nil
}

// id names the pod's first container.
func (s podSpec) id() node.ContainerID {
	return node.ContainerID{Pod: node.PodID{UID: s.uid, Namespace: s.namespace, Name: s.name}, Name: s.container}
}
