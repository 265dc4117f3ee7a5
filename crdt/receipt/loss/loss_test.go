package loss_test

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"iter"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/crdt/receipt/loss"
	"github.com/tillmesh/tillmesh/crdt/receipt/receipttest"
	"github.com/tillmesh/tillmesh/crdt/receipt/verify"
)

var update = flag.Bool("update", false, "write the golden files anew")

// books are documents in memory with some taken away.
type books struct {
	*receipttest.Books
	mentions map[crdt.ObjectID][]loss.Mention
	read     int // documents
}

func (b *books) Runs(_ context.Context, s verify.Series) iter.Seq2[loss.Run, error] {
	var numbers []int64
	for _, e := range b.Sold {
		if h, err := receipt.ParseHeader(e.Signed.Document); err == nil && h.Series == s.Prefix {
			numbers = append(numbers, h.Number)
		}
	}
	if len(numbers) == 0 {
		return func(func(loss.Run, error) bool) {}
	}
	return loss.Runs(1, slices.Max(numbers), func(first, last int64) (n int64, err error) {
		for _, x := range numbers {
			if first <= x && x <= last {
				n++
			}
		}
		return n, nil
	})
}

func (b *books) Documents(_ context.Context, s verify.Series, r loss.Run) iter.Seq2[verify.Entry, error] {
	return func(yield func(verify.Entry, error) bool) {
		for _, e := range b.Sold {
			h, err := receipt.ParseHeader(e.Signed.Document)
			if err != nil || h.Series != s.Prefix || h.Number < r.First || h.Number > r.Last {
				continue
			}
			b.read++
			if !yield(e, nil) {
				return
			}
		}
	}
}

func (b *books) Mentions(_ context.Context, id crdt.ObjectID) ([]loss.Mention, error) {
	return b.mentions[id], nil
}

func cloud() ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed([]byte("a cloud that signs in the tests."))
}

func idOf(key ed25519.PrivateKey) crdt.TillID {
	return crdt.TillIDOf(key.Public().(ed25519.PublicKey))
}

func ask(s *receipttest.Series, series ...string) loss.Ask {
	return loss.Ask{
		Made: "2026-09-04T09:00:00Z", By: loss.Party{ID: idOf(cloud()).String(), Kind: loss.ByArchive}, Shop: s.Shop, Name: "Café Möwe", Till: s.Till(), Label: "Theke",
		State: "revoked", Prefix: series, Contact: &loss.Contact{Heard: "2026-09-03T20:00:00Z", How: loss.HeardItself},
	}
}

func build(t *testing.T, b *books, a loss.Ask) loss.Statement {
	t.Helper()
	s, err := loss.Build(t.Context(), b, a)
	require.NoError(t, err)
	require.NoError(t, s.Check())
	return s
}

// without takes numbers of K2 away.
func without(b *receipttest.Books, numbers ...int64) *books {
	out := b.Clone()
	out.Sold = slices.DeleteFunc(out.Sold, func(e verify.Entry) bool {
		h, err := receipt.ParseHeader(e.Signed.Document)
		return err == nil && h.Series == "K2" && slices.Contains(numbers, h.Number)
	})
	return &books{Books: out}
}

