package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"gpusignal/sim"
)

func TestRunSaysWhatIsWrong(t *testing.T) {
	for _, c := range []struct {
		args []string
		want int
	}{
		{[]string{"-service-time", "fast"}, 2},
		{[]string{"-listen", "127.0.0.1:99999"}, 1},
	} {
		if got := run(c.args); got != c.want {
			t.Errorf("run %v is %d, want %d", c.args, got, c.want)
		}
	}
}

func TestServeEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := serve(ctx, "127.0.0.1:0", sim.NewTriton(sim.TritonConfig{})); err != nil {
		t.Error(err)
	}
}

// TestHandler asks a server as a client would, and reads what it counted.
func TestHandler(t *testing.T) {
	s := sim.NewTriton(sim.TritonConfig{Models: []sim.TritonModel{{Name: "resnet", Service: 5 * time.Millisecond}}})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Run(ctx) }()
	defer func() { cancel(); <-done }()
	server := httptest.NewServer(handler(s))
	defer server.Close()
	for _, c := range []struct {
		path, body string
		want       int
	}{
		{"/v2/models/resnet/infer", `{"inputs":[{"shape":[2,4]}],"parameters":{"service_time_us":2000}}`, http.StatusOK},
		{"/v2/models/resnet/infer", `{}`, http.StatusOK},
		{"/v2/models/resnet/infer", `{`, http.StatusBadRequest},
		{"/v2/models/resnet/infer", `{"parameters":{"service_time_us":-1}}`, http.StatusBadRequest},
		{"/v2/models/other/infer", `{}`, http.StatusNotFound},
	} {
		resp, err := http.Post(server.URL+c.path, "application/json", strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != c.want {
			t.Errorf("%s %s: status %d, want %d", c.path, c.body, resp.StatusCode, c.want)
		}
	}
	resp, err := http.Get(server.URL + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`nv_inference_request_success{model="resnet",version="1"} 2`, `nv_inference_count{model="resnet",version="1"} 3`,
		`nv_inference_compute_infer_duration_us{model="resnet",version="1"} 7000`,
	} {
		if !strings.Contains(string(page), want+"\n") {
			t.Errorf("the page has no line %s", want)
		}
	}
}
