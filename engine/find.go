package engine

import (
	"cmp"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"gpusignal/node"
)

// The annotations that announce a metrics page. Those of gpusignal/ go before those of prometheus.io/.
const (
	annotationEngine = "gpusignal/engine"
	annotationScrape = "gpusignal/scrape" // "false" opts out.
	gpusignalPrefix  = "gpusignal/"
	prometheusPrefix = "prometheus.io/"
	defaultPath      = "/metrics"
)

// target is an endpoint that was found, and what is known of it beside its page.
type target struct {
	Endpoint
	facts facts
	// guess says that nothing but prometheus.io/scrape speaks for it: the page may be anybody's.
	guess bool
	// fault and detail say why the page is not even tried.
	fault, detail string
}

// find the endpoints that the pods announce. Only pods of this node that run are looked at, and of each only its own
// address: nobody can make gpusignal fetch from elsewhere. A pod that is being deleted is still read.
func find(pods []node.Pod, plans []*plan) []target {
	var targets []target
	for i := range pods {
		pod := &pods[i]
		if pod.Phase != "Running" || len(pod.IPs) == 0 || pod.Annotations[annotationScrape] == "false" {
			continue
		}
		targets = append(targets, findPod(pod, plans)...)
	}
	conflicts(targets)
	return targets
}

// conflicts marks the targets of different pods that name one address. Pods on the host's network share one.
func conflicts(targets []target) {
	owners := make(map[string]int)
	for i := range targets {
		t := &targets[i]
		if t.fault != "" {
			continue
		}
		u, err := url.Parse(t.URL)
		if err != nil {
			continue
		}
		first, taken := owners[u.Host]
		if !taken {
			owners[u.Host] = i
			continue
		}
		other := &targets[first]
		if other.Pod == t.Pod {
			continue
		}
		for _, c := range [...]*target{t, other} {
			c.fault = FaultConflict
			c.detail = fmt.Sprintf("pods %s/%s and %s/%s both announce %s", other.Pod.Namespace, other.Pod.Name,
				t.Pod.Namespace, t.Pod.Name, u.Host)
		}
	}
}

// findPod returns the endpoints of one pod: one, or one a port where gpusignal/port lists several.
func findPod(pod *node.Pod, plans []*plan) []target {
	announced := pod.Annotations[annotationEngine]
	prefix := ""
	switch {
	case has(pod, gpusignalPrefix+"port"), has(pod, gpusignalPrefix+"path"), has(pod, gpusignalPrefix+"scheme"):
		prefix = gpusignalPrefix
	case pod.Annotations[prometheusPrefix+"scrape"] == "true":
		prefix = prometheusPrefix
	case announced == "":
		return nil
	}
	base := target{Endpoint: Endpoint{Engine: announced, Pod: pod.ID}}
	base.guess = prefix == prometheusPrefix && announced == "" && !imageTells(pod, plans)
	ports, err := portsOf(pod, prefix, announced, plans)
	if err != nil {
		if base.guess {
			return nil // It announces no page that could be found, and nothing says that it is a model server.
		}
		base.fault, base.detail = FaultConfig, err.Error()
		return []target{base}
	}
	var targets []target
	for _, port := range ports {
		t := base
		t.URL, err = address(pod, prefix, port)
		if err != nil {
			t.fault, t.detail = FaultConfig, err.Error()
		}
		t.facts = factsOf(pod, port, plans)
		targets = append(targets, t)
	}
	return targets
}

func has(pod *node.Pod, annotation string) bool {
	_, ok := pod.Annotations[annotation]
	return ok
}

// portsOf the pod's page: as annotated, else as the announced engine or the pod's own declaration says.
func portsOf(pod *node.Pod, prefix, announced string, plans []*plan) ([]int, error) {
	if text := pod.Annotations[prefix+"port"]; prefix != "" && text != "" {
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
	declared := declaredPorts(pod)
	for _, p := range plans {
		if p.dialect.Name != announced && (announced != "" || !p.inImage(pod)) {
			continue
		}
		if len(declared) == 1 && p.dialect.Port != declared[0] {
			return declared, nil
		}
		return []int{p.dialect.Port}, nil
	}
	if len(declared) == 1 {
		return declared, nil
	}
	return nil, fmt.Errorf("pod %s/%s announces a metrics page but no port: set the annotation gpusignal/port",
		pod.ID.Namespace, pod.ID.Name)
}

func declaredPorts(pod *node.Pod) []int {
	var ports []int
	for _, c := range pod.Containers {
		for _, p := range c.Ports {
			if !slices.Contains(ports, p.Number) {
				ports = append(ports, p.Number)
			}
		}
	}
	return ports
}

// address of the pod's page.
func address(pod *node.Pod, prefix string, port int) (string, error) {
	scheme, path := "http", defaultPath
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
	u.Host = net.JoinHostPort(pod.IPs[0].String(), strconv.Itoa(port))
	return u.String(), nil
}

// factsOf the container that serves the port: the one that declares it, else the first.
func factsOf(pod *node.Pod, port int, plans []*plan) facts {
	f := facts{pod: pod.ID}
	if len(pod.Containers) == 0 {
		return f
	}
	container := &pod.Containers[0]
	for i := range pod.Containers {
		if slices.ContainsFunc(pod.Containers[i].Ports, func(p node.Port) bool { return p.Number == port }) {
			container = &pod.Containers[i]
			break
		}
	}
	f.started = container.Started
	for _, p := range plans {
		if v, ok := argument(container.Args, p.dialect.MaxRunning); ok {
			if f.maxRunning == nil {
				f.maxRunning = make(map[string]float64)
			}
			f.maxRunning[p.dialect.Name] = v
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

// imageTells says whether the image of any container is that of a known engine.
func imageTells(pod *node.Pod, plans []*plan) bool {
	return slices.ContainsFunc(plans, func(p *plan) bool { return p.inImage(pod) })
}

func (p *plan) inImage(pod *node.Pod) bool {
	for _, c := range pod.Containers {
		for _, part := range p.dialect.Images {
			if strings.Contains(c.Image, part) {
				return true
			}
		}
	}
	return false
}
