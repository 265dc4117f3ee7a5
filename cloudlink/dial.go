package cloudlink

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/tillmesh/tillmesh/cloudlink/greeting"
	"github.com/tillmesh/tillmesh/cloudlink/socket"
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication/engine"
)

// DialerConfig is what a Dialer needs.
type DialerConfig struct {
	Shop    crdt.ShopID
	Key     ed25519.PrivateKey // the device key
	Program string             // version of this program, for people
	// Roots are certificates (PEM) that are trusted beside those of the system: of a cloud in the own house, or of a network that
	// inspects connections.
	Roots []byte
	// Proxy chooses the proxy of a request; nil: as the environment says (HTTPS_PROXY, NO_PROXY).
	Proxy func(*http.Request) (*url.URL, error)
	// DialContext opens connections; nil: a net.Dialer.
	DialContext func(ctx context.Context, network, addr string) (net.Conn, error)
	// Networked reports whether this machine has a network; nil: it looks at its addresses.
	Networked func() bool
	Limits    socket.Limits
	// Patience is how long a call may take until it is answered with a welcome; zero means 20 s.
	Patience time.Duration
}

// Dialer calls clouds. It keeps no connection but those that it returns, and may be used by many goroutines.
type Dialer struct {
	cfg    DialerConfig
	client *http.Client
}

// errProxy: the proxy refused to connect.
var errProxy = errors.New("the proxy refused")

const connectPatience = 8 * time.Second

// NewDialer makes a dialer; it fails if Roots holds no certificate.
func NewDialer(cfg DialerConfig) (*Dialer, error) {
	roots, err := Roots(cfg.Roots)
	if err != nil {
		return nil, err
	}
	if cfg.Proxy == nil {
		cfg.Proxy = http.ProxyFromEnvironment
	}
	if cfg.DialContext == nil {
		cfg.DialContext = (&net.Dialer{Timeout: connectPatience, KeepAlive: 15 * time.Second}).DialContext
	}
	if cfg.Networked == nil {
		cfg.Networked = networked
	}
	cfg.Patience = cmp.Or(cfg.Patience, 20*time.Second)
	transport := &http.Transport{
		Proxy: cfg.Proxy, DialContext: cfg.DialContext, DisableKeepAlives: true, DisableCompression: true,
		TLSHandshakeTimeout: connectPatience, ResponseHeaderTimeout: connectPatience, MaxResponseHeaderBytes: 16 << 10,
		// HTTP/2 carries no WebSocket here.
		OnProxyConnectResponse: func(_ context.Context, _ *url.URL, _ *http.Request, answer *http.Response) error {
			if answer.StatusCode != http.StatusOK {
				return fmt.Errorf("%w: %s", errProxy, answer.Status)
			}
			return nil
		},
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, NextProtos: []string{"http/1.1"}},
	}
	return &Dialer{cfg: cfg, client: &http.Client{
		Transport: transport,
		// A cloud never sends a till elsewhere; who does is something in between.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Roots are the system's roots and those in pem; nil stands for the system's alone. It fails if pem holds no certificate.
func Roots(pem []byte) (*x509.CertPool, error) {
	if len(pem) == 0 {
		return nil, nil
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, errors.New("the file of trusted certificates holds none: give it in PEM form, with BEGIN CERTIFICATE")
	}
	return pool, nil
}

// Connection is an uplink that the cloud welcomed.
type Connection struct {
	Conn    engine.Conn // as an engine serves it; who serves it closes it
	Welcome greeting.Welcome
	// Round is how long the till waited for the Welcome, whose time is the cloud's clock: a sample for the till's.
	Round time.Duration

	moving *moving // nil: whether the line moves is not known
}

// Dial calls a cloud and greets it. The error is a *[Failure]. The caller closes the connection, or lets an engine do so.
func (d *Dialer) Dial(ctx context.Context, to Coupling) (*Connection, error) {
	base, err := ParseBase(to.Base)
	if err != nil {
		return nil, &Failure{Cause: BadAddress, Err: err}
	}
	ctx, cancel := context.WithTimeout(ctx, d.cfg.Patience)
	defer cancel()
	header := http.Header{"User-Agent": {d.cfg.Program}, socket.ShopHeader: {d.cfg.Shop.String()}}
	stream, response, err := socket.Dial(ctx, uplinkURL(base), d.client, header, d.cfg.Limits)
	if err != nil {
		return nil, d.failure(response, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = stream.Close() })
	c, err := d.greet(stream, base, to)
	if !stop() {
		err = errors.Join(context.Cause(ctx), err)
	}
	if err != nil {
		return nil, GreetingFailure(errors.Join(err, stream.Close()))
	}
	stream.Keep()
	return c, nil
}

// greet says the till's part of the greeting.
func (d *Dialer) greet(stream *socket.Stream, base *url.URL, to Coupling) (*Connection, error) {
	challenge, err := stream.Receive(greeting.MaxMessage, greeting.Patience)
	if err != nil {
		return nil, err
	}
	self := greeting.Self{Shop: d.cfg.Shop, Key: d.cfg.Key, Cloud: to.Cloud, Audience: base.Host, Program: d.cfg.Program, Account: to.Account}
	if _, err := rand.Read(self.Nonce[:]); err != nil {
		return nil, fmt.Errorf("draw a nonce: %w", err)
	}
	answering, proof, err := greeting.Answer(challenge, self)
	if err != nil {
		return nil, err
	}
	asked := time.Now()
	if err := stream.Send(proof); err != nil {
		return nil, err
	}
	end, err := stream.Receive(greeting.MaxMessage, greeting.Patience)
	if err != nil {
		return nil, err
	}
	round := time.Since(asked)
	welcome, err := answering.End(end)
	if err != nil {
		return nil, err
	}
	// The stream bounds its writes itself, message by message, so the engine sets no deadline.
	moving := &moving{ReadWriteCloser: stream}
	conn := engine.Conn{ReadWriteCloser: moving, Peer: to.Cloud, Compress: stream.Pays, ReadSize: socket.ReadSize}
	return &Connection{Conn: conn, Welcome: welcome, Round: round, moving: moving}, nil
}

// Probe looks whether a cloud is there, without greeting it. The error is a *[Failure].
func (d *Dialer) Probe(ctx context.Context, to Coupling) error {
	base, err := ParseBase(to.Base)
	if err != nil {
		return &Failure{Cause: BadAddress, Err: err}
	}
	ctx, cancel := context.WithTimeout(ctx, d.cfg.Patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, uplinkURL(base), nil)
	if err != nil {
		return &Failure{Cause: BadAddress, Err: err}
	}
	request.Header.Set("User-Agent", d.cfg.Program)
	response, err := d.client.Do(request)
	if err != nil {
		return d.failure(nil, err)
	}
	_, err = io.CopyN(io.Discard, response.Body, 1<<10)
	if err = errors.Join(ignore(err, io.EOF), response.Body.Close()); err != nil {
		return d.failure(nil, err)
	}
	if socket.IsCloud(response) {
		return nil
	}
	return d.failure(response, fmt.Errorf("the answer was %s", response.Status))
}

func ignore(err, expected error) error {
	if errors.Is(err, expected) {
		return nil
	}
	return err
}
