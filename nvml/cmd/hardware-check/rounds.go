//go:build cgo && linux

package main

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"gpusignal/node"
)

// A round is a set of parts that gpusignal reads at one tick. After each round it waits: hardware counters want a tenth of a
// second between two samples.
type round struct {
	name, parts string
	want        node.Want
	pause       time.Duration
}

func rounds() []round {
	const (
		tick   = node.WantMemory | node.WantUtilization
		slow   = tick | node.WantRing | node.WantCounters | node.WantActivity
		status = slow | node.WantStatus
	)
	return []round{
		{"tick", "memory, live utilisation", tick, 20 * time.Millisecond},
		{"slow tick", "the same, ring, counters, activity", slow, 120 * time.Millisecond},
		{"status tick", "the same, status", status, 120 * time.Millisecond},
		{"full set", "the same, processes", status | node.WantProcesses, 120 * time.Millisecond},
	}
}

// rounds makes gpusignal's driver package read the GPU and its MIG instances.
func (b *board) rounds(limit time.Duration) error {
	ids := b.ids
	if len(ids) == 0 {
		return fmt.Errorf("gpusignal's driver does not list the GPU: %w", cmp.Or(b.lib.unlisted, errHung))
	}
	b.report.Rounds = &Rounds{Devices: len(ids), Lacks: []string{}}
	var took [node.FeatureCount][]float64
	var lacks node.Features
	defer func() {
		for f := range node.FeatureCount {
			label := node.Feature(f).Label()
			if s := spread(took[f]); s != nil {
				b.report.Rounds.Features = append(b.report.Rounds.Features, FeatureTime{Feature: label, Took: s})
			}
			if lacks.Has(node.Feature(f)) {
				b.report.Rounds.Lacks = append(b.report.Rounds.Lacks, label)
			}
		}
		b.report.Rounds.WallShare = wallShare(b.report.Rounds.Rounds)
	}()
	kinds := rounds()
	for _, kind := range kinds {
		err := b.repeat(kind, ids, limit/time.Duration(len(kinds)), func(r node.Reading) {
			for _, c := range r.Calls {
				took[c.Feature] = append(took[c.Feature], micros(c.Took))
			}
			lacks |= r.Lacks
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// list has gpusignal's driver list its devices, before anything can hang: it would call a GPU beside a call that has not come
// back. A GPU that is not listed may be held by a call of that driver, so it is left alone as well.
func (lib *library) list(boards []*board) {
	if slices.ContainsFunc(boards, func(b *board) bool { return b.guard.stuck != "" }) {
		return
	}
	type listed struct {
		devices []node.Device
		err     error
	}
	l, took, _ := ask(lib.guard, "listing devices", func() (l listed) { l.devices, l.err = lib.driver.Devices(); return l })
	lib.unlisted = l.err
	for _, b := range boards {
		for _, d := range l.devices {
			if me := node.DeviceID(b.report.UUID); d.ID == me || d.Parent == me {
				b.ids = append(b.ids, d.ID)
			}
		}
		// Its driver waits for a call a second at least; an error that came sooner holds no GPU.
		if len(b.ids) == 0 && b.report.Error == "" && (l.err == nil || took >= time.Second) {
			b.guard.stuck = "listing by gpusignal's driver"
		}
	}
}

// repeat makes rounds of one kind until the limit, at least two: the first learns what the GPU cannot tell, and is not counted.
func (b *board) repeat(kind round, ids []node.DeviceID, limit time.Duration, heed func(node.Reading)) error {
	b.report.Rounds.Rounds = append(b.report.Rounds.Rounds, Round{Name: kind.name, Parts: kind.parts})
	out := &b.report.Rounds.Rounds[len(b.report.Rounds.Rounds)-1]
	var took []float64
	defer func() { out.Took = spread(took) }()
	type answer struct {
		readings []node.Reading
		err      error
	}
	end := time.Now().Add(limit)
	for n := 0; n < 2 || until(end) && n < b.lib.opts.calls; n++ {
		a, spent, ok := ask(b.guard, "reading, "+kind.name, func() (a answer) {
			for _, id := range ids {
				r, err := b.lib.driver.Read(id, kind.want)
				r.Calls = slices.Clone(r.Calls) // the next reading of the device uses the array again
				a.readings, a.err = append(a.readings, r), err
				if err != nil {
					break
				}
			}
			return a
		})
		if !ok {
			return errHung
		}
		switch {
		case a.err != nil:
			out.Failed++
			out.Error = a.err.Error()
		case n > 0:
			took = append(took, micros(spent))
			for _, r := range a.readings {
				heed(r)
			}
		}
		time.Sleep(kind.pause)
	}
	return nil
}
