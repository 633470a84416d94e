package window

import "time"

// clock turns instants into offsets from the first that it was given: cheaper to keep and to compare than instants.
type clock struct {
	base time.Time
	set  bool
}

func (c *clock) offset(t time.Time) time.Duration {
	if !c.set {
		c.base, c.set = t, true
	}
	return t.Sub(c.base)
}
