package pairing

import (
	"bytes"
	"encoding/hex"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "rewrite the golden files; a changed one breaks the protocol")

// golden compares with a file of hexadecimal text, 32 bytes a line.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", "v1", name)
	if *update {
		var b strings.Builder
		for line := range bytesChunk(got, 32) {
			b.WriteString(hex.EncodeToString(line) + "\n")
		}
		require.NoError(t, os.WriteFile(path, []byte(b.String()), 0o644))
	}
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	want, err := hex.DecodeString(strings.Join(strings.Fields(string(text)), ""))
	require.NoError(t, err)
	require.Equal(t, want, got, "the bytes of %s changed", name)
}

func bytesChunk(b []byte, n int) func(func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for len(b) > n {
			if !yield(b[:n]) {
				return
			}
			b = b[n:]
		}
		yield(b)
	}
}

func TestMessagesArePinned(t *testing.T) {
	request := testRequest(testKey(1))
	b, err := encodeRequest(request)
	require.NoError(t, err)
	golden(t, "request.hex", b)
	back, err := decodeRequest(b)
	require.NoError(t, err)
	require.Equal(t, request, back)

	for name, answer := range map[string]Answer{
		"answer.hex":   testAnswer(),
		"declined.hex": {Code: "name-taken", Text: "A till of this name exists already."},
	} {
		b, err := encodeAnswer(answer)
		require.NoError(t, err)
		golden(t, name, b)
		back, err := decodeAnswer(b)
		require.NoError(t, err)
		require.Equal(t, answer, back)
	}
}

func TestUnknownFieldsAreSteppedOver(t *testing.T) {
	b, err := encodeRequest(testRequest(testKey(1)))
	require.NoError(t, err)
	b[1]++ // one field more
	for _, value := range []string{"c0", "c3", "07", "cf0000000000000001",
		"a3616263", "c403010203", "93010293a161c0c2", "82a161019101c0"} {
		v, err := hex.DecodeString("a27a7a" + value)
		require.NoError(t, err)
		got, err := decodeRequest(append(bytes.Clone(b), v...))
		require.NoError(t, err, value)
		require.Equal(t, "Kasse 2", got.Name)
	}
	for _, value := range []string{"", "c1", "d40101", "9191919191", "ddffffffff", "dfffffffff", "c6ffffffff", "dbffffffff",
		strings.Repeat("91", 1900), "0707"} {
		v, err := hex.DecodeString("a27a7a" + value)
		require.NoError(t, err)
		_, err = decodeRequest(append(bytes.Clone(b), v...))
		require.ErrorIs(t, err, ErrMalformed, value)
	}
}

func TestBadRequestsAreRefused(t *testing.T) {
	for name, spoil := range map[string]func(*Request){
		"no key":            func(r *Request) { r.DeviceKey = nil },
		"no replica":        func(r *Request) { r.Replica = [16]byte{} },
		"no name":           func(r *Request) { r.Name = "" },
		"long name":         func(r *Request) { r.Name = strings.Repeat("ä", MaxName+1) },
		"not UTF-8":         func(r *Request) { r.Name = "Kasse \xff" },
		"control character": func(r *Request) { r.Name = "Kasse\x1b[2J" },
		"no version":        func(r *Request) { r.Version = "" },
		"long mode":         func(r *Request) { r.Mode = strings.Repeat("m", MaxMode+1) },
		"before 1970":       func(r *Request) { r.WallClock = time.Unix(-1, 0) },
		"far future":        func(r *Request) { r.WallClock = time.UnixMilli(maxMillis + 1) },
	} {
		request := testRequest(testKey(1))
		spoil(&request)
		_, err := encodeRequest(request)
		require.ErrorIs(t, err, ErrMalformed, name)
	}
	longest := replacing()
	longest.Name, longest.Version = strings.Repeat("😀", MaxName), strings.Repeat("😀", MaxVersion)
	longest.Mode = strings.Repeat("😀", MaxMode)
	b, err := encodeRequest(longest)
	require.NoError(t, err)
	got, err := decodeRequest(b)
	require.NoError(t, err)
	require.Equal(t, longest, got)
}

