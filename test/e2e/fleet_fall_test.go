package e2e

import (
	"errors"
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
	w := f.named("saturation")
	f.Wait("the streams of the pods that go", time.Minute, func() error {
		if n := len(f.podsOf(w)); n > w.few.replicas {
			return errors.New("they run")
		}
		return nil
	})
	all := w.load.Between("", f.started, time.Now())
	if all.Failed > 0 {
		f.t.Errorf("%d of %d streams failed: %v", all.Failed, all.Requests, all.Err)
	}
	proof.Shown(f.t, "when the loads fell, all %d autoscalers were back at %d replicas after %v, and of %d streams, those of pods that drained among them, none was lost",
		len(f.all), w.few.replicas, took, all.Requests)
}
