package nvml

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gpusignal/node"
)

const (
	sixth = 166_667           // µs: the shortest sample period that nvml.h names
	epoch = 1_700_000_000e6   // µs
	ms    = uint64(1000)      // µs
	sec   = uint64(1_000_000) // µs
	wall  = time.Second       // between readings
)

// regular samples of one value, each step from the first stamp.
func regular(first, step uint64, n int, value float64) []sample {
	var out []sample
	for i := range n {
		out = append(out, sample{first + uint64(i)*step, value})
	}
	return out
}

func TestRing(t *testing.T) {
	type read struct {
		samples []sample
		elapsed time.Duration
		want    node.Ring
		known   bool
	}
	// before is a ring that has stood at second 10 for a while, of steps of 200 ms.
	before := read{samples: regular(9*sec, 200*ms, 6, 100)}
	spacing := 200 * time.Millisecond
	for _, tc := range []struct {
		name  string
		reads []read
	}{
		{"the first reading only says where the ring stands", []read{before}},
		{"new samples cover the time since the one before", []read{before, {
			samples: []sample{{10*sec + 200*ms, 50}, {10*sec + 400*ms, 100}}, elapsed: wall,
			want:  node.Ring{Busy: 300e6, Covered: 400e6, Peak: 1, Samples: 2, Spacing: spacing},
			known: true,
		}}},
		{"what was counted is not counted again", []read{before, {
			samples: append(regular(9*sec, 200*ms, 6, 100), sample{10*sec + 200*ms, 25}), elapsed: wall,
			want:  node.Ring{Busy: 50e6, Covered: 200e6, Peak: 0.25, Samples: 1, Spacing: spacing},
			known: true,
		}}},
		{"stamps of 0, values above 100, repeats, any order", []read{before, {
			samples: []sample{
				{0, 100}, {10*sec + 400*ms, 100}, {10*sec + 300*ms, 101}, {10*sec + 200*ms, 0}, {10*sec + 400*ms, 100}, {10*sec + 1, 4294967295},
			},
			elapsed: wall,
			want:    node.Ring{Busy: 200e6, Covered: 400e6, Peak: 1, Samples: 2, Spacing: spacing},
			known:   true,
		}}},
		{"idle leaves a gap: the sample after it covers one step", []read{before, {
			samples: regular(15*sec, 200*ms, 2, 100), elapsed: 6 * time.Second,
			want:  node.Ring{Busy: 400e6, Covered: 400e6, Peak: 1, Samples: 2, Spacing: spacing},
			known: true,
		}}},
		{"a lost sample is not made up for", []read{before, {
			samples: []sample{{10*sec + 400*ms, 100}}, elapsed: wall,
			want:  node.Ring{Busy: 200e6, Covered: 200e6, Peak: 1, Samples: 1, Spacing: spacing},
			known: true,
		}}},
		{"nothing new, and none is due", []read{before, {
			elapsed: 300 * time.Millisecond, want: node.Ring{Spacing: spacing}, known: true,
		}, {
			samples: regular(10*sec+200*ms, 200*ms, 2, 100), elapsed: 100 * time.Millisecond,
			want:  node.Ring{Busy: 400e6, Covered: 400e6, Peak: 1, Samples: 2, Spacing: spacing},
			known: true,
		}}},
		{"nothing new, though one was due", []read{before, {elapsed: wall, want: node.Ring{Spacing: spacing}}}},
		{"a ring that is behind catches up", []read{before, {
			samples: regular(10*sec+200*ms, 200*ms, 2, 100), elapsed: wall,
			want:  node.Ring{Busy: 400e6, Covered: 400e6, Peak: 1, Samples: 2, Spacing: spacing},
			known: true,
		}, {
			samples: regular(10*sec+600*ms, 200*ms, 8, 100), elapsed: wall,
			want:  node.Ring{Busy: 1600e6, Covered: 1600e6, Peak: 1, Samples: 8, Spacing: spacing},
			known: true,
		}}},
		{"stamps that jump ahead cover no more than the wall time, by the newest", []read{before, {
			samples: append(regular(14*sec, 200*ms, 5, 100), regular(15*sec, 200*ms, 6, 50)...), elapsed: wall,
			want:  node.Ring{Busy: 500e6, Covered: 1e9, Peak: 1, Samples: 11, Spacing: spacing},
			known: true,
		}}},
		{"another clock far ahead", []read{before, {
			samples: regular(epoch, 200*ms, 2, 100), elapsed: wall,
			want:  node.Ring{Busy: 400e6, Covered: 400e6, Peak: 1, Samples: 2, Spacing: spacing},
			known: true,
		}}},
		{"another clock far behind begins anew", []read{{samples: regular(epoch, 200*ms, 6, 100)}, {
			samples: regular(9*sec, 200*ms, 6, 100), elapsed: wall,
		}, {
			samples: regular(9*sec, 200*ms, 7, 100), elapsed: wall,
			want:  node.Ring{Busy: 200e6, Covered: 200e6, Peak: 1, Samples: 1, Spacing: spacing},
			known: true,
		}}},
		{"a clock that steps back a little is waited for", []read{before, {
			samples: regular(8*sec, 200*ms, 6, 100), elapsed: wall, want: node.Ring{Spacing: spacing},
		}, {
			samples: regular(8*sec, 200*ms, 12, 100), elapsed: wall,
			want:  node.Ring{Busy: 200e6, Covered: 200e6, Peak: 1, Samples: 1, Spacing: spacing},
			known: true,
		}}},
		{"without a distance ever seen a sample covers nothing", []read{{samples: []sample{{10 * sec, 100}}}, {
			samples: []sample{{20 * sec, 100}}, elapsed: 10 * wall, want: node.Ring{Peak: 1, Samples: 1},
		}}},
		{"a driver of one sample per second", []read{{samples: regular(3*sec, sec, 8, 0)}, {
			samples: []sample{{11 * sec, 40}}, elapsed: wall,
			want:  node.Ring{Busy: 400e6, Covered: 1e9, Peak: 0.4, Samples: 1, Spacing: time.Second},
			known: true,
		}, {
			elapsed: wall, want: node.Ring{Spacing: time.Second}, known: true,
		}, {
			samples: regular(12*sec, sec, 2, 60), elapsed: wall,
			want:  node.Ring{Busy: 1200e6, Covered: 2e9, Peak: 0.6, Samples: 2, Spacing: time.Second},
			known: true,
		}}},
		{"a stamp of 0 tells no distance", []read{{samples: []sample{{0, 100}, {900 * ms, 100}}}, {
			samples: []sample{{5 * sec, 100}}, elapsed: 5 * wall, want: node.Ring{Peak: 1, Samples: 1},
		}}},
		{"fractions of a nanosecond are carried", []read{{samples: regular(1, 1, 2, 0)}, {
			samples: []sample{{3, 0.05}}, elapsed: wall,
			want:  node.Ring{Covered: 1000, Peak: 0.0005, Samples: 1, Spacing: time.Microsecond},
			known: true,
		}, {
			samples: []sample{{4, 0.05}}, elapsed: wall,
			want:  node.Ring{Busy: 1, Covered: 1000, Peak: 0.0005, Samples: 1, Spacing: time.Microsecond},
			known: true,
		}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var r ring
			for i, read := range tc.reads {
				got, known := r.add(slices.Clone(read.samples), read.elapsed)
				got.Levels = node.Distribution{} // TestRingLevels looks at them.
				if diff := cmp.Diff(read.want, got); diff != "" || known != read.known {
					t.Errorf("reading %d: known %t, want %t\n%s", i, known, read.known, diff)
				}
			}
		})
	}
}

