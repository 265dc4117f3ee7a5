package node

import (
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/replication"
)

// planned is a till whose plans of closings a test looks into.
type planned struct {
	*Machine
	data string
	stop func()
}

// runPlanned runs the till of a data directory. seen, unless it is nil, stands between it and what makes its changes durable.
func runPlanned(t *testing.T, data string, seen *watched) *planned {
	t.Helper()
	m, err := Open(t.Context(), Options{Data: data, Listen: "127.0.0.1:0", NoMDNS: true, Version: "test", Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	if seen != nil {
		seen.Replicator = m.replicator
		m.replicator = seen
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx) }()
	p := &planned{Machine: m, data: data}
	p.stop = func() {
		cancel()
		require.NoError(t, <-ended)
		p.stop = func() {}
	}
	t.Cleanup(func() { p.stop() })
	return p
}

func foundPlanned(t *testing.T) string {
	t.Helper()
	data := filepath.Join(t.TempDir(), "kasse1")
	_, err := Found(t.Context(), FoundOptions{Data: data, Shop: "Café Mitte", Name: "Kasse 1"})
	require.NoError(t, err)
	return data
}

// inAnotherSeries starts the till again after it lost what says that its data is not older than what it sold.
func (p *planned) inAnotherSeries(t *testing.T) *planned {
	t.Helper()
	p.stop()
	require.NoError(t, os.Remove(filepath.Join(p.data, "highwater")))
	again := runPlanned(t, p.data, nil)
	require.NotEqual(t, "K1", again.series.Prefix())
	return again
}

// moves counts the movements of cash in all receipts of a till by business case.
func (p *planned) moves(t *testing.T) map[string]int {
	t.Helper()
	list, _, err := p.Receipts(t.Context(), ReceiptFilter{}, "", 100)
	require.NoError(t, err)
	out := make(map[string]int)
	for _, s := range list {
		r, err := p.Receipt(t.Context(), s.ID.String())
		require.NoError(t, err)
		out[r.Parsed.Lines[0].Case]++
	}
	return out
}

// watched sees what a till wants to make durable.
type watched struct {
	Replicator
	see func(replication.Local) // before it is submitted
	ctx func(context.Context)   // with which it is waited for
}

// Submit is a method of Replicator.
func (w *watched) Submit(l replication.Local) (func(context.Context) (*crdt.Commit, error), error) {
	w.see(l)
	wait, err := w.Replicator.Submit(l)
	if w.ctx == nil || !writes(l, receipt.TypeClosing) {
		return wait, err
	}
	return func(ctx context.Context) (*crdt.Commit, error) {
		w.ctx(ctx)
		return wait(context.WithoutCancel(ctx))
	}, err
}

func writes(l replication.Local, typ string) bool {
	return slices.ContainsFunc(l.Pieces, func(p crdt.Piece) bool { return p.Type == typ })
}

// planOf is a closing of what was put into the drawer: 1.00 more was counted, 8.00 go to the bank, 3.00 stay.
func planOf(ctx context.Context) *closingPlan {
	counted := int64(1100)
	p := &closingPlan{Under: "K1", Series: "K1", Number: 1, Head: 1, User: "Anna", Float: 300,
		Cash: planCash{Expected: 1000, Counted: &counted, Difference: 100, Dropped: 800, Reason: "Probe"}}
	if r, ok := ctx.Value(requestKey{}).(request); ok {
		p.request = &r
	}
	return p
}

func eveningOf(t *testing.T) (context.Context, NewClosing) {
	counted, float := receipt.Amount(1100), receipt.Amount(300)
	return ForRequest(t.Context(), "evening", sha256.Sum256([]byte("evening"))), NewClosing{User: "Anna", Counted: &counted, Why: "Probe", Float: &float}
}

// TestAFloatOfAFormerSeriesIsNotBookedAgain: the till went on in a new series, for example because an older disk was put in, on
// which the closing was made and its float was not booked yet. In the former series it may be booked long ago. A float that is booked
// twice makes the cash journal of the shop wrong: the drawer should hold money that nobody ever put in.
func TestAFloatOfAFormerSeriesIsNotBookedAgain(t *testing.T) {
	till := runPlanned(t, foundPlanned(t), nil)
	_, err := till.MoveCash(t.Context(), CashMove{What: CashIn, Amount: 1000})
	require.NoError(t, err)
	ctx, n := eveningOf(t)
	z, err := till.CloseTill(ctx, n)
	require.NoError(t, err)
	p := planOf(ctx)
	p.Booked = []string{stepDifference, stepDrop}
	require.NoError(t, till.keepPlan(t.Context(), p), "as the older disk has it")
	once := till.moves(t)
	require.Equal(t, map[string]int{receipt.CaseIn: 1, receipt.CaseDifference: 1, receipt.CaseTransit: 1, receipt.CaseFloat: 1}, once)

	till = till.inAnotherSeries(t)
	require.NoError(t, till.ResumeClosing(t.Context()))
	require.Equal(t, once, till.moves(t))
	x, err := till.Interim(t.Context())
	require.NoError(t, err)
	require.Zero(t, x.Report.Cash.Expected)
	alarms := till.Alarms()
	i := slices.IndexFunc(alarms, func(a Alarm) bool { return a.Kind == AlarmFloat })
	require.GreaterOrEqual(t, i, 0, "somebody has to look whether it is booked")
	require.Contains(t, alarms[i].Text, "K1 Z 1")
	require.Contains(t, alarms[i].Detail, "300")
	again, err := till.CloseTill(ctx, n)
	require.NoError(t, err)
	require.Equal(t, z.ID, again.ID, "the same request made it before")
}

// TestAPlanOfAFormerSeriesBooksNothing: what a closing has still to book belongs to its series. In the next one it would be money that
// was moved in a period it was not moved in, and the closing of the former series would never agree with its receipts, so that the
// till could make none any more. Whoever sends the request again must not have the same count booked against another drawer.
func TestAPlanOfAFormerSeriesBooksNothing(t *testing.T) {
	till := runPlanned(t, foundPlanned(t), nil)
	_, err := till.MoveCash(t.Context(), CashMove{What: CashIn, Amount: 1000})
	require.NoError(t, err)
	ctx, n := eveningOf(t)
	p := planOf(ctx)
	require.NoError(t, till.keepPlan(t.Context(), p))
	require.NoError(t, till.bookStep(t.Context(), p, stepDifference, CashMove{What: CashDifference, Amount: 100}))
	require.NoError(t, till.bookStep(t.Context(), p, stepDifference, CashMove{What: CashDifference, Amount: 100}), "it was done")
	once := map[string]int{receipt.CaseIn: 1, receipt.CaseDifference: 1}
	require.Equal(t, once, till.moves(t))

	till = till.inAnotherSeries(t)
	require.NoError(t, till.ResumeClosing(t.Context()))
	require.Equal(t, once, till.moves(t))
	var no *Refusal
	_, err = till.CloseTill(ctx, n)
	require.ErrorAs(t, err, &no)
	require.Equal(t, CodeSoldSince, no.Code)
	require.Equal(t, once, till.moves(t))
	former, err := till.CloseTill(t.Context(), NewClosing{Series: "K1"})
	require.NoError(t, err, "its cash goes on in the drawer")
	require.Equal(t, receipt.Amount(1100), former.Report.Cash.Expected)
	z, err := till.CloseTill(t.Context(), NewClosing{})
	require.NoError(t, err)
	require.Equal(t, receipt.Amount(1100), z.Report.Cash.Expected)
}

// TestWhatWasCountedIsNotBookedTwice: the till died in the middle of a closing and sold before it could go on. Whoever sends the same
// request again would have the money that went to the bank booked once more.
func TestWhatWasCountedIsNotBookedTwice(t *testing.T) {
	till := runPlanned(t, foundPlanned(t), nil)
	_, err := till.MoveCash(t.Context(), CashMove{What: CashIn, Amount: 1000})
	require.NoError(t, err)
	ctx, n := eveningOf(t)
	p := planOf(ctx)
	require.NoError(t, till.keepPlan(t.Context(), p))
	require.NoError(t, till.bookStep(t.Context(), p, stepDifference, CashMove{What: CashDifference, Amount: 100}))
	require.NoError(t, till.bookStep(t.Context(), p, stepDrop, CashMove{What: CashDrop, Amount: 800}))
	_, err = till.MoveCash(t.Context(), CashMove{What: CashIn, Amount: 50})
	require.NoError(t, err)
	for range 2 {
		var no *Refusal
		_, err = till.CloseTill(ctx, n)
		require.ErrorAs(t, err, &no)
		require.Equal(t, CodeSoldSince, no.Code)
	}
	require.Equal(t, map[string]int{receipt.CaseIn: 2, receipt.CaseDifference: 1, receipt.CaseTransit: 1}, till.moves(t))
	z, err := till.CloseTill(t.Context(), NewClosing{})
	require.NoError(t, err, "another request")
	require.Equal(t, receipt.Amount(350), z.Report.Cash.Expected)
}

// TestAStepAndThatItIsDoneAreOneChange: kept apart from its receipt, that a step is done could be lost, or forgotten after a day, and
// the money be booked again.
func TestAStepAndThatItIsDoneAreOneChange(t *testing.T) {
	var plans []*closingPlan
	seen := &watched{see: func(l replication.Local) {
		i := slices.IndexFunc(l.Notes, func(n replication.Note) bool { return n.Key == planNote })
		switch money := writes(l, receipt.TypeReceipt); {
		case i < 0 && !money:
		case i < 0:
			plans = append(plans, nil)
		case len(l.Notes[i].Value) == 0:
			plans = append(plans, &closingPlan{Series: "over"})
		default:
			p, err := readPlan(l.Notes[i].Value)
			if err != nil {
				panic(err)
			}
			plans = append(plans, p)
		}
	}}
	till := runPlanned(t, foundPlanned(t), seen)
	ctx, n := eveningOf(t)
	_, err := till.CloseTill(ctx, n)
	require.NoError(t, err)
	require.Len(t, plans, 4, "the plan, the difference, the drop, the float")
	require.NotContains(t, plans, (*closingPlan)(nil), "money was booked and the plan does not say so")
	require.Empty(t, plans[0].Booked)
	require.Equal(t, []string{stepDifference}, plans[1].Booked)
	require.Equal(t, []string{stepDifference, stepDrop}, plans[2].Booked)
	require.Equal(t, "over", plans[3].Series)
	p, err := till.pendingPlan(t.Context())
	require.NoError(t, err)
	require.Nil(t, p)
}

// TestAClosingIsWaitedFor: whoever asked for it may be gone before it is durable. If the till went on without knowing its outcome,
// the next one would get the same number: two documents for one period.
func TestAClosingIsWaitedFor(t *testing.T) {
	ctx, gone := context.WithCancel(t.Context())
	var waited error
	seen := &watched{
		see: func(l replication.Local) {
			if writes(l, receipt.TypeClosing) {
				gone()
			}
		},
		ctx: func(ctx context.Context) { waited = errors.Join(waited, ctx.Err()) },
	}
	till := runPlanned(t, foundPlanned(t), seen)
	_, n := eveningOf(t)
	_, _ = till.CloseTill(ctx, n) // who asked is gone: nobody hears the answer
	require.Error(t, ctx.Err())
	require.NoError(t, waited)
	require.NoError(t, till.ResumeClosing(t.Context()))
	require.Equal(t, map[string]int{receipt.CaseDifference: 1, receipt.CaseTransit: 1, receipt.CaseFloat: 1}, till.moves(t))
	list, _, err := till.Closings(t.Context(), ClosingFilter{}, "", 10)
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.False(t, list[0].Alarm)
}

// TestOneRequestTwiceAtOnceMakesOneClosing: of this series, or of a former one whose cash is then booked as a float once.
func TestOneRequestTwiceAtOnceMakesOneClosing(t *testing.T) {
	till := runPlanned(t, foundPlanned(t), nil)
	_, err := till.MoveCash(t.Context(), CashMove{What: CashIn, Amount: 1000})
	require.NoError(t, err)
	till = till.inAnotherSeries(t)
	for _, series := range []string{"K1", ""} {
		ctx := ForRequest(t.Context(), "closing of "+series, [32]byte{})
		var both sync.WaitGroup
		var made [4]Closing
		var failed [4]error
		for i := range made {
			both.Go(func() { made[i], failed[i] = till.CloseTill(ctx, NewClosing{Series: series}) })
		}
		both.Wait()
		require.NoError(t, errors.Join(failed[:]...))
		for _, c := range made {
			require.Equal(t, made[0].ID, c.ID)
		}
	}
	require.Equal(t, map[string]int{receipt.CaseIn: 1, receipt.CaseFloat: 2}, till.moves(t), "one after each closing")
}