func TestWhatIsKnownAndWhatIsMissing(t *testing.T) {
	whole, s := receipttest.Shop(t) // K2: Z 2 covers 1 to 5 (440 to 444), Z 3 covers 6 to 8 (990 each), 9 is behind it; K2b continues K2 at 9
	hash := func(n int) string { return receipt.Hash(whole.Sold[n-1].Signed.Document).String() }
	amount := func(n int64) *int64 { return &n }
	tests := map[string]struct {
		gone    []int64
		change  func(*books)
		known   []loss.Run
		missing []loss.Missing
		last    string
		tail    int64
	}{
		"nothing is missing": {known: []loss.Run{{First: 1, Last: 9}}, last: "K2-000009", tail: 10},
		"one closing says what one range comes to": {gone: []int64{2, 3}, known: []loss.Run{{First: 1, Last: 1}, {First: 4, Last: 9}}, last: "K2-000009", tail: 10, missing: []loss.Missing{{
			Run: loss.Run{First: 2, Last: 3}, At: []int64{}, After: &loss.Neighbour{Number: 1, Closed: receipttest.At(1), Hash: hash(1)},
			Before: &loss.Neighbour{Number: 4, Closed: receipttest.At(4), Hash: hash(4)}, LastHash: hash(3),
			Gross: loss.Bound{State: loss.Exact, Amount: amount(441 + 442), By: []string{"K2 Z 2"}},
		}}},
		"two ranges in one closing share": {gone: []int64{1, 4}, known: []loss.Run{{First: 2, Last: 3}, {First: 5, Last: 9}}, last: "K2-000009", tail: 10, missing: []loss.Missing{
			{Run: loss.Run{First: 1, Last: 1}, At: []int64{}, Before: &loss.Neighbour{Number: 2, Closed: receipttest.At(2), Hash: hash(2)}, LastHash: hash(1),
				Gross: loss.Bound{State: loss.Shared, Amount: amount(440 + 443), By: []string{"K2 Z 2"}}},
			{Run: loss.Run{First: 4, Last: 4}, At: []int64{}, After: &loss.Neighbour{Number: 3, Closed: receipttest.At(3), Hash: hash(3)},
				Before: &loss.Neighbour{Number: 5, Closed: receipttest.At(5), Hash: hash(5)}, LastHash: hash(4),
				Gross: loss.Bound{State: loss.Shared, Amount: amount(440 + 443), By: []string{"K2 Z 2"}}},
		}},
		"the end is known from a closing and from the opening behind it": {gone: []int64{7, 8, 9}, known: []loss.Run{{First: 1, Last: 6}}, last: "K2b-000000", tail: 10, missing: []loss.Missing{{
			Run: loss.Run{First: 7, Last: 9}, At: []int64{}, After: &loss.Neighbour{Number: 6, Closed: receipttest.At(6), Hash: hash(6)}, LastHash: hash(9),
			Gross: loss.Bound{State: loss.Part, Amount: amount(2 * 990), By: []string{"K2 Z 3"}},
		}}},
		"nobody knows what is behind the last closing": {gone: []int64{9}, known: []loss.Run{{First: 1, Last: 8}}, last: "K2b-000000", tail: 10, missing: []loss.Missing{{
			Run: loss.Run{First: 9, Last: 9}, At: []int64{}, After: &loss.Neighbour{Number: 8, Closed: receipttest.At(8), Hash: hash(8)}, LastHash: hash(9), Gross: loss.Bound{State: loss.Unknown},
		}}},
		"the tail is open": {gone: []int64{8, 9}, change: func(b *books) { b.Starts, b.Reports = nil, b.Reports[:2] }, known: []loss.Run{{First: 1, Last: 7}}, last: "K2-000007", tail: 8},
		"a forged closing says nothing": {gone: []int64{9}, change: func(b *books) {
			b.Starts = nil
			b.Reports[2].Signed.Signature[3] ^= 1
		}, known: []loss.Run{{First: 1, Last: 8}}, last: "K2-000008", tail: 9},
		"a receipt that was taken back existed": {gone: []int64{5}, change: func(b *books) {
			b.mentions = map[crdt.ObjectID][]loss.Mention{receipt.ReceiptID(s.Shop, s.Till(), "K2", 5): {{Kind: "refund", By: "K1-000004", At: "2026-09-03T18:00:00Z"}}}
		}, known: []loss.Run{{First: 1, Last: 4}, {First: 6, Last: 9}}, last: "K2-000009", tail: 10, missing: []loss.Missing{{
			Run: loss.Run{First: 5, Last: 5}, At: []int64{}, After: &loss.Neighbour{Number: 4, Closed: receipttest.At(4), Hash: hash(4)},
			Before: &loss.Neighbour{Number: 6, Closed: receipttest.At(6), Hash: hash(6)}, LastHash: hash(5),
			Gross:    loss.Bound{State: loss.Exact, Amount: amount(444), By: []string{"K2 Z 2"}},
			Mentions: []loss.Mention{{Number: 5, Kind: "refund", By: "K1-000004", At: "2026-09-03T18:00:00Z"}},
		}}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			b := without(whole, test.gone...)
			if test.change != nil {
				test.change(b)
			}
			got := build(t, b, ask(s, "K2")).Series[0]
			var known []loss.Run
			for _, k := range got.Known {
				require.Equal(t, []int64{0}, k.At)
				known = append(known, k.Run)
			}
			require.Equal(t, test.known, known)
			require.Equal(t, append([]loss.Missing{}, test.missing...), got.Missing)
			require.Equal(t, test.last, got.LastBy)
			require.Equal(t, test.tail, got.Tail.From)
			require.Equal(t, "2026-09-03T20:00:00Z", got.Tail.Contact)
		})
	}
}