// TestRingLevels: each sample that covers time is counted once, by how high it is; one beyond the wall time is not, whatever is said of it.
func TestRingLevels(t *testing.T) {
	var r ring
	r.add(regular(9*sec, 200*ms, 6, 100), wall)
	got, _ := r.add([]sample{{10*sec + 200*ms, 0}, {10*sec + 400*ms, 30}, {10*sec + 600*ms, 31}, {10 * sec, 100}, {10*sec + 400*ms, 30}}, wall)
	if want := (node.Distribution{Counts: [node.Levels]uint64{0: 1, 3: 1, 4: 1}, Sum: 0.61}); got.Levels != want {
		t.Errorf("levels %+v, want %+v", got.Levels, want)
	}
	got, _ = r.add(regular(10*sec+800*ms, 200*ms, 50, 70), wall)
	if n := got.Levels.Counts[7]; got.Covered > 2*wall || n < 5 || n > 10 || got.Samples != 50 {
		t.Errorf("%d samples in a second, of which %d cover %v", got.Samples, n, got.Covered)
	}
}

// TestRingSince: a ring that has nothing new is looked at whole.
func TestRingSince(t *testing.T) {
	var r ring
	for i, step := range []struct {
		samples []sample
		since   uint64
	}{
		{nil, 0},
		{regular(9*sec, 200*ms, 6, 0), 10 * sec},
		{regular(9*sec, 200*ms, 7, 0), 10*sec + 200*ms},
		{regular(9*sec, 200*ms, 7, 0), 0},
		{regular(9*sec, 200*ms, 8, 0), 10*sec + 400*ms},
	} {
		r.add(step.samples, wall)
		if got := r.since(); got != step.since {
			t.Errorf("after reading %d since %d, want %d", i, got, step.since)
		}
	}
}

