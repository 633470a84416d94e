package proof

import (
	"fmt"
	"math"
	"path/filepath"
	"strconv"
	"time"

	"gpusignal/nvml/cmd/hardware-check/load"
)

// sharesLimit is by how many points a process's share may be off: the driver tells whose a sample is some six times a second.
const sharesLimit = 10.0

// sharers are two pods on replicas of the GPU, as time-slicing gives them out.
func (r *run) sharers() []pod {
	var out []pod
	for i := range 2 {
		out = append(out, pod{
			Namespace: "hardware-check", Name: fmt.Sprintf("sharer-%d", i), UID: fmt.Sprintf("6b0c0000-0000-4000-8000-00000000000%d", i),
			Container: "load", Image: "load", IP: "127.0.0.1", Devices: []string{fmt.Sprintf("%s::%d", r.gpu.UUID, i)},
		})
	}
	return out
}

// shares holds the use of two processes on one GPU against their logs.
func (r *run) shares() error {
	pods := r.sharers()
	g, err := r.rig(pods, 250*time.Millisecond, "--engine.interval=1s", "--signal.window=5s")
	if err != nil {
		return err
	}
	defer g.stop()
	watch, sightFile, err := r.watcher("shares", "-interval", "1s", "-processes", min(5*time.Second, r.Durations.Shares/4).String())
	if err != nil {
		return err
	}
	defer watch.stop(2 * time.Second)
	begin := load.Now() + 2*time.Second
	var loads []*process
	var files []string
	var seats []*seat
	defer func() {
		for _, p := range loads {
			p.stop(2 * time.Second)
		}
		for _, s := range seats {
			s.leave()
		}
	}()
	var unseated error
	for i, duty := range []float64{0.45, 0.15} {
		plan := []load.Step{{
			Name: pods[i].Name, Length: r.Durations.Shares, Duty: duty, Least: 20 * time.Millisecond, Most: 300 * time.Millisecond, Streams: 1,
		}}
		file := filepath.Join(r.dir, pods[i].Name+".plan.json")
		if err := writeJSON(file, plan); err != nil {
			return err
		}
		p, log, err := r.loader(pods[i].Name, "-plan", file, "-begin", strconv.FormatInt(int64(begin), 10), "-seed", strconv.Itoa(10+i))
		if err != nil {
			return err
		}
		loads, files = append(loads, p), append(files, log)
		s, err := sit(p.cmd.Process.Pid, pods[i].UID)
		if err != nil {
			unseated = err
		} else {
			seats = append(seats, s)
		}
	}
	// Processes are read each five seconds: what lies between the first and the last such reading is known.
	for _, p := range loads {
		if err := p.wait(r.ctx, r.Durations.Shares+patience); err != nil {
			return err
		}
	}
	pages := g.seen()
	watch.stop(2 * time.Second)
	return r.judgeShares(begin, loads, files, pages, sightFile, unseated)
}

// judgeShares reads the logs and enters the checks.
func (r *run) judgeShares(begin time.Duration, loads []*process, files []string, pages []Page, sightFile string, unseated error) error {
	var spans []load.Spans
	var pids []int
	for i, file := range files {
		log, err := logOf(file)
		if err != nil {
			return err
		}
		spans, pids = append(spans, log.Spans()), append(pids, loads[i].cmd.Process.Pid)
	}
	sights, err := sightsOf(sightFile)
	if err != nil {
		return err
	}
	end := begin + r.Durations.Shares
	reader := readerShares(spans, pids, sights, begin, end)
	r.report.add(reader, right)
	if unseated != nil {
		r.report.add(Check{
			Part: "shares", Name: "two processes' shares, by pod", Status: NotRun,
			Reason: "the processes cannot be put into the cgroups of pods: " + unseated.Error(),
		}, right)
		return nil
	}
	byPod := r.podShares(spans, pages, begin, end)
	if reader.Status == NotRun && byPod.Status == Failed {
		byPod.Status, byPod.Reason = NotRun, reader.Reason
	}
	r.report.add(byPod, right)
	return nil
}

// readerShares compares the shares that gpusignal's reader tells with the logs, over all its readings of processes while the loads
// ran.
func readerShares(spans []load.Spans, pids []int, sights []Sight, begin, end time.Duration) Check {
	c := Check{Part: "shares", Name: "two processes' shares, by gpusignal's reader of the driver"}
	var told [2]float64
	var truth [2]time.Duration
	readings, strangers := 0, 0
	var last time.Duration
	for _, s := range sights {
		if s.Processes == nil {
			continue
		}
		from := last
		if last = s.At; from < begin || s.At > end {
			continue
		}
		var found [2]float64
		known := false
		for _, p := range s.Processes {
			for i, pid := range pids {
				if p.PID == pid {
					found[i], known = p.Share, known || p.Share > 0
				}
			}
		}
		if !known {
			strangers++
			continue
		}
		readings++
		ran := load.Shared(spans, from, s.At)
		for i := range pids {
			told[i] += found[i] * (ran[0] + ran[1]).Seconds()
			truth[i] += ran[i]
		}
	}
	if readings == 0 {
		c.Status, c.Reason = NotRun, fmt.Sprintf("no reading of processes between %v and %v names either of them (%d named others): the driver tells PIDs of another namespace, or the run is too short",
			begin.Round(time.Second), end.Round(time.Second), strangers)
		return c
	}
	return shareCheck(c, truth[0].Seconds()/(truth[0]+truth[1]).Seconds(), told[0]/(told[0]+told[1]), values("readings", float64(readings)))
}

// podShares compares what the daemon booked by process with the logs.
func (r *run) podShares(spans []load.Spans, pages []Page, begin, end time.Duration) Check {
	c := Check{Part: "shares", Name: "two processes' shares, by pod"}
	before, _ := nearest(pages, begin)
	after, there := nearest(pages, end)
	if !there {
		c.Status, c.Reason = Failed, "the daemon showed no page"
		return c
	}
	const busy = "gpusignal_container_gpu_busy_seconds_total"
	uuid := []string{"gpu_uuid", r.gpu.UUID, "attribution", "process"}
	first, last := before.By("pod", busy, uuid...), after.By("pod", busy, uuid...)
	a, b := last["sharer-0"]-first["sharer-0"], last["sharer-1"]-first["sharer-1"]
	split, _ := Rise(before, after, busy, "gpu_uuid", r.gpu.UUID, "attribution", "split")
	from, _ := before.Booked(r.gpu.UUID)
	to, _ := after.Booked(r.gpu.UUID)
	ran := load.Shared(spans, from, to)
	more := values("a_s", a, "b_s", b, "true_a_s", ran[0].Seconds(), "true_b_s", ran[1].Seconds(), "split_s", split)
	if a+b <= 0 {
		c.Status, c.Reason, c.Values = Failed, "nothing was attributed by process", more
		return c
	}
	return shareCheck(c, ran[0].Seconds()/(ran[0]+ran[1]).Seconds(), a/(a+b), more)
}

// shareCheck judges the share of the first process.
func shareCheck(c Check, truth, told float64, more []Value) Check {
	c.Values = append(values("true_ratio", truth, "told_ratio", told), more...)
	c.Status, c.Reason = judge(100*math.Abs(truth-told) <= sharesLimit, fmt.Sprintf("more than %v points off", sharesLimit))
	return c
}
