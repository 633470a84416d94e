package engine

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// The pieces of a line of the text format 0.0.4
// (https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format).

func blank(c byte) bool { return c == ' ' || c == '\t' }

func trimBlank(text []byte) []byte {
	for len(text) > 0 && blank(text[0]) {
		text = text[1:]
	}
	return text
}

// nameEnd returns the index after a metric name, 0 where there is none.
func nameEnd(text []byte) int {
	for i, c := range text {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '_', c == ':', c >= '0' && c <= '9' && i > 0:
		case c == '{', blank(c):
			return i
		default:
			return 0
		}
	}
	return len(text)
}

var (
	errNoEnd  = errors.New("labels have no end")
	errLabels = errors.New("labels are not name=\"value\"")
)

// seriesEnd returns the index after the series, given the index after its name: after the brace that closes its labels,
// or where the name ends when it has none.
func seriesEnd(text []byte, name int) (int, error) {
	i := name
	for i < len(text) && blank(text[i]) {
		i++
	}
	if i == len(text) || text[i] != '{' {
		return name, nil
	}
	for quoted := false; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\' && quoted:
			i++
		case c == '"':
			quoted = !quoted
		case c == '}' && !quoted:
			return i + 1, nil
		}
	}
	return 0, errNoEnd
}

// parseLabels of a series, which begins with its name. A comma after the last label is allowed.
func parseLabels(text []byte) ([]label, error) {
	_, rest, found := bytes.Cut(text, []byte{'{'})
	if !found {
		return nil, nil
	}
	rest = trimBlank(rest)
	var labels []label
	for len(rest) > 0 && rest[0] != '}' {
		equals := bytes.IndexByte(rest, '=')
		if equals <= 0 {
			return nil, errLabels
		}
		name := string(bytes.TrimRight(rest[:equals], " \t"))
		if !labelName(name) {
			return nil, errLabels
		}
		rest = trimBlank(rest[equals+1:])
		value, n, err := unquote(rest)
		if err != nil {
			return nil, fmt.Errorf("label %.60q: %w", name, err)
		}
		labels = append(labels, label{name, value})
		rest = trimBlank(rest[n:])
		if len(rest) == 0 || rest[0] != ',' && rest[0] != '}' {
			return nil, errLabels
		}
		if rest[0] == ',' {
			rest = trimBlank(rest[1:])
		}
	}
	if len(rest) != 1 {
		return nil, errLabels
	}
	return labels, nil
}

func labelName(name string) bool {
	for i := range len(name) {
		c := name[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '_' && (c < '0' || c > '9' || i == 0) {
			return false
		}
	}
	return name != ""
}

// unquote a label value and return how many bytes it took, quotes included.
func unquote(text []byte) (string, int, error) {
	if len(text) == 0 || text[0] != '"' {
		return "", 0, errLabels
	}
	var b strings.Builder
	for i := 1; i < len(text); i++ {
		switch c := text[i]; c {
		case '"':
			return b.String(), i + 1, nil
		case '\\':
			i++
			if i == len(text) {
				return "", 0, errLabels
			}
			switch text[i] {
			case 'n':
				b.WriteByte('\n')
			case '\\', '"':
				b.WriteByte(text[i])
			default:
				return "", 0, fmt.Errorf("unknown escape %q", text[i-1:i+1])
			}
		default:
			b.WriteByte(c)
		}
	}
	return "", 0, errNoEnd
}

// wholeLine reads a line that is nothing but a whole number of at most 15 digits, with or without ".0", as most values are.
// It returns how many bytes the line took, its end included, and 0 where the line is anything else.
func wholeLine(text []byte) (v float64, used int) {
	var whole int64
	i := 0
	for i < len(text) && i < 15 && text[i] >= '0' && text[i] <= '9' {
		whole = whole*10 + int64(text[i]-'0')
		i++
	}
	switch {
	case i == 0 || i == len(text):
	case text[i] == '\n':
		return float64(whole), i + 1
	case i+2 < len(text) && text[i] == '.' && text[i+1] == '0' && text[i+2] == '\n':
		return float64(whole), i + 3
	}
	return 0, 0
}

// number reads the value at the start of text; a timestamp may follow it. A value out of range is ±Inf.
func number(text []byte) (float64, bool) {
	text = trimBlank(text)
	end := 0
	for end < len(text) && !blank(text[end]) {
		if c := text[end]; c == '_' || c == 'p' || c == 'P' {
			return 0, false // Go's own spellings, not the format's.
		}
		end++
	}
	v, err := strconv.ParseFloat(string(text[:end]), 64)
	if err != nil && !math.IsInf(v, 0) {
		return 0, false
	}
	return v, timestamp(text[end:])
}

// timestamp says whether what follows a value is nothing, or a whole number of milliseconds.
func timestamp(text []byte) bool {
	text = bytes.Trim(text, " \t")
	for i, c := range text {
		if (c < '0' || c > '9') && (i > 0 || c != '-' && c != '+') {
			return false
		}
	}
	return true
}
