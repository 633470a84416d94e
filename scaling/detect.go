package scaling

import "gpusignal/node"

// detect says what makes the pod a model server, and which kind it is where that is known. Of kinds the first that fits is
// taken.
func detect(sub *subject, kinds []node.Kind) (Evidence, string) {
	for _, server := range sub.servers {
		if !server.FirstPage.IsZero() {
			return ByPage, server.Engine
		}
	}
	optedOut := sub.pod.Annotations["gpusignal/scrape"] == "false"
	if kind := sub.pod.Annotations["gpusignal/engine"]; kind != "" && !optedOut {
		return ByAnnotation, kind
	}
	for _, server := range sub.servers {
		if server.Announced != "" {
			return ByConfiguration, server.Announced
		}
	}
	if optedOut {
		return "", "" // nobody will ever read its page: what it is makes no difference
	}
	switch kind, byCommand := node.KindOf(kinds, sub.pod.Containers); {
	case kind == "":
		return "", ""
	case byCommand:
		return ByArguments, kind
	default:
		return ByImage, kind
	}
}

// readOnce returns the servers of which a page has been read since their container started.
func readOnce(servers []*node.Server) []*node.Server {
	var read []*node.Server
	for _, server := range servers {
		if !server.FirstPage.IsZero() {
			read = append(read, server)
		}
	}
	return read
}
