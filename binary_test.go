package main

import (
	"os"
	"testing"

	"gpusignal/nvml/nvmltest"
)

// TestTheBinaryBindsLazily holds the built binary, where there is one, to lazy binding: bound at once it would end at start
// on every driver that lacks a function of NVML's newest header.
func TestTheBinaryBindsLazily(t *testing.T) {
	if _, err := os.Stat("gpusignal"); err != nil {
		t.Skip("./gpusignal is not built: make build")
	}
	nvmltest.Lazy(t, "gpusignal")
}
