// Command triton serves a simulated Triton server: the inference API and /metrics on one address.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"gpusignal/sim"
)

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	flags := flag.NewFlagSet("triton", flag.ContinueOnError)
	address := flags.String("listen", ":8000", "address of the inference API and of /metrics")
	models := flags.String("models", "model", "names of the models, separated by commas")
	service := flags.Duration("service-time", 20*time.Millisecond, "how long a request computes, unless it says service_time_us")
	instances := flags.Int("instances", 1, "how many requests of a model execute at once")
	queue := flags.Int("max-queue", 0, "how many requests of a model may wait, 0 for any number")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	var cfg sim.TritonConfig
	for name := range strings.SplitSeq(*models, ",") {
		cfg.Models = append(cfg.Models, sim.TritonModel{
			Name: strings.TrimSpace(name), Service: *service, Instances: *instances, MaxQueue: *queue,
		})
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := serve(ctx, *address, sim.NewTriton(cfg)); err != nil {
		fmt.Fprintln(os.Stderr, "triton:", err)
		return 1
	}
	return 0
}

// serve runs the server on an address until ctx ends.
func serve(ctx context.Context, address string, t *sim.Triton) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("listen on %q: %w", address, err)
	}
	fmt.Println("listening on", listener.Addr())
	s := &http.Server{Handler: handler(t), ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	with, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		served <- s.Serve(listener)
		cancel()
	}()
	runErr := t.Run(with)
	if ctx.Err() == nil {
		return errors.Join(runErr, <-served)
	}
	grace, done := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer done()
	_ = s.Shutdown(grace)
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return errors.Join(runErr, err)
	}
	return runErr
}

// handler serves both of Triton's ports.
func handler(t *sim.Triton) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/v2/", t.Handler())
	mux.Handle("/metrics", t.Metrics())
	return mux
}