// TestRingAgainstTruth: over an hour of bursts of random length, read at uneven times from a ring of 72 that holds whole
// percents, what is told is the truth of the time that it covers to within a rounding each, and all but one step of the wall
// time is covered.
func TestRingAgainstTruth(t *testing.T) {
	for _, step := range []uint64{sixth, 100 * ms, sec} {
		random := rand.New(rand.NewPCG(1, step))
		busy := bursts(random, 3600*sec)
		var r ring
		var at uint64
		var told node.Ring
		var begun uint64 // the stamp at which the first reading stood
		for at+12*sec < 3600*sec {
			elapsed := 800*ms + random.Uint64N(400*ms)
			if random.IntN(60) == 0 {
				elapsed = 5 * sec // a call that took long
			}
			at += elapsed
			got, _ := r.add(held(busy, step, at, epoch), time.Duration(elapsed)*time.Microsecond)
			told.Busy += got.Busy
			told.Covered += got.Covered
			if begun == 0 && r.cursor > 0 {
				begun = r.cursor - epoch
			}
		}
		end := r.cursor - epoch
		if want := time.Duration(end-begun) * time.Microsecond; told.Covered > want || told.Covered < want-time.Duration(step)*time.Microsecond {
			t.Errorf("step %d µs: covered %v of %v", step, told.Covered, want)
		}
		truth := time.Duration(busy(end)-busy(begun)) * time.Microsecond
		if off := (told.Busy - truth).Abs(); off > time.Duration(step)*time.Microsecond {
			t.Errorf("step %d µs: busy %v, truth %v: off by %v, more than a step", step, told.Busy, truth, off)
		}
	}
}

// bursts is the time busy until an instant, of a GPU that is busy and idle in turns of random length. All in µs.
func bursts(random *rand.Rand, end uint64) func(at uint64) uint64 {
	edges, sums := []uint64{0}, []uint64{0} // it is idle from each even edge to the next; sums is the time busy until an edge
	for i := 1; edges[i-1] < end; i++ {
		edges = append(edges, edges[i-1]+random.Uint64N(3*sec)+1)
		sums = append(sums, sums[i-1])
		if i%2 == 0 {
			sums[i] += edges[i] - edges[i-1]
		}
	}
	return func(at uint64) uint64 {
		i, _ := slices.BinarySearch(edges, at+1)
		i-- // the last edge that is not after it
		if i%2 == 0 {
			return sums[i]
		}
		return sums[i] + at - edges[i]
	}
}

// held is what a ring of 72 holds at an instant: the mean of each step in whole percent.
func held(busy func(uint64) uint64, step, at, base uint64) []sample {
	var out []sample
	last := at / step
	for k := max(last, 72) - 72 + 1; k <= last; k++ {
		use := busy(k*step) - busy((k-1)*step)
		out = append(out, sample{base + k*step, float64((200*use + step) / (2 * step))})
	}
	return out
}

// FuzzRing: whatever a driver says, use is within what is covered, that is within the wall time, and the cursor goes ahead
// unless the clock has jumped far.
func FuzzRing(f *testing.F) {
	entry := func(stamp uint64, value, elapsed uint16) []byte {
		b := binary.LittleEndian.AppendUint64(nil, stamp)
		return binary.LittleEndian.AppendUint16(binary.LittleEndian.AppendUint16(b, value), elapsed)
	}
	f.Add(slices.Concat(entry(1, 100, 0), entry(200_000, 100, 0), entry(400_000, 50, 1000), entry(600_000, 101, 1000)))
	f.Add(slices.Concat(entry(epoch, 100, 500), entry(epoch+200_000, 1, 500), entry(7, 100, 900), entry(0, 100, 900)))
	f.Fuzz(func(t *testing.T, data []byte) {
		var r ring
		var pending []sample
		var covered, busy, elapsed, since time.Duration
		for ; len(data) >= 12; data = data[12:] {
			value := float64(binary.LittleEndian.Uint16(data[8:])) / 4
			pending = append(pending, sample{binary.LittleEndian.Uint64(data), value})
			after := binary.LittleEndian.Uint16(data[10:])
			if after%4 == 0 {
				continue
			}
			since = time.Duration(after) * time.Millisecond
			elapsed += since
			cursor := r.cursor
			got, _ := r.add(pending, since)
			pending = pending[:0]
			covered, busy = covered+got.Covered, busy+got.Busy
			if got.Busy < 0 || got.Busy > got.Covered || got.Covered < 0 || covered > elapsed || busy > covered {
				t.Fatalf("%+v; in all %v busy, %v covered of %v", got, busy, covered, elapsed)
			}
			if got.Peak < 0 || got.Peak > 1 || r.rest < 0 || r.rest > 1 {
				t.Fatalf("%+v, rest %v", got, r.rest)
			}
			if r.cursor < cursor && cursor-r.cursor <= ringReach {
				t.Fatalf("the cursor went from %d back to %d", cursor, r.cursor)
			}
		}
	})
}
