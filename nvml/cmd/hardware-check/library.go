//go:build cgo && linux

package main

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/NVIDIA/go-nvml/pkg/dl"
	gonvml "github.com/NVIDIA/go-nvml/pkg/nvml"

	"gpusignal/nvml"
)

// A library is NVML, opened. Calls that speak of no GPU go through its guard.
type library struct {
	opts    options
	nvml    gonvml.Interface
	guard   *guard
	symbols map[string]bool
	report  Library
	driver  *nvml.Driver // gpusignal's own reader of the same library
	// unlisted is why that lists no devices.
	unlisted error
	// stuck says that a call of some GPU has not come back: then the library is not shut.
	stuck bool
}

// told is an answer of a call with one number.
type told struct {
	value float64
	ret   gonvml.Return
}

// openLibrary maps and initialises NVML.
func openLibrary(opts options) (*library, error) {
	lib := &library{
		opts:    opts,
		nvml:    gonvml.New(gonvml.WithLibraryPath(opts.library)),
		guard:   &guard{patience: opts.deadline},
		symbols: map[string]bool{},
		report:  Library{Path: opts.library, Missing: []string{}},
		driver:  nvml.New(nvml.Config{Library: opts.library, Logger: slog.New(slog.DiscardHandler)}),
	}
	err, _, ok := ask(lib.guard, "dlopen", func() error { return mapLibrary(opts.library) })
	if !ok {
		return nil, lib.hang()
	}
	if err != nil {
		return nil, err
	}
	ret, took, ok := ask(lib.guard, "nvmlInit", lib.nvml.Init)
	if !ok {
		return nil, lib.hang()
	}
	if ret != gonvml.SUCCESS {
		return nil, fmt.Errorf("open %q: nvmlInit: %s", opts.library, text(ret))
	}
	lib.report.InitMS = millis(took)
	for _, name := range looksUp() {
		if !lib.has(name) {
			lib.report.Missing = append(lib.report.Missing, name)
		}
	}
	lib.versions()
	for _, versions := range [][]string{
		{"nvmlDeviceGetCount_v2", "nvmlDeviceGetCount"},
		{"nvmlDeviceGetHandleByIndex_v2", "nvmlDeviceGetHandleByIndex"},
	} {
		if !lib.hasAny(versions...) {
			return nil, fmt.Errorf("open %q: the library lacks %s", opts.library, versions[0])
		}
	}
	type counted struct {
		n   int
		ret gonvml.Return
	}
	count, _, ok := ask(lib.guard, "nvmlDeviceGetCount", func() (c counted) { c.n, c.ret = lib.nvml.DeviceGetCount(); return c })
	if !ok {
		return nil, lib.hang()
	}
	if count.ret != gonvml.SUCCESS {
		return nil, fmt.Errorf("open %q: nvmlDeviceGetCount: %s", opts.library, text(count.ret))
	}
	lib.report.Devices = count.n
	return lib, nil
}

func (lib *library) hang() error {
	return fmt.Errorf("open %q: %s has not come back within %v", lib.opts.library, lib.guard.stuck, lib.opts.deadline)
}

// mapLibrary maps the library ahead of go-nvml, which calls nvmlInit without looking whether it is there: a function that is
// missing ends the process.
func mapLibrary(path string) error {
	file := dl.New(path, dl.RTLD_LAZY|dl.RTLD_GLOBAL)
	if err := file.Open(); err != nil {
		return fmt.Errorf("open %q: %w", path, err)
	}
	if file.Lookup("nvmlInit_v2") != nil && file.Lookup("nvmlInit") != nil {
		return errors.New("open " + path + ": the library lacks nvmlInit_v2")
	}
	return nil
}

// has says whether the library has a function. No function is called that was not looked up.
func (lib *library) has(symbol string) bool {
	has, asked := lib.symbols[symbol]
	if !asked {
		has = lib.nvml.Extensions().LookupSymbol(symbol) == nil
		lib.symbols[symbol] = has
	}
	return has
}

func (lib *library) hasAny(symbols ...string) bool { return slices.ContainsFunc(symbols, lib.has) }

