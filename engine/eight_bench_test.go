package engine_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"syscall"
	"testing"
	"time"

	"gpusignal/engine"
	"gpusignal/sim"
)

// BenchmarkEightPages reads eight vLLM servers once, over real connections, and reports the share of a core that doing so each two
// seconds takes. The servers run in the same process, so it is what both sides take together.
func BenchmarkEightPages(b *testing.B) {
	vllm := sim.NewVLLM(sim.VLLMConfig{Model: "meta-llama/Llama-3.1-8B-Instruct"})
	recorder := httptest.NewRecorder()
	vllm.Handler().ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody))
	page := recorder.Body.Bytes()
	e := engine.New(engine.Config{Interval: 2 * time.Second, Window: 15 * time.Second, Dialects: dialects(), Logger: slog.New(slog.DiscardHandler)})
	var read []func()
	for range 8 {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(page) }))
		b.Cleanup(server.Close)
		visit := e.Reader(server.URL + "/metrics")
		read = append(read, func() { visit(b.Context()) })
	}
	b.SetBytes(int64(8 * len(page)))
	before := processTime(b)
	for b.Loop() {
		for _, visit := range read {
			visit()
		}
	}
	b.ReportMetric(100*(processTime(b)-before).Seconds()/float64(b.N)/2, "%core")
	b.ReportMetric(float64(len(page)), "B/page")
}

// processTime is the CPU time of this process so far.
func processTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
