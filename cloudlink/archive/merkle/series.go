package merkle

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"

	"github.com/tillmesh/tillmesh/cloudlink/archive"
	"github.com/tillmesh/tillmesh/cloudlink/database"
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/crdt/receipt/loss"
	"github.com/tillmesh/tillmesh/crdt/receipt/verify"
)

// SeriesID is what the IDs of all documents of one type and series of a till begin with.
type SeriesID [8]byte

// Object returns the ID of a number of the series.
func (s SeriesID) Object(number int64) (id crdt.ObjectID) {
	copy(id[:8], s[:])
	binary.BigEndian.PutUint64(id[8:], uint64(number))
	return id
}

// SeriesOf returns what the ID of a document begins with.
func SeriesOf(id crdt.ObjectID) SeriesID { return SeriesID(id[:8]) }

// Series lists the series of documents of a type that the archive holds anything of, at most limit. It takes one step of an index for each.
func (l *Logs) Series(ctx context.Context, account archive.AccountID, shop crdt.ShopID, typ string, limit int) (list []SeriesID, err error) {
	err = l.db.View(ctx, func(tx *database.Tx) error {
		list = nil
		var from crdt.ObjectID
		for len(list) < limit {
			var raw []byte
			err := tx.QueryRow(ctx, `SELECT object FROM archive_leaves WHERE account = ? AND shop = ? AND type = ? AND object >= ? ORDER BY object LIMIT 1`,
				account[:], shop[:], typ, from[:]).Scan(&raw)
			if errors.Is(err, sql.ErrNoRows) {
				return nil
			}
			if err != nil {
				return err
			}
			copy(from[:], raw)
			list = append(list, SeriesOf(from))
			more := false
			if from, more = behind(from); !more {
				return nil
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list series in the archive of %s: %w", account, err)
	}
	return list, nil
}

// LastNumber returns the highest number of a series that the archive holds; 0: it holds none.
func (l *Logs) LastNumber(ctx context.Context, account archive.AccountID, shop crdt.ShopID, typ string, s SeriesID) (last int64, err error) {
	first, end := s.Object(1), s.Object(receipt.MaxInteger)
	err = l.db.View(ctx, func(tx *database.Tx) error {
		var raw []byte
		err := tx.QueryRow(ctx, `SELECT object FROM archive_leaves WHERE account = ? AND shop = ? AND type = ? AND object >= ? AND object <= ? ORDER BY object DESC LIMIT 1`,
			account[:], shop[:], typ, first[:], end[:]).Scan(&raw)
		if errors.Is(err, sql.ErrNoRows) {
			last = 0
			return nil
		}
		if err == nil && len(raw) == len(crdt.ObjectID{}) {
			last = receipt.NumberOf(crdt.ObjectID(raw))
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("last number in the archive of %s: %w", account, err)
	}
	return last, nil
}

// Runs finds the numbers of a series that the archive holds, from a number on, as ranges. It counts in an index and reads no document.
func (l *Logs) Runs(ctx context.Context, account archive.AccountID, shop crdt.ShopID, typ string, s SeriesID, from int64) iter.Seq2[loss.Run, error] {
	return func(yield func(loss.Run, error) bool) {
		last, err := l.LastNumber(ctx, account, shop, typ, s)
		if err != nil {
			yield(loss.Run{}, err)
			return
		}
		for r, err := range loss.Runs(from, last, func(first, last int64) (n int64, err error) {
			a, b := s.Object(first), s.Object(last)
			err = l.db.View(ctx, func(tx *database.Tx) error {
				n, err = one(tx.QueryRow(ctx, `SELECT count(*) FROM (SELECT DISTINCT object FROM archive_leaves
					WHERE account = ? AND shop = ? AND type = ? AND object >= ? AND object <= ?) AS held`, account[:], shop[:], typ, a[:], b[:]))
				return err
			})
			return n, err
		}) {
			if err != nil {
				err = fmt.Errorf("count numbers in the archive of %s: %w", account, err)
			}
			if !yield(r, err) {
				return
			}
		}
	}
}

var _ loss.Source = (*Books)(nil)

// Runs is a method of loss.Source.
func (b *Books) Runs(ctx context.Context, s verify.Series) iter.Seq2[loss.Run, error] {
	return b.logs.Runs(ctx, b.account, b.shop, receipt.TypeReceipt, SeriesOf(receipt.ReceiptID(s.Shop, s.Till, s.Prefix, 1)), 1)
}

// Documents is a method of loss.Source.
func (b *Books) Documents(ctx context.Context, s verify.Series, r loss.Run) iter.Seq2[verify.Entry, error] {
	id := SeriesOf(receipt.ReceiptID(s.Shop, s.Till, s.Prefix, 1))
	return b.documents(ctx, receipt.TypeReceipt, archive.Receipt, id.Object(r.First), id.Object(r.Last))
}

// Mentions is a method of loss.Source: that a receipt was let go although it was on too few tills. What other receipts took back is in them.
func (b *Books) Mentions(ctx context.Context, id crdt.ObjectID) (list []loss.Mention, err error) {
	of := receipt.ReleaseID(id)
	for s, err := range b.logs.Objects(ctx, b.account, b.shop, receipt.TypeRelease, of, of) {
		if err != nil {
			return nil, err
		}
		if r, err := receipt.ParseRelease(s.Content); err == nil && r.Receipt == id {
			return []loss.Mention{loss.Released(r)}, nil
		}
	}
	return nil, nil
}
