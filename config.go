package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"go.yaml.in/yaml/v3"

	"gpusignal/engine"
	"gpusignal/node"
	"gpusignal/scaling"
)

// reloadEvery is how often the configuration file is looked at. A ConfigMap's file is replaced by way of symbolic links,
// which notifications of the file system follow badly; its content tells all.
const reloadEvery = 5 * time.Second

// fileConfig is the content of --config.file.
type fileConfig struct {
	// Targets by namespace and workload: what counts as full.
	Targets []scaling.Rule `yaml:"targets"`
	// Endpoints are metrics pages that no pod announces.
	Endpoints []fileEndpoint `yaml:"endpoints"`
	// Access by namespace: how pages over https are read.
	Access []fileAccess `yaml:"access"`
	// Dialects of model servers that are not built in, or that shadow one that is.
	Dialects []engine.Dialect `yaml:"dialects"`
}

// fileEndpoint is one metrics page: what --engine.endpoint says in one string.
type fileEndpoint struct {
	URL       string `yaml:"url"`
	Engine    string `yaml:"engine"`
	Namespace string `yaml:"namespace"`
	Pod       string `yaml:"pod"`
}

// fileAccess names mounted files for the pages of one namespace. What they hold is read by the engine, each time anew.
type fileAccess struct {
	Namespace  string `yaml:"namespace"`
	TokenFile  string `yaml:"token_file"`
	CAFile     string `yaml:"ca_file"`
	ServerName string `yaml:"server_name"`
}

// settings are the configuration as the rest of the program uses it.
type settings struct {
	targets   scaling.Targets
	endpoints []engine.Endpoint
	access    map[string]engine.Access // by namespace
	dialects  []engine.Dialect
}

// parseConfig reads a configuration file's content. An unknown field is an error: a typo must not pass as a default.
func parseConfig(content []byte) (settings, error) {
	var file fileConfig
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	decoder.KnownFields(true)
	if err := decoder.Decode(&file); err != nil && !errors.Is(err, io.EOF) {
		return settings{}, withKnownKeys(err)
	}
	if err := decoder.Decode(new(fileConfig)); !errors.Is(err, io.EOF) {
		return settings{}, errors.New("the file holds more than one document: join them")
	}
	out := settings{targets: scaling.Targets{Rules: file.Targets, Kinds: kindsOf(file.Dialects)}, dialects: file.Dialects}
	if err := out.targets.Validate(); err != nil {
		return settings{}, err
	}
	if err := checkDialects(out.dialects); err != nil {
		return settings{}, err
	}
	for i, e := range file.Endpoints {
		endpoint, err := engine.NewEndpoint(e.URL, e.Engine, e.Namespace, e.Pod)
		if err != nil {
			return settings{}, fmt.Errorf("endpoint %d: %w", i+1, err)
		}
		out.endpoints = append(out.endpoints, endpoint)
	}
	var err error
	if out.access, err = accessOf(file.Access); err != nil {
		return settings{}, err
	}
	return out, nil
}

// accessOf the namespaces.
func accessOf(entries []fileAccess) (map[string]engine.Access, error) {
	access := make(map[string]engine.Access, len(entries))
	for i, e := range entries {
		_, twice := access[e.Namespace]
		switch {
		case e.Namespace == "":
			return nil, fmt.Errorf("access %d: give its namespace: a token belongs to one", i+1)
		case twice:
			return nil, fmt.Errorf("access %d: namespace %q is there twice", i+1, e.Namespace)
		case e.TokenFile == "" && e.CAFile == "":
			return nil, fmt.Errorf("access %d: namespace %q: give token_file, ca_file or both", i+1, e.Namespace)
		}
		for _, path := range [...]string{e.TokenFile, e.CAFile} {
			if path != "" && !filepath.IsAbs(path) {
				return nil, fmt.Errorf("access %d: namespace %q: path %q must begin with /", i+1, e.Namespace, path)
			}
		}
		access[e.Namespace] = engine.Access{TokenFile: e.TokenFile, CAFile: e.CAFile, ServerName: e.ServerName}
	}
	return access, nil
}

