package engine

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// redetect is after how many pages a page is looked at again: it may have got families of a dialect that goes before the
// one it speaks, as a worker's page gets those of its engine with the first request.
const redetect = 32

// scan the page with the dialect that it speaks.
func (s *server) scan(body []byte) error {
	if s.plan != nil && s.scanner.page%redetect == redetect-1 {
		if p := detect(body, s.plans); p != nil && p.dialect.Precedence > s.plan.dialect.Precedence {
			s.speak(p)
		}
	}
	for range 2 {
		if s.plan == nil {
			if p := detect(body, s.plans); p != nil {
				s.speak(p)
			}
		}
		if s.plan == nil {
			return s.silent(body)
		}
		if err := s.scanner.scan(body); err != nil {
			return &fault{faultOf(err, FaultMalformed), err}
		}
		if s.any() {
			return nil
		}
		// Not one series of the dialect: it may be idle, or another server by now.
		if p := detect(body, s.plans); p == s.plan {
			return nil
		}
		s.plan = nil
	}
	return s.silent(body)
}

// silent returns why a page tells no engine.
func (s *server) silent(body []byte) error {
	if err := newScanner(nil).scan(body); err != nil {
		return &fault{FaultMalformed, err}
	}
	var names []string
	for _, p := range s.plans {
		names = append(names, p.dialect.Name)
	}
	return &fault{FaultNoEngine, fmt.Errorf("the page has no series of a known engine (%s)", strings.Join(names, ", "))}
}

// errHTML says that a page is one for browsers.
var errHTML = errors.New("it is an HTML page and not a metrics page: check the path, see the annotation gpusignal/path")

// orHTML returns why a page could not be read: errHTML where it is a page for browsers, else err. What the server calls it
// counts only where it is malformed, for servers that call their metrics HTML are read as well.
func orHTML(err error, body []byte, called bool) error {
	if bytes.HasPrefix(bytes.TrimLeft(body, "\ufeff \t\r\n"), []byte{'<'}) || called && faultOf(err, "") == FaultMalformed {
		return &fault{FaultMalformed, errHTML}
	}
	return err
}

// speak the dialect from now on.
func (s *server) speak(p *plan) {
	s.plan = p
	if s.spoken == p {
		return
	}
	s.spoken, s.scanner, s.cells, s.kin = p, newScanner(p.names), nil, newKin()
	s.failed = true    // Its series have a history that nobody saw.
	s.answers.page = 0 // Pages are counted anew.
	for _, m := range s.models {
		m.slots, m.page = [measures][]*slot{}, 0
		clear(m.ranks)
	}
}

// any says whether the newest page has a series of the dialect.
func (s *server) any() bool {
	for id := range s.scanner.series {
		if s.scanner.has(id) && s.scanner.series[id].name != s.plan.start {
			return true
		}
	}
	return false
}
