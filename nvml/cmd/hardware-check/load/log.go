package load

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// What a line of a log tells of.
const (
	Began   = "step"    // a step of a plan: Name, and From to To as planned
	Burst   = "burst"   // a kernel ran from From to To by the GPU's events; it was started at Host
	Work    = "work"    // a step of a load ended at To; it took GPU by the GPU's events and Host by this machine's clock
	Request = "request" // a request to the server ended, with so many tokens of its prompt and made
)

// Line of a log. Instants are by Now, in nanoseconds.
type Line struct {
	What   string        `json:"what"`
	Name   string        `json:"name,omitempty"`
	Stream int           `json:"stream,omitempty"`
	From   time.Duration `json:"from_ns,omitempty"`
	To     time.Duration `json:"to_ns"`
	Host   time.Duration `json:"host_ns,omitempty"`
	GPU    time.Duration `json:"gpu_ns,omitempty"`
	Prompt int           `json:"prompt,omitempty"`
	Tokens int           `json:"tokens,omitempty"`
}

// Log is what a load did.
type Log []Line

// Write writes the lines as JSON, one a line.
func (l Log) Write(w io.Writer) error {
	out := bufio.NewWriter(w)
	encoder := json.NewEncoder(out)
	for _, line := range l {
		if err := encoder.Encode(line); err != nil {
			return fmt.Errorf("write log of load: %w", err)
		}
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write log of load: %w", err)
	}
	return nil
}

// Parse reads a log. A last line that is cut off, as a load that was killed leaves it, is left out.
func Parse(r io.Reader) (Log, error) {
	var out Log
	in := bufio.NewReader(r)
	for n := 1; ; n++ {
		text, err := in.ReadBytes('\n')
		if err == io.EOF {
			return out, nil
		}
		if err != nil {
			return out, fmt.Errorf("read log of load: %w", err)
		}
		var line Line
		if err := json.Unmarshal(text, &line); err != nil {
			return out, fmt.Errorf("read line %d of log of load: %w", n, err)
		}
		if line.What == Burst && line.To < line.From {
			return out, fmt.Errorf("read line %d of log of load: it ends before it begins", n)
		}
		out = append(out, line)
	}
}

// Spans in which a kernel of the load ran.
func (l Log) Spans() Spans {
	var out []Span
	for _, line := range l {
		if line.What == Burst {
			out = append(out, Span{line.From, line.To})
		}
	}
	return Union(out)
}

// Of one kind of lines.
func (l Log) Of(what string) Log {
	var out Log
	for _, line := range l {
		if line.What == what {
			out = append(out, line)
		}
	}
	return out
}
