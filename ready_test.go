package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestReadyWithSignals starts a daemon beside a server with a slow page, which is read seldom: when the daemon is ready, the page has
// the server's saturation, so that another daemon may go.
func TestReadyWithSignals(t *testing.T) {
	slow := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, _ *http.Request) {
		time.Sleep(150 * time.Millisecond)
		fmt.Fprint(out, "vllm:num_requests_running{model_name=\"m\"} 1\nvllm:num_requests_waiting{model_name=\"m\"} 2\nvllm:generation_tokens_total{model_name=\"m\"} 3\n")
	}))
	defer slow.Close()
	_, address, stop := startSimulated(t, "--simulate.node=plain", "--signal.window=4s", "--engine.endpoint="+slow.URL+"/metrics,namespace=ml,pod=slow")
	defer stop()
	waited := false
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		status, body := fetch(t, address, "/-/ready")
		if status == http.StatusOK {
			break
		}
		waited = waited || strings.Contains(body, "the first signal window of ml/slow is not full yet")
		if time.Now().After(deadline) {
			t.Fatalf("it was never ready: %s", body)
		}
	}
	page := pageWith(t, address)
	if _, ok := page.value("gpusignal_saturation_ratio", "namespace", "ml", "pod", "slow"); !ok || !waited {
		t.Errorf("ready, and the slow server has a saturation: %v; it was told that this is waited for: %v", ok, waited)
	}
}
