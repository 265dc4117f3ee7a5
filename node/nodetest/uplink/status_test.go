package uplink_test

import (
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/cloudlink/server/serverclient"
)

// shows waits until the cloud says of itself how its database is, to programs and to people who are not signed in, and returns what it said.
func (c *cloud) shows(database string) serverclient.Status {
	t := c.t
	t.Helper()
	client, err := serverclient.New(serverclient.Config{URL: c.url()})
	require.NoError(t, err)
	defer client.Close()
	var s serverclient.Status
	soon(t, "the cloud says that its database is "+database, func() bool {
		s, err = client.Status(t.Context())
		return err == nil && s.Database == database
	})
	require.Equal(t, database == "ok", s.OK)
	code, page := c.page("")
	_, german := c.page("de")
	for _, no := range []string{accountName, "Café Mitte", "Kasse 1", "K1-0"} {
		require.NotContains(t, page+german, no, "it is about nobody")
	}
	require.Contains(t, german, "Die Kassen verkaufen weiter")
	if s.OK {
		require.Equal(t, http.StatusOK, code)
		require.Contains(t, page, "The cloud works")
		require.Empty(t, s.Problems)
		require.Empty(t, s.Do)
		return s
	}
	require.Equal(t, http.StatusServiceUnavailable, code)
	require.Contains(t, page, "The cloud has a problem")
	require.Contains(t, page, s.Problems[0])
	require.Contains(t, page, "It is so since "+since(t, s).UTC().Format("2006-01-02 15:04")+" UTC (")
	require.Contains(t, page, "What to do: "+s.Do)
	require.Contains(t, german, "Die Cloud hat ein Problem")
	return s
}

// showsAgain checks that the cloud said since when something was wrong, and that it is over.
func (c *cloud) showsAgain(was serverclient.Status, from time.Time) {
	c.t.Helper()
	require.WithinRange(c.t, since(c.t, was), from.Add(-time.Second), time.Now())
	require.True(c.t, since(c.t, c.shows("ok")).After(since(c.t, was)))
}

// since is since when the cloud says that its database is so.
func since(t *testing.T, s serverclient.Status) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, s.DatabaseSince)
	require.NoError(t, err)
	return at
}

// page returns the public page in a language.
func (c *cloud) page(language string) (code int, text string) {
	t := c.t
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.url()+"/status", nil)
	require.NoError(t, err)
	r.Header.Set("Accept-Language", language)
	w, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
	require.NoError(t, err)
	b, err := io.ReadAll(w.Body)
	require.NoError(t, err)
	require.NoError(t, w.Body.Close())
	return w.StatusCode, string(b)
}
