package verify_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/crdt/receipt/receipttest"
	"github.com/tillmesh/tillmesh/crdt/receipt/verify"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestBooksThatHold(t *testing.T) {
	b, _ := receipttest.Shop(t)
	r := run(t, b)
	require.True(t, r.OK(), "%+v", r.Findings)
	require.Empty(t, r.Findings)
	require.EqualValues(t, 13, r.Documents)
	require.EqualValues(t, 4, r.Closings)
	require.Len(t, r.Series, 3)
	k2 := r.Series[0]
	require.Equal(t, "K2", k2.Prefix)
	require.Equal(t, "Theke", k2.Name)
	require.EqualValues(t, 9, k2.Last)
	require.EqualValues(t, 3, k2.LastClosing)
	require.EqualValues(t, 1, k2.Unclosed)
	require.EqualValues(t, 0, r.Series[1].First, "it begins with its opening")
}

// found returns the codes that are wrong, with what they are about.
func found(r verify.Report) []string {
	var out []string
	for _, f := range r.Findings {
		if !f.Note {
			out = append(out, f.Code+" "+f.NumberText())
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func TestEachFaultIsNamed(t *testing.T) {
	tests := map[string]struct {
		break_ func(b *receipttest.Books, s *receipttest.Series)
		want   []string
	}{
		"a receipt is missing":       {func(b *receipttest.Books, _ *receipttest.Series) { b.Sold = slices.Delete(b.Sold, 2, 3) }, []string{"closing-range K2 Z 2", "gap K2-000003"}},
		"several are missing":        {func(b *receipttest.Books, _ *receipttest.Series) { b.Sold = slices.Delete(b.Sold, 5, 8) }, []string{"closing-range K2 Z 3", "gap K2-000006 to K2-000008"}},
		"the first is missing":       {func(b *receipttest.Books, _ *receipttest.Series) { b.Sold = b.Sold[1:] }, []string{"closing-range K2 Z 2", "gap K2-000001"}},
		"the last is missing":        {func(b *receipttest.Books, _ *receipttest.Series) { b.Sold = slices.Delete(b.Sold, 8, 9) }, []string{"opening K2-000000"}},
		"the end is known to be cut": {func(b *receipttest.Books, _ *receipttest.Series) { b.Ends = []verify.Head{{Prefix: "K2", Number: 11}} }, []string{"end K2-000010 to K2-000011"}},
		"a series is gone":           {func(b *receipttest.Books, _ *receipttest.Series) { b.Ends = []verify.Head{{Prefix: "K9", Number: 2}} }, []string{"end K9-000001 to K9-000002"}},
		"the head was another":       {func(b *receipttest.Books, _ *receipttest.Series) { b.Ends = []verify.Head{{Prefix: "K2", Number: 9}} }, []string{"changed K2-000009"}},
		"a fork": {func(b *receipttest.Books, s *receipttest.Series) {
			e := b.Sold[4]
			s.Resigned(&e, func(d *receipt.Document) { d.User = "Mallory" })
			b.Sold = slices.Insert(b.Sold, 5, e)
		}, []string{"fork K2-000005"}},
		"a receipt was changed and signed again": {func(b *receipttest.Books, s *receipttest.Series) {
			s.Resigned(&b.Sold[3], func(d *receipt.Document) { d.User = "Mallory" })
		}, []string{"changed K2-000004", "closing-sums K2 Z 2"}},
		"its amounts do not add up": {func(b *receipttest.Books, s *receipttest.Series) {
			s.Resigned(&b.Sold[8], func(d *receipt.Document) { d.Totals.Gross++ })
		}, []string{"document K2-000009", "opening K2-000000"}},
		"an opening is missing":        {func(b *receipttest.Books, _ *receipttest.Series) { b.Starts = b.Starts[1:] }, []string{"closing-range K2b Z 1", "start K2b-000001"}},
		"a closing is missing":         {func(b *receipttest.Books, _ *receipttest.Series) { b.Reports = slices.Delete(b.Reports, 1, 2) }, []string{"gap K2 Z 2"}},
		"the first closing is missing": {func(b *receipttest.Books, _ *receipttest.Series) { b.Reports = b.Reports[1:] }, []string{"gap K2 Z 1"}},
		"a closing is there twice": {func(b *receipttest.Books, _ *receipttest.Series) {
			b.Reports = slices.Insert(b.Reports, 1, b.Reports[1])
		}, nil},
		"a closing was forged":              {func(b *receipttest.Books, _ *receipttest.Series) { b.Reports[1].Signed.Signature[5] ^= 1 }, []string{"signature K2 Z 2"}},
		"a closing under another ID":        {func(b *receipttest.Books, _ *receipttest.Series) { b.Reports[1].ID[9]++ }, []string{"document K2 Z 2"}},
		"a receipt under another ID":        {func(b *receipttest.Books, _ *receipttest.Series) { b.Sold[1].ID[9]++ }, []string{"item K2-000002"}},
		"a closing whose receipts are gone": {func(b *receipttest.Books, _ *receipttest.Series) { b.Sold = nil; b.Starts = nil }, []string{"closing-range K2 Z 2", "closing-range K2 Z 3", "closing-range K2b Z 1"}},
		"a receipt that cannot be read":     {func(b *receipttest.Books, _ *receipttest.Series) { b.Sold[1].Signed.Document = []byte("paper") }, []string{"closing-range K2 Z 2", "gap K2-000002", "malformed -000000"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			b, s := receipttest.Shop(t)
			test.break_(b, s)
			got := found(run(t, b))
			for i := range got {
				if got[i] == "malformed K2-000000" {
					got[i] = "malformed -000000"
				}
			}
			require.Equal(t, test.want, got)
		})
	}
}

func TestAClosingThatLies(t *testing.T) {
	tests := map[string]func(*receipt.ZReport){
		"hash":   func(z *receipt.ZReport) { z.Hash[0]++ },
		"last":   func(z *receipt.ZReport) { z.Last[0]++ },
		"began":  func(z *receipt.ZReport) { z.Began = receipttest.At(100) },
		"counts": func(z *receipt.ZReport) { z.Sums.Counts.Voids++ },
		"users":  func(z *receipt.ZReport) { z.Sums.Users[0].Name = "Bob" },
		"payments": func(z *receipt.ZReport) {
			z.Sums.Payments = append(z.Sums.Payments, receipt.ZPayment{Type: "ECKarte", Amount: 5}, receipt.ZPayment{Type: "Unbar", Amount: -5})
		},
	}
	for name, lie := range tests {
		t.Run(name, func(t *testing.T) {
			b := &receipttest.Books{}
			s := receipttest.NewSeries(t, b, "K1")
			s.Sell(100)
			s.Close(lie)
			s.Sell(100)
			s.Close(nil)
			require.Equal(t, []string{"closing-sums K1 Z 1"}, found(run(t, b)))
		})
	}
	b := &receipttest.Books{}
	s := receipttest.NewSeries(t, b, "K1")
	s.Sell(100)
	s.Sell(100)
	s.Close(nil)
	s.Again()
	s.Sell(100) // 2 again
	s.Close(nil)
	require.Contains(t, found(run(t, b)), "closing-range K1 Z 2", "a receipt in two closings")
}

// Whatever byte is changed: something is found.
func TestEveryChangedByteIsFound(t *testing.T) {
	b, _ := receipttest.Shop(t)
	lists := func(b *receipttest.Books) []*verify.Entry {
		var all []*verify.Entry
		for _, list := range []([]verify.Entry){b.Sold, b.Starts, b.Reports} {
			for i := range list {
				all = append(all, &list[i])
			}
		}
		return all
	}
	step := 131 // all of them take minutes
	for i := range lists(b) {
		e := lists(b)[i].Signed
		for place := i % step; place < len(e.Document)+len(e.Signature)+len(e.Key); place += step {
			broken := b.Clone()
			x := &lists(broken)[i].Signed
			switch at := place; {
			case at < len(x.Document):
				x.Document[at] ^= 1
			case at-len(x.Document) < len(x.Signature):
				x.Signature[at-len(x.Document)] ^= 1
			default:
				x.Key[at-len(x.Document)-len(x.Signature)] ^= 1
			}
			require.False(t, run(t, broken).OK(), "document %d, byte %d", i, place)
		}
	}
}

func TestATillThatIsNotOfTheShop(t *testing.T) {
	b, _ := receipttest.Shop(t)
	r, err := verify.Run(t.Context(), b, verify.Options{Member: func(crdt.TillID) bool { return false }})
	require.NoError(t, err)
	require.EqualValues(t, 3, r.Counts[verify.FindMember])
}

func TestItEndsWhenItIsTold(t *testing.T) {
	b := &receipttest.Books{}
	s := receipttest.NewSeries(t, b, "K1")
	for range 2500 {
		s.Sell(100)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var told []verify.Progress
	_, err := verify.Run(ctx, b, verify.Options{Progress: func(p verify.Progress) { told = append(told, p); cancel() }})
	require.ErrorIs(t, err, context.Canceled)
	require.Len(t, told, 1)
	require.Equal(t, "K1", told[0].Series)
}

var errBroken = errors.New("the disk is broken")

type broken struct{ *receipttest.Books }

func (broken) Heads(context.Context) ([]verify.Head, error) { return nil, errBroken }

func TestAnErrorOfTheSourceIsReturned(t *testing.T) {
	b, _ := receipttest.Shop(t)
	_, err := verify.Run(t.Context(), broken{b}, verify.Options{})
	require.ErrorIs(t, err, errBroken)
}

// repeated gives the same documents again and again.
type repeated struct {
	*receipttest.Books
	times int
}

func (r repeated) Receipts(context.Context) iter.Seq2[verify.Entry, error] {
	return func(yield func(verify.Entry, error) bool) {
		for range r.times {
			for _, e := range r.Books.Sold {
				if !yield(e, nil) {
					return
				}
			}
		}
	}
}

func TestMemoryDoesNotGrow(t *testing.T) {
	b := &receipttest.Books{}
	s := receipttest.NewSeries(t, b, "K1")
	for range 500 {
		s.Sell(340, 100)
	}
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	base, peak := heap(), uint64(0)
	r, err := verify.Run(t.Context(), repeated{b, 12}, verify.Options{Progress: func(verify.Progress) { peak = max(peak, heap()) }})
	require.NoError(t, err)
	require.EqualValues(t, 6000, r.Documents)
	require.Len(t, r.Findings, 1000, "the list is bounded")
	require.Less(t, peak, base+8<<20)
}

func BenchmarkVerify(b *testing.B) {
	for _, n := range []int{1000, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			books := &receipttest.Books{}
			s := receipttest.NewSeries(b, books, "K1")
			for i := range n {
				s.Sell(340, 100, 250)
				if i%500 == 499 {
					s.Close(nil)
				}
			}
			b.ResetTimer()
			began := time.Now()
			for range b.N {
				r := run(b, books)
				require.True(b, r.OK())
			}
			b.ReportMetric(float64(n*b.N)/time.Since(began).Seconds(), "receipts/s")
		})
	}
}

func run(t testing.TB, b verify.Source) verify.Report {
	t.Helper()
	r, err := verify.Run(t.Context(), b, verify.Options{})
	require.NoError(t, err)
	return r
}
