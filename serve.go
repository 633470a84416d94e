package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"
	toolkit "github.com/prometheus/exporter-toolkit/web"
)

// maxScrapes is how many scrapes are answered at once; more get 503.
const maxScrapes = 8

// drain is how long open requests may take to end once the daemon is told to.
const drain = 3 * time.Second

// errListen says that the listen address cannot be used.
var errListen = errors.New("cannot listen")

// serve runs the daemon until ctx ends.
func (d *daemon) serve(ctx context.Context) error {
	listeners, err := d.listen()
	if err != nil {
		return errors.Join(err, d.close())
	}
	return d.serveOn(ctx, listeners)
}

// serveOn runs the daemon on the given listeners; with none, on the sockets that systemd hands over.
func (d *daemon) serveOn(ctx context.Context, listeners []net.Listener) error {
	server := &http.Server{
		Handler: d.handler(), ReadHeaderTimeout: 5 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute,
		ErrorLog: slog.NewLogLogger(d.log.Handler(), slog.LevelDebug),
	}
	d.add("web", func(ctx context.Context) error { return d.runWeb(ctx, server, listeners) })
	return errors.Join(runAll(ctx, d.actors), d.close())
}

// listen opens the listen addresses. It is done here and not by the toolkit so that a port in use is said by name before
// anything starts.
func (d *daemon) listen() ([]net.Listener, error) {
	if *d.opts.web.WebSystemdSocket {
		return nil, nil
	}
	if file := *d.opts.web.WebConfigFile; file != "" {
		if err := toolkit.Validate(file); err != nil {
			return nil, fmt.Errorf("%w: read web configuration %q (--web.config.file): %w", errListen, file, err)
		}
	}
	var listeners []net.Listener
	for _, address := range *d.opts.web.WebListenAddresses {
		listener, err := net.Listen("tcp", address)
		if err != nil {
			for _, l := range listeners {
				l.Close()
			}
			return nil, fmt.Errorf("%w on %q: %w; choose another with --web.listen-address", errListen, address, err)
		}
		listeners = append(listeners, listener)
	}
	return listeners, nil
}

// runWeb serves until ctx ends, then lets open requests end.
func (d *daemon) runWeb(ctx context.Context, server *http.Server, listeners []net.Listener) error {
	ended := make(chan error, 1)
	go func() {
		if listeners == nil {
			ended <- toolkit.ListenAndServe(server, d.opts.web, d.log)
			return
		}
		ended <- toolkit.ServeMultiple(listeners, server, d.opts.web, d.log)
	}()
	for _, listener := range listeners {
		d.log.Info("open", "url", d.url(listener), "metrics", d.url(listener)+"metrics", "signals", d.url(listener)+"signals")
	}
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	timeout, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
	defer cancel()
	err := server.Shutdown(timeout)
	if errors.Is(err, context.DeadlineExceeded) {
		err = server.Close()
	}
	if served := <-ended; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}

// url is what a person on this machine opens for a listener.
func (d *daemon) url(l net.Listener) string {
	scheme := "http"
	if content, err := os.ReadFile(*d.opts.web.WebConfigFile); err == nil && bytes.Contains(content, []byte("tls_server_config")) {
		scheme = "https"
	}
	host, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		return scheme + "://" + l.Addr().String() + "/"
	}
	if ip := net.ParseIP(host); ip == nil || ip.IsUnspecified() {
		host = "localhost"
	}
	return scheme + "://" + net.JoinHostPort(host, port) + "/"
}

// handler is every path of the daemon.
func (d *daemon) handler() http.Handler {
	return d.web.Handler(d.page(d.all()), d.page(d.collector.Signals()))
}

// page serves what a gatherer gathers. Partial data are served, never an error.
func (d *daemon) page(g prometheus.Gatherer) http.Handler {
	return promhttp.HandlerFor(g, promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(d.log.Handler(), slog.LevelWarn), ErrorHandling: promhttp.ContinueOnError,
		MaxRequestsInFlight: maxScrapes,
		OfferedCompressions: []promhttp.Compression{promhttp.Identity, promhttp.Gzip},
	})
}

// all gathers everything: our families, and those of the process itself. Of the runtime's memory it leaves out 21 series that
// the resident memory of the process sums up.
func (d *daemon) all() prometheus.Gatherer {
	own := prometheus.NewRegistry()
	own.MustRegister(
		collectors.NewGoCollector(collectors.WithGoCollectorMemStatsMetricsDisabled()),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "gpusignal_exporter_config_last_reload_successful",
			Help: "Whether the configuration file could be used when it last changed.",
		}, func() float64 {
			if d.config.good.Load() {
				return 1
			}
			return 0
		}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "gpusignal_exporter_config_last_reload_success_timestamp_seconds",
			Help: "Unix time at which the configuration in force was read, 0 without a file.",
		}, func() float64 { return float64(d.config.reloadedS.Load()) }),
	)
	return joined{d.collector.Metrics(), own}
}

// joined puts gatherers together whose families have different names, without the checks per series of
// prometheus.Gatherers.
type joined []prometheus.Gatherer

// Gather returns what could be gathered, sorted by name.
func (j joined) Gather() ([]*dto.MetricFamily, error) {
	var families []*dto.MetricFamily
	var errs []error
	for _, g := range j {
		more, err := g.Gather()
		families, errs = append(families, more...), append(errs, err)
	}
	slices.SortFunc(families, func(a, b *dto.MetricFamily) int { return strings.Compare(a.GetName(), b.GetName()) })
	return families, errors.Join(errs...)
}
