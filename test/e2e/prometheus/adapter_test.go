package prometheus

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"gpusignal/test/e2e/proof"
)

// TestAdapterRulesLeaveOutWhatIsNoNumber asks Prometheus what prometheus-adapter would, by each rule of the example, of four pods: one
// that two exporters tell of, one whose value is NaN, one at infinity, and one in another namespace.
func TestAdapterRulesLeaveOutWhatIsNoNumber(t *testing.T) {
	const series = "gpusignal_requests_waiting"
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, strings.NewReplacer("NAME", series).Replace(`NAME{namespace="chat",pod="a",exporter="1"} 2
NAME{namespace="chat",pod="a",exporter="2"} 3
NAME{namespace="chat",pod="b"} NaN
NAME{namespace="chat",pod="c"} +Inf
NAME{namespace="else",pod="a"} 7
`))
	}))
	t.Cleanup(page.Close)
	server := startPrometheus(t, fmt.Sprintf(`global: {scrape_interval: 1s}
scrape_configs:
  - {job_name: page, honor_labels: true, static_configs: [{targets: [%q]}]}
`, strings.TrimPrefix(page.URL, "http://")))
	waitFor(t, "the page", time.Minute, func() error {
		if rows := server.ask(t, series, time.Time{}); len(rows) != 5 {
			return fmt.Errorf("%d series", len(rows))
		}
		return nil
	})

	rules, err := os.ReadFile(root + "/examples/prometheus-adapter/rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	queries := regexp.MustCompile(`(?m)^ +metricsQuery: ((?:(\S+) \* )?.*)$`).FindAllStringSubmatch(string(rules), -1)
	if len(queries) != strings.Count(string(rules), "seriesQuery:") || len(queries) == 0 {
		t.Fatalf("%d queries", len(queries))
	}
	for _, match := range queries {
		factor := 1.0
		if match[2] != "" {
			if _, err := fmt.Sscan(match[2], &factor); err != nil {
				t.Fatal(err)
			}
		}
		query := strings.NewReplacer("<<.Series>>", series, "<<.LabelMatchers>>", `namespace="chat",pod=~"a|b|c"`, "<<.GroupBy>>", "pod").Replace(match[1])
		rows := server.ask(t, query, time.Time{})
		if len(rows) != 1 || rows[0].Metric["pod"] != "a" || rows[0].Value.Value != 3*factor {
			t.Errorf("%s answers %v, want pod a with %v", query, rows, 3*factor)
		}
	}
	proof.Shown(t, "the adapter's %d queries leave out what is no number, and take one of two exporters", len(queries))
}
