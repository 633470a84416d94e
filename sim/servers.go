package sim

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
)

const (
	vllmImage   = "vllm/vllm-openai:v0.32.0"
	tritonImage = "nvcr.io/nvidia/tritonserver:26.10-py3"
)

// listen opens a port of its own on a pod's address, and on 127.0.0.1 where the machine has no other loopback addresses.
func listen(ip string) (l net.Listener, at string, port int, err error) {
	l, err = net.Listen("tcp", net.JoinHostPort(ip, "0"))
	if err != nil {
		ip = "127.0.0.1"
		l, err = net.Listen("tcp", net.JoinHostPort(ip, "0"))
	}
	if err != nil {
		return nil, "", 0, fmt.Errorf("listen for a pod: %w", err)
	}
	return l, ip, l.Addr().(*net.TCPAddr).Port, nil
}

// vllmPod is what the vLLM servers of this node differ in.
type vllmPod struct {
	cfg     VLLMConfig
	weights string   // as the first argument names them
	args    []string // further ones
	memory  uint64
	rate    float64 // requests a second in a normal phase
	loads   bool    // it starts with the node, and refuses connections until its model is in memory
	ranks   []*process
}

// vllm puts a vLLM server into a pod, on a device.
func (n *Node) vllm(spec *podSpec, g *gpu, p vllmPod) error {
	listener, ip, at, err := listen(spec.ip)
	if err != nil {
		return err
	}
	spec.ip = ip
	if p.loads {
		spec.started, spec.ready = n.began, false
	}
	spec.annotate("gpusignal/engine", "vllm", "gpusignal/port", strconv.Itoa(at), "example.com/team", "assistants")
	spec.containers = append(spec.containers, container{
		name: "vllm", image: vllmImage, args: p.arguments(at), ports: ports("http", at),
	}.holding(g))
	p.cfg.Pod, p.cfg.Started = spec.namespace+"/"+spec.name, spec.started
	memory := p.memory
	if p.loads {
		memory = 0
	}
	rank := n.spawn(g, spec, 0, "VLLM::EngineCore", memory)
	v := newVLLM(p.cfg, n.log, append(p.ranks, rank)...)
	address := listener.Addr().String()
	s := &server{run: v.Run, endpoints: []*endpoint{{address, listener, v.Handler()}}, clients: []*client{{
		pod: p.cfg.Pod, log: n.log, send: sendChat(n.client, "http://"+address),
		demand: newDemand(n.stream("client", g), p.rate, chat(p.cfg.Model, p.cfg.Adapters)),
	}}}
	if p.loads {
		if err := listener.Close(); err != nil {
			return fmt.Errorf("close listener of %q: %w", p.cfg.Pod, err)
		}
		s.endpoints[0].listener = nil
		s.prepare = func(ctx context.Context) {
			if n.load(ctx, rank, p.memory) {
				n.ready(spec)
			}
		}
	}
	n.servers = append(n.servers, s)
	n.add(spec)
	return nil
}

// arguments of the server, as its pod shows them.
func (p *vllmPod) arguments(port int) []string {
	out := []string{
		p.weights, "--served-model-name", p.cfg.Model, "--port", strconv.Itoa(port), "--max-num-seqs", strconv.Itoa(cmp.Or(p.cfg.MaxSeqs, 8)),
		"--max-model-len", "4096", "--max-num-queued-reqs", strconv.Itoa(p.cfg.MaxQueued),
	}
	if len(p.cfg.Adapters) > 0 {
		out = append(out, "--enable-lora", "--lora-modules")
		for _, name := range p.cfg.Adapters {
			out = append(out, name+"=/adapters/"+name)
		}
	}
	if p.cfg.Drafts > 0 {
		out = append(out, "--speculative-config", fmt.Sprintf(`{"method":"ngram","num_speculative_tokens":%d}`, p.cfg.Drafts))
	}
	return append(out, p.args...)
}

// load is the start of a vLLM server: 16 GiB of weights come in piece by piece, then it takes the rest of its share for
// the KV cache at once, and only then listens and becomes ready. It is false when ctx ended.
func (n *Node) load(ctx context.Context, p *process, memory uint64) bool {
	const pieces, weights = 32, 16 * gib
	for i := range uint64(pieces) {
		p.hold(weights * (i + 1) / pieces)
		if !sleep(ctx, n.loading/pieces, nil) {
			return false
		}
	}
	p.hold(memory)
	return true
}

// tritonPod is what the Triton servers of this node differ in.
type tritonPod struct {
	models []TritonModel
	rates  []float64 // requests a second of each model, in a normal phase
	memory uint64
	// beside are the other containers of the pod.
	beside []container
}

// triton puts a Triton server into a pod, on a device.
func (n *Node) triton(spec *podSpec, g *gpu, p tritonPod) error {
	api, ip, apiPort, err := listen(spec.ip)
	if err != nil {
		return err
	}
	spec.ip = ip
	metrics, err := net.Listen("tcp", net.JoinHostPort(ip, "0"))
	if err != nil {
		return errors.Join(fmt.Errorf("listen for a pod: %w", err), api.Close())
	}
	at := metrics.Addr().(*net.TCPAddr).Port
	spec.annotate("prometheus.io/scrape", "true", "prometheus.io/port", strconv.Itoa(at), "prometheus.io/path", "/metrics")
	spec.containers = append(append(spec.containers, container{
		name: "triton", image: tritonImage, ports: append(ports("http", apiPort), ports("metrics", at)...),
		args: []string{
			"tritonserver", "--model-repository=/models", "--http-port=" + strconv.Itoa(apiPort), "--metrics-port=" + strconv.Itoa(at),
			"--metrics-config=histogram_latencies=true", "--metrics-config=summary_latencies=true", "--cache-config=local,size=268435456",
		},
	}.holding(g)), p.beside...)
	name := spec.namespace + "/" + spec.name
	t := newTriton(TritonConfig{Pod: name, Histograms: true, Summaries: true, Started: spec.started, Models: p.models},
		n.log, n.spawn(g, spec, 0, "tritonserver", p.memory))
	s := &server{run: t.Run, endpoints: []*endpoint{
		{api.Addr().String(), api, t.Handler()}, {metrics.Addr().String(), metrics, t.Metrics()},
	}}
	for i, m := range t.models {
		s.clients = append(s.clients, &client{
			pod: name, log: n.log, send: sendInfer(n.client, "http://"+api.Addr().String()),
			demand: newDemand(n.stream("client "+m.cfg.Name, g), p.rates[i], infer(m.cfg.Name, m.cfg.Service, m.cfg.Cache)),
		})
	}
	n.servers = append(n.servers, s)
	n.add(spec)
	return nil
}
