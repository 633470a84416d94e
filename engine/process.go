package engine

import "math"

// processStart is the sample by which a process tells when it began.
const processStart = "process_start_time_seconds"

// process looks whether the server's process is another one than before. Where a proxy joined its page with the server's there are
// two starts, and nobody says whose is which: then counters that fall tell, and the start of the container.
func (s *server) process() {
	starts, begun := 0, 0.0
	for id := range s.cells {
		if !s.cells[id].start || !s.scanner.has(id) || !usable(s.scanner.values[id]) {
			continue
		}
		if starts++; s.scanner.repeated(id) {
			starts++
		}
		begun = s.scanner.values[id]
	}
	switch {
	case starts == 0:
		return
	case starts > 1:
		s.begun = 0
		return
	}
	// A second is the grain of the boot time that a process adds its own start to. One that began before another that was
	// seen is no restart: several answer at the address in turn, or the clock was set.
	if s.begun != 0 && math.Abs(begun-s.begun) > 1 {
		s.now.restarted = begun > s.newest
		s.now.another = begun <= s.newest
	}
	s.begun, s.newest = begun, max(s.newest, begun)
}
