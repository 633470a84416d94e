package load

import (
	"bytes"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const ms = time.Millisecond

func spans(edges ...int) Spans {
	var out []Span
	for i := 0; i+1 < len(edges); i += 2 {
		out = append(out, Span{time.Duration(edges[i]) * ms, time.Duration(edges[i+1]) * ms})
	}
	return Union(out)
}

func TestAStepHasItsDuty(t *testing.T) {
	for _, duty := range []float64{0.05, 0.3, 0.5, 0.9} {
		s := Step{Length: 10 * time.Hour, Duty: duty, Least: 20 * ms, Most: 500 * ms, Streams: 1}
		var busy, end time.Duration
		for _, b := range s.bursts(7) {
			if b.at < end || b.length > s.Most {
				t.Fatalf("duty %v: a burst of %v at %v, the last ended at %v", duty, b.length, b.at, end)
			}
			busy, end = busy+b.length, b.at+b.length
		}
		if got := float64(busy) / float64(s.Length); math.Abs(got-duty) > 0.01 {
			t.Errorf("duty %v, want %v", got, duty)
		}
	}
}

func TestBurstsAtTheEdges(t *testing.T) {
	full := Step{Length: time.Second, Duty: 1, Least: 100 * ms, Most: 400 * ms}
	var end time.Duration
	for i, b := range full.bursts(1) {
		if b.at != end || (b.ahead > 0) != (i > 0) {
			t.Errorf("burst %d begins at %v, started %v ahead; the last ended at %v", i, b.at, b.ahead, end)
		}
		end = b.at + b.length
	}
	if short := full.Length - end; short < 0 || short > shortest {
		t.Errorf("full duty ends %v early", short)
	}
	if got := (Step{Length: time.Second, Least: 1, Most: 2}).bursts(1); len(got) != 0 {
		t.Errorf("no duty has %d bursts", len(got))
	}
	two := Step{Length: time.Minute, Duty: 0.5, Least: 20 * ms, Most: 20 * ms, Streams: 2}
	seen := map[int]int{}
	for _, b := range two.bursts(1) {
		seen[b.stream]++
	}
	if len(seen) != 2 || seen[0] == 0 || seen[1] == 0 {
		t.Errorf("bursts by stream: %v", seen)
	}
	if !cmp.Equal(two.bursts(3), two.bursts(3), cmp.AllowUnexported(burst{})) {
		t.Error("the same seed gives two loads")
	}
}

func TestUnionAndBusy(t *testing.T) {
	s := spans(30, 40, 0, 10, 5, 12, 12, 20, 50, 50)
	if diff := cmp.Diff(Spans{{0, 20 * ms}, {30 * ms, 40 * ms}}, s); diff != "" {
		t.Error(diff)
	}
	for _, tc := range []struct{ from, to, want int }{{0, 100, 30}, {10, 35, 15}, {20, 30, 0}, {35, 36, 1}, {90, 99, 0}} {
		if got := s.Busy(time.Duration(tc.from)*ms, time.Duration(tc.to)*ms); got != time.Duration(tc.want)*ms {
			t.Errorf("busy from %d to %d: %v, want %d ms", tc.from, tc.to, got, tc.want)
		}
	}
	if diff := cmp.Diff(Spans{{15 * ms, 20 * ms}, {30 * ms, 31 * ms}}, s.Within(15*ms, 31*ms)); diff != "" {
		t.Error(diff)
	}
}

func TestPeak(t *testing.T) {
	for _, tc := range []struct {
		name        string
		spans       Spans
		least, most float64
	}{
		{"idle", nil, 0, 0},
		{"full", spans(0, 1000), 1, 1},
		{"a burst of half a period falls into one or into two", spans(300, 350), 0.25, 0.5},
		{"a burst of two periods fills one however they lie", spans(300, 500), 1, 1},
	} {
		least, most := tc.spans.Peak(100*ms, 0, time.Second)
		if math.Abs(least-tc.least) > 0.011 || math.Abs(most-tc.most) > 0.011 {
			t.Errorf("%s: %v to %v, want %v to %v", tc.name, least, most, tc.least, tc.most)
		}
	}
	if least, most := spans(0, 9).Peak(time.Second, 0, 10*ms); least != 0 || most != 1 {
		t.Errorf("a time shorter than a period: %v to %v, want anything", least, most)
	}
}

func TestShared(t *testing.T) {
	a, b := spans(0, 10, 20, 30), spans(5, 15, 100, 200)
	got := Shared([]Spans{a, b}, 2*ms, 110*ms)
	want := []time.Duration{3*ms + 5*ms/2 + 10*ms, 5*ms/2 + 5*ms + 10*ms}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got := Shared([]Spans{nil, nil}, 0, ms); got[0] != 0 || got[1] != 0 {
		t.Errorf("nothing ran, and the shares are %v", got)
	}
}

func TestLogIsReadAsWritten(t *testing.T) {
	want := Log{
		{What: Began, Name: "duty 25", From: 1, To: 9},
		{What: Burst, Stream: 1, From: 5, To: 7, Host: 4},
		{What: Work, To: 11, Host: 3, GPU: 2},
		{What: Request, To: 12, Prompt: 100, Tokens: 8},
	}
	var text bytes.Buffer
	if err := want.Write(&text); err != nil {
		t.Fatal(err)
	}
	got, err := Parse(strings.NewReader(text.String() + `{"what":"bur`))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(Spans{{5, 7}}, got.Spans()); diff != "" {
		t.Error(diff)
	}
	for _, bad := range []string{"{}\nnonsense\n", `{"what":"burst","from_ns":5,"to_ns":4}` + "\n"} {
		if _, err := Parse(strings.NewReader(bad)); err == nil || !strings.Contains(err.Error(), "line ") {
			t.Errorf("%q: %v, want the line", bad, err)
		}
	}
}

// FuzzParse: whatever a log holds, what was read of it is written and read again as it is, and its spans ascend.
func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"what":"burst","from_ns":5,"to_ns":7,"host_ns":4}` + "\n" + `{"what":"step","name":"a","to_ns":1}` + "\n"))
	f.Add([]byte("{}\n\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		log, err := Parse(bytes.NewReader(text))
		if err != nil {
			return
		}
		var again bytes.Buffer
		if err := log.Write(&again); err != nil {
			t.Fatal(err)
		}
		got, err := Parse(&again)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(log, got); diff != "" {
			t.Error(diff)
		}
		var end time.Duration
		for i, s := range log.Spans() {
			if s.To <= s.From || i > 0 && s.From <= end {
				t.Fatalf("spans %v", log.Spans())
			}
			end = s.To
		}
	})
}
