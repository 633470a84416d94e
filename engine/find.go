package engine

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"gpusignal/node"
)

// The annotations that announce a metrics page, the first that names one wins.
const (
	annotationEngine = "gpusignal/engine"
	annotationScrape = "gpusignal/scrape" // "false" opts out.
	gpusignalPrefix  = "gpusignal/"
	prometheusPrefix = "prometheus.io/"
	kservePrefix     = "prometheus.kserve.io/"
	defaultPath      = "/metrics"
)

// What names a page, for people; the annotations go by their prefix.
const (
	byConfiguration = "configuration"
	byDeclared      = "declared port"
	byArgument      = "port argument"
	byWellKnown     = "well-known port"
)

// target is an endpoint that was found, and what is known of it beside its page.
type target struct {
	Endpoint
	facts facts
	// by is what named it.
	by string
	// own says that its address is the one that the kubelet tells of the pod.
	own bool
	// fault and detail say why the page is not even tried.
	fault, detail string
	// quiet says that nothing tells that there is a model server.
	quiet bool
}

func (t *target) place() place { return place{url: t.URL, namespace: t.Pod.Namespace, own: t.own} }

// find the endpoints that the pods name by our own annotations, and where to search for those of the others. Only pods of
// this node that run are looked at, and of each only its own address: nobody can make gpusignal fetch from elsewhere. A pod
// that is being deleted is still read. Those that are given are not searched: the configuration names their pages.
func find(pods []node.Pod, held holders, plans []*plan, given map[[2]string]bool) ([]target, []search) {
	var targets []target
	var searches []search
	kinds := serverKinds(plans)
	for i := range pods {
		pod := &pods[i]
		if pod.Phase != "Running" || !host(pod).IsValid() {
			continue
		}
		switch {
		case pod.Annotations[annotationScrape] == "false":
			if held.any(pod) {
				targets = append(targets, target{
					Endpoint: Endpoint{Pod: pod.ID}, by: gpusignalPrefix, fault: FaultOptedOut, quiet: true,
					detail: "the annotation " + annotationScrape + " is \"false\"",
				})
			}
		case named(pod):
			targets = append(targets, findPod(subjectOf(pod, held, plans, kinds))...)
		case given[[2]string{pod.ID.Namespace, pod.ID.Name}]:
		case held.any(pod), announced(pod):
			if s := searchOf(subjectOf(pod, held, plans, kinds)); len(s.steps) > 0 {
				searches = append(searches, s)
			}
		}
	}
	return targets, searches
}

// named says whether the pod names its page by our own annotations.
func named(pod *node.Pod) bool {
	return pod.Annotations[annotationEngine] != "" ||
		has(pod, gpusignalPrefix+"port") || has(pod, gpusignalPrefix+"path") || has(pod, gpusignalPrefix+"scheme")
}

// announced says whether the pod announces its page by the annotations of others.
func announced(pod *node.Pod) bool {
	return pod.Annotations[prometheusPrefix+"scrape"] == "true" || has(pod, kservePrefix+"port")
}

// host returns the address of the pod, an invalid one where it has none. One that no network gives to a pod is none: the
// link-local ones hold the cloud's metadata.
func host(pod *node.Pod) netip.Addr {
	for _, ip := range pod.IPs {
		if ip.IsGlobalUnicast() || ip.IsLoopback() {
			return ip
		}
	}
	return netip.Addr{}
}

// findPod returns the endpoints of a pod that names them: one, or one a port where gpusignal/port lists several. A pod that
// names its engine alone has its port from the annotations of others, or from what it declares.
func findPod(s *subject) []target {
	pod, prefix := s.Pod, ""
	switch {
	case has(pod, gpusignalPrefix+"port"), has(pod, gpusignalPrefix+"path"), has(pod, gpusignalPrefix+"scheme"):
		prefix = gpusignalPrefix
	case pod.Annotations[prometheusPrefix+"scrape"] == "true":
		prefix = prometheusPrefix
	case has(pod, kservePrefix+"port"):
		prefix = kservePrefix
	}
	base := target{Endpoint: Endpoint{Engine: pod.Annotations[annotationEngine], Pod: pod.ID}, by: gpusignalPrefix, own: true}
	ports, err := portsOf(s, prefix)
	if err != nil {
		base.fault, base.detail = FaultConfig, err.Error()
		return []target{base}
	}
	return at(base, s, prefix, ports)
}

