package engine

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// testClients dial as the engine does.
func testClients(deadline time.Duration, access func(string) (Access, bool)) *clients {
	return newClients((&net.Dialer{Timeout: deadline}).DialContext, deadline, access)
}

// hijack answers with raw bytes and closes.
func hijack(raw string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		_, _ = conn.Write([]byte(raw))
		_ = conn.Close()
	}
}

func TestFetchFaults(t *testing.T) {
	const limit = 100 << 10
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
	}
	tests := []struct {
		name    string
		handler http.HandlerFunc
		fault   string
		err     string
	}{
		{"good", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "a 1\n") }, "", ""},
		{"unauthorized", status(http.StatusUnauthorized), FaultAuth, "401"},
		{"forbidden", status(http.StatusForbidden), FaultAuth, "403"},
		{"not found", status(http.StatusNotFound), FaultNotFound, "404"},
		{"server error", status(http.StatusInternalServerError), FaultStatus, "500"},
		{"no content", status(http.StatusNoContent), FaultStatus, "204"},
		{"redirect", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://169.254.169.254/", http.StatusFound)
		}, FaultRedirect, "302"},
		{"announced too big", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "200000")
			_, _ = w.Write(make([]byte, 200000))
		}, FaultTooBig, "greater than 102400 bytes"},
		{"endless", func(w http.ResponseWriter, r *http.Request) {
			chunk := bytes.Repeat([]byte("a 1\n"), 1000)
			for r.Context().Err() == nil {
				if _, err := w.Write(chunk); err != nil {
					return
				}
			}
		}, FaultTooBig, "greater than 102400 bytes"},
		{"never answers", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, FaultTimeout, "deadline"},
		{"never ends", func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, "a 1\n")
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}, FaultTimeout, "deadline"},
		{"cut in half", hijack("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\na 1\n"), FaultReset, "unexpected EOF"},
		{"closed at once", hijack(""), FaultReset, "EOF"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			server := httptest.NewServer(tt.handler)
			defer server.Close()
			client := testClients(time.Second, nil)
			defer client.close()
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			body, err := newFetcher(client, limit)(ctx, place{url: server.URL}, &buffer{great: newGreat()})
			if tt.fault == "" {
				if err != nil || string(body) != "a 1\n" {
					t.Fatalf("body %q, error %v", body, err)
				}
				return
			}
			if err == nil || faultOf(err, "") != tt.fault || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("fault %q, error %v; want %q with %q", faultOf(err, ""), err, tt.fault, tt.err)
			}
			if len(body) > 2*limit {
				t.Errorf("%d bytes were taken, the limit is %d", len(body), limit)
			}
			if wayOut(tt.fault) == "" {
				t.Errorf("fault %q has no way out", tt.fault)
			}
		})
	}
}

func TestFetchRefusedAndTLS(t *testing.T) {
	refused := fmt.Sprint("http://127.0.0.1:", ClosedPort(t))
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	secret := httptest.NewUnstartedServer(http.NotFoundHandler())
	secret.Config.ErrorLog = log.New(io.Discard, "", 0)
	secret.StartTLS()
	defer secret.Close()
	client := testClients(time.Minute, nil)
	defer client.close()
	for url, want := range map[string]string{
		refused:    FaultRefused,
		secret.URL: FaultTLS, // Nobody vouches for its certificate.
		"https" + strings.TrimPrefix(plain.URL, "http"): FaultTLS,
	} {
		_, err := newFetcher(client, 1000)(t.Context(), place{url: url}, &buffer{great: newGreat()})
		if strings.Count(err.Error(), url) != 1 {
			t.Errorf("error %q holds the address more or less than once", err)
		}
		if got := faultOf(err, ""); got != want {
			t.Errorf("%s: fault %q (%v), want %q", url, got, err, want)
		}
	}
}

func TestFetchTellsHTML(t *testing.T) {
	for kind, want := range map[string]bool{"text/html; charset=utf-8": true, "text/plain; version=0.0.4": false} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			fmt.Fprint(w, "Not here.\n")
		}))
		client := testClients(time.Second, nil)
		b := buffer{great: newGreat(), html: !want}
		if _, err := newFetcher(client, 1000)(t.Context(), place{url: server.URL}, &b); err != nil || b.html != want {
			t.Errorf("%s: HTML %t, error %v", kind, b.html, err)
		}
		client.close()
		server.Close()
	}
}

func TestFetchAsks(t *testing.T) {
	var got http.Header
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r.Header.Clone()
		fmt.Fprint(w, "a 1\n")
	}))
	defer server.Close()
	client := testClients(time.Second, nil)
	defer client.close()
	own := make([]byte, 0, 1<<10)
	body, err := newFetcher(client, 1000)(t.Context(), place{url: server.URL}, &buffer{great: newGreat(), own: own})
	if err != nil {
		t.Fatal(err)
	}
	if &body[0] != &own[:1][0] {
		t.Error("the buffer was not used again")
	}
	if a := got.Get("Accept"); !strings.HasPrefix(a, "text/plain;version=0.0.4") {
		t.Errorf("Accept %q", a)
	}
	if a := got.Get("Accept-Encoding"); a != "identity" {
		t.Errorf("Accept-Encoding %q", a)
	}
}

// Every reason has a way out, no two have the same, and people can read of it.
func TestWaysOut(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "docs", "servers.md"))
	if err != nil {
		t.Fatal(err)
	}
	ways := make(map[string]string)
	for _, kind := range []string{
		FaultUnread, FaultRefused, FaultReset, FaultTimeout, FaultUnreachable, FaultTLS, FaultAuth, FaultNotFound, FaultRedirect, FaultTooBig,
		FaultStatus, FaultMalformed, FaultNoEngine, FaultConfig, FaultCompressed, FaultAmbiguous, FaultDuplicate, FaultNoPage, FaultOptedOut,
	} {
		way := wayOut(kind)
		if way == "" || ways[way] != "" {
			t.Errorf("the way out of %q is %q, as of %q", kind, way, ways[way])
		}
		ways[way] = kind
		if !bytes.Contains(page, []byte("\n| `"+kind+"` | ")) {
			t.Errorf("docs/servers.md has no row for %q", kind)
		}
	}
}
