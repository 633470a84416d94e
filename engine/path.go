package engine

import (
	"cmp"

	"gpusignal/node"
)

// pathOf the pod's page where no annotation gives it: that of the announced engine, else of the one whose image the pod has.
func pathOf(pod *node.Pod, announced string, plans []*plan) string {
	for _, p := range plans {
		if p.dialect.Name == announced || announced == "" && p.inImage(pod) {
			return cmp.Or(p.dialect.Path, defaultPath)
		}
	}
	return defaultPath
}
