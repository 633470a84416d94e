package e2e

import (
	"time"
)

// sides are what the custom metrics API says of a workload, and what its clients know, means over some looks: all replicas together,
// and compute time by pod.
type sides struct {
	sum, wanted float64
	pods, known map[string]float64
}

// looks at the values, a second apart.
const looks = 5

// agree says that what each autoscaler goes by is the load that its clients know of.
func (f *fleet) agree() {
	f.t.Helper()
	all := make(map[*workload]*sides)
	for range looks {
		for _, w := range f.all {
			if all[w] == nil {
				all[w] = &sides{pods: make(map[string]float64), known: make(map[string]float64)}
			}
			f.look(w, all[w])
		}
		time.Sleep(time.Second)
	}
	for _, w := range f.all {
		v := all[w]
		f.logf("%s: %.4g in the API, all replicas together, %.4g by the clients", w.Namespace, v.sum, v.wanted)
		if v.sum < 0.85*v.wanted || v.sum > 1.15*v.wanted {
			f.t.Errorf("%s: the API has %.4g of %s, all replicas together, and the clients' own log %.4g", w.Namespace, v.sum, w.metric, v.wanted)
		}
		if w.uneven {
			f.agreeByPod(w, v)
		}
	}
}

// look once.
func (f *fleet) look(w *workload, v *sides) {
	f.t.Helper()
	found, err := values(f.Cluster, w.Namespace, w.metric)
	if err != nil {
		f.t.Fatal(err)
	}
	at := time.Now().Add(-lag)
	for pod, text := range found {
		value, err := quantity(text)
		if err != nil {
			f.t.Fatalf("pod %s: %v", pod, err)
		}
		v.sum += value / looks
		v.pods[pod] += value / looks
		v.known[pod] += w.load.Busy(pod, at.Add(-window), at).Seconds() / window.Seconds() / looks
	}
	v.wanted += w.demanded(at) / looks
}

// agreeByPod says that each pod of a workload that does not share its load evenly is told its own part.
func (f *fleet) agreeByPod(w *workload, v *sides) {
	f.t.Helper()
	f.logf("%s by pod: %v in the API, %v by the clients", w.Namespace, v.pods, v.known)
	for pod, value := range v.pods {
		if value < 0.8*v.known[pod] || value > 1.2*v.known[pod] {
			f.t.Errorf("pod %s: the API has %.3f, and the clients' own log %.3f", pod, value, v.known[pod])
		}
	}
}

// lag is how old the page behind a value is in the mean: half the intervals at which pages are read.
const lag = (engineInterval + scrapeInterval) / 2
