package sim

import (
	"strconv"
	"time"
)

// chat puts a vLLM replica on a whole GPU, with adapters and speculative decoding.
func (n *Node) chat(minor int, hash string, loads bool) error {
	g, spec := n.driver.gpus[minor], n.replica("chat", "chat", hash)
	spec.initContainer = "download-weights"
	n.works(g, decoding())
	return n.vllm(&spec, g, vllmPod{
		weights: "meta-llama/Llama-3.1-8B-Instruct", memory: 72 * gib, rate: 2, loads: loads,
		cfg: VLLMConfig{Model: "llama-3.1-8b-instruct", Adapters: []string{"support", "sales"}, MaxQueued: 48, Drafts: 2},
	})
}

// vision puts a Triton replica with three models on a GPU.
func (n *Node) vision(minor int, hash string) error {
	g, spec := n.driver.gpus[minor], n.replica("vision", "vision", hash)
	n.works(g, inferring())
	return n.triton(&spec, g, tritonPod{memory: 11 * gib, rates: []float64{5, 3, 2}, models: []TritonModel{
		{Name: "detector", Instances: 1, Service: 70 * time.Millisecond, MaxQueue: 64, Load: 12400 * time.Millisecond},
		{Name: "classifier", Instances: 2, Service: 25 * time.Millisecond, MaxBatch: 8, Delay: 5 * time.Millisecond, Load: 4100 * time.Millisecond},
		{Name: "embedder", Instances: 1, Service: 40 * time.Millisecond, Cache: true, Load: 6700 * time.Millisecond},
	}})
}

// translate puts a small vLLM server on a GPU that others use too.
func (n *Node) translate(minor int) error {
	spec := n.replica("translate", "translate", suffix(n.random, 10))
	return n.vllm(&spec, n.driver.gpus[minor], vllmPod{
		weights: "google/madlad400-3b-mt", memory: 20 * gib, rate: 0.5,
		cfg: VLLMConfig{Model: "madlad400-3b", MaxSeqs: 4, MaxQueued: 32, Blocks: 320, Step: 12 * time.Millisecond},
	})
}

// notebook puts a pod on a GPU whose process keeps memory and does nothing.
func (n *Node) notebook(minor int) error {
	g, spec := n.driver.gpus[minor], n.pod("research", "notebook-0", controller("apps/v1", "StatefulSet", "notebook"))
	spec.containers = []container{container{name: "notebook", image: "quay.io/jupyter/pytorch-notebook:cuda12-2026-11-02"}.holding(g)}
	n.spawn(g, &spec, 0, "python3", 2*gib)
	n.add(&spec)
	return nil
}

// summarize puts a vLLM server on a MIG instance. It loads its model when the node begins.
func (n *Node) summarize(minor, instance int) error {
	g, spec := n.driver.gpus[minor].instances[instance], n.replica("documents", "summarize", suffix(n.random, 10))
	n.works(g, decoding())
	return n.vllm(&spec, g, vllmPod{
		weights: "Qwen/Qwen3-8B", memory: 35 * gib, rate: 1, loads: true,
		cfg: VLLMConfig{Model: "qwen3-8b", MaxQueued: 24, Blocks: 512, Step: 30 * time.Millisecond},
	})
}

// ocr puts a Triton server on a MIG instance.
func (n *Node) ocr(minor, instance int) error {
	g, spec := n.driver.gpus[minor].instances[instance], n.replica("documents", "ocr", suffix(n.random, 10))
	n.works(g, inferring())
	return n.triton(&spec, g, tritonPod{memory: 6 * gib, rates: []float64{4}, models: []TritonModel{
		{Name: "ocr", Instances: 1, Service: 90 * time.Millisecond, MaxQueue: 32, Load: 5200 * time.Millisecond},
	}})
}

// speech puts one pod with two containers on a GPU: a Triton server, and one that prepares its input on the same GPU.
func (n *Node) speech(minor int) error {
	g, spec := n.driver.gpus[minor], n.replica("speech", "speech", suffix(n.random, 10))
	n.works(g, inferring())
	err := n.triton(&spec, g, tritonPod{
		memory: 9 * gib, rates: []float64{3},
		models: []TritonModel{{Name: "transcriber", Instances: 2, Service: 110 * time.Millisecond, MaxQueue: 32, Load: 8300 * time.Millisecond}},
		beside: []container{container{name: "features", image: "registry.example.com/speech/features:2.3.1"}.holding(g)},
	})
	if err != nil {
		return err
	}
	n.beats(n.spawn(g, &spec, 1, "python3", 3*gib), 60*time.Millisecond, 500*time.Millisecond)
	return nil
}

// reason puts a group of a LeaderWorkerSet on two GPUs: a pod with the vLLM server, and one that only computes for it.
func (n *Node) reason(leads, works int) error {
	const name, size = "reason", 2
	member := func(worker int) podSpec {
		owner, index := name, "-0"
		if worker > 0 {
			owner, index = name+"-0", "-"+strconv.Itoa(worker)
		}
		spec := n.pod("reason", owner+index, controller("apps/v1", "StatefulSet", owner))
		spec.labels = map[string]string{
			"app": name, "leaderworkerset.sigs.k8s.io/name": name, "leaderworkerset.sigs.k8s.io/group-index": "0",
			"leaderworkerset.sigs.k8s.io/worker-index": strconv.Itoa(worker),
		}
		spec.annotations = map[string]string{"leaderworkerset.sigs.k8s.io/size": strconv.Itoa(size)}
		return spec
	}
	leader, worker := member(0), member(1)
	worker.annotations["leaderworkerset.sigs.k8s.io/leader-name"] = leader.name
	g, other := n.driver.gpus[leads], n.driver.gpus[works]
	n.works(g, decoding())
	n.works(other, decoding())
	worker.containers = []container{container{
		name: "vllm", image: vllmImage, args: []string{"ray", "start", "--block", "--address=" + leader.name + ".reason.reason:6379"},
	}.holding(other)}
	n.add(&worker)
	return n.vllm(&leader, g, vllmPod{
		weights: "meta-llama/Llama-3.3-70B-Instruct", memory: 72 * gib, rate: 0.8,
		cfg:   VLLMConfig{Model: "llama-3.3-70b-instruct", MaxQueued: 48, Step: 40 * time.Millisecond},
		args:  []string{"--tensor-parallel-size", strconv.Itoa(size)},
		ranks: []*process{n.spawn(other, &worker, 0, "ray::RayWorkerWrapper", 72*gib)},
	})
}
