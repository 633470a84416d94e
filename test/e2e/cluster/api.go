package cluster

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"time"
)

// API asks the API server for a path, as the cluster's administrator, and reads its answer. It costs less than kubectl: what is
// asked over and over is asked with it.
func (c *Cluster) API(path string, answer any) error {
	resp, err := c.client.Get("https://" + apiServer + path)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("get %s: %s", path, resp.Status)
	}
	if err := json.NewDecoder(resp.Body).Decode(answer); err != nil {
		return fmt.Errorf("read the answer to %s: %w", path, err)
	}
	return nil
}

// newClient returns a client that shows the administrator's certificate.
func (c *Cluster) newClient() *http.Client {
	c.t.Helper()
	cert, err := tls.LoadX509KeyPair(c.pki("admin.crt"), c.pki("admin.key"))
	if err != nil {
		c.t.Fatal(err)
	}
	authority, err := os.ReadFile(c.pki("ca.crt"))
	if err != nil {
		c.t.Fatal(err)
	}
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(authority)
	transport := &http.Transport{TLSClientConfig: &tls.Config{Certificates: []tls.Certificate{cert}, RootCAs: trusted}}
	c.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 10 * time.Second}
}
