package engine

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"
)

// Access says how the pages of one namespace are read over https. The files are read again for each page, so that a secret
// may change under us.
type Access struct {
	// TokenFile holds a bearer token. It goes to pages of the namespace alone, and only to a server whose certificate is
	// vouched for.
	TokenFile string
	// CAFile holds, as PEM, who vouches for the certificates; empty for the system's authorities.
	CAFile string
	// ServerName is what the certificates are made out to; empty for the address that is read.
	ServerName string
}

// maxSecret bounds a file of a token or of certificates, in bytes.
const maxSecret = 1 << 20

// place is where a page is fetched.
type place struct {
	url, namespace string
	// own says that it is the address that the kubelet tells of a pod of this node.
	own bool
}

type dialer func(ctx context.Context, network, address string) (net.Conn, error)

// clients are the HTTP clients by which pages are read.
type clients struct {
	deadline time.Duration
	access   func(namespace string) (Access, bool)
	// plain is for pages without a token: open for a pod's own address, whose certificate it takes as it is.
	plain, open *http.Client

	mu      sync.Mutex
	dial    dialer
	vouched map[string]*vouched
}

// vouched is the client of one namespace.
type vouched struct {
	sum    [sha256.Size]byte // of what its certificates are checked by
	client *http.Client
}

func newClients(dial dialer, deadline time.Duration, access func(string) (Access, bool)) *clients {
	if access == nil {
		access = func(string) (Access, bool) { return Access{}, false }
	}
	return &clients{
		deadline: deadline, access: access, dial: dial, vouched: make(map[string]*vouched),
		plain: newClient(dial, deadline, nil),
		// Nothing secret goes there, and the kubelet told the address; its own probes over https ask for no more.
		open: newClient(dial, deadline, &tls.Config{InsecureSkipVerify: true}),
	}
}

// at returns the client for a place and the token to show there, empty for none.
func (c *clients) at(p place) (*http.Client, string, error) {
	if !strings.HasPrefix(p.url, "https:") {
		return c.plain, "", nil
	}
	access, ok := c.access(p.namespace)
	switch {
	case p.namespace != "" && ok:
	case p.own:
		return c.open, "", nil
	default:
		return c.plain, "", nil
	}
	client, err := c.vouchedFor(p.namespace, access)
	if err != nil || access.TokenFile == "" {
		return client, "", err
	}
	token, err := readToken(access.TokenFile)
	return client, token, err
}

// withheld says whether a token is configured that was not sent to the place because it is not https.
func (c *clients) withheld(p place) bool {
	access, ok := c.access(p.namespace)
	return ok && p.namespace != "" && access.TokenFile != "" && !strings.HasPrefix(p.url, "https:")
}

// vouchedFor returns the client of the namespace, a new one where what it checks certificates by has changed.
func (c *clients) vouchedFor(namespace string, access Access) (*http.Client, error) {
	var pem []byte
	if access.CAFile != "" {
		var err error
		if pem, err = readSecret(access.CAFile); err != nil {
			return nil, fmt.Errorf("read certificates: %w", err)
		}
	}
	sum := sha256.Sum256(append([]byte(access.ServerName+"\x00"+access.CAFile+"\x00"), pem...))
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.vouched[namespace]
	if before != nil && before.sum == sum {
		return before.client, nil
	}
	config := &tls.Config{ServerName: access.ServerName}
	if access.CAFile != "" {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("read certificates: file %q holds no certificate in PEM", access.CAFile)
		}
	}
	if before != nil {
		before.client.CloseIdleConnections()
	}
	next := &vouched{sum: sum, client: newClient(c.dial, c.deadline, config)}
	c.vouched[namespace] = next
	return next.client, nil
}

// close lets go of the connections that are kept.
func (c *clients) close() {
	c.plain.CloseIdleConnections()
	c.open.CloseIdleConnections()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, v := range c.vouched {
		v.client.CloseIdleConnections()
	}
}

// readToken returns the token in a file. No error holds any of it.
func readToken(path string) (string, error) {
	content, err := readSecret(path)
	if err != nil {
		return "", fmt.Errorf("read token: %w", err)
	}
	token := bytes.TrimSpace(content)
	if len(token) == 0 {
		return "", fmt.Errorf("read token: file %q is empty", path)
	}
	for _, b := range token {
		if b <= ' ' || b > '~' {
			return "", fmt.Errorf("read token: file %q holds more than one word of ASCII", path)
		}
	}
	return string(token), nil
}

// readSecret returns the content of a small file.
func readSecret(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, maxSecret+1))
	if err == nil && len(content) > maxSecret {
		err = errors.New("it is greater than 1 MiB")
	}
	if err != nil {
		return nil, fmt.Errorf("file %q: %w", path, err)
	}
	return content, nil
}
