package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// flagValue is a flag whose errors name it: kingpin's own do not, and the value may come from the environment.
type flagValue[T any] struct {
	flag  string
	parse func(string) (T, error)
	to    *T
}

// Set reads the flag's text.
func (f *flagValue[T]) Set(text string) error {
	value, err := f.parse(text)
	if err != nil {
		return fmt.Errorf("--%s=%q (%s): %w", f.flag, text, environment(f.flag), err)
	}
	*f.to = value
	return nil
}

// String is what the flag stands at.
func (f *flagValue[T]) String() string { return fmt.Sprint(*f.to) }

// environment is the variable that stands for a flag.
func environment(flag string) string {
	return "GPUSIGNAL_" + strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(flag))
}

// oneOf is a flag that takes one of a few words.
func oneOf(flag string, to *string, words ...string) *flagValue[string] {
	return &flagValue[string]{flag, func(text string) (string, error) {
		if !slices.Contains(words, text) {
			return "", fmt.Errorf("it is one of %s", strings.Join(words, ", "))
		}
		return text, nil
	}, to}
}

func parseSeed(text string) (int64, error) { return strconv.ParseInt(text, 10, 64) }
