package engine

// turnRequests says whether a request ended. An outcome that alone is gone from the page is held, see settle.
func (m *model) turnRequests(here bool, p *page) bool {
	if p.restarted || p.fell || !here {
		clear(m.outcomeAt) // Another process tells of an outcome when it first has it.
	}
	s := m.pick(Requests, p)
	if s == nil {
		if m.told[Requests] && !here {
			m.tells(Requests, p)
		}
		return false
	}
	var ended float64
	for name, o := range s.outcomes {
		increase, ok := o.on(p.number)
		if !ok {
			continue
		}
		m.outcomeAt[name] = p.at
		m.raw[name] += increase
		ended += increase
	}
	m.tells(Requests, p)
	for _, at := range m.outcomeAt { // What is worked out from all outcomes is as old as the oldest.
		if at.Before(m.toldAt[Requests]) {
			m.toldAt[Requests] = at
		}
	}
	return ended > 0
}

// settle the published counts of requests. What the HTTP server answered, nil for a model that it does not speak of, tells
// of requests that the engine itself may not count. A count of which the page says nothing is held.
func (m *model) settle(p *page, a *answers) {
	if a != nil && len(m.slots[Requests]) == 0 {
		m.tells(Requests, p) // Nothing but the HTTP server tells of its requests.
	}
	if a != nil && a.told[answered5xx] {
		m.raw[Failed] += 0
	}
	if a != nil && a.told[answered503] {
		m.raw[Rejected] += 0
	}
	for name, raw := range m.raw {
		t := m.requests[name]
		if t == nil {
			t = &tally{}
			m.requests[name] = t
		}
		told := m.page != p.number || m.outcomeAt[name].Equal(p.at)
		switch {
		case a == nil:
		case name == Failed && a.told[answered5xx]:
			raw, told = max(raw, a.counts[answered5xx]-m.raw[Rejected]), true
		case name == Rejected && a.told[answered503]:
			raw, told = max(raw, a.counts[answered503]), true
		}
		if told {
			t.add(max(0, raw-t.total), p)
		}
	}
}
