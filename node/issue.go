package node

import (
	"cmp"
	"context"
	"errors"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/node/journal"
	"github.com/tillmesh/tillmesh/replication"
)

// builder makes the document with the number of a closing head, and what belongs into the same commit. It is called with the
// series locked, so only quick work belongs there; it has no other effect, and may be called again.
type builder func(c receipt.Closing) (receipt.Closed, []crdt.Piece, error)

// writer makes a document without a tab: it begins it with [receipt.Closing.Header] and returns what has to be committed with
// it. What is said of a builder holds for it too.
type writer func(c receipt.Closing) (receipt.Document, []crdt.Piece, error)

// issue issues a document without a tab under the next number of this till. What a request with an idempotency key issued
// before is returned as it is.
func (t *Till) issue(ctx context.Context, user, reason string, write writer) (Receipt, error) {
	if id, done, err := t.acted(ctx); err != nil {
		return Receipt{}, err
	} else if done {
		return t.receipt(ctx, id)
	}
	head, err := t.head(ctx, user, reason)
	if err != nil {
		return Receipt{}, err
	}
	return t.issueUnder(ctx, head, write)
}

// issueUnder issues a document without a tab under a head that was made a moment ago.
func (t *Till) issueUnder(ctx context.Context, head receipt.Closing, write writer) (Receipt, error) {
	return t.issueTaking(ctx, head, receipt.Supersedes{}, write)
}

// issueTaking is issueUnder for a document that takes payments with it.
func (t *Till) issueTaking(ctx context.Context, head receipt.Closing, takes receipt.Supersedes, write writer) (Receipt, error) {
	release, err := t.room.sale()
	if err != nil {
		return Receipt{}, err
	}
	defer release()
	return t.number(ctx, head, func(c receipt.Closing) (receipt.Closed, []crdt.Piece, error) {
		d, pieces, err := write(c)
		if err != nil {
			return receipt.Closed{}, nil, err
		}
		closed, err := c.Issue(d, takes)
		switch {
		case errors.Is(err, receipt.ErrOverflow):
			err = refuseInvalid(err)
		case errors.Is(err, receipt.ErrDocument):
			err = refuse(CodeText, "", "%v", err)
		}
		return closed, pieces, err
	})
}

// head is what a document without a tab says of its till, its shop and its time.
func (t *Till) head(ctx context.Context, user, reason string) (receipt.Closing, error) {
	head, err := t.closing(ctx, receipt.TabView{}, user)
	if err != nil {
		return head, err
	}
	settings, err := t.Settings(ctx)
	head.Currency, head.Reason = settings.Money.Currency, reason
	return head, err
}

// number builds a document under the next number of this till and makes it durable with its notes. Everything is one commit.
// Special receipts that have to be made before come before.
func (t *Till) number(ctx context.Context, head receipt.Closing, build builder) (Receipt, error) {
	sign, err := t.signer(ctx)
	if err != nil {
		return Receipt{}, err
	}
	t.special(ctx, sign, false)
	return t.numbered(ctx, head, build)
}

// numbered is number without looking for special receipts.
func (t *Till) numbered(ctx context.Context, head receipt.Closing, build builder) (Receipt, error) {
	const tries = 5 // what is taken back may be another sum each time, as long as others take it back, too
	sign, err := t.signer(ctx)
	if err != nil {
		return Receipt{}, err
	}
	defer t.keepSigning(ctx, sign)
	for try := 1; ; try++ {
		if head.Security, err = t.prepare(ctx, sign, head, build); err != nil {
			return Receipt{}, refuseClose(err)
		}
		r, err := t.numberOnce(ctx, sign, head, build)
		if !errors.Is(err, journal.ErrChanged) || try == tries {
			return r, err
		}
	}
}

func (t *Till) numberOnce(ctx context.Context, sign *journal.Signing, head receipt.Closing, build builder) (Receipt, error) {
	settings, err := t.Settings(ctx)
	if err != nil {
		return Receipt{}, err
	}
	head.Currency = or(head.Currency, settings.Money.Currency)
	wait := t.waits(settings.Print)
	var closed receipt.Closed
	var failed error // why the number holds no receipt
	commit, err := t.series.Issue(ctx, func(number uint64, previous crdt.Hash) (replication.Local, crdt.Hash, error) {
		said := sealed{sign: sign}
		failed, head.Number, head.Previous, head.Secure = nil, int64(number), receipt.Digest(previous), said.secure(ctx)
		var pieces []crdt.Piece
		var err error
		if closed, pieces, err = build(head); err == nil {
			err = fits(closed, pieces)
		}
		if err != nil && said.asked {
			failed, pieces = err, nil
			closed, err = void(head, failed)
		}
		if err != nil {
			return replication.Local{}, crdt.Hash{}, err
		}
		change := t.change(crdt.Sales, receipt.Schema, append([]crdt.Piece{closed.Piece}, pieces...))
		change.Urgent, change.Notes = true, said.notes
		if failed == nil {
			change.Notes = append(append(change.Notes, t.actNotes(ctx, closed.ID)...), wait.notes(closed.ID)...)
		}
		return change, crdt.Hash(receipt.Hash(closed.Receipt.Document)), nil
	})
	if err = cmp.Or(err, failed); err != nil {
		return Receipt{}, refuseClose(err)
	}
	t.stats.ReceiptsClosed.Add(1)
	t.closedUnder(wait, closed.ID, closed.Receipt.NumberText(), commit.Dot)
	holders := t.holders(commit.Dot)
	return Receipt{
		ID: closed.ID, Number: closed.Receipt.NumberText(), Till: t.id.Till, Document: closed.Receipt.Document, Parsed: closed.Document,
		Hash: receipt.Hash(closed.Receipt.Document), Signed: closed.Receipt.Signed, Verified: true, Here: true,
		Copies: holders, Release: t.printing(wait, 1+len(holders)),
	}, nil
}

// commitHead is how much of a commit is none of its pieces, at most: scope, dots, stamps, and names of the pieces.
const commitHead = 8 << 10

// fits refuses a document that does not fit into one commit with what belongs to it. Alone it may be larger.
func fits(closed receipt.Closed, pieces []crdt.Piece) error {
	if len(pieces) == 0 {
		return nil
	}
	size := len(closed.Piece.Raw) + commitHead
	for _, o := range closed.Piece.Objects {
		size += 20 * len(o.IDs)
	}
	for i := range pieces {
		size += len(pieces[i].Raw) + 64
	}
	if size > crdt.MaxCommit {
		return refuse(CodeTooManyLines, "do it in several parts, with fewer lines each", "this is too much for one receipt")
	}
	return nil
}
