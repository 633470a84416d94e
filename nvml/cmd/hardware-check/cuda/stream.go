//go:build cgo && linux

package cuda

// #include "driver.h"
import "C"

import (
	"time"
	"unsafe"
)

// Stream is a row of kernels, one after the other; kernels of two streams run side by side. The zero Stream is the standard one.
type Stream struct{ p unsafe.Pointer }

// Event is an instant in a stream by the GPU's clock.
type Event struct{ p unsafe.Pointer }

// Stream makes a stream.
func (d *Device) Stream() (Stream, error) {
	var s Stream
	return s, result("make stream", C.cuda_stream(&d.c, &s.p))
}

// Wait waits until what was started in a stream has ended.
func (d *Device) Wait(s Stream) error {
	return result("run kernel", C.cuda_stream_synchronize(&d.c, s.p))
}

// SpinOn starts a kernel that runs for a time, and does not wait.
func (d *Device) SpinOn(s Stream, length time.Duration) error {
	return result("start kernel", C.cuda_spin(&d.c, d.spin, s.p, C.uint64_t(length)))
}

// Mark records when a stream comes this far. The event is to be freed.
func (d *Device) Mark(s Stream) (Event, error) {
	var e Event
	if err := result("make event", C.cuda_event(&d.c, &e.p)); err != nil {
		return e, err
	}
	return e, result("record event", C.cuda_record(&d.c, e.p, s.p))
}

// Between is the time from one event to another; both have to have happened. Its resolution is half a microsecond, and less the
// longer it is: some 4 µs at a minute.
func (d *Device) Between(from, to Event) (time.Duration, error) {
	var ms C.float
	err := result("read events", C.cuda_elapsed(&d.c, &ms, from.p, to.p))
	return time.Duration(float64(ms) * 1e6), err
}

// FreeEvent lets an event go.
func (d *Device) FreeEvent(e Event) { C.cuda_release_event(&d.c, e.p) }
