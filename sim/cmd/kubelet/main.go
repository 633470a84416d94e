// Command kubelet serves a kubelet's sockets, pod-resources and pods, about the pods that a file names: for a daemon that reads a
// real driver on a machine without Kubernetes.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"gpusignal/sim"
)

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	flags := flag.NewFlagSet("kubelet", flag.ContinueOnError)
	dir := flags.String("dir", "", "folder of the sockets, pod-resources/kubelet.sock and pods-api/pods-api.sock; 60 characters at most")
	file := flags.String("pods", "", "file of the pods: a list of objects with the fields of sim.HeldPod as JSON")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := serve(ctx, *dir, *file); err != nil {
		fmt.Fprintln(os.Stderr, "kubelet:", err)
		return 1
	}
	return 0
}

// serve the pods of a file until ctx ends.
func serve(ctx context.Context, dir, file string) error {
	content, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("read pods: %w", err)
	}
	var pods []sim.HeldPod
	if err := json.Unmarshal(content, &pods); err != nil {
		return fmt.Errorf("read pods of %q: %w", file, err)
	}
	k, err := sim.NewKubelet(dir, pods)
	if err != nil {
		return err
	}
	fmt.Println("listening on", k.PodResourcesSocket(), "and", k.PodsSocket())
	return errors.Join(k.Run(ctx), k.Close())
}
