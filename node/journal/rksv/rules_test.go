package rksv_test

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/node/journal/rksv"
)

// resign changes a receipt and signs it as somebody with the key would.
func resign(t *testing.T, text string, u *rksv.SoftwareUnit, change func(*rksv.Payload)) string {
	t.Helper()
	j, err := rksv.ParseJWS(text)
	require.NoError(t, err)
	p := j.Payload
	change(&p)
	input := "eyJhbGciOiJFUzI1NiJ9." + base64.RawURLEncoding.EncodeToString([]byte(p.String()))
	signature, err := u.Sign(t.Context(), []byte(input))
	require.NoError(t, err)
	return input + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// TestRules breaks one rule at a time; each case begins with a log that breaks none and changes its last receipt.
func TestRules(t *testing.T) {
	mine, other, stranger := unit(t, "unit", certificate), unit(t, "other", "3e9"), unit(t, "stranger", "bad")
	last := func(x *till, by *rksv.SoftwareUnit, change func(*rksv.Payload)) {
		i := len(x.log) - 1
		x.log[i] = resign(t, x.log[i], by, change)
	}
	tests := []struct {
		name string
		kind rksv.Kind
		edit func(x *till)
		want []string
	}{
		{"nothing", rksv.Standard, func(*till) {}, nil},
		{"no receipt at all", rksv.Standard, func(x *till) { x.log[3] = "hello" }, []string{"V1 "}},
		{"another algorithm", rksv.Standard, func(x *till) {
			x.log[3] = "eyJhbGciOiJub25lIn0" + x.log[3][strings.IndexByte(x.log[3], '.'):]
		}, []string{"V1 "}},
		{"a date that is none", rksv.Training, func(x *till) { last(x, mine, func(p *rksv.Payload) { p.Date = "2026-13-01T00:00:00" }) },
			[]string{"V1 K2-000004"}},
		{"a foreign signature", rksv.Standard, func(x *till) { last(x, stranger, func(*rksv.Payload) {}) }, []string{"V2 K2-000004"}},
		{"another chain", rksv.Standard, func(x *till) { last(x, mine, func(p *rksv.Payload) { p.Previous = "MTIzNDU2Nzg=" }) },
			[]string{"V3 K2-000004"}},
		{"one left out", rksv.Standard, func(x *till) { x.log = slices.Delete(x.log, 2, 3) }, []string{"V3 K2-000004", "V4 K2-000004"}},
		{"another amount", rksv.Standard, func(x *till) { last(x, mine, func(p *rksv.Payload) { p.Amounts[0] = "0,01" }) }, []string{"V4 K2-000004"}},
		{"a longer counter", rksv.Standard, func(x *till) { last(x, mine, func(p *rksv.Payload) { p.Counter = "AAAAAAAAAAAAAAAA" }) },
			[]string{"V4 K2-000004"}},
		{"the start is missing", rksv.Standard, func(x *till) { x.log = x.log[1:] },
			[]string{"V5 K2-000002", "V5 K2-000002"}},
		{"all but a Nullbeleg is missing", rksv.Check, func(x *till) {
			x.log = []string{resign(t, x.log[0], mine, func(p *rksv.Payload) { p.Previous = "MTIzNDU2Nzg=" })}
		}, []string{"V5 K2-000001"}},
		{"another cash box", rksv.Training, func(x *till) { last(x, mine, func(p *rksv.Payload) { p.CashBox = "K3" }) }, []string{"V6 K2-000004"}},
		{"a number twice", rksv.Training, func(x *till) { last(x, mine, func(p *rksv.Payload) { p.Number = "K2-000002" }) },
			[]string{"V7 K2-000002"}},
		{"an earlier date", rksv.Standard, func(x *till) { last(x, mine, func(p *rksv.Payload) { p.Date = "2026-11-22T09:31:59" }) },
			[]string{"V8 K2-000004"}},
		{"a sale first after an outage", rksv.Standard, func(x *till) {
			x.unit.Fail(nil)
			x.sign(rksv.Standard, 100)
			x.sign(rksv.Standard, 200)
			last(x, mine, func(*rksv.Payload) {})
		}, []string{"V9 K2-000006"}},
		{"training first after an outage", rksv.Standard, func(x *till) {
			x.unit.Fail(nil)
			x.sign(rksv.Standard, 100)
			x.sign(rksv.Training)
			last(x, mine, func(*rksv.Payload) {})
		}, []string{"V9 K2-000006"}},
		{"a closed system among open ones", rksv.Standard, func(x *till) { last(x, mine, func(p *rksv.Payload) { p.Suite = rksv.SuiteClosed }) },
			[]string{"V10 K2-000004"}},
		{"a company's key in an open system", rksv.Standard, func(x *till) {
			x.keys.Units["U:ATU12345678-K0"] = mine.Public()
			last(x, mine, func(p *rksv.Payload) { p.Certificate = "U:ATU12345678-K0" })
		}, []string{"V10 K2-000004"}},
		{"an amount with a dot", rksv.Training, func(x *till) { last(x, mine, func(p *rksv.Payload) { p.Amounts[2] = "1.200,34" }) },
			[]string{"V11 K2-000004"}},
		{"zero below zero", rksv.Training, func(x *till) { last(x, mine, func(p *rksv.Payload) { p.Amounts[2] = "-0,00" }) },
			[]string{"V11 K2-000004"}},
		{"another one's certificate", rksv.Standard, func(x *till) { last(x, mine, func(p *rksv.Payload) { p.Certificate = "3e9" }) },
			[]string{"V12 K2-000004"}},
		{"a certificate nobody knows", rksv.Standard, func(x *till) { last(x, stranger, func(p *rksv.Payload) { p.Certificate = "4" }) },
			[]string{"V12 K2-000004"}},
		{"an unsigned one of a certificate nobody knows", rksv.Standard, func(x *till) {
			x.unit.Fail(nil)
			x.sign(rksv.Standard, 100)
			delete(x.keys.Units, certificate)
			x.log = x.log[4:]
		}, []string{"V12 K2-000005", "V5 K2-000005", "V5 K2-000005"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			x := newTill(t)
			x.keys.Units["3e9"] = other.Public()
			x.sign(rksv.Start)
			x.sign(rksv.Standard, 1234)
			x.sign(rksv.Standard, 0, 500)
			if test.kind.Null() {
				x.sign(test.kind)
			} else {
				x.sign(test.kind, 70, 0, 8)
			}
			test.edit(x)
			problems, v := verify(x.keys, x.log)
			if test.want == nil {
				test.want = []string{}
			}
			require.Equal(t, test.want, rules(problems))
			for _, p := range problems {
				require.NotEmpty(t, p.Text)
				require.Contains(t, p.Error(), p.Rule.String())
			}
			_, ok := v.State()
			require.Equal(t, len(problems) == 0, ok)
		})
	}
}

// TestOneChangeIsToldOnce: what follows a problem is judged as if it had not been there.
func TestOneChangeIsToldOnce(t *testing.T) {
	x := newTill(t)
	x.sign(rksv.Start)
	for range 9 {
		x.sign(rksv.Standard, 100)
	}
	x.log = slices.Delete(x.log, 4, 5)
	problems, v := verify(x.keys, x.log)
	require.Equal(t, []string{"V3 K2-000006", "V4 K2-000006"}, rules(problems))
	require.Equal(t, rksv.Summary{CashBox: box, Receipts: 9, Nulls: 1, First: "2026-11-22T09:30:00", Last: "2026-11-22T09:39:00", Problems: 2}, v.Summary())
}

func TestTheCertificateOfAGroup(t *testing.T) {
	key := func(u *rksv.SoftwareUnit) []byte {
		private, err := ecdsa.GenerateKey(u.Public().Curve, rand.Reader)
		require.NoError(t, err)
		template := &x509.Certificate{SerialNumber: big.NewInt(1001), Subject: pkix.Name{CommonName: "x"}, NotAfter: time.Now().Add(time.Hour)}
		der, err := x509.CreateCertificate(rand.Reader, template, template, u.Public(), private)
		require.NoError(t, err)
		return der
	}
	x := newTill(t)
	x.sign(rksv.Start)
	for _, test := range []struct {
		certificate []byte
		want        []string
	}{
		{key(unit(t, "unit", certificate)), []string{}}, {key(unit(t, "other", "3e9")), []string{"V12 K2-000001"}},
		{[]byte("none"), []string{"V12 K2-000001"}},
	} {
		problems := rksv.NewVerifier(x.keys).Add(rksv.Entry{JWS: x.log[0], Certificate: test.certificate})
		require.Equal(t, test.want, rules(problems))
	}
}
