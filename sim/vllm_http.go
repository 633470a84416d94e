package sim

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// httpStats are the families that prometheus_fastapi_instrumentator and prometheus_client add to a vLLM page.
type httpStats struct {
	mu        sync.Mutex
	started   time.Time
	pages     int
	requests  map[[3]string]int  // handler, method, status class
	sizes     map[string]*[4]int // handler: requests, their bytes, responses, their bytes
	fine      *histogram
	durations map[[2]string]*histogram // handler, method
}

func newHTTPStats(started time.Time) *httpStats {
	return &httpStats{
		started: started, requests: map[[3]string]int{}, sizes: map[string]*[4]int{}, durations: map[[2]string]*histogram{},
		fine: newHistogram([]float64{
			.01, .025, .05, .075, .1, .25, .5, .75, 1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5, 5, 7.5, 10, 30, 60,
		}),
	}
}

// count wraps a handler so that its requests are counted. Health and metrics are left out, as vLLM leaves them out.
func (s *httpStats) count(handler string, next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		rec := &recorder{ResponseWriter: w, status: http.StatusOK}
		next(rec, r)
		s.mu.Lock()
		defer s.mu.Unlock()
		seconds := time.Since(began).Seconds()
		s.requests[[3]string{handler, r.Method, strconv.Itoa(rec.status/100) + "xx"}]++
		s.fine.observe(seconds)
		key := [2]string{handler, r.Method}
		if s.durations[key] == nil {
			s.durations[key] = newHistogram([]float64{.1, .5, 1})
		}
		s.durations[key].observe(seconds)
		if s.sizes[handler] == nil {
			s.sizes[handler] = new([4]int)
		}
		size := s.sizes[handler]
		size[0]++
		size[1] += int(max(0, r.ContentLength))
		size[2]++
		size[3] += rec.bytes
	})
}

// recorder remembers what a handler answered.
type recorder struct {
	http.ResponseWriter
	status, bytes int
}

func (r *recorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (int, error) {
	n, err := r.ResponseWriter.Write(b)
	r.bytes += n
	return n, err
}

// write appends the families, and returns the number of this page.
func (s *httpStats) write(p *pythonPage) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pages++
	var requests []series
	for k, n := range s.requests {
		requests = append(requests, one(float64(n), "handler", k[0], "method", k[1], "status", k[2]))
	}
	p.counter("http_requests", "Total number of requests by method, status and handler.", sortSeries(requests)...)
	s.writeSizes(p, "http_request_size_bytes", "Content length of incoming requests by handler. Only value of header is respected. "+
		"Otherwise ignored. No percentile calculated. ", 0)
	s.writeSizes(p, "http_response_size_bytes", "Content length of outgoing responses by handler. Only value of header is respected. "+
		"Otherwise ignored. No percentile calculated. ", 2)
	p.histogram("http_request_duration_highr_seconds",
		"Latency with many buckets but no API specific labels. Made for more accurate percentile calculations. ", s.fine)
	const name, help = "http_request_duration_seconds",
		"Latency with only few buckets by handler. Made to be only used if aggregation by handler is important. "
	p.family(name, help, "histogram")
	var all []series
	for k := range s.durations {
		all = append(all, one(0, "handler", k[0], "method", k[1]))
	}
	for _, one := range sortSeries(all) {
		p.buckets(name, s.durations[[2]string{one.labels[1], one.labels[3]}], one.labels...)
	}
	p.createdAt(name, help, all...)
	return s.pages
}

func (s *httpStats) writeSizes(p *pythonPage, name, help string, at int) {
	p.family(name, help, "summary")
	var all []series
	for handler := range s.sizes {
		all = append(all, one(0, "handler", handler))
	}
	for _, one := range sortSeries(all) {
		size := s.sizes[one.labels[1]]
		p.sample(name+"_count", float64(size[at]), one.labels...)
		p.sample(name+"_sum", float64(size[at+1]), one.labels...)
	}
	p.createdAt(name, help, all...)
}

func sortSeries(all []series) []series {
	slices.SortFunc(all, func(a, b series) int {
		return strings.Compare(strings.Join(a.labels, "\x00"), strings.Join(b.labels, "\x00"))
	})
	return all
}

// python writes what every Python process shows of itself. Nothing reads it: its numbers only grow with time.
func (p *pythonPage) python(started time.Time) {
	age := time.Since(started).Seconds()
	var collected, uncollectable, collections []series
	for i, every := range []float64{2, 25, 300} {
		generation := strconv.Itoa(i)
		collected = append(collected, one(float64(int(4000+age*40/every)), "generation", generation))
		uncollectable = append(uncollectable, one(0, "generation", generation))
		collections = append(collections, one(float64(int(10+age/every)), "generation", generation))
	}
	p.plain("python_gc_objects_collected_total", "Objects collected during gc", "counter", collected...)
	p.plain("python_gc_objects_uncollectable_total", "Uncollectable objects found during GC", "counter", uncollectable...)
	p.plain("python_gc_collections_total", "Number of times this generation was collected", "counter", collections...)
	p.gauge("python_info", "Python platform information", one(1, "implementation", "CPython", "major", "3", "minor", "12",
		"patchlevel", "11", "version", "3.12.11"))
	p.gauge("process_virtual_memory_bytes", "Virtual memory size in bytes.", one(3.9024848896e+10))
	p.gauge("process_resident_memory_bytes", "Resident memory size in bytes.", one(5.8330112e+09+float64(int(age)*512)))
	p.gauge("process_start_time_seconds", "Start time of the process since unix epoch in seconds.",
		one(float64(started.UnixMilli()/10)/100))
	p.plain("process_cpu_seconds_total", "Total user and system CPU time spent in seconds.", "counter",
		one(float64(int(100*(30+age*0.4)))/100))
	p.gauge("process_open_fds", "Number of open file descriptors.", one(76))
	p.gauge("process_max_fds", "Maximum number of open file descriptors.", one(1.048576e+06))
}
