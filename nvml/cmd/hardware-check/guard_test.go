//go:build cgo && linux

package main

import (
	"testing"
	"time"
)

// TestDeadlines: the deadline of a call is the guard's own.
func TestDeadlines(t *testing.T) {
	g := &guard{patience: time.Hour}
	if v, took, ok := ask(g, "quick", func() int { return 7 }); v != 7 || took < 0 || !ok || g.stuck != "" {
		t.Errorf("quick call: %v, %v, %t, stuck %q", v, took, ok, g.stuck)
	}
	g.patience = time.Millisecond
	release := make(chan struct{})
	if v, _, ok := ask(g, "slow", func() int { <-release; return 7 }); v != 0 || ok || g.stuck != "slow" {
		t.Errorf("slow call: %v, %t, stuck %q", v, ok, g.stuck)
	}
	called := false
	if _, _, ok := ask(g, "next", func() int { called = true; return 7 }); ok || called || g.stuck != "slow" {
		t.Errorf("after it: %t, called %t, stuck %q", ok, called, g.stuck)
	}
	close(release)
}
