package proof

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"gpusignal/nvml/cmd/hardware-check/load"
)

// Limits of the daemon beside a server.
const (
	memoryLimit = 45 << 20 // bytes resident: the budget of the daemon
	busyLimit   = 2.0      // points
)

// daemon runs the whole beside a model server whose process uses the GPU.
func (r *run) daemon() error {
	address, err := freeAddress()
	if err != nil {
		return err
	}
	server, logFile, err := r.loader("server", "-serve", address)
	if err != nil {
		return err
	}
	defer server.stop(5 * time.Second)
	watch, sightFile, err := r.watcher("daemon", "-interval", "1s")
	if err != nil {
		return err
	}
	defer watch.stop(2 * time.Second)
	held := r.holder("server-0")
	held.Container, held.Image = "vllm", "vllm/vllm-openai:v0.11.0"
	if _, err := fmt.Sscanf(address, "127.0.0.1:%d", &held.Port); err != nil {
		return fmt.Errorf("find the port of %q: %w", address, err)
	}
	// The default window is full within a run of any use; a rehearsal has no time for it.
	window := min(15*time.Second, max(2*time.Second, r.Durations.Daemon/4))
	g, err := r.rig([]pod{held}, time.Second, "--collector.detail", "--engine.interval=1s", "--signal.window="+window.String())
	if err != nil {
		return err
	}
	stop := sync.OnceValue(g.stop)
	defer stop()
	until := load.Now() + r.Durations.Daemon
	ask(r.ctx, "http://"+address, until-quiet)
	if err := r.sleep(until); err != nil {
		return err
	}
	if err := r.settled(g); err != nil {
		return err
	}
	if server.ended() {
		return fmt.Errorf("the server ended: %w: %s", orEnded(server.err), server.said.String())
	}
	pages, ended := g.seen(), g.daemon.ended()
	code := stop()
	watch.stop(2 * time.Second)
	server.stop(5 * time.Second)
	log, err := logOf(logFile)
	if err != nil {
		return err
	}
	sights, err := sightsOf(sightFile)
	if err != nil {
		return err
	}
	r.judgeDaemon(beside{log: log, pages: pages, sights: sights, uuid: r.gpu.UUID, code: code, ended: ended, lost: g.lost, fault: g.fault, said: g.daemon.said.lines()})
	return nil
}

