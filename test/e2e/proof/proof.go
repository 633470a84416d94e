// Package proof says what tests have shown, a line each.
package proof

import (
	"fmt"
	"testing"
)

// Mark is what the lines have in common: make e2e repeats them at its end.
const Mark = "PROVED: "

// Shown says in one line what a test has shown, unless the test has failed.
func Shown(t testing.TB, format string, args ...any) {
	t.Helper()
	if !t.Failed() {
		t.Log(Mark + fmt.Sprintf(format, args...))
	}
}
