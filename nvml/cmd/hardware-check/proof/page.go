package proof

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// Page is a metrics page, read at an instant of load.Now: the middle of its request.
type Page struct {
	At     time.Duration
	Series []Series
}

// Series is one line of a page.
type Series struct {
	Name   string
	Labels map[string]string
	Value  float64
}

// ParsePage reads the text format, as far as gpusignal writes it: no timestamps.
func ParsePage(r io.Reader) ([]Series, error) {
	var out []Series
	in := bufio.NewScanner(r)
	in.Buffer(nil, 1<<20)
	for n := 1; in.Scan(); n++ {
		line := in.Text()
		if line == "" || line[0] == '#' {
			continue
		}
		s, err := parseSeries(line)
		if err != nil {
			return nil, fmt.Errorf("read line %d of page: %w", n, err)
		}
		out = append(out, s)
	}
	if err := in.Err(); err != nil {
		return nil, fmt.Errorf("read page: %w", err)
	}
	return out, nil
}

// parseSeries reads name{label="value",…} number.
func parseSeries(line string) (Series, error) {
	s := Series{Labels: map[string]string{}}
	end := strings.IndexAny(line, "{ ")
	if end <= 0 {
		return s, fmt.Errorf("%q has no name or no value", line)
	}
	s.Name = line[:end]
	rest := line[end:]
	for open := rest[0] == '{'; open; {
		rest = strings.TrimLeft(rest[1:], " ")
		if rest != "" && rest[0] == '}' {
			rest = rest[1:]
			break
		}
		name, quoted, found := strings.Cut(rest, "=")
		prefix, err := strconv.QuotedPrefix(quoted)
		if !found || err != nil || prefix[0] != '"' {
			return s, fmt.Errorf("%q has a label without a quoted value", line)
		}
		if s.Labels[name], err = strconv.Unquote(prefix); err != nil {
			return s, fmt.Errorf("%q has a label without a quoted value", line)
		}
		rest = quoted[len(prefix):]
		if rest == "" || rest[0] != ',' && rest[0] != '}' {
			return s, fmt.Errorf("%q has labels that do not end", line)
		}
		if open = rest[0] == ','; !open {
			rest = rest[1:]
		}
	}
	value, err := strconv.ParseFloat(strings.TrimSpace(rest), 64)
	if err != nil {
		return s, fmt.Errorf("%q has no number", line)
	}
	s.Value = value
	return s, nil
}

// has says whether a series has the given label pairs.
func (s Series) has(pairs []string) bool {
	for i := 0; i+1 < len(pairs); i += 2 {
		if s.Labels[pairs[i]] != pairs[i+1] {
			return false
		}
	}
	return true
}

// Sum of the series of a name with some label pairs, and whether there is any.
func (p Page) Sum(name string, pairs ...string) (sum float64, known bool) {
	for _, s := range p.Series {
		if s.Name == name && s.has(pairs) {
			sum, known = sum+s.Value, true
		}
	}
	return sum, known
}

// By are the sums of the series of a name by the value of a label.
func (p Page) By(label, name string, pairs ...string) map[string]float64 {
	out := map[string]float64{}
	for _, s := range p.Series {
		if s.Name == name && s.has(pairs) {
			out[s.Labels[label]] += s.Value
		}
	}
	return out
}

// Rise of a sum from one page to a later one: what is not on the first began at 0.
func Rise(from, to Page, name string, pairs ...string) (float64, bool) {
	last, known := to.Sum(name, pairs...)
	first, _ := from.Sum(name, pairs...)
	return last - first, known
}

// Booked is the instant up to which the counters of use of a GPU are: what is in them ended then.
func (p Page) Booked(uuid string) (time.Duration, bool) {
	age, known := p.Sum("gpusignal_device_booking_age_seconds", "gpu_uuid", uuid)
	return p.At - time.Duration(age*1e9), known
}
