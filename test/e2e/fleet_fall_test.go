package e2e

import (
	"fmt"
	"time"

	"gpusignal/test/e2e/proof"
)

// fall lets every load fall, and the autoscalers take the replicas away that are not needed any more.
func (f *fleet) fall() {
	f.t.Helper()
	for _, w := range f.all {
		w.set(w.few)
	}
	fell := time.Now()
	for _, w := range f.all {
		f.Wait("fewer replicas of "+w.Namespace, 3*time.Minute, func() error {
			n, err := replicas(f.Cluster, w.Namespace, w.Deployment())
			if err == nil && n != w.few.replicas {
				err = fmt.Errorf("%d replicas, want %d", n, w.few.replicas)
			}
			return err
		})
	}
	took := since(fell)
	requests := 0
	for _, w := range f.all {
		// Those that were taken away end what they have in hand.
		f.Wait("the other pods of "+w.Namespace+" to go", 90*time.Second, func() error {
			if n := len(f.podsOf(w)); n != w.few.replicas {
				return fmt.Errorf("%d pods, want %d", n, w.few.replicas)
			}
			return nil
		})
		all := w.load.Between("", f.started, time.Now())
		if all.Failed > 0 {
			f.t.Errorf("%s: %d of %d requests failed: %v", w.Namespace, all.Failed, all.Requests, all.Err)
		}
		requests += all.Requests
	}
	proof.Shown(f.t, "when the loads fell, all %d autoscalers were back at their least replicas after %v, and of %d requests since the start none was lost", len(f.all), took, requests)
}