func TestWhoHoldsWhat(t *testing.T) {
	whole, s := receipttest.Shop(t)
	a := ask(s, "K2")
	a.Held = []loss.Held{
		{Holder: loss.Holder{ID: "one", Kind: loss.ByTill, Name: "Kasse 1", Asked: true}, Runs: map[string][]loss.Run{"K2": {{First: 1, Last: 3}, {First: 6, Last: 7}}}},
		{Holder: loss.Holder{ID: "three", Kind: loss.ByTill, Name: "Kasse 3"}},
	}
	got := build(t, without(whole, 6, 7, 8, 9), a)
	require.Equal(t, []loss.Known{{Run: loss.Run{First: 1, Last: 3}, At: []int64{0, 1}}, {Run: loss.Run{First: 4, Last: 5}, At: []int64{0}}}, got.Series[0].Known)
	require.Len(t, got.Series[0].Missing, 2)
	require.Equal(t, loss.Run{First: 6, Last: 7}, got.Series[0].Missing[0].Run)
	require.Equal(t, []int64{1}, got.Series[0].Missing[0].At, "another till has it")
	require.Equal(t, []int64{}, got.Series[0].Missing[1].At)
	require.Contains(t, got.Text(), "at Kasse 1: let it link with the others")
	require.Contains(t, got.Text(), "Kasse 3 gave no answer")
}

// The documents that are read are those beside a gap and those of closings with a gap, whatever the length of the series.
func TestOnlyWhatIsBesideAGapIsRead(t *testing.T) {
	b := &receipttest.Books{}
	s := receipttest.NewSeries(t, b, "K2")
	for day := range 40 {
		for range 10 {
			s.Sell(receipt.Amount(100 + day))
		}
		s.Close(nil)
	}
	whole := &books{Books: b}
	require.Empty(t, build(t, whole, ask(s, "K2")).Series[0].Missing)
	require.LessOrEqual(t, whole.read, 1)
	holed := without(b, 205)
	require.Len(t, build(t, holed, ask(s, "K2")).Series[0].Missing, 1)
	require.LessOrEqual(t, holed.read, 9+1+2)
}

func TestRangesBeyondTheListAreCounted(t *testing.T) {
	b := &receipttest.Books{}
	s := receipttest.NewSeries(t, b, "K2")
	var gone []int64
	for n := range int64(500) {
		s.Sell(100)
		if n%2 == 0 {
			gone = append(gone, n+1)
		}
	}
	got := build(t, without(b, gone...), ask(s, "K2")).Series[0]
	require.EqualValues(t, 250, got.MissingNumbers)
	require.EqualValues(t, 250, got.KnownNumbers)
	require.Len(t, got.Known, loss.MaxRanges/2)
	require.EqualValues(t, loss.MaxRanges+1, got.Beyond)
}

func TestRuns(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 2))
	for range 300 {
		last := 1 + random.Int64N(200)
		have := make([]bool, last+1)
		for i := range have {
			have[i] = random.IntN(10) < 7
		}
		got := make([]bool, last+1)
		end := int64(-1)
		for r, err := range loss.Runs(1, last, func(a, b int64) (n int64, err error) {
			for i := a; i <= b; i++ {
				if have[i] {
					n++
				}
			}
			return n, nil
		}) {
			require.NoError(t, err)
			require.Greater(t, r.First, end+1, "ranges do not touch")
			end = r.Last
			for i := r.First; i <= r.Last; i++ {
				got[i] = true
			}
		}
		require.Equal(t, have[1:], got[1:])
	}
	broken := errors.New("the database is gone")
	for _, err := range loss.Runs(1, 3, func(int64, int64) (int64, error) { return 0, broken }) {
		require.ErrorIs(t, err, broken)
	}
}

