package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"gpusignal/test/e2e/cluster"
)

// process of the one container of a pod, as this side of the containers sees it.
func process(c *cluster.Cluster, namespace, pod string) (int, error) {
	var p struct {
		Status struct {
			ContainerStatuses []struct{ ContainerID string }
		}
	}
	if err := c.API("/api/v1/namespaces/"+namespace+"/pods/"+pod, &p); err != nil {
		return 0, err
	}
	if len(p.Status.ContainerStatuses) != 1 {
		return 0, fmt.Errorf("pod %s has %d containers, want one", pod, len(p.Status.ContainerStatuses))
	}
	id := strings.TrimPrefix(p.Status.ContainerStatuses[0].ContainerID, "containerd://")
	paths, err := filepath.Glob("/proc/[0-9]*/cgroup")
	if err != nil {
		return 0, err
	}
	var found []int
	for _, path := range paths {
		// A process may have ended since.
		if content, err := os.ReadFile(path); err == nil && id != "" && strings.Contains(string(content), id) {
			pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			if err != nil {
				return 0, err
			}
			found = append(found, pid)
		}
	}
	if len(found) != 1 {
		return 0, fmt.Errorf("processes in container %q of pod %s: %v, want one", id, pod, found)
	}
	return found[0], nil
}
