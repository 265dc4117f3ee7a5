package rksv_test

import (
	"crypto/ecdsa"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/node/journal/rksv"
)

var update = flag.Bool("update", false, "write the golden files of this package instead of comparing with them")

func vector(name string) string {
	return filepath.Join("..", "..", "..", "testdata", "rksv", "v1", name)
}

// golden compares got with a file of the first format, which never changes.
func golden(t *testing.T, name, got string) {
	t.Helper()
	if *update {
		require.NoError(t, os.MkdirAll(filepath.Dir(vector(name)), 0o755))
		require.NoError(t, os.WriteFile(vector(name), []byte(got), 0o644))
	}
	want, err := os.ReadFile(vector(name))
	require.NoError(t, err)
	require.Equal(t, string(want), got, name)
}

// TestOwnVectors pins a log with one receipt of each kind, its codes, its keys and the state it leaves; and reads them.
func TestOwnVectors(t *testing.T) {
	for name, change := range map[string]func(*rksv.Config){
		"open":   func(*rksv.Config) {},
		"closed": func(c *rksv.Config) { c.Suite, c.CounterBytes = rksv.SuiteClosed, 5; c.Unit = closed{c.Unit} },
	} {
		t.Run(name, func(t *testing.T) {
			x := newTill(t, change)
			x.keys.Units = map[string]*ecdsa.PublicKey{certificate: x.keys.Units[certificate]}
			if name == "closed" {
				x.keys.Units = map[string]*ecdsa.PublicKey{closed{}.Certificate(): x.keys.Units[certificate]}
			}
			var qr, ocr strings.Builder
			show := func(s rksv.Signed) {
				qr.WriteString(s.JWS.QR() + "\n")
				text, err := s.JWS.OCR()
				require.NoError(t, err)
				ocr.WriteString(text + "\n")
			}
			show(x.sign(rksv.Start))
			show(x.sign(rksv.Standard, 1234, 0, -5, 7, 100_000_00))
			show(x.sign(rksv.Cancellation, -1234, 0, 5, -7, -100_000_00))
			show(x.sign(rksv.Training, 99))
			show(x.sign(rksv.Standard, -250))
			x.unit.Fail(nil)
			show(x.sign(rksv.Standard, 1, 2, 3, 4, 5))
			show(x.sign(rksv.Month))
			x.unit.Return()
			show(x.sign(rksv.Collective))
			show(x.sign(rksv.Year))
			show(x.sign(rksv.Check))
			show(x.sign(rksv.Final))
			golden(t, name+"-dep.json", dep(t, x.log))
			golden(t, name+"-qr.txt", qr.String())
			golden(t, name+"-ocr.txt", ocr.String())
			golden(t, name+"-state.json", string(x.file.state))
			keys, err := x.keys.JSON()
			require.NoError(t, err)
			golden(t, name+"-keys.json", string(keys)+"\n")

			b, err := os.ReadFile(vector(name + "-keys.json"))
			require.NoError(t, err)
			read, err := rksv.ParseKeys(b)
			require.NoError(t, err)
			file, err := os.Open(vector(name + "-dep.json"))
			require.NoError(t, err)
			defer file.Close()
			v, err := rksv.Verify(rksv.NewReader(file), read, func(p rksv.Problem) { t.Error(p) })
			require.NoError(t, err)
			require.Equal(t, 11, v.Summary().Receipts)
		})
	}
}

type closed struct{ rksv.Unit }

func (closed) Certificate() string { return "U:ATU12345678-K1" }

func TestWriterAndReader(t *testing.T) {
	x := newTill(t)
	for _, kind := range []rksv.Kind{rksv.Start, rksv.Month, rksv.Check} {
		x.sign(kind)
	}
	var out strings.Builder
	w := rksv.NewWriter(&out)
	require.NoError(t, w.Group([]byte{1, 2}, [][]byte{{3}, {4}}))
	require.NoError(t, w.Add(x.log[0]))
	require.NoError(t, w.Add(x.log[1]))
	require.ErrorIs(t, w.Add("no receipt"), rksv.ErrFormat)
	require.NoError(t, w.Group(nil, nil))
	require.NoError(t, w.Group([]byte{5}, nil))
	require.NoError(t, w.Add(x.log[2]))
	require.NoError(t, w.Close())
	require.NoError(t, w.Close())
	require.Equal(t, []rksv.Entry{{Group: 0, JWS: x.log[0], Certificate: []byte{1, 2}}, {Group: 0, JWS: x.log[1], Certificate: []byte{1, 2}},
		{Group: 2, JWS: x.log[2], Certificate: []byte{5}}}, entries(t, out.String()))

	require.Empty(t, entries(t, dep(t, nil)))
	require.Equal(t, []rksv.Entry{{JWS: "a"}}, entries(t, `{"x":[{"y":[1,{}]}],"Belege-Gruppe":[{"z":null,"Belege-kompakt":["a"]}],"q":{}} `))

	failing := rksv.NewWriter(brokenWriter{})
	for range 100 {
		_ = failing.Add(x.log[0])
	}
	require.ErrorIs(t, failing.Close(), errDisk)
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errDisk }

