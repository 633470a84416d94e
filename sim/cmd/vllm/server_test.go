package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// served is a server on a real port.
type served struct {
	url     string
	client  *http.Client
	signals chan os.Signal
	done    chan error // what serve returned
}

// start serves s until the test ends.
func start(t *testing.T, s *server) *served {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	out := &served{
		url: "http://" + listener.Addr().String(), signals: make(chan os.Signal, 2), done: make(chan error, 1),
		client: &http.Client{Transport: &http.Transport{}},
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		out.done <- s.serve(listener, out.signals)
	}()
	t.Cleanup(func() {
		out.client.CloseIdleConnections()
		for range cap(out.signals) {
			select {
			case out.signals <- os.Interrupt:
			default:
			}
		}
		<-ended
	})
	return out
}

// send sends a request and returns the status and the body of the answer.
func (s *served) send(method, path, body string) (int, string, error) {
	req, err := http.NewRequest(method, s.url+path, strings.NewReader(body))
	if err != nil {
		return 0, "", fmt.Errorf("make request: %w", err)
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return 0, "", fmt.Errorf("send request: %w", err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, "", fmt.Errorf("read answer: %w", err)
	}
	return resp.StatusCode, string(answer), nil
}

func (s *served) ask(t *testing.T, method, path, body string) (int, string) {
	t.Helper()
	status, answer, err := s.send(method, path, body)
	if err != nil {
		t.Fatal(err)
	}
	return status, answer
}

// turns is an API that answers a completion for each turn it gets.
type turns struct{ begun, turn chan struct{} }

func (a turns) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/v1/completions" {
		return
	}
	a.begun <- struct{}{}
	select {
	case <-a.turn:
	case <-r.Context().Done():
	}
}

func idle(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// TestDrain ends a server that has a request in hand. It takes another, and ends with 0 once both are answered.
func TestDrain(t *testing.T) {
	api := turns{make(chan struct{}), make(chan struct{})}
	s := start(t, newServer(idle, api))
	answers := make(chan int, 2)
	ask := func() {
		status, _, err := s.send("POST", "/v1/completions", "{}")
		if err != nil {
			t.Error(err)
		}
		answers <- status
	}
	go ask()
	<-api.begun
	if status, _ := s.ask(t, "GET", "/health", ""); status != http.StatusOK {
		t.Errorf("the status of /health is %d before the signal", status)
	}
	s.signals <- os.Interrupt
	for status := 0; status != http.StatusServiceUnavailable; { // The signal has been seen when the server is unhealthy.
		status, _ = s.ask(t, "GET", "/health", "")
	}
	go ask()
	<-api.begun
	for range 2 {
		if status, _ := s.ask(t, "GET", "/metrics", ""); status != http.StatusOK {
			t.Errorf("the status of the page is %d with a request in hand", status)
		}
		api.turn <- struct{}{}
		if status := <-answers; status != http.StatusOK {
			t.Errorf("a request in hand got status %d", status)
		}
	}
	if err := <-s.done; err != nil {
		t.Error(err)
	}
}

func TestSecondSignal(t *testing.T) {
	api := turns{make(chan struct{}), make(chan struct{})}
	s := start(t, newServer(idle, api))
	lost := make(chan error, 1)
	go func() {
		_, _, err := s.send("POST", "/v1/completions", "{}")
		lost <- err
	}()
	<-api.begun
	s.signals <- os.Interrupt
	s.signals <- os.Interrupt
	if err := <-s.done; err == nil || !strings.Contains(err.Error(), "requests in hand: 1") {
		t.Errorf("%v, want that a request was in hand", err)
	}
	<-lost
}

func TestServeFails(t *testing.T) {
	broken := errors.New("out of memory")
	s := start(t, newServer(func(context.Context) error { return broken }, turns{}))
	select {
	case err := <-s.done:
		if !errors.Is(err, broken) {
			t.Errorf("%v, want %v", err, broken)
		}
	case <-time.After(time.Minute):
		t.Error("the server goes on without its engine")
	}
}
