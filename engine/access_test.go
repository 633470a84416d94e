package engine_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"maps"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"gpusignal/engine"
	"gpusignal/node"
)

// guarded is a server over TLS that shows its page to who has the token, and keeps what it was shown.
type guarded struct {
	*httptest.Server
	mu    sync.Mutex
	token string
	shown map[string]int
}

// guard serves with a certificate made out to name, an address or a DNS name, and returns it as PEM as well.
func guard(t *testing.T, name, token string) (*guarded, []byte) {
	t.Helper()
	certificate, authority := issue(t, name)
	g := &guarded{token: token, shown: make(map[string]int)}
	g.Server = httptest.NewUnstartedServer(g)
	g.Config.ErrorLog = silent()
	g.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	g.StartTLS()
	t.Cleanup(g.Close)
	return g, authority
}

func (g *guarded) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	got := r.Header.Get("Authorization")
	g.shown[got]++
	if g.token != "" && got != "Bearer "+g.token {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	fmt.Fprint(w, vllmPage(1, 2, 3, 4))
}

func (g *guarded) saw() map[string]int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return maps.Clone(g.shown)
}

// issue a certificate that vouches for itself.
func issue(t *testing.T, name string) (tls.Certificate, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if ip := net.ParseIP(name); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{name}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// file writes a file that stands for a mounted secret.
func file(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	write(t, path, content)
	return path
}

func write(t *testing.T, path, content string) {
	t.Helper()
	next := path + ".next"
	if err := os.WriteFile(next, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, path); err != nil {
		t.Fatal(err)
	}
}

func accessOf(access map[string]engine.Access) func(string) (engine.Access, bool) {
	return func(namespace string) (engine.Access, bool) {
		a, ok := access[namespace]
		return a, ok
	}
}

// httpsPod announces a page over https.
func httpsPod(t *testing.T, namespace, address string) node.Pod {
	pod := localPod(namespace+"-0", "gpusignal/port", strconv.Itoa(portOf(t, address)), "gpusignal/scheme", "https")
	pod.ID.Namespace = namespace
	return pod
}

// A token goes to pages of its namespace and to nobody else, whatever another namespace asks for or says in annotations.
func TestTokenStaysInItsNamespace(t *testing.T) {
	const secret = "s3cret.Token"
	chat, authority := guard(t, "127.0.0.1", secret)
	spy, _ := guard(t, "127.0.0.1", "other")
	other := httpsPod(t, "spy", spy.URL)
	other.Annotations["gpusignal/token"], other.Annotations["gpusignal/namespace"] = "chat", "chat"
	plain, _ := guard(t, "127.0.0.1", "other")
	config := engine.Config{Access: accessOf(map[string]engine.Access{
		"chat": {TokenFile: file(t, secret+"\n"), CAFile: file(t, string(authority))},
	})}
	static, err := engine.NewEndpoint(plain.URL, "", "", "")
	if err != nil {
		t.Fatal(err)
	}
	config.Static = func() []engine.Endpoint { return []engine.Endpoint{static} }
	e := start(t, config, httpsPod(t, "chat", chat.URL), other)
	servers := until(t, e, func(s []node.Server) bool { return len(s) == 3 && s[1].Pages > 3 && s[2].Failures > 3 })
	if s := servers[1]; s.Pod.Namespace != "chat" || s.Fault != "" {
		t.Errorf("the page of the namespace: %+v", s)
	}
	if s := servers[2]; s.Fault != engine.FaultAuth || strings.Contains(fmt.Sprint(servers), secret) {
		t.Errorf("the page of another namespace: %+v", s)
	}
	if saw := spy.saw(); len(saw) != 1 || saw[""] == 0 {
		t.Errorf("another namespace was shown %v", saw)
	}
	if saw := plain.saw(); len(saw) > 0 { // Nobody vouches for its certificate: it is not even asked.
		t.Errorf("an endpoint without a namespace was shown %v", saw)
	}
}

// A token is shown to nobody over http, to nobody whose certificate is not vouched for, and not where a redirect leads.
func TestTokenIsWithheld(t *testing.T) {
	const secret = "s3cret"
	_, authority := issue(t, "127.0.0.1")
	stranger, _ := guard(t, "127.0.0.1", secret)
	named, namedAuthority := guard(t, "chat.example", secret)
	shown := make(chan string, 1000)
	open := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case shown <- r.Header.Get("Authorization"):
		default:
		}
		w.WriteHeader(http.StatusUnauthorized)
	})
	http1 := httptest.NewServer(open) // Closed below, before what it was shown is looked at.
	sender, senderAuthority := guard(t, "127.0.0.1", "")
	sender.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, http1.URL, http.StatusFound) })
	plain := localPod("plain", "gpusignal/port", strconv.Itoa(portOf(t, http1.URL)))
	plain.ID.Namespace = "chat"
	for name, tt := range map[string]struct {
		pod       node.Pod
		authority []byte
		server    string
		fault     string
		says      string
	}{
		"over http":                  {plain, authority, "", engine.FaultAuth, "the token of its namespace goes over https only"},
		"of another authority":       {httpsPod(t, "chat", stranger.URL), authority, "", engine.FaultTLS, "ca_file"},
		"of the system's":            {httpsPod(t, "chat", stranger.URL), nil, "", engine.FaultTLS, "ca_file"},
		"made out to another":        {httpsPod(t, "chat", named.URL), namedAuthority, "", engine.FaultTLS, "server_name"},
		"made out to the given name": {httpsPod(t, "chat", named.URL), namedAuthority, "chat.example", "", ""},
		"sends us on":                {httpsPod(t, "chat", sender.URL), senderAuthority, "", engine.FaultRedirect, "not followed"},
	} {
		t.Run(name, func(t *testing.T) {
			access := engine.Access{TokenFile: file(t, secret), ServerName: tt.server}
			if tt.authority != nil {
				access.CAFile = file(t, string(tt.authority))
			}
			e := start(t, engine.Config{Access: accessOf(map[string]engine.Access{"chat": access})}, tt.pod)
			got := until(t, e, func(s []node.Server) bool {
				return len(s) == 1 && s[0].Fault == tt.fault && s[0].Pages+s[0].Failures > 3
			})[0]
			if !strings.Contains(got.Detail, tt.says) {
				t.Errorf("detail %q, want one that holds %q", got.Detail, tt.says)
			}
		})
	}
	if saw := stranger.saw(); len(saw) > 0 {
		t.Errorf("a stranger was asked with %v", saw)
	}
	http1.Close()
	close(shown)
	for got := range shown {
		if got != "" {
			t.Fatalf("%q went over http", got)
		}
	}
}

