package sim

import (
	"slices"
	"strings"
	"time"

	"gpusignal/node"
)

// process is a process on a device.
type process struct {
	gpu    *gpu
	pid    int
	memory uint64
	// container it runs in, empty for a process of no pod.
	container node.ContainerID
}

// place puts a process on the device.
func (g *gpu) place(p process) *process {
	g.mu.Lock()
	defer g.mu.Unlock()
	p.gpu = g
	g.processes = append(g.processes, &p)
	g.logMemory()
	return &p
}

// hold changes the memory that the process holds.
func (p *process) hold(memory uint64) {
	p.gpu.mu.Lock()
	defer p.gpu.mu.Unlock()
	p.memory = memory
	p.gpu.logMemory()
}

// leave takes the process off the device. What it executes ends when it would have.
func (p *process) leave() {
	p.gpu.mu.Lock()
	defer p.gpu.mu.Unlock()
	p.gpu.processes = slices.DeleteFunc(p.gpu.processes, func(q *process) bool { return q == p })
	p.gpu.logMemory()
}

// execute gives the process work for d from now on, and returns the instant it began. Executions may overlap: a device is
// busy while there is any.
func (p *process) execute(d time.Duration) time.Time {
	g := p.gpu
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	g.board.settle(now)
	for i := range g.runs {
		if r := &g.runs[i]; r.by == p && !r.to.Before(now) {
			r.to = latest(r.to, now.Add(d))
			return now
		}
	}
	g.runs = append(g.runs, run{now, now.Add(d), p})
	return now
}

func (g *gpu) logMemory() { g.log.event("memory", "gpu", string(g.device.ID), "used", g.used()) }

func (g *gpu) used() uint64 {
	var sum uint64
	for _, p := range g.processes {
		sum += p.memory
	}
	return sum
}

// name in the truth log: that of its container.
func (p *process) name() string {
	if p.container.Name == "" {
		return "-"
	}
	return p.container.Pod.Namespace + "/" + p.container.Pod.Name + "/" + p.container.Name
}

func namesOf(all []*process) string {
	out := make([]string, len(all))
	for i, p := range all {
		out[i] = p.name()
	}
	return strings.Join(out, ",")
}
