package e2e

import (
	"cmp"
	"fmt"
	"time"
)

// lag is how old the page behind a value is in the mean: half the intervals at which pages are read.
const lag = (engineInterval + scrapeInterval) / 2

// agree says that what each autoscaler goes by, all replicas together, is the load that its clients know of.
func (f *fleet) agree() {
	f.t.Helper()
	const looks = 5
	told, known := make(map[*workload]float64), make(map[*workload]float64)
	for range looks {
		for _, w := range f.all {
			sum, err := total(f, w)
			if err != nil {
				f.t.Fatalf("%s of %s: %v", w.metric, w.Namespace, err)
			}
			told[w] += sum / looks
			known[w] += w.demanded(time.Now().Add(-lag)) / looks
		}
		time.Sleep(time.Second)
	}
	for _, w := range f.all {
		f.logf("%s: %.4g in the API, all replicas together, %.4g by the clients", w.Namespace, told[w], known[w])
		if told[w] < 0.85*known[w] || told[w] > 1.15*known[w] {
			f.t.Errorf("%s: the API has %.4g of %s, all replicas together, and the clients' own log %.4g", w.Namespace, told[w], w.metric, known[w])
		}
	}
}

// total of a workload's metric in the custom metrics API.
func total(f *fleet, w *workload) (sum float64, err error) {
	found, err := values(f.Cluster, w.Namespace, w.metric)
	for _, text := range found {
		v, err := quantity(text)
		if err != nil {
			return 0, err
		}
		sum += v
	}
	return sum, err
}

// agreeByPod says that each server on a shared GPU is told its own part of it, and not an equal one: the mean of a minute. The stub
// tells of processes what they did in two seconds, some ten requests, and the daemon looks at them every few seconds, so that single
// values scatter by a third.
func (f *fleet) agreeByPod() {
	f.t.Helper()
	w := f.named("utilization")
	const span, within = time.Minute, 0.35
	at := time.Now().Add(-lag - window/2)
	// A replica that is younger has fewer samples.
	found, err := f.Query(fmt.Sprintf(`avg_over_time(%[1]s{namespace=%[2]q}[60s]) and count_over_time(%[1]s{namespace=%[2]q}[60s]) >= 11`, w.metric, w.Namespace))
	if err != nil || len(found) < w.many.replicas {
		f.t.Fatalf("%s: %v, %v; want %d pods", w.metric, found, err, w.many.replicas)
	}
	var most, least float64
	for _, series := range found {
		pod, told := series.Metric["pod"], series.Value.Value
		known := w.load.Busy(pod, at.Add(-span), at).Seconds() / span.Seconds()
		f.logf("pod %s on a shared GPU: %.3f in Prometheus, %.3f by the clients", pod, told, known)
		if told < (1-within)*known || told > (1+within)*known {
			f.t.Errorf("pod %s: Prometheus has %.3f, and the clients' own log %.3f", pod, told, known)
		}
		most, least = max(most, told), min(cmp.Or(least, told), told)
	}
	if most < 1.4*least {
		f.t.Errorf("one pod does twice as much as each other, and they are told %.3f to %.3f", least, most)
	}
}
