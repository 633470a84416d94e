package engine_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gpusignal/engine"
	"gpusignal/node"
)

func status(code int) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) })
}

// raw answers each connection with these bytes and closes it.
func raw(t *testing.T, answer string) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Read(make([]byte, 4096))
			_, _ = conn.Write([]byte(answer))
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() { listener.Close(); <-done })
	return listener.Addr().(*net.TCPAddr).Port
}

func silent() *log.Logger { return log.New(io.Discard, "", 0) }

// quietTLS serves over TLS with a certificate that nobody vouches for, and logs nothing.
func quietTLS(t *testing.T, h http.Handler) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(h)
	server.Config.ErrorLog = silent()
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

// bomb is a page of gzip that unpacks to a gigabyte.
func bomb(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Encoding", "gzip")
	z := gzip.NewWriter(w)
	zeros := make([]byte, 1<<20)
	for range 1 << 10 {
		if _, err := z.Write(zeros); err != nil {
			return
		}
	}
	_ = z.Close()
}

// Every reason for which the page of an annotated pod is not read, over real connections, with a way out.
func TestReasons(t *testing.T) {
	var elsewhere atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	defer other.Close()
	redirect := func(to string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, http.StatusFound) })
	}
	endless := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		line := bytes.Repeat([]byte("a 1\n"), 1000)
		for {
			if _, err := w.Write(line); err != nil {
				return
			}
		}
	})
	stuck := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "a 1\n")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	vllm := vllmPage(1, 2, 3, 4)
	for name, tt := range map[string]struct {
		port   int
		scheme string
		want   string
		says   string
	}{
		"ok":                        {listen(t, page(vllm)), "", "", ""},
		"over TLS, unvouched":       {portOf(t, quietTLS(t, page(vllm)).URL), "https", "", ""},
		"NaN and Inf":               {listen(t, page(vllm+"vllm:num_requests_waiting{model_name=\"n\"} NaN\nvllm:kv_cache_usage_perc{model_name=\"m\"} +Inf\n")), "", "", ""},
		"nobody listens":            {engine.ClosedPort(t), "", engine.FaultRefused, "still starting"},
		"closed at once":            {raw(t, ""), "", engine.FaultReset, "its log"},
		"cut in the middle":         {raw(t, "HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n"+vllm), "", engine.FaultReset, "its log"},
		"ends in a line":            {raw(t, "HTTP/1.1 200 OK\r\n\r\n"+strings.TrimSuffix(vllm, "4\n")), "", engine.FaultMalformed, "text format"},
		"never ends":                {listen(t, stuck), "", engine.FaultTimeout, "network policy"},
		"plain where TLS is asked":  {listen(t, page(vllm)), "https", engine.FaultTLS, "gpusignal/scheme"},
		"TLS where plain is asked":  {raw(t, "\x15\x03\x01\x00\x02\x02\x16"), "", engine.FaultTLS, "gpusignal/scheme"},
		"not HTTP":                  {raw(t, "SSH-2.0-OpenSSH_9.2p1\r\n"), "", engine.FaultMalformed, "malformed HTTP"},
		"wants a token":             {listen(t, status(http.StatusUnauthorized)), "", engine.FaultAuth, "access in --config.file"},
		"forbids":                   {listen(t, status(http.StatusForbidden)), "", engine.FaultAuth, "403"},
		"no such path":              {listen(t, http.NotFoundHandler()), "", engine.FaultNotFound, "gpusignal/path"},
		"redirects to the cloud":    {listen(t, redirect("http://169.254.169.254/latest/meta-data/")), "", engine.FaultRedirect, "not followed"},
		"redirects to another port": {listen(t, redirect(other.URL)), "", engine.FaultRedirect, "not followed"},
		"endless":                   {listen(t, endless), "", engine.FaultTooBig, "greater than 65536 bytes"},
		"fails":                     {listen(t, status(http.StatusInternalServerError)), "", engine.FaultStatus, "500"},
		"HTML":                      {listen(t, page("<html>")), "", engine.FaultMalformed, "HTML page"},
		"gzip that nobody asked":    {listen(t, http.HandlerFunc(bomb)), "", engine.FaultCompressed, "switch compression off"},
		"gzip without a word":       {listen(t, page("\x1f\x8b\x08\x00")), "", engine.FaultMalformed, "text format"},
		"another's metrics":         {listen(t, page("node_load1 0.5\n")), "", engine.FaultNoEngine, "check port and path"},
		"empty":                     {listen(t, page("")), "", engine.FaultNoEngine, "check port and path"},
		"a bad annotation":          {70000, "", engine.FaultConfig, "70000"},
		"a bad scheme":              {80, "ftp", engine.FaultConfig, "http or https"},
	} {
		t.Run(name, func(t *testing.T) {
			pod := localPod("a", "gpusignal/port", strconv.Itoa(tt.port), "gpusignal/scheme", tt.scheme)
			config := engine.Config{MaxBytes: 64 << 10}
			if tt.want == engine.FaultTimeout {
				config.Deadline = 50 * time.Millisecond
			}
			got := until(t, start(t, config, pod), func(s []node.Server) bool { return len(s) == 1 && s[0].Fault == tt.want })[0]
			if !strings.Contains(got.Detail, tt.says) || (tt.says == "") != (got.Detail == "") {
				t.Errorf("detail %q, want one that holds %q", got.Detail, tt.says)
			}
			if got.At.IsZero() != (tt.want != "") || got.Quiet {
				t.Errorf("server %+v", got)
			}
		})
	}
	if n := elsewhere.Load(); n > 0 {
		t.Errorf("%d redirects were followed", n)
	}
}