func TestBadAnswersAreRefused(t *testing.T) {
	for name, spoil := range map[string]func(*Answer){
		"no shop":         func(a *Answer) { a.Shop = [16]byte{} },
		"no key":          func(a *Answer) { a.ShopKey = [32]byte{} },
		"no port":         func(a *Answer) { a.LinkPort = 0 },
		"no name":         func(a *Answer) { a.ShopName = "" },
		"empty admission": func(a *Answer) { a.Admission = [][]byte{{}} },
		"many pieces":     func(a *Answer) { a.Admission = make([][]byte, MaxAdmission+1) },
		"many peers":      func(a *Answer) { a.Peers = make([]string, MaxPeers+1) },
		"long peer":       func(a *Answer) { a.Peers = []string{strings.Repeat("p", MaxPeer+1)} },
		"code":            func(a *Answer) { a.Code = "No Code" },
		"silent refusal":  func(a *Answer) { *a = Answer{} },
		"many keys":       func(a *Answer) { a.GossipKeys = make([]GossipKey, MaxKeys+1) },
		"zero key":        func(a *Answer) { a.GossipKeys = make([]GossipKey, 1) },
		"same key twice":  func(a *Answer) { a.GossipKeys = []GossipKey{{Key: [32]byte{1}}, {Key: [32]byte{1}, Revocations: 2}} },
	} {
		answer := testAnswer()
		spoil(&answer)
		_, err := encodeAnswer(answer)
		require.ErrorIs(t, err, ErrMalformed, name)
	}
	answer := testAnswer()
	answer.Admission = [][]byte{make([]byte, 65_000), make([]byte, 600)}
	_, err := encodeAnswer(answer)
	require.ErrorIs(t, err, ErrTooLarge)
}

// Every message cut short, with a byte more, or with any one byte changed either decodes to something valid or is refused
// as malformed; a doubled or missing field is refused.
func TestDamagedMessagesNeverPass(t *testing.T) {
	request, err := encodeRequest(replacing())
	require.NoError(t, err)
	answer, err := encodeAnswer(rotated())
	require.NoError(t, err)
	decodeAny := map[string]func([]byte) error{
		string(request): func(b []byte) error { _, err := decodeRequest(b); return err },
		string(answer):  func(b []byte) error { _, err := decodeAnswer(b); return err },
	}
	for whole, decode := range decodeAny {
		for i := range len(whole) {
			require.ErrorIs(t, decode([]byte(whole[:i])), ErrMalformed, "cut at %d", i)
			for _, b := range []byte{0x00, 0x90, 0xc0, 0xc1, 0xc6, 0xdb, 0xdd, 0xdf, 0xff} {
				damaged := []byte(whole)
				damaged[i] = b
				if err := decode(damaged); err != nil {
					require.ErrorIs(t, err, ErrMalformed, "byte %d as %x", i, b)
				}
			}
		}
		require.ErrorIs(t, decode([]byte(whole+"\x00")), ErrMalformed)
		require.ErrorIs(t, decode([]byte{whole[0], 0x80}), ErrMalformed)
		require.ErrorIs(t, decode([]byte{whole[0], 0x82, 0xa1, 'q', 1, 0xa1, 'q', 1}), ErrMalformed)
		require.ErrorIs(t, decode([]byte{whole[0], 0xc0}), ErrMalformed)
	}
}

func FuzzDecodeRequest(f *testing.F) {
	for _, request := range []Request{testRequest(testKey(1)), replacing()} {
		b, err := encodeRequest(request)
		require.NoError(f, err)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		checkDecoded(t, b, decodeRequest, encodeRequest)
	})
}

func FuzzDecodeAnswer(f *testing.F) {
	for _, answer := range []Answer{testAnswer(), rotated(), {Code: "no", Text: "No."}} {
		b, err := encodeAnswer(answer)
		require.NoError(f, err)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) <= maxAnswer {
			checkDecoded(t, b, decodeAnswer, encodeAnswer)
		}
	})
}

// checkDecoded holds for any bytes: refused as malformed, or a message that can be sent on and reads the same again.
func checkDecoded[M any](t *testing.T, b []byte, decode func([]byte) (M, error), encode func(M) ([]byte, error)) {
	m, err := decode(b)
	if err != nil {
		if !errors.Is(err, ErrMalformed) {
			t.Fatalf("error without kind: %v", err)
		}
		return
	}
	again, err := encode(m)
	if err != nil {
		if errors.Is(err, ErrTooLarge) { // near the limit our own spelling may be longer
			return
		}
		t.Fatalf("accepted, but cannot be encoded: %v", err)
	}
	back, err := decode(again)
	if err != nil || !reflect.DeepEqual(m, back) {
		t.Fatalf("reads differently again: %v\n%+v\n%+v", err, m, back)
	}
}

func FuzzPreface(f *testing.F) {
	f.Add(append(head{version: 1, what: methodToken, length: helloBody}.encode(), make([]byte, helloBody)...))
	f.Add([]byte{2, 9, 0, 0})
	f.Add([]byte{1, 1, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		h, body, err := readHead(bytes.NewReader(b))
		if err != nil {
			return
		}
		if len(body) > maxHeadBody || len(body) != int(h.length) {
			t.Fatalf("body of %d bytes, head says %d", len(body), h.length)
		}
		hello, err := decodeHello(body)
		if err == nil && !bytes.Equal(hello.encode(), body) {
			t.Fatalf("%x reads as %+v", body, hello)
		}
	})
}