// settled waits until the daemon has read the server's page after the last request: at least each 10 s, however slow it is.
func (r *run) settled(g *rig) error {
	asked := load.Now()
	for end := asked + patience; load.Now() < end; {
		if pages := g.seen(); len(pages) > 0 {
			last := pages[len(pages)-1]
			age, known := last.Sum("gpusignal_exporter_endpoint_age_seconds", "pod", "server-0")
			if known && last.At-time.Duration(age*1e9) > asked {
				return nil
			}
		}
		if err := r.sleep(load.Now() + 200*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

// ask sends requests to the server from four clients until an instant, with pauses, and waits for the answers.
func ask(ctx context.Context, base string, until time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, until-load.Now()+patience)
	defer cancel()
	var clients sync.WaitGroup
	for i := range 4 {
		clients.Go(func() {
			random := rand.New(rand.NewPCG(3, uint64(i)))
			client := &http.Client{Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			for load.Now() < until && ctx.Err() == nil {
				body := fmt.Sprintf(`{"prompt_tokens": %d, "max_tokens": %d}`, 50+random.IntN(500), 5+random.IntN(60))
				request, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/v1/completions", bytes.NewReader([]byte(body)))
				if err != nil {
					return
				}
				if answer, err := client.Do(request); err == nil {
					answer.Body.Close()
				}
				time.Sleep(time.Duration(random.IntN(600)) * time.Millisecond)
			}
		})
	}
	clients.Wait()
}

// beside is what there is to know of the daemon's run beside the server.
type beside struct {
	log    load.Log
	pages  []Page
	sights []Sight
	uuid   string
	// code of the daemon's end, whether it ended by itself before, the readings of its page that failed, and what it said.
	code  int
	ended bool
	lost  int
	fault error
	said  []string
}

// judgeDaemon enters the checks.
func (r *run) judgeDaemon(b beside) {
	if len(b.pages) < 2 {
		r.report.add(Check{Part: "daemon", Name: "its page is read", Status: Failed, Reason: fmt.Sprintf("%d pages, last fault: %v", len(b.pages), b.fault)}, right)
		return
	}
	r.report.add(b.gaps(), right)
	r.report.add(b.samples(), right)
	r.report.add(b.faults(), right)
	r.report.add(b.server(), right)
	r.report.add(b.use(), right)
	r.report.add(b.memory(), cost)
	r.report.add(b.cpu(), cost)
	r.report.add(b.calls(), cost)
}

func (b beside) first() Page { return b.pages[0] }
func (b beside) last() Page  { return b.pages[len(b.pages)-1] }

// gaps checks that the daemon's counters cover all of the time, by the driver's stamps.
func (b beside) gaps() Check {
	c := Check{Part: "daemon", Name: "no gap in observed time"}
	spacing := Spacing(Stamps(b.sights))
	found := Gaps(b.pages, b.uuid, max(2*spacing, 50*time.Millisecond))
	var missing time.Duration
	for _, g := range found {
		missing += g.Missing
	}
	observed, _ := Rise(b.first(), b.last(), "gpusignal_device_observed_seconds_total", "gpu_uuid", b.uuid)
	c.Values = values("gaps", float64(len(found)), "missing_s", missing.Seconds(), "observed_s", observed, "seconds", (b.last().At - b.first().At).Seconds())
	c.Status, c.Reason = judge(len(found) == 0 && observed > 0, "observed time fell behind time")
	return c
}

// samples compares how many samples the daemon counted with the stamps that another reader saw in the driver's ring meanwhile.
func (b beside) samples() Check {
	c := Check{Part: "daemon", Name: "every sample of the driver's ring was counted"}
	stamps := Stamps(b.sights)
	counted, known := Rise(b.first(), b.last(), "gpusignal_device_ring_samples_total", "gpu_uuid", b.uuid)
	spacing := Spacing(stamps)
	if !known || spacing <= 0 {
		c.Status, c.Reason = NotRun, "the driver's ring tells nothing"
		return c
	}
	from, _ := b.first().Booked(b.uuid)
	to, _ := b.last().Booked(b.uuid)
	due := float64(to-from) / float64(spacing)
	c.Values = values("counted", counted, "due", due, "spacing_ms", float64(spacing)/1e6, "holes_of_the_driver", float64(Holes(stamps)))
	// At each end a sample lies this or that side of a booking; where the driver's own ring has holes there are fewer.
	short := due - counted
	c.Status, c.Reason = judge(math.Abs(short) <= 3+0.02*due || short > 0 && Holes(stamps) > 0, "the daemon counted another number of samples than the driver had")
	return c
}

// faults checks that nothing failed, and that the daemon ended as it was told to.
func (b beside) faults() Check {
	c := Check{Part: "daemon", Name: "no fault"}
	var wrong []string
	note := func(is bool, format string, args ...any) {
		if is {
			wrong = append(wrong, fmt.Sprintf(format, args...))
		}
	}
	failures, _ := Rise(b.first(), b.last(), "gpusignal_device_read_failures_total", "gpu_uuid", b.uuid)
	missed, _ := Rise(b.first(), b.last(), "gpusignal_device_missed_ticks_total", "gpu_uuid", b.uuid)
	sources := b.last().By("source", "gpusignal_exporter_source_failures_total")
	for source, n := range b.first().By("source", "gpusignal_exporter_source_failures_total") {
		sources[source] -= n
	}
	xids, _ := Rise(b.first(), b.last(), "gpusignal_device_xid_errors_total", "gpu_uuid", b.uuid)
	down := 0
	for _, p := range b.pages {
		if up, known := p.Sum("gpusignal_device_up", "gpu_uuid", b.uuid); !known || up != 1 {
			down++
		}
	}
	note(failures > 0, "%v readings failed", failures)
	for _, source := range slices.Sorted(maps.Keys(sources)) {
		note(sources[source] > 0, "source %s failed %v times", source, sources[source])
	}
	note(xids > 0, "%v XID errors", xids)
	note(down > 0, "the device was down on %d pages", down)
	note(b.lost > 0, "%d readings of the page failed, the last: %v", b.lost, b.fault)
	note(b.ended, "it ended by itself")
	note(b.code != 0, "its exit code is %d", b.code)
	for _, line := range b.said {
		note(strings.Contains(line, "level=error"), "%s", line)
	}
	c.Values = values("missed_ticks", missed, "pages", float64(len(b.pages)))
	c.Status, c.Reason = judge(len(wrong) == 0, strings.Join(wrong, "; "))
	return c
}

// server checks that the pod of the server has its signals, and that what was counted of it is what it did.
func (b beside) server() Check {
	c := Check{Part: "daemon", Name: "the server's requests and tokens, by pod"}
	pod := []string{"namespace", "hardware-check", "pod", "server-0"}
	var requests, tokens float64
	for _, line := range b.log.Of(load.Request) {
		requests, tokens = requests+1, tokens+float64(line.Tokens)
	}
	last := b.last()
	counted, _ := last.Sum("gpusignal_engine_requests_total", pod...)
	made, _ := last.Sum("gpusignal_engine_tokens_total", slices.Concat(pod, []string{"kind", "generation"})...)
	ready, _ := last.Sum("gpusignal_pod_state", slices.Concat(pod, []string{"state", "ready"})...)
	_, saturation := last.Sum("gpusignal_saturation_ratio", pod...)
	c.Values = values("requests", requests, "counted_requests", counted, "tokens", tokens, "counted_tokens", made, "ready", ready)
	c.Status, c.Reason = judge(requests > 0 && requests == counted && tokens == made && ready == 1 && saturation,
		"the pod's counters are not what its server did, or it has no saturation")
	return c
}

// use compares the container's busy time with when the server's kernels ran.
func (b beside) use() Check {
	c := Check{Part: "daemon", Name: "the server's use of the GPU, by container"}
	from, _ := b.first().Booked(b.uuid)
	to, _ := b.last().Booked(b.uuid)
	truth := b.log.Spans().Busy(from, to).Seconds()
	counted, _ := Rise(b.first(), b.last(), "gpusignal_container_gpu_busy_seconds_total", "gpu_uuid", b.uuid, "pod", "server-0")
	points := 100 * (counted - truth) / (to - from).Seconds()
	c.Values = values("true_s", truth, "counted_s", counted, "error_points", points)
	c.Status, c.Reason = judge(truth > 0 && math.Abs(points) <= busyLimit, fmt.Sprintf("more than %v points off", busyLimit))
	return c
}

// memory checks the greatest resident memory of all pages.
func (b beside) memory() Check {
	c := Check{Part: "daemon", Name: "its own memory"}
	var most float64
	for _, p := range b.pages {
		v, _ := p.Sum("process_resident_memory_bytes")
		most = max(most, v)
	}
	c.Values = values("resident_bytes", most, "budget_bytes", float64(memoryLimit))
	c.Status, c.Reason = judge(most > 0 && most <= memoryLimit, "above the budget of 45 MiB")
	return c
}

// cpu tells the share of a core that the daemon took after its start, scrapes of a page each second included.
func (b beside) cpu() Check {
	c := Check{Part: "daemon", Name: "its own CPU"}
	spent, _ := Rise(b.first(), b.last(), "process_cpu_seconds_total")
	share := spent / (b.last().At - b.first().At).Seconds()
	c.Values = values("core_ratio", share)
	c.Status, c.Reason = NotRun, unpromised
	return c
}

// calls checks the share of wall time that the driver's calls took, as the daemon itself keeps it.
func (b beside) calls() Check {
	c := Check{Part: "daemon", Name: "the driver's calls take at most 0.5 % of wall time"}
	var most, slowed float64
	for _, p := range b.pages {
		v, _ := p.Sum("gpusignal_device_driver_time_ratio", "gpu_uuid", b.uuid)
		s, _ := p.Sum("gpusignal_device_read_slowdown_ratio", "gpu_uuid", b.uuid)
		most, slowed = max(most, v), max(slowed, s)
	}
	c.Values = values("most_ratio", most, "slowdown_ratio", slowed)
	c.Status, c.Reason = judge(most <= 0.005, "gpusignal reads less often by itself")
	return c
}
