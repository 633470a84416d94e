package engine

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"gpusignal/node"
)

// Endpoint is one metrics page of a model server.
type Endpoint struct {
	// URL of the page, whole.
	URL string
	// Engine is the kind of server that was announced, empty where none was. The page itself decides.
	Engine string
	// Pod whose server it is. Without a pod, Name is the URL's host and port and Namespace is empty.
	Pod node.PodID
}

// ParseEndpoint reads "URL[,engine=vllm][,namespace=…][,pod=…]". The path is /metrics unless the URL has one.
func ParseEndpoint(text string) (Endpoint, error) {
	address, options, more := strings.Cut(text, ",")
	var engine, namespace, pod string
	for option := range strings.SplitSeq(options, ",") {
		if !more {
			break
		}
		key, value, _ := strings.Cut(option, "=")
		value = strings.TrimSpace(value)
		if value == "" {
			return Endpoint{}, fmt.Errorf("parse endpoint %q: option %q has no value", text, option)
		}
		switch key = strings.TrimSpace(key); key {
		case "engine":
			engine = value
		case "namespace":
			namespace = value
		case "pod":
			pod = value
		default:
			return Endpoint{}, fmt.Errorf("parse endpoint %q: unknown option %q (known: engine, namespace, pod)", text, key)
		}
	}
	return NewEndpoint(strings.TrimSpace(address), engine, namespace, pod)
}

// NewEndpoint returns the endpoint at an address. Its engine may be empty; its namespace and pod are given together or not
// at all.
func NewEndpoint(address, engine, namespace, pod string) (Endpoint, error) {
	u, err := url.Parse(address)
	if err != nil {
		return Endpoint{}, fmt.Errorf("parse endpoint: %w", err)
	}
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return Endpoint{}, fmt.Errorf("parse endpoint %q: it must begin with http:// or https://", address)
	case u.Hostname() == "":
		return Endpoint{}, fmt.Errorf("parse endpoint %q: the URL names no host", address)
	case u.User != nil:
		return Endpoint{}, errors.New("parse endpoint: the URL must not hold a password, it would be published")
	case (pod == "") != (namespace == ""):
		return Endpoint{}, fmt.Errorf("parse endpoint %q: give pod and namespace together, or neither", address)
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = "/metrics"
	}
	u.Fragment = ""
	if pod == "" {
		pod = u.Host
	}
	return Endpoint{URL: u.String(), Engine: engine, Pod: node.PodID{Namespace: namespace, Name: pod}}, nil
}
