package books

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// page of one device and what two containers have of it.
type page struct {
	at                           time.Duration
	device, alone, split, nobody float64
	// held says that the container of the exclusive counter holds the device, unpublished that its counter is not there.
	held, unpublished bool
}

func (p page) parse(t *testing.T) Page {
	t.Helper()
	var text strings.Builder
	const device, container = `gpu_uuid="GPU-0",gpu="0"`, `namespace="n",pod="p",container="c"`
	fmt.Fprintf(&text, "# TYPE gpusignal_device_busy_seconds_total counter\ngpusignal_device_busy_seconds_total{%s} %v\n", device, p.device)
	fmt.Fprintf(&text, "# TYPE gpusignal_device_unowned_busy_seconds_total counter\ngpusignal_device_unowned_busy_seconds_total{%s} %v\n", device, p.nobody)
	fmt.Fprintf(&text, "# TYPE gpusignal_container_gpu_busy_seconds_total counter\n")
	if !p.unpublished {
		fmt.Fprintf(&text, "gpusignal_container_gpu_busy_seconds_total{%s,%s,attribution=\"exclusive\"} %v\n", container, device, p.alone)
	}
	fmt.Fprintf(&text, "gpusignal_container_gpu_busy_seconds_total{%s,%s,attribution=\"split\"} %v\n",
		`namespace="n",pod="q",container="c"`, device, p.split)
	if p.held {
		fmt.Fprintf(&text, "# TYPE gpusignal_container_gpu_claims gauge\ngpusignal_container_gpu_claims{%s,%s} 1\n", container, device)
	}
	parsed, err := Parse(time.Unix(1e9, 0).Add(p.at), strings.NewReader(text.String()))
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func TestBooks(t *testing.T) {
	first := page{device: 10, alone: 7, split: 2, nobody: 1, held: true}
	for name, c := range map[string]struct {
		pages []page
		want  []string // of each error about the last page a part
	}{
		"as it should be":                 {[]page{first, {at: time.Second, device: 12, alone: 8, split: 3, nobody: 1, held: true}}, nil},
		"a counter goes back":             {[]page{first, {at: time.Second, device: 10, alone: 6, split: 3, nobody: 1}}, []string{`attribution="exclusive",container="c",gpu="0",gpu_uuid="GPU-0",namespace="n",pod="p"} went back from 7 to 6`}},
		"a second that nobody has":        {[]page{{device: 10, alone: 7, split: 2}}, []string{"busy_seconds_total of GPU-0: 10, but containers have 9 and nobody 0"}},
		"a second that two have":          {[]page{{device: 10, alone: 7, split: 3, nobody: 1}}, []string{"10, but containers have 10 and nobody 1"}},
		"two millionths too many":         {[]page{{device: 10, alone: 7.00002, split: 2, nobody: 1}}, []string{"10, but"}},
		"a counter that goes before time": {[]page{first, {at: 299 * time.Second, unpublished: true, device: 10, split: 2, nobody: 1}}, []string{"is gone 4m59s after its container held the device"}},
		"a counter whose time is over":    {[]page{first, {at: 300 * time.Second, unpublished: true, device: 10, split: 2, nobody: 1}}, nil},
		"a counter that comes back": {[]page{
			first,
			{at: 300 * time.Second, unpublished: true, device: 10, split: 2, nobody: 1},
			{at: 301 * time.Second, device: 11, alone: 8, split: 2, nobody: 1, held: true},
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var b Books
			var got []error
			for i, p := range c.pages {
				got = b.Enter(p.parse(t))
				if i < len(c.pages)-1 && got != nil {
					t.Errorf("page %d: %v", i, got)
				}
			}
			if len(got) != len(c.want) {
				t.Fatalf("the last page: %v, want %q", got, c.want)
			}
			for i := range got {
				if !strings.Contains(got[i].Error(), c.want[i]) {
					t.Errorf("the last page: %v, want %q", got[i], c.want[i])
				}
			}
		})
	}
}

func TestPage(t *testing.T) {
	parsed, err := Parse(time.Time{}, strings.NewReader(`# TYPE gpusignal_gpu_utilization_ratio gauge
gpusignal_gpu_utilization_ratio{namespace="n",pod="p"} 0.5
gpusignal_gpu_utilization_ratio{namespace="n",pod="q"} 0.25
# TYPE gpusignal_device_info gauge
gpusignal_device_info{gpu="0"} 1
# TYPE gpusignal_device_up gauge
gpusignal_device_up{gpu="0"} 1
# TYPE gpusignal_engine_queue_time_seconds summary
gpusignal_engine_queue_time_seconds_sum{pod="p"} 1
gpusignal_engine_queue_time_seconds_count{pod="p"} 2
# TYPE gpusignal_exporter_endpoint_up gauge
gpusignal_exporter_endpoint_up{pod="p"} 1
`))
	if err != nil {
		t.Fatal(err)
	}
	if sum := parsed.Sum("gpusignal_gpu_utilization_ratio", "namespace", "n"); sum != 0.75 {
		t.Errorf("sum %v, want 0.75", sum)
	}
	if found := parsed.Select("gpusignal_gpu_utilization_ratio", "namespace", "n", "pod", "q"); len(found) != 1 || found[0].Value != 0.25 {
		t.Errorf("selected %v, want that of q", found)
	}
	want := []string{
		`gpusignal_device_info{gpu="0"}`,
		`gpusignal_gpu_utilization_ratio{namespace="n",pod="p"}`, `gpusignal_gpu_utilization_ratio{namespace="n",pod="q"}`,
	}
	if got := parsed.Identities(); !slices.Equal(got, want) {
		t.Errorf("identities %q, want %q", got, want)
	}
	if _, err := Parse(time.Time{}, strings.NewReader("no page")); err == nil {
		t.Error("no error for what is no page")
	}
}
