package sampler

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"gpusignal/node"
)

func containerOf(name string) node.ContainerID {
	return node.ContainerID{Pod: node.PodID{UID: name, Namespace: "ml", Name: name}, Name: "main"}
}

// crowd is a driver of a GPU that two processes share, 3 to 1, half busy, with 100 J a second; and who they are.
type crowd struct {
	mu    sync.Mutex
	began time.Time
	// read is when processes were read, since it began, and before when the ring and when processes were read last.
	read                   []time.Duration
	ringBefore, readBefore time.Time
	mig                    bool
	mute                   bool // processes are told to have used nothing
	shared                 atomic.Bool
	blind                  atomic.Bool
	gone                   atomic.Int64 // a PID that has ended
}

func (c *crowd) driver() *fake {
	c.began = time.Now()
	return &fake{read: func(_ node.DeviceID, want node.Want) (node.Reading, error) {
		c.mu.Lock()
		defer c.mu.Unlock()
		r := reading(want&^node.WantProcesses, 0.5)
		if want&node.WantCounters != 0 {
			r.Energy = node.Some(int64(time.Since(c.began).Seconds() * 100e6))
		}
		if want&node.WantProcesses != 0 {
			c.read = append(c.read, time.Since(c.began))
			r.Processes = node.Some([]node.Process{{PID: 10, Share: 0.75, Memory: 3}, {PID: 20, Share: 0.25, Memory: 1}})
			if c.mute {
				r.Processes.Value[0].Share, r.Processes.Value[1].Share = 0, 0
			}
			since := c.readBefore
			if since.IsZero() || time.Since(since) > 16*time.Second {
				since = c.ringBefore
			}
			if !since.IsZero() && !c.mig {
				r.ProcessSpan = node.Some(time.Since(since))
			}
			c.readBefore = time.Now()
		}
		if want&node.WantRing != 0 {
			c.ringBefore = time.Now()
		}
		return r, nil
	}}
}

func (c *crowd) config(cfg *Config) {
	cfg.Shared = func(id node.DeviceID) bool { return id == gpu0 && c.shared.Load() }
	cfg.Sees = func() bool { return !c.blind.Load() }
	cfg.Owner = func(pid int) (node.ContainerID, time.Time, bool) {
		switch {
		case int64(pid) == c.gone.Load():
			return node.ContainerID{}, time.Time{}, false
		case pid == 10:
			return containerOf("a"), time.Unix(1, 0), true
		}
		return containerOf("b"), time.Unix(2, 0), true
	}
}

// ends are the lengths of the intervals that were booked, which were booked by shares, and their sums.
func ends(uses []node.Use) (lengths []time.Duration, shared []bool, busy time.Duration, energy int64) {
	for _, u := range uses {
		lengths = append(lengths, u.To.Sub(u.From))
		shared = append(shared, u.Shared)
		busy += u.Busy
		energy += u.Energy
	}
	return lengths, shared, busy, energy
}

// Processes are read where a device is shared, at once and then not often, and its use waits for them; nothing is lost when it is
// shared no more.
func TestSharedDevice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c crowd
		r := start(t, c.driver(), c.config)
		pass(3*time.Second + 500*time.Millisecond)
		c.shared.Store(true)
		pass(10 * time.Second)
		c.shared.Store(false)
		pass(3 * time.Second)

		// The board ticks at 100 ms, 1100 ms …; processes are due at 100 ms, 5100 ms …
		want := []time.Duration{4100, 5100, 10100, 14100}
		for i := range want {
			want[i] *= time.Millisecond
		}
		if diff := cmp.Diff(want, c.read); diff != "" {
			t.Errorf("processes were read (-want +got):\n%s", diff)
		}
		lengths, shared, busy, energy := ends(r.booked(gpu0))
		if diff := cmp.Diff([]time.Duration{1e9, 1e9, 1e9, 1e9, 1e9, 5e9, 4e9, 1e9, 1e9}, lengths); diff != "" {
			t.Errorf("intervals (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]bool{false, false, false, true, true, true, true, false, false}, shared); diff != "" {
			t.Errorf("intervals told by processes (-want +got):\n%s", diff)
		}
		if busy != 8*time.Second || energy != 1600e6 {
			t.Errorf("busy %v, energy %d, want 8s and 1600 J of 16 s", busy, energy)
		}
		whole := r.booked(gpu0)[5]
		wantBy := []node.Process{
			{PID: 10, Share: 0.75, Memory: 3, Known: true, Container: containerOf("a"), Started: time.Unix(1, 0)},
			{PID: 20, Share: 0.25, Memory: 1, Known: true, Container: containerOf("b"), Started: time.Unix(2, 0)},
		}
		if diff := cmp.Diff(node.Some(wantBy), whole.By); diff != "" || whole.Busy != 2500*time.Millisecond || whole.Observed != 5*time.Second {
			t.Errorf("five seconds: busy %v of %v, by (-want +got):\n%s", whole.Busy, whole.Observed, diff)
		}
	})
}

