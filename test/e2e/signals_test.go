package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// replicas that the autoscaler asks for.
func (s *scene) replicas() (int, error) {
	out, err := s.Kubectl("-n", "models", "get", "deployment", "model-server", "-o", "jsonpath={.spec.replicas}")
	if err != nil {
		return 0, err
	}
	var n int
	_, err = fmt.Sscan(out, &n)
	return n, err
}

func (s *scene) replicasAre(want int) error {
	n, err := s.replicas()
	if err == nil && n != want {
		err = fmt.Errorf("%d replicas, want %d", n, want)
	}
	return err
}

func (s *scene) scaledOut() error {
	n, err := s.replicas()
	if err == nil && n <= minReplicas {
		err = fmt.Errorf("%d replicas", n)
	}
	return err
}

// known says that the autoscaler has a value of the signal.
func (s *scene) known() error {
	out, err := s.Kubectl("-n", "models", "get", "hpa", "model-server-hpa", "-o", "jsonpath={.status.currentMetrics[0].pods.current.averageValue}")
	if err == nil && out == "" {
		err = errors.New("<unknown>")
	}
	return err
}

// clientsWait says that the clients' mean waiting over the signal's window is above the autoscaler's target.
func (s *scene) clientsWait() error {
	now := time.Now()
	if mean := s.load.Between("", now.Add(-window), now).MeanWait; mean <= target {
		return fmt.Errorf("they wait %v", mean)
	}
	return nil
}

// everyReplicaCounts says that every replica claims a GPU of its own, and has signals of its own: the utilisation of that GPU,
// and the one that the autoscaler reads.
func (s *scene) everyReplicaCounts() error {
	n, err := s.replicas()
	if err != nil {
		return err
	}
	list, err := s.servers()
	if err != nil {
		return err
	}
	if len(list) != n {
		return fmt.Errorf("%d pods, want %d", len(list), n)
	}
	var claimed []string
	for _, p := range list {
		device, err := s.watcher.claim(p.Metadata.Name)
		if err != nil {
			return err
		}
		if slices.Contains(claimed, device) {
			return fmt.Errorf("GPU %s has two pods", device)
		}
		claimed = append(claimed, device)
		if err := s.utilizationOf(p.Metadata.Name, device); err != nil {
			return err
		}
	}
	return s.served(n)
}

// utilizationOf says that a pod's utilisation, as Prometheus has it, is that of the GPU it claims.
func (s *scene) utilizationOf(pod, device string) error {
	gpu := slices.IndexFunc(uuids(), func(id string) bool { return id == device })
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
	out, err := s.Kubectl("get", "--raw", metricPath)
	if err != nil {
		return nil, err
	}
	var list struct {
		Items []struct {
			DescribedObject struct{ Name string }
			Value           string
		}
	}
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		return nil, err
	}
	values := make(map[string]time.Duration)
	for _, item := range list.Items {
		if values[item.DescribedObject.Name], err = microseconds(item.Value); err != nil {
			return nil, err
		}
	}
	return values, nil
}

const metricPath = "/apis/custom.metrics.k8s.io/v1beta1/namespaces/models/pods/*/triton_queue_compute_input_duration_us"
