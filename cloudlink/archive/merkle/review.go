package merkle

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/tillmesh/tillmesh/cloudlink/archive"
	"github.com/tillmesh/tillmesh/cloudlink/database"
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
)

// Review judges up to 256 leaves that are new, and appends a note for each document that does not hold in itself, that has another content
// than an earlier one with its number, or that came after the closing that covers it. Nothing is changed or held back because of it. It
// reports whether there are more. What a series or a closing as a whole lacks is for package completeness to say.
func (l *Logs) Review(ctx context.Context, account archive.AccountID, now time.Time) (more bool, err error) {
	var from, size int64
	err = l.db.View(ctx, func(tx *database.Tx) error {
		if from, err = one(tx.QueryRow(ctx, `SELECT reviewed FROM archive_trees WHERE account = ?`, account[:])); err != nil {
			return err
		}
		size, err = one(tx.QueryRow(ctx, `SELECT size FROM archive_logs WHERE account = ?`, account[:]))
		return err
	})
	if err == nil && from < size {
		var page []Stored
		if page, err = l.page(ctx, account, Query{First: from, End: size}); err == nil {
			more, err = l.review(ctx, account, now, page)
		}
	}
	if err != nil {
		return false, fmt.Errorf("review the archive of %s: %w", account, err)
	}
	return more, nil
}

func (l *Logs) review(ctx context.Context, account archive.AccountID, now time.Time, page []Stored) (more bool, err error) {
	if len(page) == 0 {
		return false, fmt.Errorf("%w: new leaves are missing", ErrRewritten)
	}
	var notes []archive.Entry
	today := now.UTC().Format(time.DateOnly)
	for _, s := range page {
		leaf, err := archive.ParseLeaf(s.Leaf)
		if err != nil {
			return false, fmt.Errorf("leaf %d: %w", s.Index, err)
		}
		judged, err := l.judge(ctx, account, s, leaf)
		if err != nil {
			return false, err
		}
		for _, j := range judged {
			e, err := j.Entry(leaf, today)
			if err != nil {
				return false, err
			}
			notes = append(notes, e)
		}
	}
	from, end := page[0].Index, page[len(page)-1].Index+1
	err = l.db.Tx(ctx, func(tx *database.Tx) error {
		more = true
		var reviewed int64
		if err := lock(ctx, tx, `INSERT INTO archive_trees (account, hashed, reviewed) VALUES (?, 0, 0)`,
			`SELECT reviewed FROM archive_trees WHERE account = ?`, account, &reviewed); err != nil {
			return err
		}
		if reviewed != from {
			return nil // another server did it meanwhile
		}
		if _, err := tx.Exec(ctx, `UPDATE archive_trees SET reviewed = ? WHERE account = ?`, end, account[:]); err != nil {
			return err
		}
		_, err := l.Append(ctx, tx, account, notes, now)
		return err
	})
	return more, err
}

// judge says what is worth a note about a leaf.
func (l *Logs) judge(ctx context.Context, account archive.AccountID, s Stored, leaf archive.Leaf) (out []archive.Judgement, err error) {
	for _, text := range archive.Judge(leaf, s.Content) {
		out = append(out, archive.Judgement{Code: archive.NoteFlagged, About: s.Index, Text: text})
	}
	if !leaf.Kind.Document() {
		return out, nil
	}
	err = l.db.View(ctx, func(tx *database.Tx) error {
		other, err := forked(ctx, tx, account, s.Index, leaf)
		if err != nil {
			return err
		}
		if other >= 0 {
			out = append(out, archive.Judgement{Code: archive.NoteFork, About: s.Index,
				Text: fmt.Sprintf("%s is there twice with different content: leaf %d was archived before.", archive.NameOf(leaf), other)})
		}
		if leaf.Kind == archive.Closing {
			return nil
		}
		z, err := closedBefore(ctx, tx, account, s, leaf)
		if err == nil && z != "" {
			out = append(out, archive.Judgement{Code: archive.NoteLate, About: s.Index, Text: fmt.Sprintf("%s came after %s, which covers it.", archive.NameOf(leaf), z)})
		}
		return err
	})
	return out, err
}

// forked returns the index of an earlier leaf of the same number with another document; -1: there is none.
func forked(ctx context.Context, tx *database.Tx, account archive.AccountID, index int64, leaf archive.Leaf) (other int64, err error) {
	other = -1
	found, err := tx.Query(ctx, `SELECT leaf_index, leaf FROM archive_leaves WHERE account = ? AND shop = ? AND type = ? AND object = ? AND leaf_index < ? ORDER BY leaf_index LIMIT 16`,
		account[:], leaf.Shop[:], leaf.Type, leaf.Object[:], index)
	return other, each(found, err, func(r *sql.Rows) error {
		var at int64
		var raw []byte
		if err := r.Scan(&at, &raw); err != nil {
			return err
		}
		before, err := archive.ParseLeaf(raw)
		if err == nil && other < 0 && before.Kind == leaf.Kind && before.Hash != leaf.Hash {
			other = at
		}
		return err
	})
}

// closedBefore returns the name of the last closing of the document's series that was archived before it, if that one covers it.
func closedBefore(ctx context.Context, tx *database.Tx, account archive.AccountID, s Stored, leaf archive.Leaf) (string, error) {
	signed, err := archive.SignedOf(leaf.Kind, s.Content)
	if err != nil {
		return "", nil // said elsewhere
	}
	first, last := receipt.ZRange(leaf.Shop, crdt.TillIDOf(signed.Key), leaf.Name)
	var content []byte
	err = tx.QueryRow(ctx, `SELECT content FROM archive_leaves WHERE account = ? AND shop = ? AND type = ? AND object >= ? AND object <= ? AND leaf_index < ?
		ORDER BY object DESC, leaf_index DESC LIMIT 1`, account[:], leaf.Shop[:], receipt.TypeClosing, first[:], last[:], s.Index).Scan(&content)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	z, err := receipt.ParseClosing(content)
	if err != nil || z.To < leaf.Number {
		return "", nil
	}
	return receipt.ZText(z.Series, z.Number), nil
}
