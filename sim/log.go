package sim

import (
	"fmt"
	"io"
	"strconv"
	"sync"
	"time"
)

// truth writes what really happened, one line an event, at the instant it happens:
//
//	<unix nanoseconds> <event> key=value key=value …
//
// Fields are separated by one space; no value holds a space. Lines stand in the order of their times. Times are unix
// nanoseconds, durations (keys that end in _ns) are nanoseconds, memory is bytes, a pod is namespace/name.
//
//	start    seed=                                     the node began to run
//	busy     gpu= from= to= by=                        a kernel ran on the device all that time; intervals of one device
//	                                                   do not overlap, adjacent lines are one interval, none is longer
//	                                                   than 250 ms, and a line follows its end within some 50 ms
//	                                                   (more on a machine that has no time). By names whose work it was:
//	                                                   namespace/pod/container of each process that had some all that
//	                                                   time, and - for a process of no pod, with commas between them.
//	                                                   Where there are several, each caused an equal part of the time
//	memory   gpu= used=                                memory in use on the device changed
//	load     pod= model= running= waiting=             requests in execution, or in the queue, changed
//	tokens   pod= model= prompt= generation= kv_blocks=
//	                                                   a vLLM step ended and counted these tokens; KV blocks then in use
//	request  pod= model= outcome= reason= queue_ns= start= end= prompt= generation=
//	                                                   a vLLM request ended; outcome success (reason stop or length)
//	                                                   is counted by the page at this line, abort is not counted
//	request  pod= model= outcome= queue_ns= start= end= input_ns= infer_ns= output_ns= batch=
//	                                                   the same for Triton; outcome success, or the reason of the failure
//	                                                   (REJECTED, CANCELED) with queue_ns only
//	rejected pod= model= reason=                       a vLLM server refused a request, its queue being full
//	page     pod= n=                                   the server wrote its n-th metrics page (header Sim-Page): it counts
//	                                                   what stands above this line and nothing below
//	client   pod= model= status= from= to=             a client's request ended, as the client saw it; status 0 when it
//	                                                   gave up
//	pod      pod= phase= ready=                        a pod began or changed; phase Deleted when it is gone
//	xid      gpu= xid=                                 the driver reported an error
//	stop                                               the node ended
//
// So the sum of the tokens and request lines above a page line is what that page says, to the last digit.
type truth struct {
	mu  sync.Mutex
	w   io.Writer
	buf []byte
	err error
}

// newTruth returns a log on w, and a log that writes nothing when w is nil.
func newTruth(w io.Writer) *truth {
	if w == nil {
		return nil
	}
	return &truth{w: w}
}

// event writes one line; pairs are a key and its value in turn. It stops at the first error of the writer.
func (t *truth) event(name string, pairs ...any) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err != nil {
		return
	}
	b := strconv.AppendInt(t.buf[:0], time.Now().UnixNano(), 10)
	b = append(b, ' ')
	b = append(b, name...)
	for i := 0; i+1 < len(pairs); i += 2 {
		b = append(b, ' ')
		b = append(b, pairs[i].(string)...)
		b = append(b, '=')
		b = appendValue(b, pairs[i+1])
	}
	t.buf = append(b, '\n')
	if _, err := t.w.Write(t.buf); err != nil {
		t.err = fmt.Errorf("write truth log: %w", err)
	}
}

// fault is the first error of the writer.
func (t *truth) fault() error {
	if t == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.err
}

func appendValue(b []byte, v any) []byte {
	switch v := v.(type) {
	case string:
		return append(b, v...)
	case int:
		return strconv.AppendInt(b, int64(v), 10)
	case int64:
		return strconv.AppendInt(b, v, 10)
	case uint64:
		return strconv.AppendUint(b, v, 10)
	case bool:
		return strconv.AppendBool(b, v)
	case time.Duration:
		return strconv.AppendInt(b, v.Nanoseconds(), 10)
	case time.Time:
		return strconv.AppendInt(b, v.UnixNano(), 10)
	default:
		return fmt.Append(b, v)
	}
}
