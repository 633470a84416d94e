package nvml

import "time"

// A turn is a lock that can be waited for with a limit: whoever holds it may never come back from the driver.
type turn chan struct{}

func newTurn() turn { return make(turn, 1) }

// take says whether the turn was got within the limit. What was got must be given back.
func (t turn) take(limit time.Duration) bool {
	select {
	case t <- struct{}{}:
		return true
	default:
	}
	if limit <= 0 {
		return false
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case t <- struct{}{}:
		return true
	case <-timer.C:
		return false
	}
}

func (t turn) give() { <-t }
