// Command vllm serves a simulated vLLM: the API and /metrics on one port, with the flags of `vllm serve` that the simulation
// understands, and some of its own.
package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"gpusignal/sim"
)

func main() { os.Exit(run(os.Args[1:], os.Stderr)) }

func run(args []string, stderr io.Writer) int {
	o, err := parse(args, stderr)
	if err != nil {
		return 2
	}
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	if err := o.serve(signals); err != nil {
		fmt.Fprintln(stderr, "vllm:", err)
		return 1
	}
	return 0
}

// options are what the arguments say.
type options struct {
	sim.VLLMConfig
	address string
	// load is how long the model loads; nothing listens before.
	load time.Duration
}

// parse reads the arguments. It has written what is wrong with them when it returns an error.
func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("vllm", flag.ContinueOnError)
	flags.SetOutput(stderr)
	host := flags.String("host", "", "address to listen on (all)")
	port := flags.Uint("port", 8000, "port of the API and of /metrics")
	name := flags.String("served-model-name", "", "the model's name in requests and on the page (its path)")
	count := func(p *int, name, usage string) {
		flags.Func(name, usage, func(s string) error {
			n, err := strconv.ParseUint(s, 10, 31)
			*p = int(n)
			return err
		})
	}
	count(&o.MaxSeqs, "max-num-seqs", "how many sequences run at once, 0 for 8")
	count(&o.MaxLen, "max-model-len", "the longest sequence in tokens, 0 for 4096")
	count(&o.Blocks, "blocks", "blocks of the KV cache, of 16 tokens each, 0 for 640")
	span := func(p *time.Duration, name, usage string) {
		flags.Func(name, usage, func(s string) error {
			d, err := time.ParseDuration(s)
			if err == nil && d < 0 {
				err = errors.New("a negative time")
			}
			*p = d
			return err
		})
	}
	span(&o.load, "load-time", "how long the model loads before anything listens")
	span(&o.Step, "step", "time of an engine step, 0 for 24ms")
	span(&o.PerSeq, "per-seq", "what every sequence adds to a step, 0 for 300µs")
	span(&o.PerPrompt, "per-prompt", "what every token of a prompt adds to a step, 0 for 40µs")
	// The model's path may stand before, between and after the flags.
	path := ""
	for rest := args; ; rest = flags.Args()[1:] {
		if err := flags.Parse(rest); err != nil {
			return options{}, err
		}
		if flags.NArg() == 0 {
			break
		}
		if path != "" {
			err := fmt.Errorf("two models, %q and %q: give one path", path, flags.Arg(0))
			fmt.Fprintln(stderr, "vllm:", err)
			return options{}, err
		}
		path = flags.Arg(0)
	}
	o.Model = cmp.Or(*name, path)
	o.address = net.JoinHostPort(*host, strconv.FormatUint(uint64(*port), 10))
	return o, nil
}

// serve loads the model and serves it as server.serve says. A signal while it loads ends it.
func (o options) serve(signals <-chan os.Signal) error {
	v := sim.NewVLLM(o.VLLMConfig)
	select {
	case <-time.After(o.load):
	case <-signals:
		return nil
	}
	listener, err := net.Listen("tcp", o.address)
	if err != nil {
		return fmt.Errorf("listen on %q: %w", o.address, err)
	}
	fmt.Println("listening on", listener.Addr())
	return newServer(v.Run, v.Handler()).serve(listener, signals)
}