// configuration holds the last good settings and follows the file they come from.
type configuration struct {
	path    string
	fixed   []engine.Endpoint // of the flags
	log     *slog.Logger
	current atomic.Pointer[settings]
	// sum is of the content that was last tried, and fault why it could not be used.
	sum       [sha256.Size]byte
	fault     error
	good      atomic.Bool
	reloadedS atomic.Int64 // Unix seconds of the last good reload
}

// newConfiguration reads the file, if one is named, and fails where it cannot be used.
func newConfiguration(path string, flags []string, log *slog.Logger) (*configuration, error) {
	c := &configuration{path: path, log: log}
	for _, text := range flags {
		endpoint, err := engine.ParseEndpoint(text)
		if err != nil {
			return nil, fmt.Errorf("read flag --engine.endpoint=%q: %w", text, err)
		}
		c.fixed = append(c.fixed, endpoint)
	}
	if err := onePodEach(c.fixed); err != nil {
		return nil, fmt.Errorf("read flags --engine.endpoint: %w", err)
	}
	c.current.Store(&settings{targets: scaling.Targets{Kinds: kindsOf(nil)}, endpoints: c.fixed})
	c.good.Store(true)
	if path == "" {
		return c, nil
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read configuration %q (--config.file): %w", path, err)
	}
	if err := c.use(content); err != nil {
		return nil, fmt.Errorf("read configuration %q (--config.file): %w", path, err)
	}
	return c, nil
}

func (c *configuration) use(content []byte) error {
	c.sum = sha256.Sum256(content)
	next, err := parseConfig(content)
	if err != nil {
		return err
	}
	next.endpoints = append(next.endpoints, c.fixed...)
	if err := onePodEach(next.endpoints); err != nil {
		return err
	}
	c.current.Store(&next)
	c.reloadedS.Store(time.Now().Unix())
	return nil
}

// onePodEach refuses a page that is given to two pods: its numbers would count twice.
func onePodEach(endpoints []engine.Endpoint) error {
	pods := map[string]node.PodID{}
	for _, e := range endpoints {
		if first, there := pods[e.URL]; there && first != e.Pod {
			return fmt.Errorf("endpoint %q is given to two pods, %s/%s and %s/%s: it belongs to one",
				e.URL, first.Namespace, first.Name, e.Pod.Namespace, e.Pod.Name)
		}
		pods[e.URL] = e.Pod
	}
	return nil
}

func (c *configuration) targets() scaling.Targets     { return c.current.Load().targets }
func (c *configuration) endpoints() []engine.Endpoint { return c.current.Load().endpoints }
func (c *configuration) dialects() []engine.Dialect   { return c.current.Load().dialects }

func (c *configuration) access(namespace string) (engine.Access, bool) {
	a, ok := c.current.Load().access[namespace]
	return a, ok
}

// run follows the file until ctx ends. A file that cannot be used leaves the last good settings in force.
func (c *configuration) run(ctx context.Context) error {
	if c.path == "" {
		<-ctx.Done()
		return nil
	}
	ticker := time.NewTicker(reloadEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			c.reload()
		}
	}
}

// reload reads the file again and uses it if it changed.
func (c *configuration) reload() {
	content, err := os.ReadFile(c.path)
	changed := err == nil && sha256.Sum256(content) != c.sum
	switch {
	case changed:
		c.fault = c.use(content)
		err = c.fault
	case err == nil:
		err = c.fault
	}
	switch was := c.good.Swap(err == nil); {
	case err != nil && (was || changed):
		c.log.Error("configuration cannot be used, the last good one stays in force", "file", c.path, "err", err)
	case err == nil && (!was || changed):
		c.log.Info("configuration read", "file", c.path)
	}
}