// at returns a target for each port, the rest of its address by the annotations with the prefix.
func at(base target, s *subject, prefix string, ports []int) []target {
	var targets []target
	for _, port := range ports {
		t := base
		var err error
		if t.URL, err = address(s.Pod, prefix, port, s.path()); err != nil {
			t.fault, t.detail = FaultConfig, err.Error()
		}
		t.facts = factsOf(s, port)
		targets = append(targets, t)
	}
	return targets
}

func has(pod *node.Pod, annotation string) bool {
	_, ok := pod.Annotations[annotation]
	return ok
}

// portsOf the pod's page: as annotated, else as its engine or the pod's own declaration says.
func portsOf(s *subject, prefix string) ([]int, error) {
	if text := s.Annotations[prefix+"port"]; prefix != "" && text != "" {
		var ports []int
		for part := range strings.SplitSeq(text, ",") {
			port, err := strconv.Atoi(strings.TrimSpace(part))
			if err != nil || port < 1 || port > 65535 {
				return nil, fmt.Errorf("annotation %sport %q: %q is not a port, 1 to 65535", prefix, text, part)
			}
			if !slices.Contains(ports, port) {
				ports = append(ports, port)
			}
		}
		return ports, nil
	}
	if declared := s.ports(); len(declared) == 1 {
		return declared, nil
	}
	if p := s.plan(); p != nil {
		return []int{p.dialect.Port}, nil
	}
	return nil, fmt.Errorf("pod %s/%s announces a metrics page but no port: set the annotation gpusignal/port",
		s.ID.Namespace, s.ID.Name)
}

// address of the pod's page.
func address(pod *node.Pod, prefix string, port int, path string) (string, error) {
	scheme := "http"
	if prefix != "" {
		scheme = cmp.Or(pod.Annotations[prefix+"scheme"], scheme)
		path = cmp.Or(pod.Annotations[prefix+"path"], path)
	}
	if scheme != "http" && scheme != "https" {
		return "", fmt.Errorf("annotation %sscheme %q: it must be http or https", prefix, scheme)
	}
	u, err := url.ParseRequestURI(path)
	if err != nil || !strings.HasPrefix(path, "/") || u.Host != "" {
		return "", fmt.Errorf("annotation %spath %q: it must be a path that begins with /", prefix, path)
	}
	u.Scheme = scheme
	u.Host = net.JoinHostPort(host(pod).String(), strconv.Itoa(port))
	return u.String(), nil
}

// factsOf the container that serves the port: of those that hold a GPU the one that declares it, else the first. A proxy that
// stands before the server holds none.
func factsOf(s *subject, port int) facts {
	f := facts{pod: s.ID}
	containers := s.candidates
	if len(containers) == 0 {
		return f
	}
	container := &containers[0]
	for i := range containers {
		if slices.ContainsFunc(containers[i].Ports, func(p node.Port) bool { return p.Number == port }) {
			container = &containers[i]
			break
		}
	}
	f.started = container.Started
	for _, p := range s.plans {
		for _, flag := range p.dialect.MaxRunning {
			if v, ok := argument(container.Args, flag); ok {
				if f.maxRunning == nil {
					f.maxRunning = make(map[string]float64)
				}
				f.maxRunning[p.dialect.Name] = v
			}
		}
	}
	return f
}

// argument returns the positive whole number that follows a flag, as "--flag N" or "--flag=N". A shell's command line in
// one argument is looked through as well.
func argument(args []string, flag string) (float64, bool) {
	if flag == "" {
		return 0, false
	}
	words := strings.Fields(strings.Join(args, " "))
	for i, word := range words {
		value, ok := strings.CutPrefix(word, flag+"=")
		if word == flag && i+1 < len(words) {
			value, ok = words[i+1], true
		}
		if !ok {
			continue
		}
		if n, err := strconv.Atoi(strings.Trim(value, `"'`)); err == nil && n > 0 {
			return float64(n), true
		}
	}
	return 0, false
}