// Token and certificates are read again when their files change; what is wrong with a file is told without its content.
func TestSecretsChange(t *testing.T) {
	server, authority := guard(t, "127.0.0.1", "one")
	token, ca := file(t, "one"), file(t, string(authority))
	e := start(t, engine.Config{
		Access: accessOf(map[string]engine.Access{"chat": {TokenFile: token, CAFile: ca}}),
	}, httpsPod(t, "chat", server.URL))
	becomes := func(fault, says string) {
		t.Helper()
		got := until(t, e, func(s []node.Server) bool {
			return len(s) == 1 && s[0].Fault == fault && strings.Contains(s[0].Detail, says)
		})[0]
		if strings.Contains(got.Detail, "seCret") {
			t.Errorf("detail %q holds what is in the file", got.Detail)
		}
	}
	becomes("", "")
	server.mu.Lock()
	server.token = "two"
	server.mu.Unlock()
	becomes(engine.FaultAuth, "401")
	write(t, token, "two\n")
	becomes("", "")
	write(t, token, "\n")
	becomes(engine.FaultConfig, "is empty")
	write(t, token, "seCret\r\nX-Evil: 1")
	becomes(engine.FaultConfig, "more than one word")
	if err := os.Remove(token); err != nil {
		t.Fatal(err)
	}
	becomes(engine.FaultConfig, "no such file")
	write(t, token, strings.Repeat("a", 1<<20+1))
	becomes(engine.FaultConfig, "greater than 1 MiB")
	write(t, token, "two")
	becomes("", "")

	_, stranger := issue(t, "127.0.0.1")
	write(t, ca, string(stranger))
	becomes(engine.FaultTLS, "certificate")
	write(t, ca, "seCret, no PEM")
	becomes(engine.FaultConfig, "holds no certificate in PEM")
	write(t, ca, string(authority))
	becomes("", "")
}

// Without a token, a pod's own certificate is taken as it is, unless its namespace has authorities of its own.
func TestCertificatesWithoutAToken(t *testing.T) {
	server, authority := guard(t, "127.0.0.1", "")
	_, stranger := issue(t, "127.0.0.1")
	for name, tt := range map[string]struct {
		authority []byte
		fault     string
	}{"none": {nil, ""}, "its own": {authority, ""}, "another's": {stranger, engine.FaultTLS}} {
		t.Run(name, func(t *testing.T) {
			access := make(map[string]engine.Access)
			if tt.authority != nil {
				access["chat"] = engine.Access{CAFile: file(t, string(tt.authority))}
			}
			e := start(t, engine.Config{Access: accessOf(access)}, httpsPod(t, "chat", server.URL))
			until(t, e, func(s []node.Server) bool {
				return len(s) == 1 && s[0].Fault == tt.fault && s[0].Pages+s[0].Failures > 0
			})
		})
	}
}
