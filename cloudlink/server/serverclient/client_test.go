package serverclient_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/tillmesh/tillmesh/cloudlink/server/serverclient"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func client(t *testing.T, url string) *serverclient.Client {
	t.Helper()
	c, err := serverclient.New(serverclient.Config{URL: url})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

func TestAddresses(t *testing.T) {
	for url, host := range map[string]string{"https://Cloud.Example": "cloud.example", "https://cloud.example.:8490/": "cloud.example",
		"http://localhost:8490": "localhost", serverclient.DefaultURL: "127.0.0.1", "http://[::1]:8490": "::1"} {
		require.Equal(t, host, client(t, url).Host(), url)
	}
	for _, bad := range []string{"", "cloud.example", "ftp://cloud.example", "https://", "https://user:x@cloud.example", "https://cloud.example/x",
		"https://cloud.example?x", "http://cloud.example", "http://192.0.2.1"} {
		_, err := serverclient.New(serverclient.Config{URL: bad})
		require.Error(t, err, bad)
	}
	_, err := serverclient.New(serverclient.Config{URL: serverclient.DefaultURL, Token: "a\nb"})
	require.Error(t, err)
}

func TestAnswersThatAreNone(t *testing.T) {
	answer := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { answer(w, r) }))
	defer srv.Close()
	c := client(t, srv.URL)
	status := func() error {
		_, err := c.Status(t.Context())
		return err
	}
	answer = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }
	require.Equal(t, serverclient.CodeNoCloud, serverclient.CodeOf(status()))
	require.NotEmpty(t, status().(*serverclient.Problem).Hint())
	answer = func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusFound)
	}
	require.Equal(t, serverclient.CodeNoCloud, serverclient.CodeOf(status()), "nothing is sent anywhere else")
	answer = func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") }
	require.ErrorContains(t, status(), "not what this program knows")
	answer = func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.Header().Set("Retry-After", "99999999")
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = io.WriteString(w, `{"code":"too-many-attempts","detail":"there were too many","hint":"wait"}`)
	}
	p, ok := status().(*serverclient.Problem)
	require.True(t, ok)
	require.Equal(t, "there were too many", p.Error())
	require.Equal(t, "wait", p.Hint())
	require.Equal(t, time.Hour, p.Wait)
	answer = func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, "x")
	}
	require.ErrorAs(t, status(), new(*serverclient.Unreachable))
	require.ErrorContains(t, c.Download(t.Context(), "x", io.Discard), "download the export")
}

func TestNobodyThere(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := l.Addr().String()
	require.NoError(t, l.Close())
	_, err = client(t, "http://"+address).Status(t.Context())
	u, ok := err.(*serverclient.Unreachable)
	require.True(t, ok, "%v", err)
	require.True(t, u.Refused())
	require.Equal(t, "no cloud answers on "+address, u.Error())
	require.NotEmpty(t, u.Hint())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = client(t, "http://"+address).Status(ctx)
	require.ErrorContains(t, err, "was ended before it answered")
}

func TestCertificatesAreChecked(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.NotFoundHandler())
	srv.Config.ErrorLog = nil
	srv.StartTLS()
	defer srv.Close()
	_, err := client(t, srv.URL).Status(t.Context())
	require.ErrorContains(t, err, "is not to be trusted")
	require.Contains(t, err.(*serverclient.Unreachable).Hint(), "clock")
}

func TestAClaimNeedsWholeIDs(t *testing.T) {
	c := client(t, "https://cloud.example")
	good := serverclient.Prepared{Nonce: strings.Repeat("00", 32), Cloud: strings.Repeat("a", 52), Account: strings.Repeat("a", 26)}
	asked := serverclient.Asked{Shop: strings.Repeat("a", 26), Till: strings.Repeat("a", 52), TillName: "Kasse 1"}
	_, err := c.Claim(asked, good)
	require.NoError(t, err)
	for _, change := range []func(*serverclient.Asked, *serverclient.Prepared){
		func(_ *serverclient.Asked, p *serverclient.Prepared) { p.Nonce = "00" },
		func(_ *serverclient.Asked, p *serverclient.Prepared) { p.Cloud = "x" },
		func(_ *serverclient.Asked, p *serverclient.Prepared) { p.Account = "x" },
		func(a *serverclient.Asked, _ *serverclient.Prepared) { a.Shop = "x" },
		func(a *serverclient.Asked, _ *serverclient.Prepared) { a.Till = "x" },
	} {
		a, p := asked, good
		change(&a, &p)
		_, err := c.Claim(a, p)
		require.Error(t, err)
	}
}
