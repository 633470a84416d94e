package engine

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"time"
)

// fetcher reads a page whole into memory of the buffer. The page holds until the buffer is released or used again.
type fetcher func(ctx context.Context, at place, b *buffer) ([]byte, error)

// accept asks for the classic text format: in OpenMetrics the names of counters differ.
const accept = "text/plain;version=0.0.4;q=1,*/*;q=0.1"

// maxHeader bounds the header of an answer, in bytes.
const maxHeader = 64 << 10

// newClient returns a client that follows no redirect, uses no proxy and asks for no compression: between neighbours on a
// node gzip costs up to ten times what it saves.
func newClient(dial dialer, deadline time.Duration, config *tls.Config) *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			DialContext:            dial,
			TLSClientConfig:        config,
			DisableCompression:     true,
			MaxIdleConnsPerHost:    1,
			IdleConnTimeout:        time.Minute,
			TLSHandshakeTimeout:    deadline,
			ResponseHeaderTimeout:  deadline,
			MaxResponseHeaderBytes: maxHeader,
			ReadBufferSize:         64 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// within returns a dialer that gives up after some time.
func within(most time.Duration, dial dialer) dialer {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, most)
		defer cancel()
		return dial(ctx, network, address)
	}
}

// newFetcher returns a fetcher over the clients that takes at most limit bytes.
func newFetcher(c *clients, limit int64) fetcher {
	return func(ctx context.Context, at place, b *buffer) ([]byte, error) {
		b.html = false
		client, token, err := c.at(at)
		if err != nil {
			return nil, &fault{FaultConfig, fmt.Errorf("read page %q: namespace %q: %w", at.url, at.namespace, err)}
		}
		request, err := newRequest(ctx, at.url, token)
		if err != nil {
			return nil, &fault{FaultConfig, fmt.Errorf("read page %q: %w", at.url, withoutURL(err))}
		}
		response, err := client.Do(request)
		if err != nil {
			return nil, &fault{networkFault(err), fmt.Errorf("read page %q: %w", at.url, withoutURL(err))}
		}
		defer response.Body.Close()
		if kind := statusFault(response.StatusCode); kind != "" {
			note := ""
			if kind == FaultAuth && c.withheld(at) {
				note = "; the token of its namespace goes over https only"
			}
			return nil, &fault{kind, fmt.Errorf("read page %q: server answers %s%s", at.url, response.Status, note)}
		}
		if coding := response.Header.Get("Content-Encoding"); coding != "" && coding != "identity" {
			return nil, &fault{FaultCompressed, fmt.Errorf("read page %q: server sends it as %.20q, though asked not to", at.url, coding)}
		}
		if response.ContentLength > limit {
			return nil, tooBig(at.url, limit)
		}
		kind, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type"))
		b.html = kind == "text/html"
		return readAll(ctx, response.Body, at.url, b, limit)
	}
}

// newRequest for a page. The token is empty for none.
func newRequest(ctx context.Context, address, token string) (*http.Request, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", accept)
	request.Header.Set("Accept-Encoding", "identity")
	request.Header.Set("User-Agent", "gpusignal")
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	return request, nil
}

// withoutURL returns what went wrong without the method and the address that net/http puts before it.
func withoutURL(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}

func tooBig(address string, limit int64) error {
	return &fault{FaultTooBig, fmt.Errorf("read page %q: it is greater than %d bytes", address, limit)}
}

// readAll of the body, at most limit bytes, into memory of the buffer.
func readAll(ctx context.Context, body io.Reader, address string, b *buffer, limit int64) ([]byte, error) {
	page := b.begin(limit)
	for {
		if len(page) == cap(page) {
			var err error
			if page, err = b.grow(ctx, page, limit); err != nil {
				return nil, &fault{networkFault(err), fmt.Errorf("read page %q: wait until no other great page is read: %w", address, err)}
			}
		}
		n, err := body.Read(page[len(page):cap(page)])
		page = page[:len(page)+n]
		if int64(len(page)) > limit {
			b.drop()
			return nil, tooBig(address, limit)
		}
		if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return page, nil
		}
		if err != nil {
			return nil, &fault{networkFault(err), fmt.Errorf("read page %q: %w", address, err)}
		}
	}
}

// statusFault of an answer, empty for a good one.
func statusFault(status int) string {
	switch {
	case status == http.StatusOK:
		return ""
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return FaultAuth
	case status == http.StatusNotFound:
		return FaultNotFound
	case status >= 300 && status < 400:
		return FaultRedirect
	}
	return FaultStatus
}
