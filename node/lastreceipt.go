package node

import (
	"context"
	"errors"
	"fmt"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/crdt/shop"
	"github.com/tillmesh/tillmesh/replication"
)

// A series that a signature unit signs ends with a receipt of its own (Schlussbeleg), which only the till with the key can make.
// A till that was retired from elsewhere makes it when it hears of that: a retired till still hands over what it holds. From a
// revoked one nothing is taken, so it makes none.

// AlarmNoLastReceipt is the kind of alarm that a till left the shop without the last receipt of its series.
const AlarmNoLastReceipt = "last-receipt-missing"

// endSeries makes the last receipt of the series of this till, if it was retired and its device wants one.
func (t *Till) endSeries(ctx context.Context) {
	if !t.mayEnd() {
		return
	}
	err := t.series.Alone(ctx, func(ctx context.Context) error { return t.finish(ctx, "") })
	if err != nil && ctx.Err() == nil {
		t.log.Warn("the last receipt of the signing device was not made yet", "error", err)
	}
}

// mayEnd reports whether this till was retired, and may still hand over what it holds.
func (t *Till) mayEnd() bool { return t.handing == "" && t.roster.state(t.id.Till) == shop.Retired }

// lastWord reports whether a change is one of the two that a retired till still writes: the last receipt of its series, and what
// its terminal answered about a payment that it was asked for before. Nobody else can say either.
func (t *Till) lastWord(l replication.Local) bool {
	if !t.mayEnd() || l.Scope != crdt.Sales || len(l.Pieces) != 1 || len(l.Pieces[0].Objects) > 0 {
		return false
	}
	switch p := l.Pieces[0]; p.Type {
	case receipt.TypeReceipt:
		return isLastReceipt(p)
	case receipt.TypePayment:
		return t.isAnswer(p)
	}
	return false
}

func isLastReceipt(p crdt.Piece) bool {
	r, err := receipt.ParseReceipt(p.Raw)
	if err != nil {
		return false
	}
	d, err := receipt.ParseDocument(r.Document)
	return err == nil && d.Control != nil && d.Control.What == receipt.ControlFinal
}

// isAnswer reports whether a write says what became of a payment of this till: never that the terminal is to be asked, or what a
// person thinks.
func (t *Till) isAnswer(p crdt.Piece) bool {
	if p.Kind != crdt.KindRegister || p.Name != receipt.RegisterProgress {
		return false
	}
	if was, ok := t.book.Payment(p.Object); !ok || was.Payment.Till != t.id.Till {
		return false
	}
	said, err := receipt.ParseProgress(p.Raw)
	return err == nil && !underWay(said.State) && !said.ByHand
}

// missLastReceipt raises an alarm if a till leaves whose series is signed in a chain and has no last receipt here.
func (t *Till) missLastReceipt(ctx context.Context, left Departed) error {
	s, err := t.Settings(ctx)
	if err != nil || s.Business.Country != "AT" {
		return err
	}
	if n := len(left.Series); n > 0 { // the one that it sold in last
		left.Series = left.Series[n-1:]
	}
	for _, end := range left.Series {
		if end.Last == "" {
			continue
		}
		last, err := t.Receipt(ctx, end.Last)
		if errors.Is(err, ErrNotFound) {
			continue
		} else if err != nil {
			return err
		}
		if len(last.Parsed.Security) == 0 || last.Parsed.Control != nil && last.Parsed.Control.What == receipt.ControlFinal {
			continue
		}
		next := "switch " + left.Name + " on once where it reaches another till: it makes the receipt by itself within seconds and hands it over"
		if left.State == shop.Revoked.String() {
			next = "it cannot make it any more: report that the till is lost in FinanzOnline, and keep its receipts, which are here up to " + end.Last
		} else {
			next += "; if it is lost or broken for good, report that in FinanzOnline, and keep its receipts, which are here up to " + end.Last
		}
		t.raise(ctx, AlarmNoLastReceipt, fmt.Sprintf("%s left the shop, and the last receipt of its series %s (Schlussbeleg) is not here.", left.Name, end.Prefix), next, "")
	}
	return nil
}
