//go:build !cgo || !linux

package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "hardware-check: built without cgo, which NVML needs: use a linux build with CGO_ENABLED=1")
	os.Exit(1)
}
