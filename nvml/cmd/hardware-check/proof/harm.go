package proof

import (
	"errors"
	"fmt"
	"time"

	"gpusignal/nvml/cmd/hardware-check/load"
)

// A segment is a time in which the daemon ran in one mode, or not at all.
type segment struct{ from, to time.Duration }

// harm measures what two loads lose by the daemon: off, on, on, off for each mode, the load going on all the while.
func (r *run) harm() error {
	var errs []error
	for _, kind := range []string{"matrix", "decode"} {
		if err := r.harmTo(kind); err != nil {
			errs = append(errs, fmt.Errorf("load %q: %w", kind, err))
		}
	}
	return errors.Join(errs...)
}

// harmTo measures one load.
func (r *run) harmTo(kind string) error {
	p, file, err := r.loader(kind, "-work", kind)
	if err != nil {
		return err
	}
	defer p.stop(5 * time.Second)
	segments := make([][][4]segment, len(modes(r.Rehearsal)))
	for range r.Durations.Rounds {
		for i, m := range modes(r.Rehearsal) {
			four, err := r.turns(p, m)
			if err != nil {
				return err
			}
			segments[i] = append(segments[i], four)
		}
	}
	p.stop(10 * time.Second)
	log, err := logOf(file)
	if err != nil {
		return err
	}
	for i, m := range modes(r.Rehearsal) {
		r.report.add(harmCheck(kind, m, log, segments[i]), cost)
	}
	return nil
}

// turns are off, on, on, off.
func (r *run) turns(p *process, m mode) (out [4]segment, err error) {
	var g *rig
	defer func() {
		if g != nil {
			g.stop()
		}
	}()
	for i := range out {
		switch i {
		case 1:
			if g, err = r.rig([]pod{r.holder("load-0")}, time.Second, m.args...); err != nil {
				return out, err
			}
		case 3:
			g.stop()
			g = nil
		}
		// Every segment is after a wait: the two in the middle also, so that nothing but the daemon tells them from the outer ones.
		from := load.Now() + settle(r.Durations.Segment)
		out[i] = segment{from, from + r.Durations.Segment}
		if err := r.sleep(out[i].to); err != nil {
			return out, err
		}
		if p.ended() {
			return out, fmt.Errorf("it ended: %w: %s", orEnded(p.err), p.said.String())
		}
		if g != nil && g.daemon.ended() {
			return out, fmt.Errorf("gpusignal ended: %w: %s", orEnded(g.daemon.err), g.daemon.said.String())
		}
	}
	return out, nil
}

// harmCheck judges one load under one mode. The budget counts for both the step's time and the throughput, by the GPU's events and by
// this machine's clock; what the noise hides is not passed.
func harmCheck(kind string, m mode, log load.Log, rounds [][4]segment) Check {
	c := Check{Part: "harm", Name: kind + " load, gpusignal " + m.name}
	var gpu, host []Slowdown
	for _, four := range rounds {
		var byGPU, byHost [4][]float64
		for i, s := range four {
			byGPU[i], byHost[i] = steptimes(log, s)
		}
		g, known := slowdown(byGPU)
		h, knownToo := slowdown(byHost)
		if !known || !knownToo {
			c.Status, c.Reason = Failed, "a segment without a step of the load"
			return c
		}
		gpu, host = append(gpu, g), append(host, h)
	}
	g, h := combine(gpu), combine(host)
	c.Values = values("step_gpu_ratio", g.Step, "step_host_ratio", h.Step, "throughput_ratio", h.Throughput,
		"noise_ratio", max(g.Noise, h.Noise), "steps", float64(h.Steps))
	c.Status, c.Reason = judgeHarm(m, max(g.Step, h.Step, h.Throughput), max(g.Noise, h.Noise))
	return c
}

// judgeHarm compares a loss with a mode's budget.
func judgeHarm(m mode, loss, noise float64) (Status, string) {
	switch {
	case m.budget == 0:
		return NotRun, unpromised
	case loss > m.budget && loss > noise:
		return Failed, fmt.Sprintf("a loss of %.2f %% is above the budget of %.2f %%", 100*loss, 100*m.budget)
	case noise > m.budget:
		return NotRun, fmt.Sprintf("equal segments differ by %.2f %%: a budget of %.2f %% cannot be told; take longer segments", 100*noise, 100*m.budget)
	case loss > m.budget:
		return NotRun, fmt.Sprintf("a loss of %.2f %% is above the budget, and not above the noise; take longer segments", 100*loss)
	}
	return Passed, ""
}

// steptimes are the durations in milliseconds of the steps that lie in a segment, by the GPU's events and by this machine's clock.
func steptimes(log load.Log, s segment) (gpu, host []float64) {
	for _, line := range log {
		if line.What == load.Work && line.To-line.Host >= s.from && line.To <= s.to {
			gpu, host = append(gpu, float64(line.GPU)/1e6), append(host, float64(line.Host)/1e6)
		}
	}
	return gpu, host
}
