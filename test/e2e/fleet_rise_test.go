package e2e

import (
	"fmt"
	"testing"
	"time"

	"gpusignal/test/e2e/cluster"
	"gpusignal/test/e2e/proof"
)

// rise lets the load of a workload rise, and its autoscaler add the replicas that it needs.
func (f *fleet) rise(t *testing.T, w *workload) {
	c := f.For(t)
	f.ready(t, w)
	c.MustKubectl("-n", w.Namespace, "apply", "-f", f.autoscaler(t, w))
	c.Wait("the autoscaler to know "+w.metric, 2*time.Minute, func() error { return known(c, w, w.few.replicas) })
	f.show(t, w, "%s: light load", w.Namespace)
	before, err := replicas(c, w.Namespace, w.Deployment())
	if err != nil || before != w.few.replicas {
		t.Fatalf("%d replicas, %v, under light load; want %d", before, err, w.few.replicas)
	}
	w.set(w.many)
	stepped := time.Now()
	c.Wait("the replicas of more load", 3*time.Minute, func() error { return atLeast(c, w, w.many.replicas) })
	took := since(stepped)
	c.Wait("every replica to have its signal", 2*time.Minute, func() error { return known(c, w, w.many.replicas) })
	f.show(t, w, "%s: heavy load", w.Namespace)
	after, err := replicas(c, w.Namespace, w.Deployment())
	if err != nil || after > w.many.replicas+1 {
		t.Errorf("%d replicas, %v; the load needs %d", after, err, w.many.replicas)
	}
	proof.Shown(t, "%s on %s (examples/%s) went from %d to %d replicas: the %d that the load needs were asked for %v after its step, and each had its signal after %v",
		w.scaler(), w.metric, w.example, before, after, w.many.replicas, took, since(stepped))
}

// ready waits for the servers of a workload and for their signal in the custom metrics API.
func (f *fleet) ready(t *testing.T, w *workload) {
	t.Helper()
	c := f.For(t)
	c.Wait("the signal of every server of "+w.Namespace, 3*time.Minute, func() error {
		values, err := values(c, w.Namespace, w.metric)
		if err == nil && len(values) != w.Replicas {
			err = fmt.Errorf("%d of %d: %v", len(values), w.Replicas, values)
		}
		return err
	})
}

// autoscaler of a workload, as a file.
func (f *fleet) autoscaler(t *testing.T, w *workload) string {
	t.Helper()
	path := t.TempDir() + "/hpa.yaml"
	write(t, path, w.autoscaler(t))
	return path
}

// values of a metric in the custom metrics API, by pod, as it writes them.
func values(c *cluster.Cluster, namespace, metric string) (map[string]string, error) {
	var list struct {
		Items []struct {
			DescribedObject struct{ Name string }
			Value           string
		}
	}
	if err := c.API("/apis/custom.metrics.k8s.io/v1beta1/namespaces/"+namespace+"/pods/*/"+metric, &list); err != nil {
		return nil, err
	}
	values := make(map[string]string)
	for _, item := range list.Items {
		values[item.DescribedObject.Name] = item.Value
	}
	return values, nil
}

// known says that the metric of at least so many pods of a workload is served, and that the autoscaler has a value of it.
func known(c *cluster.Cluster, w *workload, pods int) error {
	found, err := values(c, w.Namespace, w.metric)
	if err != nil {
		return err
	}
	if len(found) < pods {
		return fmt.Errorf("the API serves %v, want %d pods", found, pods)
	}
	return active(c, w)
}

// active says that a workload's autoscaler has its metric.
func active(c *cluster.Cluster, w *workload) error {
	all, err := autoscalers(c)
	if err != nil {
		return err
	}
	if status, reason := all[w.Namespace].condition("ScalingActive"); status != "True" {
		return fmt.Errorf("ScalingActive is %q: %s", status, reason)
	}
	return nil
}

// autoscaler as the API server tells it.
type autoscaler struct {
	Metadata struct{ Namespace string }
	Status   struct {
		Conditions []struct{ Type, Status, Reason string }
	}
}

// autoscalers of the cluster by namespace: there is one in each.
func autoscalers(c *cluster.Cluster) (map[string]autoscaler, error) {
	var list struct{ Items []autoscaler }
	err := c.API("/apis/autoscaling/v2/horizontalpodautoscalers", &list)
	byNamespace := make(map[string]autoscaler)
	for _, a := range list.Items {
		byNamespace[a.Metadata.Namespace] = a
	}
	return byNamespace, err
}

// condition of a type; both are empty where there is none.
func (a autoscaler) condition(kind string) (status, reason string) {
	for _, c := range a.Status.Conditions {
		if c.Type == kind {
			return c.Status, c.Reason
		}
	}
	return "", ""
}

// atLeast says that the autoscaler asks for so many replicas, or more.
func atLeast(c *cluster.Cluster, w *workload, want int) error {
	n, err := replicas(c, w.Namespace, w.Deployment())
	if err == nil && n < want {
		err = fmt.Errorf("%d replicas, want %d", n, want)
	}
	return err
}

// show what a user would look at.
func (f *fleet) show(t *testing.T, w *workload, format string, args ...any) {
	t.Helper()
	t.Logf("== %v: %s\n$ kubectl -n %s get hpa\n%s", since(f.started), fmt.Sprintf(format, args...), w.Namespace, f.For(t).MustKubectl("-n", w.Namespace, "get", "hpa"))
}
