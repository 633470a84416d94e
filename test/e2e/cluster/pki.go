package cluster

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// authority signs the certificates of one cluster; both live as long as the tests.
type authority struct {
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// newAuthority writes NAME.crt into a folder. Kubernetes takes the first common name of a client for its user.
func newAuthority(t testing.TB, dir, name string) *authority {
	t.Helper()
	a := &authority{dir: dir, key: newKey(t)}
	a.cert = a.sign(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, &a.key.PublicKey)
	a.write(t, name+".crt", "CERTIFICATE", a.cert.Raw)
	return a
}

// issue writes NAME.crt and NAME.key of a client (without hosts) or a server.
func (a *authority) issue(t testing.TB, name string, subject pkix.Name, hosts ...string) {
	t.Helper()
	template := &x509.Certificate{
		Subject: subject, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	for _, host := range hosts {
		template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	key := newKey(t)
	a.write(t, name+".crt", "CERTIFICATE", a.sign(t, template, &key.PublicKey).Raw)
	a.writeKey(t, name, key)
}

// pair writes NAME.key and NAME.pub, to sign and to check tokens with.
func (a *authority) pair(t testing.TB, name string) {
	t.Helper()
	key := newKey(t)
	a.writeKey(t, name, key)
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	a.write(t, name+".pub", "PUBLIC KEY", public)
}

func (a *authority) sign(t testing.TB, template *x509.Certificate, public *ecdsa.PublicKey) *x509.Certificate {
	t.Helper()
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber = serial
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour)
	parent := a.cert
	if parent == nil {
		parent = template
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, parent, public, a.key)
	if err != nil {
		t.Fatalf("sign the certificate of %s: %v", template.Subject, err)
	}
	cert, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func (a *authority) writeKey(t testing.TB, name string, key *ecdsa.PrivateKey) {
	t.Helper()
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	a.write(t, name+".key", "PRIVATE KEY", raw)
}

func (a *authority) write(t testing.TB, name, kind string, raw []byte) {
	t.Helper()
	writeFile(t, filepath.Join(a.dir, name), string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: raw})))
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// kubeconfig writes NAME.kubeconfig for a user of the API server who shows NAME.crt, and returns its path.
func (a *authority) kubeconfig(t testing.TB, name string, subject pkix.Name) string {
	t.Helper()
	a.issue(t, name, subject)
	path := filepath.Join(a.dir, name+".kubeconfig")
	writeFile(t, path, fmt.Sprintf(`apiVersion: v1
kind: Config
clusters: [{name: e2e, cluster: {server: "https://%[1]s", certificate-authority: %[2]s/ca.crt}}]
users: [{name: me, user: {client-certificate: %[2]s/%[3]s.crt, client-key: %[2]s/%[3]s.key}}]
contexts: [{name: e2e, context: {cluster: e2e, user: me}}]
current-context: e2e
`, apiServer, a.dir, name))
	return path
}

func writeFile(t testing.TB, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
