package sim

import (
	"context"
	"math/rand/v2"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// train puts a training Job on GPUs. When it has ended, another one begins a little later.
func (n *Node) train(minors ...int) error {
	var gpus []*gpu
	for _, minor := range minors {
		g := n.driver.gpus[minor]
		n.works(g, training())
		gpus = append(gpus, g)
	}
	random, steps := stream(n.cfg.Seed, "job pods"), stream(n.cfg.Seed, "train")
	address := n.address()
	job := func(started time.Time) (podSpec, []*process) {
		name := "train-" + suffix(random, 6)
		spec := podSpec{
			namespace: "research", name: name + "-" + suffix(random, 5), uid: uuid(random), ip: address, ready: true, started: started,
			owner:  controller("batch/v1", "Job", name),
			labels: map[string]string{"app": "train", "batch.kubernetes.io/job-name": name, "job-name": name},
		}
		trainer := container{name: "trainer", image: "nvcr.io/nvidia/pytorch:26.10-py3", args: []string{"torchrun", "--nproc-per-node=gpu", "train.py"}}
		for _, g := range gpus {
			trainer = trainer.holding(g)
		}
		spec.containers = []container{trainer}
		var ranks []*process
		for _, g := range gpus {
			ranks = append(ranks, n.spawn(g, &spec, 0, "pt_main_thread", 61*gib))
		}
		n.add(&spec)
		return spec, ranks
	}
	spec, ranks := job(n.began.Add(-20 * time.Minute))
	n.jobs = append(n.jobs, func(ctx context.Context) {
		for epoch(ctx, steps, n.trains(), ranks) {
			n.pods.change(types.UID(spec.uid), func(p *corev1.Pod) { succeed(p, time.Now()) })
			for _, p := range ranks {
				n.quit(p)
			}
			if !sleep(ctx, 10*time.Second, nil) {
				return
			}
			n.pods.remove(types.UID(spec.uid))
			if !sleep(ctx, 10*time.Second, nil) {
				return
			}
			spec, ranks = job(time.Now())
		}
	})
	return nil
}

// epoch trains for d: steps that keep all GPUs busy nine parts in ten, and now and then a checkpoint that leaves them
// idle. It is false when ctx ended.
func epoch(ctx context.Context, random *rand.Rand, d time.Duration, ranks []*process) bool {
	for began := time.Now(); time.Since(began) < d; {
		step := between(random, 350*time.Millisecond, 650*time.Millisecond)
		for _, p := range ranks {
			p.execute(step * 9 / 10)
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

// beats lets a process work again and again, for some time of an interval; both vary by half.
func (n *Node) beats(p *process, work, interval time.Duration) {
	random := n.stream("beats", p.gpu)
	n.jobs = append(n.jobs, func(ctx context.Context) {
		for sleep(ctx, between(random, interval/2, interval*3/2), nil) {
			p.execute(between(random, work/2, work*3/2))
		}
	})
}

// stray lets a process that no pod owns use a GPU now and then.
func (n *Node) stray(minor int) error {
	g, random := n.driver.gpus[minor], stream(n.cfg.Seed, "stray")
	n.jobs = append(n.jobs, func(ctx context.Context) {
		for sleep(ctx, between(random, 5*time.Second, 25*time.Second), nil) {
			p := g.place(process{pid: n.proc.begin("nightly", "/system.slice/nightly.service", time.Now()), memory: 6 * gib})
			for range 5 + random.IntN(15) {
				p.execute(between(random, 100*time.Millisecond, 400*time.Millisecond))
				if !sleep(ctx, between(random, 200*time.Millisecond, 600*time.Millisecond), nil) {
					return
				}
			}
			n.quit(p)
		}
	})
	return nil
}

// faults reports an XID 31 (a page fault of an application) on some GPU now and then.
func (n *Node) faults(random *rand.Rand) {
	n.jobs = append(n.jobs, func(ctx context.Context) {
		for sleep(ctx, between(random, 90*time.Second, 15*time.Minute), nil) {
			n.driver.raise(n.driver.gpus[random.IntN(len(n.driver.gpus))], 31)
		}
	})
}
