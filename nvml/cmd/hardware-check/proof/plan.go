package proof

import (
	"fmt"
	"strings"
	"time"

	"gpusignal/nvml/cmd/hardware-check/load"
)

// Durations of the parts. A part of no duration is not run.
type Durations struct {
	// Probe is how long each call of the driver is measured, Step how long each duty lasts, Shares how long two processes share the GPU,
	// Segment one quarter of a measurement with and without the daemon, Rounds how often that is repeated, Daemon how long the daemon
	// runs beside a server.
	Probe   time.Duration `json:"probe_ns"`
	Step    time.Duration `json:"step_ns"`
	Shares  time.Duration `json:"shares_ns"`
	Segment time.Duration `json:"segment_ns"`
	Rounds  int           `json:"rounds"`
	Daemon  time.Duration `json:"daemon_ns"`
	// Budget ends the run: a part that would pass it is not begun.
	Budget time.Duration `json:"budget_ns"`
}

// plans by their names: what ten minutes on a machine hold, what all figures want, and what shows that the kit works.
func plans() map[string]Durations {
	return map[string]Durations{
		"short": {
			Probe: 30 * time.Second, Step: 8 * time.Second, Shares: 30 * time.Second, Segment: 4 * time.Second, Rounds: 1,
			Daemon: time.Minute, Budget: 8 * time.Minute,
		},
		"long": {
			Probe: time.Minute, Step: 20 * time.Second, Shares: time.Minute, Segment: 12 * time.Second, Rounds: 1,
			Daemon: 10 * time.Minute, Budget: 25 * time.Minute,
		},
		"rehearsal": {
			Probe: time.Second, Step: 1500 * time.Millisecond, Shares: 9 * time.Second, Segment: 100 * time.Millisecond, Rounds: 1,
			Daemon: 6 * time.Second, Budget: 90 * time.Second,
		},
	}
}

// duty of a step of the truth.
type duty struct {
	share       float64
	least, most time.Duration
	streams     int
}

// duties that are held against the counters. On the stub one is enough to show that the kit works.
func duties(rehearsal bool) []duty {
	const ms = time.Millisecond
	all := []duty{
		{0, 20 * ms, 500 * ms, 1},
		{1, 200 * ms, 200 * ms, 1},
		{0.3, 20 * ms, 500 * ms, 1},
		{0.1, 20 * ms, 20 * ms, 1},
		{0.5, 20 * ms, 500 * ms, 1},
		{0.9, 500 * ms, 500 * ms, 1},
		{0.25, 20 * ms, 500 * ms, 4},
	}
	if rehearsal {
		return []duty{all[6]}
	}
	return all
}

func (d duty) name() string {
	name := fmt.Sprintf("%.0f %%, bursts of %d to %d ms", 100*d.share, d.least.Milliseconds(), d.most.Milliseconds())
	if d.streams > 1 {
		name += fmt.Sprintf(", %d streams", d.streams)
	}
	return name
}

// quiet is the time without load around each step, in which counters settle: a booking a second, and the ring's last sample.
const quiet = 3500 * time.Millisecond

// steps of the truth, with quiet before each and after the last.
func steps(duties []duty, length time.Duration) []load.Step {
	var out []load.Step
	at := quiet
	for _, d := range duties {
		out = append(out, load.Step{
			Name: d.name(), At: at, Length: length, Duty: d.share, Least: d.least, Most: d.most, Streams: d.streams,
		})
		at += length + quiet
	}
	return out
}

// needed is about how long each part takes, starts and ends included.
func (d Durations) needed(rehearsal bool) map[string]time.Duration {
	const start = 4 * time.Second // of a daemon and a load
	out := map[string]time.Duration{}
	set := func(part string, of time.Duration, whole time.Duration) {
		if of > 0 {
			out[part] = whole
		}
	}
	set("probe", d.Probe, d.Probe+2*time.Second)
	set("truth", d.Step, start+quiet+time.Duration(len(duties(rehearsal)))*(d.Step+quiet))
	set("shares", d.Shares, start+d.Shares)
	segments := time.Duration(d.Rounds * 4 * len(modes(rehearsal)))
	set("harm", d.Segment, 2*(start+segments*(d.Segment+settle(d.Segment))))
	set("daemon", d.Daemon, start+d.Daemon)
	return out
}

// all time that the parts need.
func (d Durations) all(rehearsal bool) (sum time.Duration) {
	for _, t := range d.needed(rehearsal) {
		sum += t
	}
	return sum
}

// named finds the durations of a plan.
func named(plan string) (Durations, error) {
	d, known := plans()[plan]
	if !known {
		return d, fmt.Errorf("parse -plan %q: there are %s", plan, strings.Join([]string{"short", "long", "rehearsal"}, ", "))
	}
	return d, nil
}

// mode of the daemon whose cost is measured.
type mode struct {
	name string
	args []string
	// budget is what it may cost, a share of 1; 0 for a mode that is measured and not promised.
	budget float64
}

// modes beside "off": the defaults, and everything as often as the flags let it be read. Slow readings go down to 200 ms. On the stub
// the defaults are enough.
func modes(rehearsal bool) []mode {
	all := []string{"--sample.slow-interval=200ms", "--collector.detail", "--collector.histogram", "--collector.dcgm"}
	defaults := mode{"at the defaults", nil, 0.002}
	if rehearsal {
		return []mode{defaults}
	}
	return []mode{
		defaults,
		{"everything at 10 Hz", append([]string{"--sample.interval=100ms"}, all...), 0},
		{"everything at 100 Hz", append([]string{"--sample.interval=10ms"}, all...), 0},
	}
}

// settle is how long a load is left alone after the daemon was started or ended, before a segment begins.
func settle(segment time.Duration) time.Duration { return min(2*time.Second, 2*segment) }
