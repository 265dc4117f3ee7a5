package receipt_test

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"iter"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
)

func opening() receipt.Document {
	d := header(receipt.KindOpening, 0)
	hash := receipt.Hash([]byte("the last one of K1"))
	d.Opening = &receipt.DocOpening{Series: "K1", Replica: crdt.ReplicaID{1}, LastNumber: 417, LastHash: &hash, Reason: "restored from a backup"}
	return d
}

func failure(number int64) receipt.Document {
	d := header(receipt.KindVoid, number)
	d.Failure = &receipt.DocFailure{Reason: "Die Sicherheitseinrichtung hat nicht abgeschlossen."}
	return d
}

func signed(t testing.TB, d receipt.Document, previous receipt.Digest) receipt.Signed {
	t.Helper()
	d.Previous = previous
	b, err := d.Canonical()
	require.NoError(t, err)
	s, err := receipt.Sign(deviceKey, b)
	require.NoError(t, err)
	return s
}

// chain makes n signed documents: receipts, and a void at number 3.
func chain(t testing.TB, n int) []receipt.Signed {
	t.Helper()
	previous := receipt.First(crdt.ShopID{1, 2, 3}, tillID(), "K2")
	var docs []receipt.Signed
	for i := range int64(n) {
		var d receipt.Document
		switch i + 1 {
		case 3:
			d = failure(3)
		default:
			d = sample(t, i+1, 1+int(i%5))
		}
		d.Closed = fmt.Sprintf("2026-09-03T22:%02d:%02d+02:00", i/60%60, i%60)
		s := signed(t, d, previous)
		previous = receipt.Hash(s.Document)
		docs = append(docs, s)
	}
	return docs
}

func input(docs []receipt.Signed) iter.Seq2[receipt.Signed, error] {
	return func(yield func(receipt.Signed, error) bool) {
		for _, d := range docs {
			if !yield(d, nil) {
				return
			}
		}
	}
}

func expected() receipt.Chain {
	return receipt.Chain{Shop: crdt.ShopID{1, 2, 3}, Till: tillID(), Series: "K2"}
}

func verify(t *testing.T, docs []receipt.Signed, c receipt.Chain) receipt.Report {
	t.Helper()
	r, err := receipt.VerifyChain(input(docs), c)
	require.NoError(t, err)
	return r
}

// codes lists what was found as code:number.
func codes(r receipt.Report) []string {
	var out []string
	for _, f := range r.Findings {
		out = append(out, fmt.Sprintf("%s:%d", f.Code, f.Number))
	}
	return out
}

func TestChainHolds(t *testing.T) {
	docs := chain(t, 12)
	r := verify(t, docs, expected())
	require.True(t, r.OK())
	require.Empty(t, r.Findings)
	require.EqualValues(t, 12, r.Documents)
	require.Equal(t, &receipt.ChainLink{Number: 1, Hash: receipt.Hash(docs[0].Document)}, r.First)
	require.Equal(t, &receipt.ChainLink{Number: 12, Hash: receipt.Hash(docs[11].Document)}, r.Last)

	require.Equal(t, expected(), verify(t, docs, receipt.Chain{}).Chain, "the first document says what the chain is")

	after := expected()
	after.After = &receipt.ChainLink{Number: 5, Hash: receipt.Hash(docs[4].Document)}
	require.True(t, verify(t, docs[5:], after).OK(), "a later part with its start")
	require.Equal(t, []string{"start:3"}, codes(verify(t, docs[2:3], after)))
	require.Equal(t, []string{"gap:6"}, codes(verify(t, docs[6:], after)))
	after.After.Hash[0]++
	require.Equal(t, []string{"start:6"}, codes(verify(t, docs[5:], after)))

	empty := verify(t, nil, expected())
	require.True(t, empty.OK())
	require.Nil(t, empty.Last)
}

