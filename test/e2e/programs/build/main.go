// Command build builds the programs of others that the end-to-end tests start, where the user's cache does not hold them yet. It runs
// in the folder test/e2e.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strings"

	"gpusignal/test/e2e/programs"
)

func main() { os.Exit(run()) }

func run() int {
	first := flag.Bool("first", false, "only those that TestTheWellKnownHPAScales needs")
	name := flag.Bool("n", false, "build nothing, print the names of what would be built")
	flag.Parse()
	var names []string
	if *first {
		names = programs.First()
	}
	if err := build(*name, names); err != nil {
		fmt.Fprintln(os.Stderr, "build:", err)
		return 1
	}
	return 0
}

func build(name bool, names []string) error {
	const source = "programs"
	if !name {
		_, err := programs.Build(context.Background(), source, os.Stderr, names...)
		return err
	}
	missing, err := programs.Missing(source, names...)
	if len(missing) > 0 {
		fmt.Println(strings.Join(missing, " "))
	}
	return err
}
