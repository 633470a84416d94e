package sampler

import (
	"errors"

	"gpusignal/node"
)

// The reasons for which a device is down.
const (
	downHung     = "hung"
	downLost     = "lost"
	downReset    = "reset_required"
	downNoDriver = "no_driver"
	downError    = "error"
)

func reason(err error) string {
	switch {
	case errors.Is(err, node.ErrResetRequired):
		return downReset
	case errors.Is(err, node.ErrDeviceLost):
		return downLost
	case errors.Is(err, node.ErrNoDriver):
		return downNoDriver
	default:
		return downError
	}
}

// afresh says that a device that was down for a reason may come back with counters that begin anew: it was reset, or its
// driver was loaded again.
func afresh(why string) bool { return why == downLost || why == downReset || why == downNoDriver }