func TestChainNamesWhatIsWrong(t *testing.T) {
	otherKey := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, 32))
	for _, c := range []struct {
		name   string
		change func([]receipt.Signed) []receipt.Signed
		want   []string
		ok     bool
	}{
		{"one missing", func(s []receipt.Signed) []receipt.Signed { return slices.Delete(s, 4, 5) }, []string{"gap:5"}, false},
		{"three missing", func(s []receipt.Signed) []receipt.Signed { return slices.Delete(s, 4, 7) }, []string{"gap:5"}, false},
		{"first missing", func(s []receipt.Signed) []receipt.Signed { return s[1:] }, []string{"gap:1"}, false},
		{"byte changed", func(s []receipt.Signed) []receipt.Signed {
			s[4].Document = bytes.Replace(s[4].Document, []byte("Bargeld"), []byte("Bargelt"), 1)
			return s
		}, []string{"signature:5", "changed:5"}, false},
		{"last one changed", func(s []receipt.Signed) []receipt.Signed {
			s[9].Document = bytes.Replace(s[9].Document, []byte("Bargeld"), []byte("Bargelt"), 1)
			return s
		}, []string{"signature:10"}, false},
		{"not canonical any more", func(s []receipt.Signed) []receipt.Signed {
			s[4].Document = append(bytes.Clone(s[4].Document), '\n')
			return s
		}, []string{"malformed:0", "gap:5"}, false},
		{"signature changed", func(s []receipt.Signed) []receipt.Signed {
			s[4].Signature = bytes.Clone(s[4].Signature)
			s[4].Signature[10] ^= 1
			return s
		}, []string{"signature:5"}, false},
		{"no signature", func(s []receipt.Signed) []receipt.Signed { s[4].Signature = nil; return s }, []string{"signature:5"}, false},
		{"no key", func(s []receipt.Signed) []receipt.Signed { s[4].Key = nil; return s }, []string{"key:5", "signature:5"}, false},
		{"key of another till", func(s []receipt.Signed) []receipt.Signed {
			s[4].Key = otherKey.Public().(ed25519.PublicKey)
			return s
		}, []string{"key:5", "signature:5"}, false},
		{"written again by the till", func(s []receipt.Signed) []receipt.Signed {
			d := sample(t, 5, 2)
			d.Closed = "2026-09-03T22:00:04+02:00"
			s[4] = signed(t, d, receipt.Hash(s[3].Document))
			return s
		}, []string{"changed:5"}, false},
		{"fork", func(s []receipt.Signed) []receipt.Signed {
			return slices.Insert(s, 5, signed(t, sample(t, 5, 2), receipt.Hash(s[3].Document)))
		}, []string{"fork:5"}, false},
		{"fork whose first is the other one", func(s []receipt.Signed) []receipt.Signed {
			d := sample(t, 5, 2)
			d.Closed = "2026-09-03T22:00:04+02:00"
			return slices.Insert(s, 4, signed(t, d, receipt.Hash(s[3].Document)))
		}, []string{"fork:5"}, false},
		{"twice the same", func(s []receipt.Signed) []receipt.Signed { return slices.Insert(s, 5, s[4]) }, []string{"duplicate:5"}, true},
		{"out of order", func(s []receipt.Signed) []receipt.Signed { return append(s, s[4]) }, []string{"order:5"}, false},
		{"wrong start", func(s []receipt.Signed) []receipt.Signed {
			s[0] = signed(t, sample(t, 1, 1), receipt.Digest{1})
			return s[:1]
		}, []string{"start:1"}, false},
		{"another series", func(s []receipt.Signed) []receipt.Signed {
			d := sample(t, 11, 2)
			d.Series = "K2b"
			return append(s, signed(t, d, receipt.Hash(s[9].Document)))
		}, []string{"foreign:11"}, false},
		{"clock went back", func(s []receipt.Signed) []receipt.Signed {
			d := sample(t, 11, 2)
			d.Closed = "2026-09-03T22:00:08+02:00"
			return append(s, signed(t, d, receipt.Hash(s[9].Document)))
		}, []string{"time:11"}, true},
		{"summer time ends", func(s []receipt.Signed) []receipt.Signed {
			d := sample(t, 11, 2)
			d.Closed = "2026-09-03T21:00:10+01:00"
			return append(s, signed(t, d, receipt.Hash(s[9].Document)))
		}, nil, true},
		{"no time", func(s []receipt.Signed) []receipt.Signed {
			d := sample(t, 11, 2)
			d.Closed = "soon"
			return append(s, signed(t, d, receipt.Hash(s[9].Document)))
		}, []string{"time:11"}, true},
	} {
		docs := c.change(chain(t, 10))
		r := verify(t, docs, expected())
		require.Equal(t, c.want, codes(r), c.name)
		require.Equal(t, c.ok, r.OK(), c.name)
		for _, f := range r.Findings {
			require.NotEmpty(t, f.Text)
			require.Equal(t, f.Code == receipt.NoteTime || f.Code == receipt.NoteDuplicate, f.Note)
		}
	}
	r := verify(t, slices.Delete(chain(t, 10), 4, 7), expected())
	require.EqualValues(t, 3, r.Missing)
	require.EqualValues(t, 7, r.Findings[0].Last)
}

