package load

import (
	"errors"
	"math"
	"testing"
	"time"
)

func TestAccount(t *testing.T) {
	began := time.Now()
	at := func(s float64) time.Time { return began.Add(time.Duration(s * float64(time.Second))) }
	ended := func(target string, start, sent, end float64) record {
		return record{target: target, start: at(start), sent: at(sent), end: at(end), tokens: tokens{Prompt: 100, Generation: 10}}
	}
	failed := ended("a", 6, 6, 8)
	failed.err, failed.tokens = errors.New("refused"), tokens{}
	l := New(Config{Request: Infer("m", 2*time.Second)})
	l.records = []record{ended("a", 0, 0, 4), ended("b", 1, 3, 5), failed, ended("b", 9, 9, 9)}
	l.inHand = map[*call]struct{}{
		{record: record{start: at(6)}}:                           {}, // held
		{record: record{target: "b", start: at(5), sent: at(7)}}: {},
	}
	for _, c := range []struct {
		target             string
		from, to           float64
		inHand             float64
		prompt, generation float64 // of all targets
		busy               time.Duration
	}{
		{"", 0, 4, (4 + 3) / 4.0, 150, 15, 3 * time.Second},
		{"a", 0, 4, 1, 150, 15, 2 * time.Second},
		{"b", 0, 4, 1 / 4.0, 150, 15, time.Second},
		{"a", 1, 3, 1, 50, 5, time.Second},
		{"", 4, 6, (1 + 1) / 2.0, 50, 5, time.Second},
		{"", 6, 8, (2 + 2 + 2) / 2.0, 0, 0, time.Second},
		{"a", 6, 8, 1, 0, 0, 0},
		{"b", 6, 8, 1 / 2.0, 0, 0, time.Second},
		{"b", 8, 9, 1, 100, 10, time.Second},
		{"b", 9, 10, 1, 0, 0, 0},
		{"c", 0, 10, 0, 300, 30, 0},
		{"", 5, 5, 0, 0, 0, 0},
	} {
		inHand := l.InHand(c.target, at(c.from), at(c.to))
		prompt, generation := l.Tokens(at(c.from), at(c.to))
		busy := l.Busy(c.target, at(c.from), at(c.to))
		if math.Abs(inHand-c.inHand) > 1e-9 || math.Abs(prompt-c.prompt) > 1e-9 || math.Abs(generation-c.generation) > 1e-9 || busy != c.busy {
			t.Errorf("%q in (%v, %v]: %v in hand, %v and %v tokens, busy %v; want %+v", c.target, c.from, c.to, inHand, prompt, generation, busy, c)
		}
	}
}
