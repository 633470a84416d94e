package sim

import (
	"math"
	"time"

	"gpusignal/node"
)

// ringSize is how many samples of utilisation a driver keeps.
const ringSize = 72

// ring is the driver's ring of utilisation samples, each of one sample period, and how far its readers have come.
type ring struct {
	newest  time.Time // end of the newest sample
	samples []sample  // oldest first
	taken   int       // since ever
	// Where utilisation was last read, where the time before, and where the use of processes was.
	device, before, by mark
}

// mark is where a ring stood when it was read.
type mark struct {
	taken int
	read  time.Time // zero: never
}

// sample is the utilisation of a period in whole percent, and the time that each process had of it.
type sample struct {
	percent int
	uses    []use
}

// use is the time that a process ran.
type use struct {
	pid  int
	busy time.Duration
}

// fill adds the samples whose period has ended by an instant. take makes the sample of a time.
func (r *ring) fill(until time.Time, take func(from, to time.Time) sample) {
	for next := r.newest.Add(samplePeriod); !next.After(until); next = next.Add(samplePeriod) {
		r.samples = append(r.samples, take(r.newest, next))
		r.newest = next
		r.taken++
	}
	if over := len(r.samples) - ringSize; over > 0 {
		r.samples = append(r.samples[:0], r.samples[over:]...)
	}
}

// since is what the ring gained since a mark, as far as it still has it; nothing since never.
func (r *ring) since(m mark) []sample {
	if m.read.IsZero() {
		return nil
	}
	return r.samples[len(r.samples)-min(r.taken-m.taken, len(r.samples)):]
}

// read returns what is new since the last read, if anything is. The first read finds the reader's place.
func (r *ring) read(now time.Time) node.Opt[node.Ring] {
	fresh := r.since(r.device)
	r.before, r.device = r.device, mark{r.taken, now}
	if len(fresh) == 0 {
		return node.Opt[node.Ring]{}
	}
	out := node.Ring{Samples: len(fresh), Covered: time.Duration(len(fresh)) * samplePeriod}
	for _, s := range fresh {
		out.Busy += time.Duration(s.percent) * samplePeriod / 100
		out.Peak = max(out.Peak, float64(s.percent)/100)
		out.Levels.Add(float64(s.percent) / 100)
	}
	if len(fresh) > 1 {
		out.Spacing = samplePeriod
	}
	return node.Some(out)
}

// sharesReach is how far back shares are asked for.
const sharesReach = 16 * time.Second

// shares are the parts of the processes in what ran, by PID, and the time that this is of: since they were last asked for, or since
// utilisation was read before this where that is too long ago. The driver tells the use of each in whole percent.
func (r *ring) shares(now time.Time) (map[int]float64, node.Opt[time.Duration]) {
	from := r.by
	if from.read.IsZero() || now.Sub(from.read) > sharesReach {
		from = r.before
	}
	r.by = mark{r.taken, now}
	if from.read.IsZero() {
		return nil, node.Opt[time.Duration]{}
	}
	busy, fresh := map[int]time.Duration{}, r.since(from)
	for _, s := range fresh {
		for _, u := range s.uses {
			busy[u.pid] += u.busy
		}
	}
	shares, sum := map[int]float64{}, 0.0
	for pid, d := range busy {
		if percent := math.Round(100 * float64(d) / float64(time.Duration(len(fresh))*samplePeriod)); percent > 0 {
			shares[pid] = percent
			sum += percent
		}
	}
	for pid := range shares {
		shares[pid] /= sum
	}
	return shares, node.Some(now.Sub(from.read))
}

// sample is what the ring keeps of a time.
func (g *gpu) sample(from, to time.Time) sample {
	var out sample
	for part := range g.parts(from, to) {
		for _, p := range part.by {
			out.add(p.pid, part.to.Sub(part.from)/time.Duration(len(part.by)))
		}
	}
	out.percent = int(math.Round(100 * float64(g.ran(from, to)) / float64(to.Sub(from))))
	return out
}

func (s *sample) add(pid int, busy time.Duration) {
	for i := range s.uses {
		if s.uses[i].pid == pid {
			s.uses[i].busy += busy
			return
		}
	}
	s.uses = append(s.uses, use{pid, busy})
}