func TestChainOfAnotherTill(t *testing.T) {
	docs := chain(t, 3)
	for _, c := range []receipt.Chain{{Till: crdt.TillID{1}}, {Shop: crdt.ShopID{1}}, {Series: "K3"}} {
		r := verify(t, docs, c)
		require.Equal(t, map[string]int64{receipt.FindForeign: 3}, r.Counts)
		require.Nil(t, r.Last)
	}
}

func TestChainReportIsBounded(t *testing.T) {
	docs := chain(t, 2)
	docs[1].Signature = nil
	many := func(yield func(receipt.Signed, error) bool) {
		for range 3000 {
			if !yield(receipt.Signed{Document: []byte("x")}, nil) {
				return
			}
		}
	}
	r, err := receipt.VerifyChain(many, expected())
	require.NoError(t, err)
	require.Len(t, r.Findings, 1000)
	require.EqualValues(t, 3000, r.Counts[receipt.FindMalformed])
	require.False(t, r.OK())
}

func TestChainEndsAtAnErrorOfTheInput(t *testing.T) {
	broken := errors.New("disk")
	docs := chain(t, 2)
	r, err := receipt.VerifyChain(func(yield func(receipt.Signed, error) bool) {
		_ = yield(docs[0], nil) && yield(receipt.Signed{}, broken) && yield(docs[1], nil)
	}, expected())
	require.ErrorIs(t, err, broken)
	require.EqualValues(t, 1, r.Documents)
}

func TestSignRefuses(t *testing.T) {
	d := sample(t, 1, 1)
	b, err := d.Canonical()
	require.NoError(t, err)
	for name, c := range map[string]struct {
		key ed25519.PrivateKey
		doc []byte
	}{
		"no key":         {nil, b},
		"short key":      {deviceKey[:40], b},
		"another key":    {ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, 32)), b},
		"not canonical":  {deviceKey, append(bytes.Clone(b), ' ')},
		"not a document": {deviceKey, []byte(`{}`)},
		"series":         {deviceKey, bytes.Replace(b, []byte(`"series":"K2"`), []byte(`"series":"K-2"`), 1)},
		"number 0":       {deviceKey, bytes.Replace(b, []byte(`"number":1,"opened"`), []byte(`"number":0,"opened"`), 1)},
	} {
		_, err := receipt.Sign(c.key, c.doc)
		require.ErrorIs(t, err, receipt.ErrSign, name)
	}
	s, err := receipt.Sign(deviceKey, b)
	require.NoError(t, err)
	require.True(t, s.SignatureValid())
	plain := receipt.Hash(b)
	require.False(t, ed25519.Verify(s.Key, plain[:], s.Signature), "the bare hash is not what is signed")
}

func TestHeaderOfALaterVersionStaysReadable(t *testing.T) {
	h, err := receipt.ParseHeader([]byte(`{"closed":"2031-01-01T00:00:00Z","kind":"new","lines":{"other":true},"number":5,"previous_hash":"` +
		receipt.Digest{}.String() + `","series":"K2","shop":{"extra":null,"id":"` + crdt.ShopID{}.String() + `"},"till":{"id":"` + tillID().String() + `"},"version":2}`))
	require.NoError(t, err)
	require.Equal(t, receipt.Header{Version: 2, Kind: "new", Till: tillID(), Series: "K2", Number: 5, Closed: "2031-01-01T00:00:00Z"}, h)
	_, err = receipt.ParseHeader([]byte(`{"closed":""}`))
	require.ErrorIs(t, err, receipt.ErrDocument)
	_, err = receipt.ParseHeader([]byte(`[]`))
	require.ErrorIs(t, err, receipt.ErrDocument)
}

func TestFirstDiffersByShopTillAndSeries(t *testing.T) {
	seen := map[receipt.Digest]bool{}
	for _, shop := range []crdt.ShopID{{}, {1}} {
		for _, till := range []crdt.TillID{{}, {1}} {
			for _, series := range []string{"", "K", "K2"} {
				seen[receipt.First(shop, till, series)] = true
			}
		}
	}
	require.Len(t, seen, 12)
}
