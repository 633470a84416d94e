package proof

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"

	"gpusignal/nvml/cmd/hardware-check/load"
)

// Limits of the truth, in points of a hundred where nothing else is said.
const (
	stepLimit = 2.0  // of the utilisation over one step
	rmseLimit = 0.65 // of all steps: the budget of a minute's mean
	peakLimit = 2.0  // beyond what the driver's sample periods allow: samples are whole percents
	// energyLimit is a share of 1: the driver's counter is read at other instants by the reader beside the daemon.
	energyLimit = 0.03
)

// holder is the pod that holds the GPU alone.
func (r *run) holder(name string) pod {
	return pod{
		Namespace: "hardware-check", Name: name, UID: "6b0c0000-0000-4000-8000-0000000000aa", Container: "load", Image: "load",
		IP: "127.0.0.1", Devices: []string{r.gpu.UUID},
	}
}

// truth holds what the daemon says of steps of known duty against the log of what ran.
func (r *run) truth() error {
	window := r.Durations.Step + 3*time.Second
	g, err := r.rig([]pod{r.holder("load-0")}, 250*time.Millisecond, "--signal.window="+window.String(), "--engine.interval=1s", "--collector.detail")
	if err != nil {
		return err
	}
	defer g.stop()
	watch, sightFile, err := r.watcher("truth", "-interval", "500ms")
	if err != nil {
		return err
	}
	defer watch.stop(2 * time.Second)
	plan := steps(duties(r.Rehearsal), r.Durations.Step)
	planFile := filepath.Join(r.dir, "truth.plan.json")
	if err := writeJSON(planFile, plan); err != nil {
		return err
	}
	p, logFile, err := r.loader("truth", "-plan", planFile)
	if err != nil {
		return err
	}
	last := plan[len(plan)-1]
	length := last.At + last.Length
	if err := p.wait(r.ctx, length+patience); err != nil {
		return err
	}
	if err := r.sleep(load.Now() + quiet - 500*time.Millisecond); err != nil {
		return err
	}
	pages := g.seen()
	watch.stop(2 * time.Second)
	log, err := logOf(logFile)
	if err != nil {
		return err
	}
	sights, err := sightsOf(sightFile)
	if err != nil {
		return err
	}
	r.judgeTruth(log, pages, sights)
	return nil
}

// writeJSON writes a file.
func writeJSON(file string, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode %q: %w", file, err)
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return fmt.Errorf("write file: %w", err)
	}
	return nil
}

// step is what there is to know of one step: what ran, and what was said of it, over the same time.
type step struct {
	name     string
	from, to time.Duration // of the bookings on the two pages
	length   time.Duration // of the step itself
	busy     time.Duration // that some kernel was resident
	counted  float64       // busy seconds by the daemon
	owned    float64       // of them the container's
	energy   float64       // joules by the daemon
	driver   float64       // joules by the driver's counter
	peak     float64
	// least and most are what the peak can be.
	least, most float64
	second      float64 // what one reading each second would have said, over the step
	half        float64 // and one each 30 s
	known       bool
}

// judgeTruth enters the checks of the truth.
func (r *run) judgeTruth(log load.Log, pages []Page, sights []Sight) {
	period := Spacing(Stamps(sights))
	var all []step
	for _, line := range log.Of(load.Began) {
		s := r.step(line, log.Spans(), pages, sights, period)
		all = append(all, s)
		r.report.add(s.check(), right)
		r.report.add(s.peakCheck(), right)
	}
	r.report.add(rmse(all), cost)
	r.report.add(owned(all), right)
	r.report.add(joules(all), right)
	r.report.add(lag(log), cost)
}

// step puts together what is known of a step.
func (r *run) step(line load.Line, spans load.Spans, pages []Page, sights []Sight, period time.Duration) step {
	s := step{name: line.Name, length: line.To - line.From}
	before, there := nearest(pages, line.From-quiet/8)
	after, thereToo := nearest(pages, line.To+quiet*3/4)
	if !there || !thereToo {
		return s
	}
	uuid := []string{"gpu_uuid", r.gpu.UUID}
	var known, knownToo bool
	s.from, known = before.Booked(r.gpu.UUID)
	s.to, knownToo = after.Booked(r.gpu.UUID)
	s.known = known && knownToo && s.to > line.To
	s.busy = spans.Busy(s.from, s.to)
	s.counted, _ = Rise(before, after, "gpusignal_device_busy_seconds_total", uuid...)
	s.owned, _ = Rise(before, after, "gpusignal_container_gpu_busy_seconds_total", uuid...)
	s.energy, _ = Rise(before, after, "gpusignal_device_energy_joules_total", uuid...)
	first, _ := energy(sights, s.from)
	last, told := energy(sights, s.to)
	if s.driver = math.NaN(); told {
		s.driver = last - first
	}
	s.peak, _ = after.Sum("gpusignal_device_utilization_peak_ratio", uuid...)
	s.least, s.most = spans.Peak(period, line.From-period, line.To+period)
	s.second, s.half = math.NaN(), math.NaN()
	if v, known := held(sights, time.Second, line.From, line.To); known {
		s.second = v
	}
	if v, known := held(sights, 30*time.Second, line.From, line.To); known {
		s.half = v
	}
	return s
}

