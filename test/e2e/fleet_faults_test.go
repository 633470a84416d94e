package e2e

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"gpusignal/test/e2e/bound"
	"gpusignal/test/e2e/proof"
)

// fault is something that goes wrong around the autoscalers while the load stays: fleet_trouble_test.go has what they do.
type fault struct {
	name string
	// happen does it and sees that it has happened; it returns how it ends, where it does not end by itself.
	happen func() (end func())
	// lasts is how long it is let be.
	lasts time.Duration
	// fewer is the workload whose autoscaler may want fewer replicas for a while: what its draining pods have in hand it does not know.
	fewer string
}

// faults lets one thing after the other fail, while the load of every workload stays what it is. Each second there have to be the
// replicas that the load needs, by the clients' own log, or those that there were before.
func (f *fleet) faults() {
	f.t.Helper()
	if f.reaction >= stabilization {
		f.t.Fatalf("the autoscaler took %v to react: with a stabilisation of %v nothing can be asked of it", f.reaction, stabilization)
	}
	f.agreeByPod()
	var suffered []suffering
	for _, fault := range []fault{
		{"nothing went wrong", func() func() { return nil }, 0, ""},
		{"gpusignal was rolled out", f.rollout, 0, ""},
		{"gpusignal was killed", f.kill, 0, ""},
		// With the window that their signals need to come back it is longer than the stabilisation.
		{"two GPUs were lost", f.loseGPUs, 25 * time.Second, ""},
		{"Prometheus was restarted", f.restartPrometheus, 0, ""},
		{"the kubelet was restarted", f.restartKubelet, 0, ""},
		{"servers answered their page after 4 s", f.slowPages, 20 * time.Second, ""},
		{fmt.Sprintf("pods drained with streams of up to %v", streams), f.drain, 0, "saturation"},
		{"gpusignal left the node and came back, as the GPU operator asks for a driver upgrade", f.operator, 0, ""},
	} {
		suffered = append(suffered, f.suffer(fault))
	}
	// Of the last one only a sync is waited for, and of each before it all.
	last := &suffered[len(suffered)-1]
	last.to = last.over.Add(syncPeriod)
	for _, s := range suffered {
		time.Sleep(time.Until(s.to))
	}
	f.t.Logf("$ kubectl get hpa -A\n%s", f.MustKubectl("get", "hpa", "-A"))
	f.agree()
	for _, s := range suffered {
		f.judge(s, suffered)
	}
}

// suffering is a fault that was: from when it began until nothing can follow of it any more.
type suffering struct {
	fault
	before map[string]int
	// over is when every signal was served again.
	from, over, to time.Time
}

// suffer a fault, and wait until every signal is served again: an autoscaler without its metric takes no replica away, so the next
// fault would show nothing.
func (f *fleet) suffer(fault fault) suffering {
	f.t.Helper()
	s := suffering{fault: fault, before: f.newest(), from: time.Now()}
	end := fault.happen()
	time.Sleep(fault.lasts)
	if end != nil {
		end()
	}
	ended := time.Since(s.from)
	for _, w := range f.all {
		f.Wait("every signal of "+w.Namespace+" after: "+s.name, 90*time.Second, func() error { return f.served(w) })
	}
	s.over = time.Now()
	f.logf("%s; it took %v, and every signal was there after %v; replicas before %v, now %v", s.name,
		ended.Round(time.Second), since(s.from).Round(time.Second), s.before, f.newest())
	// What was wrong is forgotten with the stabilisation, at the next sync.
	s.to = s.over.Add(stabilization + syncPeriod)
	return s
}

// served says that the daemon itself tells the signal of every replica of a workload, and that its autoscaler has it.
func (f *fleet) served(w *workload) error {
	want := f.newest()[w.Namespace]
	p, err := f.daemon()
	if err != nil {
		return err
	}
	page, err := scrape(net.JoinHostPort(p.Status.PodIP, "9478"))
	if err != nil {
		return err
	}
	if found := page.Select(w.signal(), "namespace", w.Namespace); len(found) < want {
		return fmt.Errorf("the daemon tells %v, want %d pods", found, want)
	}
	return known(f.Cluster, w, want)
}

// newest replicas of each workload.
func (f *fleet) newest() map[string]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := make(map[string]int)
	for _, w := range f.all {
		if seen := f.seen[w.Namespace]; len(seen) > 0 {
			out[w.Namespace] = seen[len(seen)-1].Replicas
		}
	}
	return out
}

// judge each second of a fault and of what may follow of it.
func (f *fleet) judge(s suffering, all []suffering) {
	f.t.Helper()
	var kept []string
	var gap time.Duration
	for _, w := range f.all {
		f.mu.Lock()
		seen, fewer := slices.Clone(f.seen[w.Namespace]), slices.Clone(f.fewer[w.Namespace])
		f.mu.Unlock()
		rule := bound.Rule{Target: w.target, Stabilization: stabilization, Reaction: f.reaction}
		before := s.before[w.Namespace]
		v := rule.Judge(seen, s.from, s.to, before, w.demanded)
		if v.Gap > 5*time.Second {
			f.t.Errorf("%s: nobody looked at the replicas of %s for %v", s.name, w.Namespace, v.Gap)
		}
		gap = max(gap, v.Gap)
		if before < w.many.replicas || v.Least <= w.few.replicas {
			f.t.Errorf("%s: %s had %d replicas before, and its load needed %d: that shows nothing", s.name, w.Namespace, before, v.Least)
		}
		for _, b := range v.Breaches[:min(len(v.Breaches), 3)] {
			f.t.Errorf("%s: %d replicas of %s %v after it began, too few in %d seconds; the load needed %d", s.name, b.Replicas, w.Namespace,
				b.At.Sub(s.from).Round(time.Second), len(v.Breaches), b.Least)
		}
		if w.many.clients > 0 {
			f.neverFewer(s, w, fewer, all)
		}
		kept = append(kept, fmt.Sprintf("%s %d (needs %d)", w.Namespace, before, v.Least))
	}
	f.logf("%s: replicas were looked at every %v at least", s.name, gap.Round(100*time.Millisecond))
	proof.Shown(f.t, "%s, and no replica was taken that the load needs, in the %v until every signal was back and the %v after: %s", s.name,
		s.over.Sub(s.from).Round(time.Second), s.to.Sub(s.over), strings.Join(kept, ", "))
}

// neverFewer says that no sync of a workload's autoscaler wanted fewer replicas than there are, which its stabilisation would have
// hidden. A load of clients that ask again as soon as they are answered is even: there is no reason to, but while pods drain.
func (f *fleet) neverFewer(s suffering, w *workload, fewer []time.Time, all []suffering) {
	f.t.Helper()
	excused := func(at time.Time) bool {
		return slices.ContainsFunc(all, func(o suffering) bool { return o.fewer == w.Namespace && at.After(o.from) && at.Before(o.to) })
	}
	for _, at := range fewer {
		if at.After(s.from) && at.Before(s.to) && !excused(at) {
			f.t.Errorf("%s: %v after it began the autoscaler of %s wanted fewer replicas", s.name, at.Sub(s.from).Round(time.Second), w.Namespace)
			return
		}
	}
}
