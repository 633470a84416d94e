package main

import (
	"cmp"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"gpusignal/engine"
)

var update = flag.Bool("update", false, "write docs/engines.md")

const enginesIntro = `# Model servers

What is read of each model server, and what its page cannot tell. Written from the dialects by ` + "`make golden`" + `, and held to them
by a test.

A server is known by its page: by the beginnings of names in *known by*. What a container's image or command says holds only
until the page has been read ([servers.md](servers.md) says which fit). Of each signal's families the first that a page has is
read, for each model by itself, so that no version is ever asked for. ` + "`A + B`" + ` are summed as far as they are present, ` + "`A ÷ B`" + ` is of
both. A family that is missing makes its signal absent, not 0.

Series of one model are summed over everything but its name: versions, streaming or not, data-parallel ranks, replicas; of
key-value cache usage the greatest counts. Labels in *copies* are of series that say one thing several times, and of these
the greatest counts too; so it is with ` + "`pid`" + `, which several API servers of one engine write. Labels in *noise* come and go on one
series: its counter goes on. The names of 200 models of a pod are kept, the rest are summed as ` + "`_other`" + `, and
` + "`gpusignal_exporter_endpoint_merged_models`" + ` says how many they are.

| reading | what it feeds |
|---|---|
| running, waiting | ` + "`requests_running`, `requests_waiting`, `requests_waiting_peak`, `idle_seconds`" + `, the components concurrency and slots |
| capacity | what of waiting a further replica would shorten: the component queue, which else takes waiting |
| kv_cache | ` + "`kv_cache_usage_ratio`" + `, the component kv_cache |
| max_running | the component slots; else it is taken from the arguments of the container |
| awake | ` + "`pod_state{state=\"sleeping\"}`" + ` |
| prompt_tokens, generation_tokens | ` + "`prompt_tokens_per_second`, `generation_tokens_per_second`" + `; with the latter a server is a token engine, which has the components queue, kv_cache and rejected without any target |
| queue_time, compute_input_time | ` + "`queue_time_mean_seconds`, `queue_compute_input_time_mean_seconds`" + `, the component queue_time |
| time_to_first_token, inter_token_latency | their means, and p95 where there are buckets, and the components of these names |
| requests | ` + "`requests_per_second`, `request_errors_per_second`" + `, the component rejected |

A server that is not here, or that spells its metrics in another way, can be described in the configuration file: see
[configuration.md](configuration.md#dialects).

`

