package coupling_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/cloudlink/socket"
	"github.com/tillmesh/tillmesh/node"
)

// between stands between tills and a cloud and speaks HTTPS: a proxy, a filter, a sign-in page, as a test wants.
type between struct {
	*httptest.Server
	proxy *httputil.ReverseProxy

	mu          sync.Mutex
	answer      http.HandlerFunc // of the uplink; nil: it passes everything on
	certificate tls.Certificate
	conns       []net.Conn
}

// putBetween makes one with a certificate of an authority that the till trusts.
func putBetween(t *testing.T, c *cloud, k *till) *between {
	t.Helper()
	target, err := url.Parse(c.url())
	require.NoError(t, err)
	b := &between{proxy: httputil.NewSingleHostReverseProxy(target)}
	authority := newAuthority(t)
	b.certificate = authority.issue(t)
	require.NoError(t, os.WriteFile(filepath.Join(k.data, node.FileCloudRoots), authority.pem, 0o600))
	b.Server = httptest.NewUnstartedServer(b)
	b.Config.ErrorLog = log.New(io.Discard, "", 0) // handshakes that fail are the point
	b.TLS = &tls.Config{MinVersion: tls.VersionTLS12, GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		b.mu.Lock()
		defer b.mu.Unlock()
		return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{b.certificate}}, nil
	}}
	b.Listener = noting{b.Listener, b}
	b.StartTLS()
	t.Cleanup(func() {
		b.hangUp()
		b.Close()
	})
	return b
}

// coupledThrough is a shop that is coupled with the cloud by way of one, and what it sold has arrived.
func coupledThrough(t *testing.T, c *cloud) (one *till, b *between) {
	t.Helper()
	one = found(t, "Café Mitte")
	one.stop()
	b = putBetween(t, c, one)
	c.with(func(c *cloud) { c.names = []string{b.host()} })
	one.start()
	_, err := one.CreateCloudAccount(t.Context(), node.CloudLogin{URL: b.URL, Name: anna, Password: password})
	require.NoError(t, err)
	terms, err := one.PrepareCoupling(t.Context(), node.CloudLogin{URL: b.URL, Name: anna, Password: password})
	require.NoError(t, err)
	_, err = one.ConfirmCoupling(t.Context(), terms.ID)
	require.NoError(t, err)
	one.arrives(one.sell())
	return one, b
}

// noting notes the connections that it accepts: those of WebSockets are nobody's else.
type noting struct {
	net.Listener
	by *between
}

// Accept is a method of net.Listener.
func (n noting) Accept() (net.Conn, error) {
	conn, err := n.Listener.Accept()
	if err == nil {
		n.by.mu.Lock()
		defer n.by.mu.Unlock()
		n.by.conns = append(n.by.conns, conn)
	}
	return conn, err
}

// hangUp ends all connections.
func (b *between) hangUp() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.conns {
		_ = c.Close() // it may be closed
	}
	b.conns = nil
}

func (b *between) host() string { return b.Listener.Addr().String() }

// ServeHTTP is a method of http.Handler.
func (b *between) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	answer := b.answer
	b.mu.Unlock()
	if answer != nil && r.URL.Path == socket.Path {
		answer(w, r)
		return
	}
	b.proxy.ServeHTTP(w, r)
}

// become has it answer so from now on; what it carries ends.
func (b *between) become(answer http.HandlerFunc) {
	b.mu.Lock()
	b.answer = answer
	b.mu.Unlock()
	b.hangUp()
}

// show has it show another certificate.
func (b *between) show(c tls.Certificate) {
	b.mu.Lock()
	b.certificate = c
	b.mu.Unlock()
	b.hangUp()
}

// authority issues certificates.
type authority struct {
	key  ed25519.PrivateKey
	cert *x509.Certificate
	pem  []byte
}

func newAuthority(t *testing.T) authority {
	t.Helper()
	key, template := template(t, "authority")
	template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(raw)
	require.NoError(t, err)
	return authority{key, cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw})}
}

func (a authority) public() ed25519.PublicKey {
	public, _ := a.key.Public().(ed25519.PublicKey)
	return public
}

func (a authority) issue(t *testing.T) tls.Certificate {
	t.Helper()
	key, template := template(t, "cloud")
	template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	raw, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	require.NoError(t, err)
	return tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key}
}

func template(t *testing.T, name string) (ed25519.PrivateKey, *x509.Certificate) {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	require.NoError(t, err)
	return key, &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), KeyUsage: x509.KeyUsageDigitalSignature}
}
