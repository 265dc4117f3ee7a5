package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/replication"
)

const (
	maxBacks = 200 // read at once
	// backAgain is when it is tried again to write what could not be written.
	backAgain = 2 * time.Second
)

// waitsForBacks notes that at least so many receipts wait.
func (c *cards) waitsForBacks(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.backs = max(c.backs, n)
}

// finishBacks goes on with the receipts that wait until the terminal has given money back, and returns when to look again; zero:
// when something happens.
func (t *Till) finishBacks(ctx context.Context) (time.Duration, error) {
	if t.mayWrite() != nil {
		return 0, nil
	}
	notes, err := t.store.NotesFrom(ctx, backNote, "", maxBacks)
	if err != nil {
		return backAgain, err
	}
	left := 0
	defer func() {
		t.cards.mu.Lock()
		t.cards.backs = left
		t.cards.mu.Unlock()
	}()
	again := time.Duration(0)
	for _, n := range notes {
		left++
		of, asked, p, err := readPending(n)
		if err != nil {
			t.log.Error("what was to be written when a card terminal had given money back cannot be read", "error", err)
			continue
		}
		done, err := t.finishBack(ctx, of, asked, p)
		switch {
		case ctx.Err() != nil:
			return 0, nil
		case err != nil:
			t.log.Warn("what takes a receipt back was not written yet", "receipt", of.String(), "error", err)
			again = backAgain
		case done:
			if err := t.dropBack(ctx, of, asked); err != nil {
				return backAgain, err
			}
			left--
		}
	}
	return again, nil
}

// dropBack removes the note of a receipt that waits for nothing any more, unless somebody asked for it anew.
func (t *Till) dropBack(ctx context.Context, of, asked crdt.ObjectID) error {
	defer t.tabs.own(of)()
	got, err := t.store.Notes(ctx, backNote+of.String())
	if err != nil || got[0] == nil {
		return err
	}
	note := replication.Note{Key: backNote + of.String(), Value: got[0]}
	if _, now, _, err := readPending(note); err != nil || now != asked {
		return err
	}
	return t.keepNotes(ctx, replication.Note{Key: note.Key})
}

// finishBack goes on with one receipt. It is over when it was written, when the terminal declined, or when it cannot be written
// any more; money that went back then is a case.
func (t *Till) finishBack(ctx context.Context, of, asked crdt.ObjectID, p pendingBack) (over bool, err error) {
	paid, err := t.Payment(ctx, asked)
	switch {
	case err != nil:
		return false, err
	case undecided(paid.State):
		return false, nil
	case paid.Settled != "" || paid.State == receipt.PaymentDeclined:
		return true, nil
	}
	ctx = context.WithValue(ctx, requestKey{}, nil)
	if p.Key != "" && len(p.Hash) == len(request{}.hash) {
		ctx = ForRequest(ctx, p.Key, [32]byte(p.Hash))
	}
	if p.Case != "" {
		err = t.resumeDecision(ctx, p)
	} else {
		err = t.resumeCorrection(ctx, of, p)
	}
	if _, next := errors.AsType[*PaybackAsked](err); next {
		return false, nil // the next payment; the note says so
	}
	if r, refused := isRefusal(err); refused {
		if r.Code == CodeTerminalBusy || r.Code == CodeBackRunning {
			return false, err
		}
		t.log.Warn("money went back to a card, and what takes the receipt back cannot be written: see the cases", "receipt", of.String(), "error", err)
		return true, nil
	}
	return err == nil, err
}

func (t *Till) resumeCorrection(ctx context.Context, of crdt.ObjectID, p pendingBack) error {
	chosen, err := p.chosen()
	if err != nil {
		return err
	}
	c := Correction{Payments: chosen, InCash: p.InCash, User: p.User, Reason: p.Reason}
	for _, l := range p.Lines {
		id, err := crdt.ParseObjectID(l.Line)
		if err != nil {
			return fmt.Errorf("note of money that goes back: %w", err)
		}
		c.Lines = append(c.Lines, receipt.Taken{Line: id, Quantity: l.Quantity})
	}
	_, err = t.correct(ctx, of.String(), c, p.Whole)
	return err
}

func (t *Till) resumeDecision(ctx context.Context, p pendingBack) error {
	d := Decision{What: DecideAccept, User: p.User, Reason: p.Reason}
	id, err := crdt.ParseObjectID(p.Case)
	if err == nil {
		d.Payments, err = p.chosen()
	}
	if err == nil && p.Primary != "" {
		d.Primary, err = crdt.ParseObjectID(p.Primary)
	}
	if err != nil {
		return fmt.Errorf("note of money that goes back: %w", err)
	}
	_, _, err = t.Resolve(ctx, id, d)
	return err
}

// PayingBack returns the payment that the terminal is or was asked for before a receipt is taken back; nil if nothing waits for
// it at this till.
func (t *Till) PayingBack(ctx context.Context, of crdt.ObjectID) (*CardPayment, error) {
	got, err := t.store.Notes(ctx, backNote+of.String())
	if err != nil || got[0] == nil {
		return nil, err
	}
	_, asked, _, err := readPending(replication.Note{Key: backNote + of.String(), Value: got[0]})
	if err != nil {
		return nil, err
	}
	p, err := t.Payment(ctx, asked)
	return &p, err
}
