package engine

import (
	"time"

	"gpusignal/node"
)

// stamps are the instants since when something is so, all of them instants of pages. They begin anew with the container.
type stamps struct {
	firstPage, waiting, inHand, ended, progress, busy time.Time
}

// turn takes over what the page at the instant at says.
func (s *stamps) turn(at time.Time, waiting, inHand, ended, moved bool) {
	if s.firstPage.IsZero() {
		s.firstPage, s.progress, s.busy = at, at, at
	}
	s.waiting = since(s.waiting, at, waiting)
	s.inHand = since(s.inHand, at, inHand)
	if ended {
		s.ended = at
	}
	if moved {
		s.progress = at
	}
	if moved || inHand {
		s.busy = at
	}
}

// since keeps the instant at which something began, zero while it is not so.
func since(began, at time.Time, is bool) time.Time {
	switch {
	case !is:
		return time.Time{}
	case began.IsZero():
		return at
	}
	return began
}

// startup is the time from the start of the container to the first page.
func (s *stamps) startup(started time.Time) node.Opt[time.Duration] {
	if started.IsZero() || s.firstPage.IsZero() {
		return node.Opt[time.Duration]{}
	}
	return node.Some(max(0, s.firstPage.Sub(started)))
}

func (s *stamps) write(out *node.Server) {
	out.FirstPage, out.WaitingSince, out.InHandSince = s.firstPage, s.waiting, s.inHand
	out.EndedAt, out.ProgressSince, out.BusyAt = s.ended, s.progress, s.busy
}
