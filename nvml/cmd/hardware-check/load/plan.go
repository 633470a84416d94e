package load

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// Step is a load of one duty for a time.
type Step struct {
	Name string `json:"name"`
	// At is when it begins, after the beginning of the plan, and Length how long it lasts.
	At     time.Duration `json:"at_ns"`
	Length time.Duration `json:"length_ns"`
	// Duty is the share of the time in which each stream runs a kernel, in bursts from Least to Most, log-uniform, with exponential
	// gaps. At 1 there are no gaps.
	Duty    float64       `json:"duty"`
	Least   time.Duration `json:"least_ns"`
	Most    time.Duration `json:"most_ns"`
	Streams int           `json:"streams"`
}

// A burst is one kernel of a step: when it is to begin, after the beginning of the step, and how long before that it is started, so
// that there is no gap to the one before it.
type burst struct {
	at, length, ahead time.Duration
	stream            int
}

// shortest is the shortest kernel that is worth starting.
const shortest = time.Millisecond

// bursts of a step, in the order in which they are started; the same for the same seed.
func (s Step) bursts(seed uint64) []burst {
	var out []burst
	for stream := range max(1, s.Streams) {
		random := rand.New(rand.NewPCG(seed, uint64(stream)))
		for at := time.Duration(0); s.Duty > 0; {
			b := burst{length: s.length(random), stream: stream}
			if s.Duty < 1 {
				at += time.Duration(random.ExpFloat64() * float64(s.mean()) * (1 - s.Duty) / s.Duty)
			} else if at > 0 {
				b.ahead = s.Least
			}
			b.at, b.length = at, min(b.length, s.Length-at)
			if b.length < shortest {
				break
			}
			out, at = append(out, b), at+b.length
		}
	}
	slices.SortStableFunc(out, func(a, b burst) int { return int(a.at - a.ahead - b.at + b.ahead) })
	return out
}

// length of a burst.
func (s Step) length(random *rand.Rand) time.Duration {
	return time.Duration(float64(s.Least) * math.Pow(float64(s.Most)/float64(s.Least), random.Float64()))
}

// mean length of a burst.
func (s Step) mean() time.Duration {
	if s.Most <= s.Least {
		return s.Least
	}
	return time.Duration(float64(s.Most-s.Least) / math.Log(float64(s.Most)/float64(s.Least)))
}