func entries(t *testing.T, log string) (list []rksv.Entry) {
	t.Helper()
	r := rksv.NewReader(strings.NewReader(log))
	for {
		e, err := r.Next()
		if errors.Is(err, io.EOF) {
			return list
		}
		require.NoError(t, err)
		list = append(list, e)
	}
}

func TestLogsThatAreNone(t *testing.T) {
	good := `{"Belege-Gruppe":[{"Signaturzertifikat":"","Zertifizierungsstellen":[],"Belege-kompakt":["a","b"]}]}`
	require.Len(t, entries(t, good), 2)
	read := func(in io.Reader) error {
		r := rksv.NewReader(in)
		for {
			if _, err := r.Next(); err != nil {
				_, again := r.Next()
				require.Equal(t, err, again, "the first error sticks")
				return err
			}
		}
	}
	for i := range len(good) {
		require.ErrorIs(t, read(strings.NewReader(good[:i])), rksv.ErrFormat, "cut at %d", i)
	}
	for _, bad := range []string{"[]", "{}", "null", good + "x", good + good, `{"Belege-Gruppe":{}}`, `{"Belege-Gruppe":[7]}`, `{"Belege-Gruppe":[{"Belege-kompakt":[7]}]}`,
		`{"Belege-Gruppe":[{"Belege-kompakt":[[]]}]}`, `{"Belege-Gruppe":[{"Belege-kompakt":"a"}]}`, `{"Belege-Gruppe":[{"Signaturzertifikat":7}]}`,
		`{"Belege-Gruppe":[{"Signaturzertifikat":"?"}]}`, `{"Belege-Gruppe":[{"Belege-kompakt":["a"],"Signaturzertifikat":"AAAA"}]}`,
		`{"Belege-Gruppe":[],"Belege-Gruppe":[]}`, `{"x":` + strings.Repeat("[", 100_000)} {
		require.ErrorIs(t, read(strings.NewReader(bad)), rksv.ErrFormat, "%.80s", bad)
	}
	require.ErrorIs(t, read(io.MultiReader(strings.NewReader(good[:50]), iotest.ErrReader(errDisk))), errDisk)
	require.ErrorIs(t, read(io.MultiReader(strings.NewReader(good), iotest.ErrReader(errDisk))), errDisk)

	// Memory is bounded: one endless value is given up soon.
	endless := &endlessReader{}
	require.ErrorContains(t, read(io.MultiReader(strings.NewReader(`{"Belege-Gruppe":[{"Belege-kompakt":["`), endless)), "longer than")
	require.Less(t, endless.read, 1<<20)
}

type endlessReader struct{ read int }

func (e *endlessReader) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = 'x'
	}
	e.read += len(b)
	return len(b), nil
}

func TestKeyFiles(t *testing.T) {
	b, err := os.ReadFile(vector("open-keys.json"))
	require.NoError(t, err)
	good := string(b)
	keys, err := rksv.ParseKeys(b)
	require.NoError(t, err)
	require.Equal(t, aesKey(t), keys.AES)
	for _, change := range [][2]string{{"PUBLIC_KEY", "SMARTCARD"}, {"PUBLIC_KEY", "CERTIFICATE"}, {"MFkw", "MFkx"}, {"MFkw", "M"}, {`"id": "`, `"id": "x`},
		{`"base64AESKey": "`, `"base64AESKey": "AAAA`}, {"{", "["}} {
		bad := strings.Replace(good, change[0], change[1], 1)
		require.NotEqual(t, good, bad)
		_, err := rksv.ParseKeys([]byte(bad))
		require.ErrorIs(t, err, rksv.ErrFormat, change)
	}
	_, err = rksv.ParseKeys(make([]byte, 5<<20))
	require.ErrorIs(t, err, rksv.ErrFormat)
}

func TestCheckValueOfTheKey(t *testing.T) {
	key, err := rksv.ParseAESKey("WQRtiiya3hYh/Uz44Bv3x8ETl1nrH6nCdErn69g5/lU=")
	require.NoError(t, err)
	require.Equal(t, "WQRtiiya3hYh/Uz44Bv3x8ETl1nrH6nCdErn69g5/lU=", key.Base64())
	require.Equal(t, "omRR", key.CheckValue())
	require.NotContains(t, key.String(), "WQRt", "a key is not printed by mistake")
	for _, bad := range []string{"", "WQRt", "WQRtiiya3hYh/Uz44Bv3x8ETl1nrH6nCdErn69g5/lU", "WQRtiiya3hYh/Uz44Bv3x8ETl1nrH6nCdErn69g5/lV="} {
		_, err := rksv.ParseAESKey(bad)
		require.ErrorIs(t, err, rksv.ErrFormat)
	}
}
