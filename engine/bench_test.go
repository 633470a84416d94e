package engine

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	prom "github.com/prometheus/common/model"

	"gpusignal/node"
)

// The names that the dialects want of the pages below; the dialects themselves are in other packages.
func wantsOf(server string) map[string]int32 {
	if server == "triton" {
		return wants("nv_inference_request_success", "nv_inference_request_failure", "nv_inference_request_duration_us",
			"nv_inference_queue_duration_us", "nv_inference_compute_input_duration_us", "nv_inference_pending_request_count")
	}
	return wants("vllm:num_requests_running", "vllm:num_requests_waiting", "vllm:kv_cache_usage_perc",
		"vllm:prompt_tokens_total", "vllm:generation_tokens_total", "vllm:request_success_total",
		"vllm:request_queue_time_seconds_sum", "vllm:request_queue_time_seconds_count",
		"vllm:request_queue_time_seconds_bucket",
		"vllm:time_to_first_token_seconds_sum", "vllm:time_to_first_token_seconds_count",
		"vllm:time_to_first_token_seconds_bucket",
		"vllm:inter_token_latency_seconds_sum", "vllm:inter_token_latency_seconds_count",
		"vllm:inter_token_latency_seconds_bucket", "process_start_time_seconds")
}

// vllmPage writes a page of about the given number of lines, as vLLM V1 prints it.
func vllmPage(lines int) []byte {
	var b strings.Builder
	labels := `engine="0",model_name="meta-llama/Llama-3.1-8B-Instruct"`
	n := 0
	write := func(format string, args ...any) {
		fmt.Fprintf(&b, format+"\n", args...)
		n++
	}
	family := func(name, kind string) {
		write("# HELP vllm:%s What it counts, in some words.", name)
		write("# TYPE vllm:%s %s", name, kind)
	}
	write("process_start_time_seconds 1.72365683894e+09")
	for _, g := range []string{"num_requests_running", "num_requests_waiting", "kv_cache_usage_perc"} {
		family(g, "gauge")
		write(`vllm:%s{%s} 0.0026235242675994863`, g, labels)
	}
	for _, c := range []string{"prompt_tokens_total", "generation_tokens_total", "num_preemptions_total"} {
		family(c, "counter")
		write(`vllm:%s{%s} %d.0`, c, labels, 123456)
	}
	histogram := func(name string) {
		family(name, "histogram")
		for i := range 20 {
			write(`vllm:%s_bucket{%s,le="%d.0"} %d.0`, name, labels, i, 1000*i)
		}
		write(`vllm:%s_bucket{%s,le="+Inf"} 20000.0`, name, labels)
		write(`vllm:%s_count{%s} 20000.0`, name, labels)
		write(`vllm:%s_sum{%s} 98.35070300102234`, name, labels)
	}
	histogram("time_to_first_token_seconds")
	histogram("inter_token_latency_seconds")
	histogram("request_queue_time_seconds")
	for i := 0; n < lines-26; i++ {
		histogram(fmt.Sprintf("request_other_%d_tokens", i))
	}
	return []byte(b.String())
}

// tritonPage writes a page of about the given number of lines, as Triton prints it: models of three versions.
func tritonPage(lines int) []byte {
	families := []string{
		"nv_inference_request_success", "nv_inference_request_failure", "nv_inference_count", "nv_inference_exec_count",
		"nv_inference_request_duration_us", "nv_inference_queue_duration_us", "nv_inference_compute_input_duration_us",
		"nv_inference_compute_infer_duration_us", "nv_inference_compute_output_duration_us",
		"nv_inference_pending_request_count", "nv_model_load_duration_secs", "nv_cache_num_hits_per_model",
		"nv_cache_num_misses_per_model", "nv_cache_hit_duration_per_model", "nv_cache_miss_duration_per_model",
	}
	var b strings.Builder
	for i, family := range families {
		fmt.Fprintf(&b, "# HELP %s Number of something\n# TYPE %s counter\n", family, family)
		for m := range max(1, lines/len(families)/3) {
			for v := range 3 {
				fmt.Fprintf(&b, "%s{model=\"model_number_%d\",version=\"%d\"} %d\n", family, m, v+1, 1000*m+i)
			}
		}
	}
	return []byte(b.String())
}

// BenchmarkScan reports, beside the scanner's time a line, how many times longer expfmt takes in the same run.
func BenchmarkScan(b *testing.B) {
	for _, page := range []struct {
		name string
		body []byte
	}{{"vllm", vllmPage(600)}, {"triton", tritonPage(15000)}} {
		if dir := os.Getenv("GPUSIGNAL_BENCH_PAGES"); dir != "" { // For the benchmark of test/parsers.
			if err := os.WriteFile(filepath.Join(dir, page.name+".prom"), page.body, 0o600); err != nil {
				b.Fatal(err)
			}
		}
		b.Run(page.name, func(b *testing.B) {
			lines := bytes.Count(page.body, []byte("\n"))
			s := newScanner(wantsOf(page.name))
			if err := s.scan(page.body); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			b.SetBytes(int64(len(page.body)))
			for b.Loop() {
				if err := s.scan(page.body); err != nil {
					b.Fatal(err)
				}
			}
			ours := float64(b.Elapsed()) / float64(b.N)
			began := time.Now()
			const rounds = 5
			for range rounds {
				parser := expfmt.NewTextParser(prom.LegacyValidation)
				if _, err := parser.TextToMetricFamilies(bytes.NewReader(page.body)); err != nil {
					b.Fatal(err)
				}
			}
			theirs := float64(time.Since(began)) / rounds
			b.ReportMetric(float64(lines), "lines")
			b.ReportMetric(ours/float64(lines), "ns/line")
			b.ReportMetric(theirs/ours, "expfmt/scan")
		})
	}
}

// BenchmarkRead is a page's whole way: scan, map, windows, and what is published.
func BenchmarkRead(b *testing.B) {
	dialect := Dialect{
		Name: "triton", Model: []string{"model"}, Marks: []Mark{{Prefix: "nv_"}},
		Readings: map[Measure][]Candidate{
			Waiting: {{Kind: Gauge, Of: []Series{{Name: "nv_inference_pending_request_count"}}}},
			Running: {{Kind: Little, Of: []Series{
				{Name: "nv_inference_request_duration_us"}, {Name: "nv_inference_queue_duration_us"},
			}}},
			Queue: {{Kind: Quotient, Of: []Series{
				{Name: "nv_inference_queue_duration_us"}, {Name: "nv_inference_request_success"},
			}}},
			Requests: {{Kind: Outcome, Outcomes: []Outcomes{{Of: Series{Name: "nv_inference_request_success"}, Otherwise: "success"}}}},
		},
	}
	body := tritonPage(15000)
	s := newServer([]*plan{newPlan(dialect)}, 15*time.Second, 2*time.Second)
	at := time.Unix(1700000000, 0)
	b.ReportAllocs()
	for b.Loop() {
		at = at.Add(2 * time.Second)
		if err := s.read(body, at); err != nil {
			b.Fatal(err)
		}
		var out node.Server
		s.write(&out, nil)
	}
	b.ReportMetric(float64(len(s.names)), "models")
}
