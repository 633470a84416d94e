package main

import (
	"context"
	"errors"
	"testing"
)

func TestRunAll(t *testing.T) {
	first, late := errors.New("first"), errors.New("late")
	ended := make(chan string, 2)
	err := runAll(t.Context(), []actor{
		{"patient", func(ctx context.Context) error { <-ctx.Done(); ended <- "patient"; return nil }},
		{"sick", func(context.Context) error { return first }},
		{"sick at the end", func(ctx context.Context) error { <-ctx.Done(); ended <- "late"; return late }},
	})
	if !errors.Is(err, first) || !errors.Is(err, late) {
		t.Errorf("runAll returned %v, want the first error and the late one", err)
	}
	if len(ended) != 2 {
		t.Errorf("%d actors were waited for, want 2", len(ended))
	}
}

func TestRunAllEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := runAll(ctx, []actor{{"patient", func(ctx context.Context) error { <-ctx.Done(); return nil }}}); err != nil {
		t.Errorf("runAll returned %v, want nil", err)
	}
}