// first of several needs that the library does not meet, or else the last of them.
func (lib *library) first(needs ...[]string) []string {
	for _, need := range needs {
		if !lib.hasAny(need...) {
			return need
		}
	}
	return needs[len(needs)-1]
}

func (lib *library) hasAll(symbols ...string) bool {
	return !slices.ContainsFunc(symbols, func(symbol string) bool { return !lib.has(symbol) })
}

// versions of what is installed.
func (lib *library) versions() {
	version := func(symbol string, get func() (string, gonvml.Return)) string {
		if !lib.has(symbol) {
			return ""
		}
		v, _, _ := ask(lib.guard, symbol, func() string {
			v, ret := get()
			if ret != gonvml.SUCCESS {
				return ""
			}
			return v
		})
		return v
	}
	lib.report.NVML = version("nvmlSystemGetNVMLVersion", lib.nvml.SystemGetNVMLVersion)
	lib.report.Driver = version("nvmlSystemGetDriverVersion", lib.nvml.SystemGetDriverVersion)
	lib.report.CUDA = version("nvmlSystemGetCudaDriverVersion_v2", func() (string, gonvml.Return) {
		v, ret := lib.nvml.SystemGetCudaDriverVersion_v2()
		return fmt.Sprintf("%d.%d", v/1000, v%1000/10), ret
	})
}

// hung are the calls of no GPU that have not come back.
func (lib *library) hung() []string {
	if lib.guard.stuck == "" {
		return nil
	}
	return []string{lib.guard.stuck}
}

// close shuts NVML down, unless a call has not come back.
func (lib *library) close() {
	if !lib.stuck {
		err, _, ok := ask(lib.guard, "closing gpusignal's driver", lib.driver.Close)
		lib.stuck = !ok || err != nil
	}
	if !lib.stuck && lib.guard.stuck == "" && lib.has("nvmlShutdown") {
		_, _, _ = ask(lib.guard, "nvmlShutdown", lib.nvml.Shutdown)
	}
	lib.guard.end()
}

// text is a return code in words: go-nvml would ask the library, which may lack the function for it.
func text(ret gonvml.Return) string {
	names := map[gonvml.Return]string{
		gonvml.ERROR_UNINITIALIZED:           "library is not initialised",
		gonvml.ERROR_INVALID_ARGUMENT:        "invalid argument",
		gonvml.ERROR_NOT_SUPPORTED:           "not supported",
		gonvml.ERROR_NO_PERMISSION:           "no permission",
		gonvml.ERROR_NOT_FOUND:               "not found",
		gonvml.ERROR_INSUFFICIENT_SIZE:       "insufficient size",
		gonvml.ERROR_DRIVER_NOT_LOADED:       "driver is not loaded",
		gonvml.ERROR_TIMEOUT:                 "timeout",
		gonvml.ERROR_LIBRARY_NOT_FOUND:       "library not found",
		gonvml.ERROR_FUNCTION_NOT_FOUND:      "function not found",
		gonvml.ERROR_GPU_IS_LOST:             "GPU is lost",
		gonvml.ERROR_RESET_REQUIRED:          "GPU needs a reset",
		gonvml.ERROR_OPERATING_SYSTEM:        "denied by the operating system",
		gonvml.ERROR_LIB_RM_VERSION_MISMATCH: "library is not of the version of the kernel module",
		gonvml.ERROR_NOT_READY:               "not ready",
		gonvml.ERROR_GPU_NOT_FOUND:           "GPU not found",
	}
	if name, known := names[ret]; known {
		return fmt.Sprintf("%s (NVML error %d)", name, int(ret))
	}
	return fmt.Sprintf("NVML error %d", int(ret))
}

// refused says that a call will fail however often it is made.
func refused(ret gonvml.Return) bool {
	return slices.Contains([]gonvml.Return{
		gonvml.ERROR_NOT_SUPPORTED, gonvml.ERROR_NO_PERMISSION, gonvml.ERROR_FUNCTION_NOT_FOUND, gonvml.ERROR_INVALID_ARGUMENT,
		gonvml.ERROR_ARGUMENT_VERSION_MISMATCH, gonvml.ERROR_DEPRECATED,
	}, ret)
}

// until says whether a time is still to come.
func until(end time.Time) bool { return time.Now().Before(end) }
