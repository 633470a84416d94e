package main

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gpusignal/engine"
	"gpusignal/node"
)

// acme is a dialect with everything that one can have.
const acme = `dialects:
- name: acme
  port: 9000
  path: /stats
  images: [acme-server]
  commands: [acme serve]
  marks: [{prefix: acme_, label: model, with: "acme:"}]
  precedence: 7
  model: [model]
  ranks: [rank]
  copies: [shard]
  noise: [host]
  max_running_arguments: [--slots]
  max_running_of_all_ranks: true
  signals:
    running:
    - {kind: gauge, of: ['acme_requests{state="running"}', acme_more]}
    kv_cache:
    - {kind: ratio, of: [acme_used, acme_total]}
    - {kind: gauge, of: [acme_percent], scale: 0.01, aggregation: max}
    generation_tokens:
    - {kind: counter, of: [acme:tokens_total]}
    queue_time:
    - {kind: histogram, of: [acme_wait_ms], scale: 0.001}
    requests:
    - kind: outcome
      outcomes:
      - {of: acme_done_total, label: how, by: {ok: success, full: rejected, probe: ''}, otherwise: error}
`

func TestDialectOfAFile(t *testing.T) {
	got, err := parseConfig([]byte(acme))
	if err != nil {
		t.Fatal(err)
	}
	want := []engine.Dialect{{
		Name: "acme", Port: 9000, Path: "/stats", Images: []string{"acme-server"}, Commands: []string{"acme serve"},
		Marks: []engine.Mark{{Prefix: "acme_", Label: "model", With: "acme:"}}, Precedence: 7,
		Model: []string{"model"}, Ranks: []string{"rank"}, Copies: []string{"shard"}, Noise: []string{"host"},
		MaxRunning: []string{"--slots"}, MaxOfAll: true,
		Readings: map[engine.Measure][]engine.Candidate{
			engine.Running:          {engine.GaugeOf(`acme_requests{state="running"}`, "acme_more")},
			engine.KVCache:          {engine.RatioOf("acme_used", "acme_total"), engine.GreatestOf("acme_percent").In(0.01)},
			engine.GenerationTokens: {engine.CounterOf("acme:tokens_total")},
			engine.Queue:            {engine.HistogramOf("acme_wait_ms").In(0.001)},
			engine.Requests: {engine.OutcomeOf(engine.Outcomes{
				Of: engine.Select("acme_done_total"), Label: "how", Otherwise: "error",
				By: map[string]string{"ok": "success", "full": "rejected", "probe": ""},
			})},
		},
	}}
	if diff := cmp.Diff(want, got.dialects); diff != "" {
		t.Errorf("dialects (-want +got):\n%s", diff)
	}
	kinds := got.targets.Kinds
	for _, container := range []node.Container{{Image: "example.com/acme-server:1"}, {Args: []string{"acme", "serve"}}} {
		if kind, _ := node.KindOf(kinds, []node.Container{container}); kind != "acme" {
			t.Errorf("%+v is %q, the first kind of server is %+v", container, kind, kinds[0])
		}
	}
}

// The images that the servers are published as tell which they are.
func TestImagesOfServers(t *testing.T) {
	kinds := kindsOf(nil)
	for image, want := range map[string]string{
		"vllm/vllm-openai:v0.32.0":                                   "vllm",
		"public.ecr.aws/deep-learning-containers/vllm:0.11-gpu":      "vllm",
		"registry.redhat.io/rhaiis/vllm-cuda-rhel9:3":                "vllm",
		"nvcr.io/nvidia/ai-dynamo/vllm-runtime:0.6":                  "vllm",
		"nvcr.io/nvidia/tritonserver:26.10-vllm-python-py3":          "triton",
		"nvcr.io/nvidia/tensorrt-llm/release:1.2.0":                  "trtllm",
		"nvcr.io/nim/meta/llama-3.1-8b-instruct:1.8":                 "nim",
		"lmsysorg/sglang:v0.5":                                       "sglang",
		"ghcr.io/huggingface/text-generation-inference:3.3":          "tgi",
		"ghcr.io/ggml-org/llama.cpp:server-cuda":                     "llamacpp",
		"openmmlab/lmdeploy:v0.10-cu12":                              "lmdeploy",
		"pytorch/torchserve:0.12.0-gpu":                              "torchserve",
		"ghcr.io/vllm-project/semantic-router/extproc:v0.1":          "",
		"vllm/vllm-router:nightly":                                   "",
		"nvcr.io/nvidia/tritonserver:26.10-py3-sdk":                  "",
		"registry.vllm.example:5000/vision/classifier@sha256:012345": "",
	} {
		if got, _ := node.KindOf(kinds, []node.Container{{Image: image}}); got != want {
			t.Errorf("%s is %q, want %q", image, got, want)
		}
	}
}