func signed(t *testing.T) (loss.Signed, loss.Statement) {
	whole, s := receipttest.Shop(t)
	a := ask(s, "K2", "K2b", "K2c")
	a.Held = []loss.Held{{Holder: loss.Holder{ID: "one", Kind: loss.ByTill, Name: "Kasse 1 <b>", Asked: true}, Runs: map[string][]loss.Run{"K2": {{First: 1, Last: 3}}}}}
	a.Open = &loss.Open{Tabs: []loss.OpenTab{{ID: "tab", Name: "Tisch 4", Opened: "2026-09-03T19:30:00Z", Gross: 1250, Currency: "EUR"}}, Payments: []loss.Taken{}}
	a.Said = &loss.Said{At: "2026-09-03T20:00:00Z", Receipts: 2, Sums: []loss.Sum{{Currency: "EUR", Amount: 880}}, TabSums: []loss.Sum{}}
	st := build(t, without(whole, 2, 7, 8, 9), a)
	out, err := loss.Sign(st, cloud())
	require.NoError(t, err)
	return out, st
}

func TestGolden(t *testing.T) {
	s, st := signed(t)
	for name, got := range map[string]string{"testdata/statement.json": string(s.Canonical) + "\n", "testdata/statement.signature": s.Key + "\n" + s.Signature + "\n", "testdata/statement.txt": st.Text()} {
		if *update {
			require.NoError(t, os.WriteFile(name, []byte(got), 0o600))
		}
		want, err := os.ReadFile(name)
		require.NoError(t, err)
		require.Equal(t, string(want), got, "run with -update if that is wanted")
	}
}

func TestASignedStatement(t *testing.T) {
	s, want := signed(t)
	file, err := json.MarshalIndent(s, "", "  ")
	require.NoError(t, err)
	require.True(t, loss.Like(file))
	parsed, err := loss.Parse(file)
	require.NoError(t, err)
	got, err := loss.Verify(parsed, idOf(cloud()))
	require.NoError(t, err)
	require.Equal(t, want, got)

	_, err = loss.Verify(parsed, crdt.TillID{1})
	require.ErrorIs(t, err, loss.ErrSignature, "signed by another one")
	for i := range s.Canonical {
		x := s
		x.Canonical = slices.Clone(s.Canonical)
		x.Canonical[i] ^= 1
		_, err := loss.Verify(x, crdt.TillID{})
		require.ErrorIs(t, err, loss.ErrSignature, "byte %d", i)
	}
	x := s
	x.Statement = []byte(strings.Replace(string(s.Statement), `"missing_numbers":4`, `"missing_numbers":0`, 1))
	require.NotEqual(t, string(s.Statement), string(x.Statement))
	_, err = loss.Verify(x, crdt.TillID{})
	require.ErrorIs(t, err, loss.ErrStatement, "what people read is not what was signed")

	other := want
	other.By.ID = idOf(receipttest.Key()).String()
	_, err = loss.Sign(other, cloud())
	require.ErrorIs(t, err, loss.ErrSignature, "in another name")
}

func TestAStatementThatContradictsItself(t *testing.T) {
	_, good := signed(t)
	for name, change := range map[string]func(*loss.Statement){
		"a range is left out":        func(s *loss.Statement) { s.Series[0].Missing = s.Series[0].Missing[1:] },
		"a range is known and not":   func(s *loss.Statement) { s.Series[0].Missing[0].First-- },
		"it says that less is gone":  func(s *loss.Statement) { s.Series[0].MissingNumbers-- },
		"the tail begins later":      func(s *loss.Statement) { s.Series[0].Tail.From++ },
		"a holder that nobody named": func(s *loss.Statement) { s.Series[0].Known[0].At = []int64{7} },
		"another version":            func(s *loss.Statement) { s.Version = 2 },
	} {
		t.Run(name, func(t *testing.T) {
			raw, err := json.Marshal(good)
			require.NoError(t, err)
			var bad loss.Statement
			require.NoError(t, json.Unmarshal(raw, &bad))
			change(&bad)
			require.ErrorIs(t, bad.Check(), loss.ErrStatement)
			_, err = loss.Sign(bad, cloud())
			require.ErrorIs(t, err, loss.ErrStatement)
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"canonical":"e30=","key":"00","signature":"00"}`))
	f.Add([]byte(`{"canonical":"e30=","key":"` + strings.Repeat("00", 32) + `","signature":"` + strings.Repeat("00", 64) + `","statement":{"a":[1]}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, err := loss.Parse(b); err == nil {
			if st, err := loss.Verify(s, crdt.TillID{}); err == nil {
				_ = fmt.Sprint(st.Text())
			}
		}
	})
}
