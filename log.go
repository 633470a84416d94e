package main

import (
	"io"
	"log/slog"

	kitlog "github.com/go-kit/log"
	slgk "github.com/tjhop/slog-gokit"
)

// newLogger returns the program's logger: slog in the code, go-kit/log on the wire. The bridge adds time, level and
// caller, and filters by its own level.
func newLogger(w io.Writer, level, format string) *slog.Logger {
	w = kitlog.NewSyncWriter(w)
	base := kitlog.NewLogfmtLogger(w)
	if format == "json" {
		base = kitlog.NewJSONLogger(w)
	}
	least := slog.LevelInfo
	switch level {
	case "debug":
		least = slog.LevelDebug
	case "warn":
		least = slog.LevelWarn
	case "error":
		least = slog.LevelError
	}
	return slog.New(slgk.NewGoKitHandler(base, least))
}
