package sim

import (
	"context"
	"math/rand/v2"
	"time"

	"gpusignal/node"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// train puts a training Job on two GPUs. When it has ended, another one begins a little later.
func (n *Node) train(random *rand.Rand, ip string, gpus ...*gpu) {
	for _, g := range gpus {
		g.kernels = training().vary(stream(n.cfg.Seed, "work "+string(g.device.ID)))
	}
	pid := firstPID + 100
	next := func(age time.Duration) podSpec {
		job := "train-" + suffix(random, 6)
		spec := podSpec{
			namespace: "research", name: job + "-" + suffix(random, 5), uid: uuid(random),
			owner: metav1.OwnerReference{APIVersion: "batch/v1", Kind: "Job", Name: job, UID: types.UID(uuid(random))},
			image: "nvcr.io/nvidia/pytorch:26.10-py3", container: "trainer", ip: ip, ready: true,
			args:    []string{"torchrun", "--nproc-per-node=2", "train.py"},
			labels:  map[string]string{"app": "train", "batch.kubernetes.io/job-name": job, "job-name": job},
			started: time.Now().Add(-age),
		}
		for i, g := range gpus {
			spec.devices = append(spec.devices, string(g.device.ID))
			g.place(node.Process{PID: pid + i, Started: spec.started, Container: spec.id(), Memory: 61 * gib})
		}
		n.pods.add(spec.build(n.NodeName()), spec.devices...)
		return spec
	}
	spec := next(20 * time.Minute)
	steps := stream(n.cfg.Seed, "train")
	n.jobs = append(n.jobs, func(ctx context.Context) {
		for {
			if !epoch(ctx, steps, n.trains(), gpus) {
				return
			}
			n.pods.change(types.UID(spec.uid), func(p *corev1.Pod) { succeed(p, time.Now()) })
			for i, g := range gpus {
				g.remove(pid + i)
			}
			if !sleep(ctx, 10*time.Second, nil) {
				return
			}
			n.pods.remove(types.UID(spec.uid))
			if !sleep(ctx, 10*time.Second, nil) {
				return
			}
			pid += len(gpus)
			spec = next(0)
		}
	})
}

// epoch trains for d: steps that keep all GPUs busy nine parts in ten, and now and then a checkpoint that leaves them
// idle. It is false when ctx ended.
func epoch(ctx context.Context, random *rand.Rand, d time.Duration, gpus []*gpu) bool {
	for began := time.Now(); time.Since(began) < d; {
		step := between(random, 350*time.Millisecond, 650*time.Millisecond)
		for _, g := range gpus {
			g.execute(step * 9 / 10)
		}
		if random.IntN(60) == 0 {
			step += between(random, 2*time.Second, 5*time.Second)
		}
		if !sleep(ctx, step, nil) {
			return false
		}
	}
	return true
}

// stray lets a process that no pod owns use a GPU now and then.
func (n *Node) stray(random *rand.Rand, g *gpu) {
	n.jobs = append(n.jobs, func(ctx context.Context) {
		for pid := firstPID + 10000; sleep(ctx, between(random, 5*time.Second, 25*time.Second), nil); pid++ {
			g.place(node.Process{PID: pid, Started: time.Now(), Memory: 6 * gib})
			for range 5 + random.IntN(15) {
				g.execute(between(random, 100*time.Millisecond, 400*time.Millisecond))
				if !sleep(ctx, between(random, 200*time.Millisecond, 600*time.Millisecond), nil) {
					return
				}
			}
			g.remove(pid)
		}
	})
}

// faults reports an XID 31 (a page fault of an application) on some GPU now and then.
func (n *Node) faults(random *rand.Rand) {
	n.jobs = append(n.jobs, func(ctx context.Context) {
		for sleep(ctx, between(random, 90*time.Second, 15*time.Minute), nil) {
			n.driver.raise(n.driver.gpus[random.IntN(len(n.driver.gpus))], 31)
		}
	})
}
