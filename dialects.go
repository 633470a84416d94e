package main

import (
	"fmt"
	"slices"

	"gpusignal/engine"
	"gpusignal/node"
	"gpusignal/triton"
	"gpusignal/vllm"
)

// builtin are the dialects of the model servers that are read without any configuration.
func builtin() []engine.Dialect {
	return append([]engine.Dialect{triton.Dialect(), vllm.Dialect()}, engine.Dialects()...)
}

// kindsOf the dialects tell by their containers. What users wrote comes first, and shadows what is built in.
func kindsOf(own []engine.Dialect) []node.Kind {
	var kinds []node.Kind
	for _, d := range engine.Shadow(own, builtin()) {
		kinds = append(kinds, d.Kind())
	}
	return kinds
}

// checkDialects says which of the users' dialects cannot be used, and why.
func checkDialects(own []engine.Dialect) error {
	for i := range own {
		d := &own[i]
		if err := d.Validate(); err != nil {
			return fmt.Errorf("dialect %d (%s): %w", i+1, d.Name, err)
		}
		if slices.ContainsFunc(own[:i], func(earlier engine.Dialect) bool { return earlier.Name == d.Name }) {
			return fmt.Errorf("dialect %d (%s): the file has another of that name: join them", i+1, d.Name)
		}
	}
	return nil
}
