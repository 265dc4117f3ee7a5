//go:build bench

package cloud

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/cloudlink/database"
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/crdt/shop"
	"github.com/tillmesh/tillmesh/node/backup/backuptest"
	"github.com/tillmesh/tillmesh/replication"
)

// branch is a shop with one till, in memory, that is coupled with the cloud of [keyed].
type branch struct {
	*backuptest.Till
	sales  []*crdt.Commit // what it has to bring, in the order in which it was made
	number int64
	last   receipt.Digest
	parts  uint32 // commits of open tabs that were made and not kept
}

// cloudKey is the key of the cloud of [keyed].
func cloudKey(t *testing.T) ed25519.PublicKey {
	t.Helper()
	db, err := database.Open(t.Context(), keyed(database.Options{Dir: t.TempDir()}))
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	public, _ := db.Installation().Key.Public().(ed25519.PublicKey)
	return public
}

// newBranches makes so many shops; from is the number of the first, which is another one for each.
func newBranches(t *testing.T, key ed25519.PublicKey, from, n int) []*branch {
	t.Helper()
	list := make([]*branch, n)
	for i := range list {
		b := &branch{Till: backuptest.Found(t, "", uint64(from+i)+1)}
		b.last = receipt.First(b.Shop.ID, b.ID, b.Prefix)
		item, err := shop.Coupling{PublicKey: key, URL: "https://cloud.example", Account: "inhaber@example.org", By: b.ID,
			ID: [shop.CouplingSize]byte{1}, MS: backuptest.Begin.UnixMilli()}.Sign(b.Shop.ID, b.Key)
		require.NoError(t, err)
		b.Commit(crdt.Shop, []crdt.Piece{item})
		list[i] = b
	}
	return list
}

// sell makes so many receipts of three lines, as a cloud gets them that was away: without what was the tab before.
func (b *branch) sell(n int) {
	for range n {
		b.sales = append(b.sales, b.receipt(3))
	}
}

// sellWhole makes so many sales with everything that a cloud gets that is linked: tab, lines, payment, receipt.
func (b *branch) sellWhole(n int) {
	b.Made = func(c *crdt.Commit) { b.sales = append(b.sales, c) }
	for range n {
		b.SellWith(b.Key)
	}
	b.Made = nil
}

func (b *branch) receipt(lines int) *crdt.Commit {
	t, ms := b.T, backuptest.Begin.UnixMilli()+b.number*1000
	clock := func(ms int64) string { return time.UnixMilli(ms).UTC().Format(time.RFC3339) }
	tab := b.id()
	pieces, err := receipt.EditTab(tab, nil, receipt.TabEdit{Head: &receipt.Head{Name: "Tisch 7", OpenedMS: ms, Till: b.ID}})
	parts := receipt.Parts{Tab: b.part(tab, pieces, err)}
	var due receipt.Amount
	for i := range lines {
		id, price := b.id(), receipt.Amount(250+50*i)
		due += price
		pieces, err := receipt.NewLine(id, tab, receipt.Line{Name: fmt.Sprintf("Artikel %d", i), Quantity: 1000, UnitPrice: price,
			Currency: "EUR", Tax: receipt.TaxRef{Rate: 1900}, Case: receipt.SaleCase, Till: b.ID, MS: ms, User: "Anna"})
		parts.Lines = append(parts.Lines, b.part(id, pieces, err))
	}
	id := b.id()
	pieces, err = receipt.NewPayment(id, receipt.Payment{Tab: tab, Type: receipt.CashType, Amount: due, Till: b.ID, MS: ms}, "")
	parts.Payments = append(parts.Payments, b.part(id, pieces, err))
	b.number++
	closed, err := receipt.BuildClose(receipt.View(parts), receipt.Closing{
		Shop: receipt.DocShop{ID: b.Shop.ID, Name: "Café Möwe"}, Till: receipt.DocTill{ID: b.ID, Name: b.Name, Serial: "1"}, Replica: b.Replica,
		Series: b.Prefix, Number: b.number, Previous: b.last, Closed: clock(ms), BusinessDay: "2026-09-03", Time: clock,
		Sign: func(doc []byte) (receipt.Signed, error) { return receipt.Sign(b.Key, doc) },
	})
	require.NoError(t, err)
	b.last = receipt.Hash(closed.Receipt.Document)
	return b.Make(crdt.Sales, []crdt.Piece{closed.Piece})
}

// id returns an object ID that is another one each time.
func (b *branch) id() crdt.ObjectID {
	b.parts++
	sum := sha256.Sum256(binary.BigEndian.AppendUint32(append([]byte(nil), b.ID[:]...), b.parts))
	return crdt.ObjectID(sum[:16])
}

// part returns a part of a tab whose commit is not kept.
func (b *branch) part(id crdt.ObjectID, pieces []crdt.Piece, err error) receipt.Part {
	require.NoError(b.T, err)
	c := &crdt.Commit{Scope: crdt.Sales, Dot: crdt.Dot{Replica: b.Replica, Seq: crdt.NewSeq(1, b.parts)}, Stamp: crdt.Stamp{Trusted: true, MS: 1}, WallMS: 1, Pieces: pieces}
	require.NoError(b.T, c.Seal())
	p := receipt.Part{ID: id, Object: new(crdt.Object)}
	for i := range c.Pieces {
		p.Object.Apply(c.Origin(), i, &c.Pieces[i])
		if c.Pieces[i].Kind == crdt.KindItem {
			p.Item = c.Pieces[i].Raw
		}
	}
	return p
}

// founding returns the commits of the shop's own scope, without which the cloud takes nothing.
func (b *branch) founding() (list [][]byte) {
	for at := (replication.Cursor{}); !at.Done; {
		part, next, err := b.Store.Live(b.T.Context(), crdt.Shop, b.Store.Contexts()[crdt.Shop], at, 1<<20)
		require.NoError(b.T, err)
		list, at = append(list, part...), next
	}
	return list
}

// prepare couples the shops in a database, each with an account of its own. It writes what coupling writes, in one transaction.
func prepare(t *testing.T, o database.Options, list []*branch) {
	t.Helper()
	ctx := t.Context()
	db, err := database.Open(ctx, o)
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	public := func(b *branch) []byte { key, _ := b.Key.Public().(ed25519.PublicKey); return key }
	ms := backuptest.Begin.UnixMilli()
	require.NoError(t, db.Tx(ctx, func(tx *database.Tx) error {
		for _, b := range list {
			if _, err := tx.Exec(ctx, `INSERT INTO shops (shop, account, name, coupled_at, coupled_by) VALUES (?, ?, 'Café Möwe', ?, 'bench')`,
				b.Shop.ID[:], b.Shop.ID[:], ms); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, `INSERT INTO devices (shop, till, public_key, name, coupled_at, coupled_by, seen_at, revoked_at, revoked_by, revoked_why)
				VALUES (?, ?, ?, ?, ?, 'bench', ?, 0, '', '')`, b.Shop.ID[:], b.ID[:], public(b), b.Name, ms, ms); err != nil {
				return err
			}
		}
		return nil
	}))
}
