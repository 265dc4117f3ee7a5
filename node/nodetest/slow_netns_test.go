//go:build netns

package nodetest_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/cloudlink"
	"github.com/tillmesh/tillmesh/cloudlink/database"
	"github.com/tillmesh/tillmesh/discovery/netlab"
	"github.com/tillmesh/tillmesh/node"
	"github.com/tillmesh/tillmesh/node/nodetest"
)

// TestASlowLossyLine: 300 ms there and back, 5 % of the packets lost, 128 kbit/s, and cut in the middle. The till sells meanwhile, shows how far it is,
// and goes on where it was: what arrived is not sent again.
func TestASlowLossyLine(t *testing.T) {
	needRoot(t)
	lab := netlab.New(t)
	near, far := lab.Host("shop"), lab.Host("internet")
	line := nodetest.NewSlowLine(t, near, far)
	shop := nodetest.NewOn(t, func() nodetest.Place { return nodetest.On(near) })
	till := shop.Found()
	tea := till.PutArticle("Ostfriesentee", 310, till.PutTax(1900))
	cloud := shop.NewCloud(database.Options{})
	base := "https://" + nodetest.SlowFar
	certificate := proxyFor(t, far, cloud.Serve(base))
	till.Stop()
	require.NoError(t, os.WriteFile(filepath.Join(till.Data, node.FileCloudRoots), certificate, 0o600))
	till.Start()
	cloud.Couple(till, base)
	sell := func(n int) {
		for range n {
			till.Sell(tea)
		}
	}
	sell(1)
	pending := func(most uint64) func() error {
		return func() error {
			s, err := till.API().Cloud(t.Context())
			if err == nil && (s.Pending > most || !s.Connected || most == 0 && s.State != string(cloudlink.UpToDate)) {
				err = fmt.Errorf("%s, %d pending (%s)", s.State, s.Pending, s.Text)
			}
			return err
		}
	}
	const some, patience = 150, 5 * time.Minute
	nodetest.Eventually(t, patience, "it is up to date", pending(0))

	// What so many receipts take on a good line.
	off := func() {
		line.Become(nodetest.Quality{Off: true})
		nodetest.Eventually(t, patience, "the till sees that nothing gets through", func() error {
			s, err := till.API().Cloud(t.Context())
			if err == nil && s.State != string(cloudlink.Stuck) {
				err = errors.New(s.State)
			}
			if err == nil && (s.Text == "" || s.Advice == "" || s.Since.IsZero()) {
				err = fmt.Errorf("it does not say why: %+v", s)
			}
			return err
		})
	}
	off()
	sell(some)
	before, _ := line.Carried()
	line.Become(nodetest.Quality{})
	till.Must(http.MethodPost, "/api/v1/cloud/sync", nil, nil)
	nodetest.Eventually(t, patience, "it is up to date", pending(0))
	after, _ := line.Carried()
	plain := after - before

	// The same on the slow one, cut in the middle.
	slow := nodetest.Quality{Delay: 150 * time.Millisecond, Loss: 0.05, Rate: 16_000}
	off()
	sell(some)
	before, _ = line.Carried()
	began := time.Now()
	line.Become(slow)
	till.Must(http.MethodPost, "/api/v1/cloud/sync", nil, nil)
	var seen []uint64 // how far it says it is
	nodetest.Eventually(t, patience, "a part of it arrives", func() error {
		s, err := till.API().Cloud(t.Context())
		if err != nil {
			return err
		}
		if s.Connected && s.Pending > 0 && (len(seen) == 0 || seen[len(seen)-1] != s.Pending) {
			seen = append(seen, s.Pending)
		}
		if len(seen) < 2 || s.Pending > seen[0]*3/4 {
			return fmt.Errorf("%s, %d pending of %v (%s)", s.State, s.Pending, seen, s.Text)
		}
		return nil
	})
	off()
	sell(5)
	line.Become(slow)
	till.Must(http.MethodPost, "/api/v1/cloud/sync", nil, nil)
	nodetest.Eventually(t, patience, "it is connected again", pending(1<<62))
	longest := time.Duration(0)
	for range 10 {
		at := time.Now()
		sell(1)
		longest = max(longest, time.Since(at))
	}
	person, account := cloud.Person(cloud.Servers[0])
	defer person.Close()
	nodetest.Eventually(t, patience, "all of it is archived", func() error {
		if n := len(cloud.Archived(account)); n < 1+2*some+15 {
			return fmt.Errorf("%d receipts are", n)
		}
		return nil
	})
	after, _ = line.Carried()
	sent := after - before
	t.Logf("%d receipts took %d bytes on a good line, and %d with 15 more on the slow one, cut in the middle, in %v; it said that %v were pending; the longest sale took %v",
		some, plain, sent, time.Since(began).Round(time.Second), seen, longest.Round(time.Millisecond))
	require.Less(t, sent, plain*17/10, "what arrived was sent again")
	require.Less(t, longest, time.Minute, "selling goes on")

	held := cloud.Archived(account)
	require.Len(t, held, 1+2*some+15)
	for number, times := range held {
		require.Equal(t, 1, times, number)
	}
}

// proxyFor has a host answer with HTTPS for a server, and returns the certificate of the authority to trust.
func proxyFor(t *testing.T, at *netlab.Host, server *nodetest.Server) []byte {
	t.Helper()
	target, err := url.Parse(server.URL())
	require.NoError(t, err)
	public, key, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "cloud"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, IPAddresses: []net.IP{net.ParseIP(nodetest.SlowFar)}}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, public, key)
	require.NoError(t, err)
	l, err := nodetest.Listen(at, 443)
	require.NoError(t, err)
	quiet := log.New(discard{}, "", 0) // connections that end are the point
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.ErrorLog = quiet
	web := &http.Server{Handler: proxy, ReadHeaderTimeout: time.Minute, ErrorLog: quiet}
	var work sync.WaitGroup
	work.Go(func() {
		certificate := tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key}
		_ = web.Serve(tls.NewListener(l, &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{certificate}})) // closed
	})
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if web.Shutdown(ctx) != nil {
			require.NoError(t, web.Close())
		}
		work.Wait()
	})
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw})
}

type discard struct{}

// Write is a method of io.Writer.
func (discard) Write(b []byte) (int, error) { return len(b), nil }