// ratio of the step's own time.
func (s step) ratio(busy float64) float64 { return busy / s.length.Seconds() }

// points by which the counter is off.
func (s step) points() float64 { return 100 * s.ratio(s.counted-s.busy.Seconds()) }

func (s step) check() Check {
	c := Check{Part: "truth", Name: "busy seconds: " + s.name}
	if !s.known {
		c.Status, c.Reason = Failed, "the daemon's bookings did not reach the end of the step"
		return c
	}
	c.Values = values(
		"true_ratio", s.ratio(s.busy.Seconds()), "counter_ratio", s.ratio(s.counted), "error_points", s.points(),
		"each_1s_ratio", s.second, "each_30s_ratio", s.half,
	)
	c.Status, c.Reason = judge(math.Abs(s.points()) <= stepLimit, fmt.Sprintf("more than %v points off", stepLimit))
	return c
}

func (s step) peakCheck() Check {
	c := Check{Part: "truth", Name: "peak: " + s.name}
	if !s.known {
		c.Status, c.Reason = Failed, "the daemon's bookings did not reach the end of the step"
		return c
	}
	c.Values = values("least_ratio", s.least, "most_ratio", s.most, "peak_ratio", s.peak)
	c.Status, c.Reason = judge(100*s.peak >= 100*s.least-peakLimit && 100*s.peak <= 100*s.most+peakLimit,
		"outside of what the driver's sample periods can hold of the load")
	return c
}

// values are names and numbers in turn; a number that is not known is left out.
func values(pairs ...any) []Value {
	var out []Value
	for i := 0; i+1 < len(pairs); i += 2 {
		if v := pairs[i+1].(float64); !math.IsNaN(v) && !math.IsInf(v, 0) {
			out = append(out, Value{pairs[i].(string), v})
		}
	}
	return out
}

// rmse is the error over all steps, beside that of the gauges.
func rmse(all []step) Check {
	c := Check{Part: "truth", Name: "root mean square error over the steps, in points"}
	var counter, second, half float64
	var n, seconds, halves int
	for _, s := range all {
		if !s.known {
			continue
		}
		counter, n = counter+s.points()*s.points(), n+1
		of := func(v float64, sum *float64, n *int) {
			if !math.IsNaN(v) {
				off := 100 * (v - s.ratio(s.busy.Seconds()))
				*sum, *n = *sum+off*off, *n+1
			}
		}
		of(s.second, &second, &seconds)
		of(s.half, &half, &halves)
	}
	root := func(sum float64, n int) float64 { return math.Sqrt(sum / float64(n)) }
	c.Values = values("counter_points", root(counter, n), "each_1s_points", root(second, seconds), "each_30s_points", root(half, halves))
	c.Status, c.Reason = judge(n > 0 && root(counter, n) <= rmseLimit, fmt.Sprintf("above %v points, the budget of a minute's mean", rmseLimit))
	return c
}

// owned checks that the pod that holds the GPU has all of its use.
func owned(all []step) Check {
	c := Check{Part: "truth", Name: "all use of the GPU is its holder's"}
	var device, container float64
	for _, s := range all {
		device, container = device+s.counted, container+s.owned
	}
	c.Values = values("device_s", device, "container_s", container)
	c.Status, c.Reason = judge(device > 0 && math.Abs(device-container) < 1e-6, "the container's busy seconds are not the device's")
	return c
}

// joules checks the energy of all steps, beside what the load's duty would make of the power at none and at full load.
func joules(all []step) Check {
	c := Check{Part: "truth", Name: "energy is the driver's counter"}
	var counted, driver, byDuty float64
	idle, full := math.NaN(), math.NaN()
	for _, s := range all {
		watts := s.driver / (s.to - s.from).Seconds()
		switch {
		case strings.HasPrefix(s.name, "0 %"):
			idle = watts
		case strings.HasPrefix(s.name, "100 %"):
			full = (s.driver - idle*((s.to-s.from)-s.busy).Seconds()) / s.busy.Seconds()
		}
	}
	for _, s := range all {
		counted, driver = counted+s.energy, driver+s.driver
		byDuty += idle*((s.to-s.from)-s.busy).Seconds() + full*s.busy.Seconds()
	}
	c.Values = values("counter_j", counted, "driver_j", driver, "by_duty_j", byDuty, "idle_w", idle, "full_w", full)
	if math.IsNaN(driver) {
		c.Status, c.Reason = NotRun, "the driver counts no energy"
		return c
	}
	c.Status, c.Reason = judge(driver > 0 && math.Abs(counted/driver-1) <= energyLimit, fmt.Sprintf("more than %v of a hundred off", 100*energyLimit))
	return c
}

// lag checks the load's own log: how long after it was started, by this machine's clock, a kernel began by the GPU's events. What a
// queue held back is not looked at.
func lag(log load.Log) Check {
	c := Check{Part: "truth", Name: "the GPU's events and this machine's clock agree"}
	var late []float64
	for _, b := range log.Of(load.Burst) {
		if by := b.From - b.Host; by < 5*time.Millisecond {
			late = append(late, float64(by)/1e6)
		}
	}
	c.Values = values("start_after_call_ms", median(late))
	c.Status, c.Reason = judge(len(late) > 0 && median(late) > -0.5 && median(late) < 2, "a kernel does not begin within 2 ms of its call")
	return c
}
