package main

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// event is one line of the simulation's log.
type event struct {
	at     int64 // Unix nanoseconds
	name   string
	fields map[string]string
}

type truthLog []event

func readTruth(t *testing.T, file string) truthLog {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out truthLog
	for line := range bytes.Lines(content) {
		words := strings.Fields(string(line))
		e := event{name: words[1], fields: map[string]string{}}
		if e.at, err = strconv.ParseInt(words[0], 10, 64); err != nil {
			t.Fatal(err)
		}
		for _, word := range words[2:] {
			key, value, _ := strings.Cut(word, "=")
			e.fields[key] = value
		}
		out = append(out, e)
	}
	return out
}

func (e event) number(t string) float64 {
	v, err := strconv.ParseFloat(e.fields[t], 64)
	if err != nil {
		panic(fmt.Sprintf("%s of %v: %v", t, e, err))
	}
	return v
}

// busy seconds of a device between two instants, or the part of them that a container caused if one is named.
func (l truthLog) busy(gpu, container string, from, to time.Time) (seconds float64) {
	for _, e := range l {
		if e.name != "busy" || e.fields["gpu"] != gpu {
			continue
		}
		overlap := min(e.number("to"), float64(to.UnixNano())) - max(e.number("from"), float64(from.UnixNano()))
		by := strings.Split(e.fields["by"], ",")
		parts := 0
		for _, name := range by {
			if container == "" || name == container {
				parts++
			}
		}
		seconds += max(0, overlap) / 1e9 * float64(parts) / float64(len(by))
	}
	return seconds
}

// work that a pod's server counted between its pages at from and at to.
func (l truthLog) work(pod string, from, to time.Time) (requests, generation float64) {
	first, last := l.page(pod, from), l.page(pod, to)
	for _, e := range l[first:last] {
		if !strings.HasSuffix(e.fields["pod"], "/"+pod) {
			continue
		}
		switch {
		case e.name == "request" && e.fields["outcome"] == "success":
			requests++
		case e.name == "tokens":
			generation += e.number("generation")
		}
	}
	return requests, generation
}

// page is where in the log the page of a pod's server that was written nearest to the given instant stands: pages are half
// a second apart, and the instant is known to milliseconds.
func (l truthLog) page(pod string, at time.Time) int {
	found, nearest := 0, int64(math.MaxInt64)
	for i, e := range l {
		if e.name != "page" || !strings.HasSuffix(e.fields["pod"], "/"+pod) {
			continue
		}
		if distance := max(e.at-at.UnixNano(), at.UnixNano()-e.at); distance < nearest {
			found, nearest = i, distance
		}
	}
	return found
}
