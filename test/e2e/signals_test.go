package e2e

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// replicas that the autoscaler asks for.
func (s *scene) replicas() (int, error) {
	return replicas(s.Cluster, "models", "model-server")
}

func (s *scene) scaledOut() error {
	n, err := s.replicas()
	if err == nil && n <= minReplicas {
		err = fmt.Errorf("%d replicas", n)
	}
	return err
}

func (s *scene) scaledIn() error {
	n, err := s.replicas()
	if err == nil && n != minReplicas {
		err = fmt.Errorf("%d replicas", n)
	}
	return err
}

// seen is the mean of the signal that the autoscaler saw at its last sync, and over how many replicas.
func (s *scene) seen() (mean time.Duration, replicas int, err error) {
	var hpa struct {
		Status struct {
			CurrentReplicas int
			CurrentMetrics  []struct {
				Pods struct{ Current struct{ AverageValue string } }
			}
		}
	}
	if err := s.API("/apis/autoscaling/v2/namespaces/models/horizontalpodautoscalers/model-server-hpa", &hpa); err != nil {
		return 0, 0, err
	}
	if len(hpa.Status.CurrentMetrics) != 1 || hpa.Status.CurrentMetrics[0].Pods.Current.AverageValue == "" {
		return 0, 0, errors.New("<unknown>")
	}
	mean, err = nanoseconds(hpa.Status.CurrentMetrics[0].Pods.Current.AverageValue)
	return mean, hpa.Status.CurrentReplicas, err
}

// known says that the autoscaler has a value of the signal.
func (s *scene) known() error {
	_, _, err := s.seen()
	return err
}

// asksForMore says that the autoscaler's last sync asked for more replicas than the least: replicas x mean / target, rounded up.
func (s *scene) asksForMore() error {
	mean, replicas, err := s.seen()
	if err != nil {
		return err
	}
	if asked := float64(replicas) * float64(mean) / float64(target); asked < minReplicas+0.2 {
		return fmt.Errorf("it asks for %.1f", asked)
	}
	return nil
}

// clientsWait says that the clients' mean waiting over the signal's window is above the autoscaler's target.
func (s *scene) clientsWait() error {
	now := time.Now()
	if mean := s.load.Between("", now.Add(-window), now).MeanWait; mean <= target {
		return fmt.Errorf("they wait %v", mean)
	}
	return nil
}

// everyReplicaCounts says that the kubelet has given every replica a GPU of its own, and that each has signals of its own: the
// utilisation of that GPU, and the one that the autoscaler reads. Replicas that are gone have none of it.
func (s *scene) everyReplicaCounts() error {
	n, err := s.replicas()
	if err != nil {
		return err
	}
	given, err := claims("models")
	if err != nil {
		return err
	}
	if len(given) != n {
		return fmt.Errorf("the kubelet has given GPUs to %v, want %d pods", given, n)
	}
	var taken []string
	for pod, devices := range given {
		if len(devices) != 1 || slices.Contains(taken, devices[0]) {
			return fmt.Errorf("pod %s has GPUs %v, others %v; want one of its own", pod, devices, taken)
		}
		taken = append(taken, devices[0])
		if err := s.utilizationOf(pod, devices[0]); err != nil {
			return err
		}
	}
	return s.served(n)
}

// utilizationOf says that a pod's utilisation, as Prometheus has it, is that of the GPU it claims.
func (s *scene) utilizationOf(pod, device string) error {
	gpu := slices.IndexFunc(uuids(gpus), func(id string) bool { return id == device })
	if gpu < 0 {
		return fmt.Errorf("pod %s claims %s, which the driver does not have", pod, device)
	}
	found, err := s.Query(fmt.Sprintf(`gpusignal_gpu_utilization_ratio{namespace="models", pod=%q, workload_kind="Deployment", workload="model-server"}`, pod))
	if err != nil {
		return err
	}
	want := float64(utilization(gpu)) / 100
	if len(found) != 1 || found[0].Value.Value < want-0.001 || found[0].Value.Value > want+0.001 {
		return fmt.Errorf("utilisation of pod %s on GPU %d: %v, want %v", pod, gpu, found, want)
	}
	return nil
}

// served says that the custom metrics API has the signal of so many pods.
func (s *scene) served(n int) error {
	values, err := s.customMetrics()
	if err == nil && len(values) != n {
		err = fmt.Errorf("the API serves the signal of %d pods, want %d", len(values), n)
	}
	return err
}

// customMetrics is what the autoscaler reads, by pod.
func (s *scene) customMetrics() (map[string]time.Duration, error) {
	found, err := values(s.Cluster, "models", wellKnown)
	if err != nil {
		return nil, err
	}
	waits := make(map[string]time.Duration)
	for pod, text := range found {
		if waits[pod], err = nanoseconds(text); err != nil {
			return nil, err
		}
	}
	return waits, nil
}

// wellKnown is the metric of the autoscaler that is copied from everywhere, in microseconds.
const wellKnown = "triton_queue_compute_input_duration_us"

const metricPath = "/apis/custom.metrics.k8s.io/v1beta1/namespaces/models/pods/*/" + wellKnown
