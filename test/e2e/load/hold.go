package load

// Held returns how many requests wait for a target now.
func (l *Load) Held() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.held)
}

// GiveUp ends the waiting of all requests that wait for a target now, and returns how many they were. They leave no record, as
// if nobody had asked; a client whose request was among them goes on as after a failure.
func (l *Load) GiveUp() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(l.held)
	for _, c := range l.held {
		delete(l.inHand, c)
		close(c.ready)
	}
	l.held = nil
	l.gaveUp += n
	return n
}

// GaveUp returns how many requests GiveUp ended, in all its calls.
func (l *Load) GaveUp() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.gaveUp
}