// While nobody can tell whose processes are, use is booked without them after ten seconds, and it is told by them again after.
func TestSharedDeviceWithoutProcesses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c crowd
		c.shared.Store(true)
		c.blind.Store(true)
		r := start(t, c.driver(), c.config)
		pass(25 * time.Second)
		lengths, shared, busy, _ := ends(r.booked(gpu0))
		if diff := cmp.Diff([]time.Duration{11e9, 11e9}, lengths); diff != "" || shared[0] || shared[1] || busy != 11*time.Second {
			t.Errorf("shared %v, busy %v, intervals (-want +got):\n%s", shared, busy, diff)
		}
		if r.booked(gpu0)[0].By.Known {
			t.Error("processes of whom nobody can tell are told")
		}
		c.blind.Store(false)
		pass(11 * time.Second)
		lengths, shared, _, _ = ends(r.booked(gpu0)[2:])
		// What was held in the dark is longer than the shares are of.
		if diff := cmp.Diff([]time.Duration{3e9, 5e9, 5e9}, lengths); diff != "" || shared[2] != true {
			t.Errorf("shared %v, intervals (-want +got):\n%s", shared, diff)
		}
	})
}

// A MIG instance, or a device that cannot tell shares, has its memory told by processes and nothing else.
func TestSharedDeviceWithoutShares(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := crowd{mig: true}
		c.shared.Store(true)
		r := start(t, c.driver(), c.config)
		pass(11 * time.Second)
		lengths, shared, _, _ := ends(r.booked(gpu0))
		if diff := cmp.Diff([]time.Duration{5e9, 5e9}, lengths); diff != "" || shared[0] || shared[1] {
			t.Errorf("shared %v, intervals (-want +got):\n%s", shared, diff)
		}
		if u := r.booked(gpu0)[1]; !u.By.Known || len(u.By.Value) != 2 {
			t.Errorf("processes %v", u.By)
		}
	})
}

// A device that can tell of no processes at all is not waited for.
func TestSharedDeviceThatLacksProcesses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c crowd
		c.shared.Store(true)
		driver := c.driver()
		read := driver.read
		driver.read = func(id node.DeviceID, want node.Want) (node.Reading, error) {
			r, err := read(id, want&^node.WantProcesses)
			r.Lacks = r.Lacks.With(node.FeatureProcesses)
			return r, err
		}
		r := start(t, driver, c.config)
		pass(5*time.Second + 500*time.Millisecond)
		if lengths, _, _, _ := ends(r.booked(gpu0)); len(lengths) != 5 {
			t.Errorf("intervals of %v, want five of a second", lengths)
		}
	})
}

// What was read long ago tells nothing of who has a PID now.
func TestProcessesOfLongAgo(t *testing.T) {
	d := newDevice(New(Config{}), false)
	r := node.Reading{At: epoch, Processes: node.Some([]node.Process{{PID: 7}})}
	d.took(&r, ask{want: node.WantProcesses, slow: true}, 0)
	if got := d.processes(epoch.Add(5 * time.Second)); len(got) != 1 {
		t.Errorf("5 s later: %v", got)
	}
	if got := d.processes(epoch.Add(time.Minute)); got != nil {
		t.Errorf("a minute later: %v", got)
	}
}

// A GPU that is half busy is not idle because no process is told to have used it.
func TestSharedDeviceWhoseProcessesAreMute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := crowd{mute: true}
		c.shared.Store(true)
		r := start(t, c.driver(), c.config)
		pass(11 * time.Second)
		if lengths, shared, busy, _ := ends(r.booked(gpu0)); len(lengths) != 2 || shared[0] || shared[1] || busy != 5*time.Second {
			t.Errorf("intervals of %v, told by processes %v, busy %v", lengths, shared, busy)
		}
	})
}

// Whose a process was that has ended is known from when it was read before.
func TestEndedProcess(t *testing.T) {
	s := New(Config{Sees: func() bool { return true }, Owner: func(pid int) (node.ContainerID, time.Time, bool) {
		switch pid {
		case 1: // runs
			return containerOf("a"), time.Unix(1, 0), true
		case 2: // was given out again
			return containerOf("b"), time.Unix(9, 0), true
		case 3: // of a pod not heard of yet
			return node.ContainerID{}, time.Unix(3, 0), false
		}
		return node.ContainerID{}, time.Time{}, false // has ended
	}})
	before := []node.Process{
		{PID: 1, Known: true, Container: containerOf("a"), Started: time.Unix(1, 0)},
		{PID: 2, Known: true, Container: containerOf("a"), Started: time.Unix(2, 0)},
		{PID: 3, Known: true, Container: containerOf("a"), Started: time.Unix(2, 0)},
		{PID: 4, Known: true, Container: containerOf("d"), Started: time.Unix(4, 0)},
	}
	read := []node.Process{{PID: 1, Share: 0.2}, {PID: 2, Share: 0.2}, {PID: 3, Share: 0.2}, {PID: 4, Share: 0.2}, {PID: 5, Share: 0.2}}
	got := s.identify(read, before)
	want := []node.Process{
		{PID: 1, Share: 0.2, Known: true, Container: containerOf("a"), Started: time.Unix(1, 0)},
		{PID: 2, Share: 0.2, Container: containerOf("b"), Started: time.Unix(9, 0)},
		{PID: 3, Share: 0.2, Started: time.Unix(3, 0)},
		{PID: 4, Share: 0.2, Known: true, Container: containerOf("d"), Started: time.Unix(4, 0)},
		{PID: 5, Share: 0.2},
	}
	if diff := cmp.Diff(node.Some(want), got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if read[0].Known {
		t.Error("the driver's own list was changed")
	}
	if got := s.identify([]node.Process{{PID: 4, Share: 1}}, nil); !got.Known {
		t.Error("a process that has ended hides that there is no other")
	}
	if got := s.identify([]node.Process{{PID: 4, Share: 1, Memory: 1}, {PID: 5, Memory: 1}}, nil); got.Known {
		t.Errorf("processes that are not visible here are told: %+v", got)
	}
}
