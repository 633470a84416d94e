package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"strings"
)

// host is what can be said of the machine without a driver.
func host() Host {
	h := Host{CPUs: runtime.NumCPU()}
	if release, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		h.Kernel = strings.TrimSpace(string(release))
	}
	if module, err := os.ReadFile("/proc/driver/nvidia/version"); err == nil {
		h.Module, _, _ = strings.Cut(string(module), "\n")
	}
	return h
}

// revision of the source that the program was built from, where the build knows it.
func revision() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	var revision, modified string
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			revision = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			modified = "+modified"
		}
	}
	return revision + modified
}
