package scaling

import (
	"path"
	"strings"

	"gpusignal/node"
)

// detect says what makes the pod a model server, and which kind it is where that is known.
func detect(sub *subject) (Evidence, string) {
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
	for _, container := range sub.pod.Containers {
		if kind := engineOfImage(container.Image); kind != "" {
			return ByImage, kind
		}
	}
	for _, container := range sub.pod.Containers {
		if kind := engineOfArgs(container.Args); kind != "" {
			return ByArguments, kind
		}
	}
	return "", ""
}

// engineOfImage returns the server's kind that an image's name tells: of "nvcr.io/nvidia/tritonserver:26.10-py3" the last
// part of the path decides, and for vLLM also its owner ("vllm/vllm-openai", "rocm/vllm").
func engineOfImage(image string) string {
	name, _, _ := strings.Cut(image, "@")
	if colon := strings.LastIndexByte(name, ':'); colon > strings.LastIndexByte(name, '/') {
		name = name[:colon]
	}
	switch base := path.Base(name); {
	case strings.HasPrefix(base, "tritonserver"):
		return "triton"
	case strings.HasPrefix(base, "vllm"):
		return "vllm"
	default:
		return ""
	}
}

// engineOfArgs returns the server's kind that a container's arguments tell.
func engineOfArgs(args []string) string {
	for i, arg := range args {
		switch {
		case path.Base(arg) == "tritonserver":
			return "triton"
		case arg == "vllm.entrypoints.openai.api_server":
			return "vllm"
		case path.Base(arg) == "vllm" && i+1 < len(args) && args[i+1] == "serve":
			return "vllm"
		}
	}
	return ""
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