func TestEnginesDocumentation(t *testing.T) {
	dialects := builtin()
	slices.SortFunc(dialects, func(a, b engine.Dialect) int { return cmp.Compare(a.Name, b.Name) })
	var out strings.Builder
	out.WriteString(enginesIntro)
	overview(&out, dialects)
	for i := range dialects {
		describe(&out, &dialects[i])
	}
	path := filepath.Join("docs", "engines.md")
	if *update {
		if err := os.WriteFile(path, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; write it with: make golden", err)
	}
	if diff := gocmp.Diff(out.String(), string(got)); diff != "" {
		t.Errorf("%s is not what the dialects say; write it with: make golden (-want +got)\n%s", path, diff)
	}
}

// measuresOf all dialects, in order.
func measuresOf() []engine.Measure {
	var all []engine.Measure
	for m := engine.Running; m <= engine.Requests; m++ {
		all = append(all, m)
	}
	return all
}

// overview says which server tells what.
func overview(out *strings.Builder, dialects []engine.Dialect) {
	out.WriteString("## At a glance\n\n| |")
	for _, d := range dialects {
		fmt.Fprintf(out, " %s |", d.Name)
	}
	out.WriteString("\n|---|" + strings.Repeat("---|", len(dialects)) + "\n")
	for _, m := range measuresOf() {
		fmt.Fprintf(out, "| %v |", m)
		for _, d := range dialects {
			fmt.Fprintf(out, " %s |", told(&d, m))
		}
		out.WriteString("\n")
	}
}

func told(d *engine.Dialect, m engine.Measure) string {
	candidates := d.Readings[m]
	estimated := func(c engine.Candidate) bool { return c.Kind == engine.Little }
	switch {
	case m == engine.MaxRunning && len(candidates) == 0 && len(d.MaxRunning) > 0:
		return "arguments"
	case len(candidates) == 0:
		return "–"
	case slices.ContainsFunc(candidates, estimated) && len(candidates) == 1:
		return "estimate"
	case slices.ContainsFunc(candidates, estimated):
		return "yes, else estimate"
	}
	return "yes"
}

// describe one dialect.
func describe(out *strings.Builder, d *engine.Dialect) {
	fmt.Fprintf(out, "\n## %s\n\nPage: port %d, path `%s`.", d.Name, d.Port, cmp.Or(d.Path, "/metrics"))
	var marks []string
	for _, m := range d.Marks {
		text := "`" + m.Prefix + "`"
		if m.Label != "" {
			text += " with the label `" + m.Label + "`"
		}
		if m.With != "" {
			text += " beside `" + m.With + "`"
		}
		marks = append(marks, text)
	}
	fmt.Fprintf(out, " Known by %s.", strings.Join(marks, ", or "))
	list(out, "Images", d.Images)
	list(out, "Commands", d.Commands)
	list(out, "Model", d.Model)
	list(out, "Ranks", d.Ranks)
	list(out, "Copies", d.Copies)
	list(out, "Noise", d.Noise)
	list(out, "Most requests at once, of "+map[bool]string{true: "all ranks together", false: "a rank"}[d.MaxOfAll], d.MaxRunning)
	out.WriteString("\n\n| reading | families, the first present | versions |\n|---|---|---|\n")
	for _, m := range measuresOf() {
		for i, c := range d.Readings[m] {
			name := ""
			if i == 0 {
				name = m.String()
			}
			fmt.Fprintf(out, "| %s | %s | %s |\n", name, readFrom(c), c.Versions)
		}
	}
	fmt.Fprintf(out, "\nIts page cannot tell:\n\n")
	for _, b := range d.Blind {
		fmt.Fprintf(out, "- %s\n", b)
	}
}

func list(out *strings.Builder, what string, words []string) {
	if len(words) > 0 {
		fmt.Fprintf(out, " %s: `%s`.", what, strings.Join(words, "`, `"))
	}
}

// readFrom says, for people, what a candidate is read from.
func readFrom(c engine.Candidate) string {
	if c.Kind == engine.Outcome {
		var texts []string
		for _, o := range c.Outcomes {
			texts = append(texts, outcomes(o))
		}
		return strings.Join(texts, "; ")
	}
	sign := map[engine.Kind]string{engine.Quotient: " ÷ ", engine.Ratio: " ÷ ", engine.Little: " − "}[c.Kind]
	var names []string
	for _, s := range c.Of {
		names = append(names, "`"+s.String()+"`")
	}
	text := strings.Join(names, cmp.Or(sign, " + "))
	switch {
	case c.Kind == engine.Little:
		text = "Little's law: (" + text + ") over time, an estimate"
	case c.Aggregation == engine.Greatest:
		text += ", the greatest"
	case c.Kind == engine.Histogram:
		text += ", histogram or summary"
	}
	if c.Scale != 0 {
		text += fmt.Sprintf(", × %g", c.Scale)
	}
	return text
}

func outcomes(o engine.Outcomes) string {
	name := func(outcome string) string { return cmp.Or(strings.ReplaceAll(outcome, "_", " "), "not counted") }
	text := "`" + o.Of.String() + "`: "
	if o.Label == "" {
		return text + name(o.Otherwise)
	}
	var by []string
	for _, v := range slices.Sorted(maps.Keys(o.By)) {
		by = append(by, fmt.Sprintf("`%s` %s", v, name(o.By[v])))
	}
	return text + "by `" + o.Label + "` " + strings.Join(by, ", ") + ", else " + name(o.Otherwise)
}

// Every server says what it cannot tell, and the documentation of the configuration has every word of a dialect.
func TestEnginesAreHonest(t *testing.T) {
	for _, d := range builtin() {
		if len(d.Blind) == 0 {
			t.Errorf("%s can tell everything?", d.Name)
		}
	}
}
