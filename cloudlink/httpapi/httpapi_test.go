package httpapi_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/cloudlink/httpapi"
)

// read gives a body to ReadBody, as a client that says that it is JSON.
func read(t *testing.T, body io.Reader, kind string) ([]byte, *http.Request, *httpapi.Problem) {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/", body)
	r.Header.Set("Content-Type", kind)
	w := httptest.NewRecorder()
	b, p := httpapi.ReadBody(http.NewResponseController(w), w, r, time.Second)
	return b, r, p
}

func TestReadBody(t *testing.T) {
	b, r, p := read(t, strings.NewReader(`{"a":1}`), "application/json; charset=utf-8")
	require.Nil(t, p)
	require.Equal(t, `{"a":1}`, string(b))
	again, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	require.Equal(t, b, again, "what follows reads it from memory")

	b, r, p = read(t, nil, "")
	require.Nil(t, p)
	require.Empty(t, b)
	require.Equal(t, http.NoBody, r.Body)

	long := strings.Repeat(" ", httpapi.MaxBody+1)
	for name, test := range map[string]struct {
		body   io.Reader
		kind   string
		status int
		code   string
	}{
		"longer than it may be":      {strings.NewReader(long), "application/json", 413, httpapi.CodeTooLarge},
		"of unknown length, as long": {io.MultiReader(strings.NewReader(long)), "application/json", 413, httpapi.CodeTooLarge},
		"under another name":         {strings.NewReader("{}"), "text/plain", 415, httpapi.CodeContentType},
		"without a name":             {strings.NewReader("{}"), "", 415, httpapi.CodeContentType},
		"not UTF-8":                  {strings.NewReader("\"\xff\""), "application/json", 400, httpapi.CodeMalformed},
		"cut":                        {iotest.ErrReader(fmt.Errorf("read: %w", io.ErrUnexpectedEOF)), "application/json", 400, httpapi.CodeMalformed},
		"late":                       {iotest.ErrReader(fmt.Errorf("read: %w", os.ErrDeadlineExceeded)), "application/json", 408, httpapi.CodeTimeout},
	} {
		_, _, p := read(t, test.body, test.kind)
		require.NotNil(t, p, name)
		require.Equal(t, test.status, p.Status, name)
		require.Equal(t, test.code, p.Code, name)
		require.Less(t, len(p.Detail), 300, "what was sent is not sent back")
	}
}

func TestOfHuma(t *testing.T) {
	m := &huma.ErrorModel{Status: 422, Detail: "validation failed"}
	for i := range 60 {
		m.Errors = append(m.Errors, &huma.ErrorDetail{Location: fmt.Sprintf("body.lines[%d]", i), Message: strings.Repeat("x", 400), Value: "secret"})
	}
	p := httpapi.OfHuma(m, "look there")
	require.Equal(t, httpapi.CodeInvalid, p.Code)
	require.Equal(t, "look there", p.Hint)
	require.Equal(t, "body.lines[0]", p.Field)
	require.Len(t, p.Errors, 50)
	raw, err := json.Marshal(p)
	require.NoError(t, err)
	require.NotContains(t, string(raw), "secret")
	for status, code := range map[int]string{400: httpapi.CodeMalformed, 413: httpapi.CodeTooLarge, 415: httpapi.CodeContentType} {
		p := httpapi.OfHuma(&huma.ErrorModel{Status: status}, "")
		require.Equal(t, code, p.Code)
	}
}

func TestDigestKeepsPartsApart(t *testing.T) {
	require.NotEqual(t, httpapi.Digest([]byte("ab"), []byte("c")), httpapi.Digest([]byte("a"), []byte("bc")))
	require.NotEqual(t, httpapi.Digest([]byte("a")), httpapi.Digest([]byte("a"), nil))
	require.Equal(t, httpapi.Digest([]byte("a"), []byte("b")), httpapi.Digest([]byte("a"), []byte("b")))
}

func TestClip(t *testing.T) {
	require.Equal(t, "short", httpapi.Clip("short", 5))
	require.Equal(t, "grü…", httpapi.Clip("grüße", 4))
	require.Equal(t, "gr…", httpapi.Clip("grüße", 3), "no half letter")
}