// What is wrong between pods, and what a pod that is only asked is: none of it alarms, as nothing says there is a server.
func TestReasonsOfSearches(t *testing.T) {
	declare := func(p node.Pod, ports ...int) node.Pod {
		for i, port := range ports {
			p.Containers[0].Ports = append(p.Containers[0].Ports, node.Port{Name: []string{"metrics", "http"}[i], Number: port})
		}
		return p
	}
	group := func(role node.Role) node.Pod {
		p := localPod("a")
		p.Containers[0].Image, p.Place.Role = "vllm/vllm-openai:v0.11", role
		return p
	}
	vllm := listen(t, page(vllmPage(1, 2, 3, 4)))
	nowhere := at(engine.ClosedPort(t))
	for name, tt := range map[string]struct {
		pods []node.Pod
		want []string
		loud bool
	}{
		"nobody listens":          {[]node.Pod{localPod("a")}, []string{engine.FaultNoPage}, false},
		"a server that loads":     {[]node.Pod{group(node.Leader)}, []string{engine.FaultRefused}, true},
		"a worker of a group":     {[]node.Pod{group(node.Worker)}, []string{engine.FaultNoPage}, false},
		"another's metrics":       {[]node.Pod{declare(localPod("a"), listen(t, page("node_load1 1\n")))}, []string{engine.FaultNoEngine}, false},
		"no such path":            {[]node.Pod{declare(localPod("a"), listen(t, http.NotFoundHandler()))}, []string{engine.FaultNoEngine}, false},
		"a notebook":              {[]node.Pod{declare(localPod("a"), listen(t, page("<!DOCTYPE html>")))}, []string{engine.FaultNoEngine}, false},
		"one answers, one is not": {[]node.Pod{declare(localPod("a"), engine.ClosedPort(t), listen(t, page("x 1\n")))}, []string{engine.FaultNoEngine}, false},
		"wants a token":           {[]node.Pod{declare(localPod("a"), listen(t, status(http.StatusUnauthorized)))}, []string{engine.FaultAuth}, false},
		"a bad annotation": {
			[]node.Pod{localPod("a", "prometheus.io/scrape", "true", "prometheus.io/port", "x")}, []string{engine.FaultConfig}, false,
		},
		"two pods, one address": {
			[]node.Pod{declare(localPod("a"), vllm), declare(localPod("b"), vllm)}, []string{engine.FaultAmbiguous, engine.FaultAmbiguous}, false,
		},
		"two pods that say so": {
			[]node.Pod{localPod("a", "gpusignal/port", strconv.Itoa(vllm)), localPod("b", "gpusignal/port", strconv.Itoa(vllm))},
			[]string{engine.FaultAmbiguous, engine.FaultAmbiguous},
			true,
		},
		"one pod, one page twice": {
			[]node.Pod{localPod("a", "gpusignal/port", fmt.Sprint(vllm, ",", listen(t, page(vllmPage(1, 2, 3, 4)))))},
			[]string{"", engine.FaultDuplicate},
			true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			e := start(t, engine.Config{Claims: holding(tt.pods...), Dialects: nowhere}, tt.pods...)
			servers := until(t, e, func(s []node.Server) bool {
				return slices.EqualFunc(s, tt.want, func(one node.Server, want string) bool { return one.Fault == want })
			})
			for _, s := range servers {
				if s.Quiet && tt.loud || !s.Quiet && !tt.loud {
					t.Errorf("quiet is %v: %+v", s.Quiet, s)
				}
				if (s.Detail == "") != (s.Fault == "") {
					t.Errorf("no way out: %+v", s)
				}
			}
			if h := e.Health(time.Now())[0]; !tt.loud && (!h.Up || h.Detail != "" || h.Failures > 0) {
				t.Errorf("health %+v", h)
			}
		})
	}
}

// A pod that names its page is read, whoever else declares the same port on the host's network.
func TestAnAnnotationBeatsADeclaredPort(t *testing.T) {
	port := listen(t, page(vllmPage(1, 2, 3, 4)))
	other := localPod("b")
	other.Containers[0].Ports = []node.Port{{Name: "http", Number: port}}
	e := start(t, engine.Config{Claims: holding(other)}, localPod("a", "gpusignal/port", strconv.Itoa(port)), other)
	got := until(t, e, func(s []node.Server) bool { return len(s) == 2 && s[0].Fault == "" && s[1].Fault != engine.FaultUnread })
	if s := got[1]; s.Fault != engine.FaultAmbiguous || !s.Quiet || !strings.Contains(s.Detail, "is given to ml/a by the annotations of that pod") {
		t.Errorf("server %+v", s)
	}
}

// A server that turns into one of another kind is read on as that one, and one that turns into something else is told.
func TestServerTurnsIntoAnother(t *testing.T) {
	var now atomic.Value
	now.Store(vllmPage(1, 2, 3, 4))
	pod := localPod("a")
	pod.Containers[0].Ports = []node.Port{{Name: "http", Number: listen(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, now.Load())
	}))}}
	e := start(t, engine.Config{Claims: holding(pod)}, pod)
	for _, step := range []struct{ page, engine, fault string }{
		{vllmPage(1, 2, 3, 4), "vllm", ""},
		{"nv_inference_request_success{model=\"m\",version=\"1\"} 4\n", "triton", ""},
		{"jupyter 1\n", "triton", engine.FaultNoEngine},
		{vllmPage(1, 2, 3, 4), "vllm", ""},
	} {
		now.Store(step.page)
		until(t, e, func(s []node.Server) bool {
			return len(s) == 1 && s[0].Engine == step.engine && s[0].Fault == step.fault
		})
	}
}
