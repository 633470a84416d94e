//go:build cgo && linux

package nvml

import (
	"sync"
	"time"

	gonvml "github.com/NVIDIA/go-nvml/pkg/nvml"

	"gpusignal/node"
)

// aside keeps how long the calls took that no reading tells of: those that open the library, list what is there and register
// events. The wait for events is not among them: it sleeps until something happens, without the turn of any board, and so costs
// nobody anything.
type aside struct {
	mu   sync.Mutex
	made [node.FeatureCount]node.CallStats
}

// Calls sums up the calls that no reading tells of, by feature.
func (d *Driver) Calls() [node.FeatureCount]node.CallStats {
	d.aside.mu.Lock()
	defer d.aside.mu.Unlock()
	return d.aside.made
}

// timed makes a call and keeps how long it took: also for the board that it is made for, whose turn is held, and nil where there is
// none.
func (d *Driver) timed(b *board, f node.Feature, call func() gonvml.Return) gonvml.Return {
	from := time.Now()
	ret := call()
	took := time.Since(from)
	if b != nil {
		b.aside += took
	}
	d.aside.mu.Lock()
	defer d.aside.mu.Unlock()
	d.aside.made[f].Add(took)
	return ret
}

// told is timed for a call that tells something.
func told[T any](d *Driver, b *board, f node.Feature, call func() (T, gonvml.Return)) (value T, ret gonvml.Return) {
	ret = d.timed(b, f, func() (ret gonvml.Return) { value, ret = call(); return ret })
	return value, ret
}

// listed is told for a call that is made to list a board and what is on it.
func listed[T any](d *Driver, b *board, call func() (T, gonvml.Return)) (T, gonvml.Return) {
	return told(d, b, node.FeatureEnumeration, call)
}
