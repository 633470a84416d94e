package main

import (
	"context"
	"errors"
	"fmt"

	oklog "github.com/oklog/run"
)

// actor is one of the things that run side by side: it ends, with nil, when its context does.
type actor struct {
	name string
	run  func(context.Context) error
}

// runAll runs the actors until ctx ends or the first of them returns, tells all others to end, and waits for them. It
// returns the errors of all.
func runAll(ctx context.Context, actors []actor) error {
	var group oklog.Group
	errs := make([]error, len(actors))
	for i, a := range actors {
		actorCtx, cancel := context.WithCancel(ctx)
		group.Add(func() error {
			if err := a.run(actorCtx); err != nil {
				errs[i] = fmt.Errorf("run %s: %w", a.name, err)
			}
			return errs[i]
		}, func(error) { cancel() })
	}
	_ = group.Run() // the first of errs to come
	return errors.Join(errs...)
}