// Each fault names the key, and what to write instead.
func TestDialectThatCannotBeUsed(t *testing.T) {
	for _, tt := range []struct{ name, from, to, want string }{
		{"unknown key", "port: 9000", "prot: 9000", `line 3: unknown key "prot" (known here: name, port, path,`},
		{"unknown key of a candidate", "scale: 0.01", "factor: 0.01", `unknown key "factor" (known here: kind, of, scale, aggregation, outcomes)`},
		{"unknown key of a mark", "label: model,", "labels: model,", `unknown key "labels" (known here: prefix, label, with)`},
		{"unknown key at the top", "dialects:", "dialect:", `unknown key "dialect" (known here: targets, endpoints, access, dialects)`},
		{"unknown signal", "kv_cache:", "kvcache:", `unknown signal "kvcache" (known: running, waiting,`},
		{"unknown kind", "kind: ratio", "kind: quota", `unknown kind "quota" (known: gauge, counter,`},
		{"unknown aggregation", "aggregation: max", "aggregation: mean", `unknown aggregation "mean" (known: sum, max)`},
		{"unknown outcome", "full: rejected", "full: refused", `acme_done_total: unknown outcome "refused" (known: success, error,`},
		{"two labels", `{state="running"}`, `{state="running",a="b"}`, "has no selector of one label: write name or name{label="},
		{"no metric", "acme_used, acme_total", "'7', acme_total", `series "7" begins with no metric name`},
		{"a mapping for a series", "of: [acme_percent]", "of: [{name: acme_percent}]", `unknown key "name" (known here: none, it is one text)`},
		{"no port", "port: 9000", "port: 0", "dialect 1 (acme): port 0: give the port of the metrics page, 1 to 65535"},
		{"no path", "path: /stats", "path: stats", `path "stats": begin it with /`},
		{"a name in capitals", "name: acme", "name: ACME", `name "ACME": name the engine with at most 40 of a-z`},
		{"no marks", `marks: [{prefix: acme_, label: model, with: "acme:"}]`, "marks: []", "marks: give at least one beginning of a sample's name"},
		{"a mark of everything", "prefix: acme_", "prefix: ''", `marks: prefix "", with "acme:": give the beginning of a metric name`},
		{"an image of everything", "images: [acme-server]", "images: ['']", "images: an entry is empty: it would fit everything"},
		{"no label", "ranks: [rank]", "ranks: [dp-rank]", `ranks: "dp-rank" is no label's name`},
		{"a kind that the signal has not", "kind: histogram", "kind: gauge", "signals: queue_time: candidate 1: kind gauge: a queue_time has the kind histogram or quotient"},
		{"the greatest of what is no gauge", "scale: 0.001}", "aggregation: max}", "aggregation max: only the kind gauge has it"},
		{"one part of a ratio", "acme_used, acme_total", "acme_used", "kv_cache: candidate 1: of: a ratio has 2 series, and here are 1"},
		{"a negative scale", "scale: 0.01", "scale: -1", "kv_cache: candidate 2: scale -1: give what makes base units"},
		{"no number", "scale: 0.01", "scale: .nan", "scale NaN"},
		{"a label that decides nothing", "label: how,", "", "acme_done_total: label and by belong together"},
		{"no signals", "signals:", "nothing:", `unknown key "nothing"`},
		{"twice", "dialects:\n", "dialects:\n- {name: acme, port: 1, marks: [{prefix: a}], signals: {running: [{kind: gauge, of: [a]}]}}\n", "dialect 2 (acme): the file has another of that name: join them"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if strings.Count(acme, tt.from) == 0 {
				t.Fatalf("the dialect has no %q", tt.from)
			}
			_, err := parseConfig([]byte(strings.Replace(acme, tt.from, tt.to, 1)))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one that holds %q", err, tt.want)
			}
		})
	}
}

func TestBadDialectLeavesTheLastGoodOne(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.yaml")
	write := func(content string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(acme)
	var said bytes.Buffer
	c, err := newConfiguration(path, nil, slog.New(slog.NewTextHandler(&said, nil)))
	if err != nil {
		t.Fatal(err)
	}
	write(strings.Replace(acme, "kv_cache", "kvcache", 1))
	c.reload()
	if c.good.Load() || len(c.dialects()) != 1 || !strings.Contains(said.String(), "kvcache") {
		t.Errorf("good %v, %d dialects, told:\n%s", c.good.Load(), len(c.dialects()), said.String())
	}
	write("{}\n")
	c.reload()
	if !c.good.Load() || len(c.dialects()) != 0 || c.targets().Kinds[0].Name != "triton" {
		t.Errorf("after a good change: good %v, %d dialects, kinds %+v", c.good.Load(), len(c.dialects()), c.targets().Kinds)
	}
}

// What is built in holds to what is asked of users.
func TestBuiltInDialects(t *testing.T) {
	if err := checkDialects(builtin()); err != nil {
		t.Error(err)
	}
}

// The example of the documentation is one that can be used.
func TestDocumentedDialect(t *testing.T) {
	doc, err := os.ReadFile(filepath.Join("docs", "configuration.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, example, _ := strings.Cut(string(doc), "```yaml\ndialects:")
	example, _, found := strings.Cut(example, "```")
	got, err := parseConfig([]byte("dialects:" + example))
	if err != nil || !found || len(got.dialects) != 1 || len(got.dialects[0].Readings) != 6 {
		t.Errorf("the example of docs/configuration.md: %v, %+v", err, got.dialects)
	}
	keys := make(map[string]string)
	keysOf(reflect.TypeFor[engine.Dialect](), keys)
	for key := range strings.SplitSeq(keys["engine.Dialect"], ", ") {
		if !strings.Contains(string(doc), "`"+key+"`") && !strings.Contains(example, key+":") {
			t.Errorf("docs/configuration.md does not speak of the key %s of a dialect", key)
		}
	}
}
