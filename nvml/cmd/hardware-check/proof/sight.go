package proof

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// Sight is what a reader beside the daemon saw of a GPU at one instant: its own calls of the driver, none of gpusignal's code. What
// is nil was not told.
type Sight struct {
	At time.Duration `json:"at_ns"` // by load.Now
	// Live is the utilisation as one reading tells it, in percent; Energy the driver's counter in millijoules.
	Live   *float64 `json:"live_percent,omitempty"`
	Energy *float64 `json:"energy_mj,omitempty"`
	// Samples are the entries of the ring that are new since the last sight; all of them at first.
	Samples []Sample `json:"samples,omitempty"`
	// Processes are those of gpusignal's own reader with their shares of use, nil where they were not asked for: the one thing here
	// that is gpusignal's.
	Processes []Process `json:"processes"`
}

// Sample of the driver's ring: its stamp in µs of the driver's clock, and percent.
type Sample struct {
	Stamp uint64  `json:"stamp_us"`
	Value float64 `json:"percent"`
}

// Process on the GPU, by gpusignal's reader.
type Process struct {
	PID   int     `json:"pid"`
	Share float64 `json:"share"`
}

// ParseSights reads sights, one a line as JSON. A last line that is cut off is left out.
func ParseSights(r io.Reader) ([]Sight, error) {
	var out []Sight
	in := bufio.NewReader(r)
	for {
		text, err := in.ReadBytes('\n')
		if err == io.EOF {
			return out, nil
		}
		if err != nil {
			return out, fmt.Errorf("read sights: %w", err)
		}
		var s Sight
		if err := json.Unmarshal(text, &s); err != nil {
			return out, fmt.Errorf("read line %d of sights: %w", len(out)+1, err)
		}
		out = append(out, s)
	}
}

// held is the mean over a time of what a gauge shows that takes one reading each interval, counted from the first sight, and keeps
// it until the next. It is not known before the first reading.
func held(sights []Sight, every, from, to time.Duration) (mean float64, known bool) {
	var sum float64
	var covered, first time.Duration
	var readings []Sight
	for _, s := range sights {
		if s.Live == nil {
			continue
		}
		if len(readings) == 0 {
			first = s.At
		}
		// A reading that comes a little early is the one that is due.
		if s.At >= first+time.Duration(len(readings))*every-every/10 {
			readings = append(readings, s)
		}
	}
	for i, s := range readings {
		until := to
		if i+1 < len(readings) {
			until = min(until, readings[i+1].At)
		}
		if part := until - max(s.At, from); part > 0 {
			sum += *s.Live / 100 * float64(part)
			covered += part
		}
	}
	if covered <= 0 {
		return 0, false
	}
	return sum / float64(covered), true
}

// energy is the driver's counter at an instant in joules, between two sights in proportion.
func energy(sights []Sight, at time.Duration) (joules float64, known bool) {
	var before *Sight
	for i := range sights {
		s := &sights[i]
		if s.Energy == nil {
			continue
		}
		if s.At >= at {
			if before == nil {
				return 0, false
			}
			share := float64(at-before.At) / float64(max(1, s.At-before.At))
			return (*before.Energy + share*(*s.Energy-*before.Energy)) / 1e3, true
		}
		before = s
	}
	return 0, false
}
