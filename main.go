// Command gpusignal watches the GPUs of a Kubernetes node and the model servers that run on them, and publishes signals
// that carry the name of the pod they speak of.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"gpusignal/node"
)

// Exit codes of the process.
const (
	exitOK       = 0
	exitFailure  = 1 // something failed while running
	exitUsage    = 2 // a bad flag, configuration or listen address
	exitMismatch = 3 // the driver was replaced under us: only a new process can load its library
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is the whole program: a test calls it, or newDaemon below it, as main does.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	opts, command, err := parseFlags(args, stdout, stderr)
	switch {
	case errors.Is(err, errHelped):
		return exitOK
	case err != nil:
		fmt.Fprintf(stderr, "gpusignal: %v; see gpusignal --help\n", err)
		return exitUsage
	}
	log := newLogger(stderr, opts.logLevel, opts.logFormat)
	d, err := newDaemon(opts, log)
	if err != nil {
		log.Error("cannot start", "err", err)
		return exitUsage
	}
	switch command {
	case commandOnce:
		err = d.once(ctx, stdout)
	case commandCheck:
		err = d.check(ctx, stdout)
	default:
		err = d.serve(ctx)
	}
	switch {
	case errors.Is(err, node.ErrDriverMismatch):
		log.Error("ending: a new process has to load the new library", "err", err)
		return exitMismatch
	case errors.Is(err, errListen):
		log.Error("cannot start", "err", err)
		return exitUsage
	case err != nil:
		log.Error("ending", "err", err)
		return exitFailure
	}
	return exitOK
}
