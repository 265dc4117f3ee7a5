package books_test

import (
	"crypto/ed25519"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/tillmesh/tillmesh/cloudlink/archive"
	"github.com/tillmesh/tillmesh/cloudlink/archive/archivetest"
	"github.com/tillmesh/tillmesh/cloudlink/archive/merkle"
	"github.com/tillmesh/tillmesh/cloudlink/database"
	"github.com/tillmesh/tillmesh/cloudlink/database/databasetest"
	"github.com/tillmesh/tillmesh/cloudlink/server"
	"github.com/tillmesh/tillmesh/cloudlink/server/books"
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
)

func TestMain(m *testing.M) { os.Exit(databasetest.Main(m)) }

var (
	account = crdt.ObjectID{1, 2, 3}
	now     = time.UnixMilli(archivetest.NowMS)
)

// bench is an archive with its books.
type bench struct {
	*books.Books
	t    *testing.T
	db   *database.DB
	logs *merkle.Logs
}

func open(t *testing.T, db *database.DB) *bench {
	t.Helper()
	logs := merkle.New(db)
	b, err := books.New(books.Options{DB: db, Logs: logs, Now: func() time.Time { return now }})
	require.NoError(t, err)
	return &bench{b, t, db, logs}
}

func sqlite(t *testing.T) *bench { return open(t, databasetest.Open(t, databasetest.SQLite(t))) }

// archive puts the commits of a shop into the archive and seals it.
func (b *bench) archive(s *archivetest.Shop) {
	b.t.Helper()
	for _, c := range s.Commits {
		b.append(s, c)
	}
	s.Commits = nil
	_, err := b.Seal(b.t.Context(), archive.AccountID(account))
	require.NoError(b.t, err)
}

func (b *bench) append(s *archivetest.Shop, c *crdt.Commit) {
	b.t.Helper()
	require.NoError(b.t, b.db.Tx(b.t.Context(), func(tx *database.Tx) error {
		_, err := b.logs.Append(b.t.Context(), tx, archive.AccountID(account), archive.Entries(s.ID, c), now)
		return err
	}))
}

// list reads a whole list, some at a time.
func (b *bench) list(f server.DocumentFilter, limit int) (all []server.Document) {
	b.t.Helper()
	for after := ""; ; {
		list, next, err := b.Documents(b.t.Context(), account, f, after, limit)
		require.NoError(b.t, err)
		require.LessOrEqual(b.t, len(list), limit)
		all = append(all, list...)
		if next == "" {
			return all
		}
		require.NotEqual(b.t, after, next)
		after = next
	}
}

func numbers(list []server.Document) (out []string) {
	for _, d := range list {
		out = append(out, d.Number)
	}
	return out
}

func codes(d server.Document) (out []string) {
	for _, f := range d.Findings {
		out = append(out, f.Code)
	}
	return out
}

func TestDocumentsAreListedTheNewestFirst(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		b := open(t, db)
		s, other := archivetest.Day(t, 1, 5), archivetest.Day(t, 2, 3)
		b.archive(s)
		b.archive(other)
		for _, limit := range []int{1, 2, 3, 100} {
			list := b.list(server.DocumentFilter{Shop: s.ID, Kind: server.KindReceipt}, limit)
			require.Equal(t, []string{"K1-000005", "K1-000004", "K1-000003", "K1-000002", "K1-000001"}, numbers(list))
			for i, d := range list {
				e := s.Books.Sold[4-i]
				require.True(t, d.Verified, d.Findings)
				require.Empty(t, d.Findings)
				require.Equal(t, e.Signed.Document, d.Content)
				require.Equal(t, e.Signed.Signature, d.Signature)
				require.Equal(t, [32]byte(receipt.Hash(e.Signed.Document)), d.Hash)
				require.Equal(t, e.ID, d.ID)
				require.Equal(t, s.Series.Till(), d.Till)
				require.Equal(t, "2026-09-03", d.Day)
				require.Equal(t, "EUR", d.Currency)
				require.EqualValues(t, 340+4-i+100, d.Gross)
				require.True(t, d.Archived.Equal(now))
				require.NotEmpty(t, d.Closed)
				stored, err := b.logs.At(t.Context(), archive.AccountID(account), d.Leaf)
				require.NoError(t, err)
				leaf, err := archive.ParseLeaf(stored.Leaf)
				require.NoError(t, err)
				require.Equal(t, d.ID, leaf.Object)
			}
		}
		z := b.list(server.DocumentFilter{Shop: s.ID, Kind: server.KindClosing}, 10)
		require.Equal(t, []string{"K1 Z 1"}, numbers(z))
		require.True(t, z[0].Verified, z[0].Findings)
		require.EqualValues(t, 5*440+10, z[0].Gross)

		require.Empty(t, b.list(server.DocumentFilter{Shop: s.ID, Kind: server.KindReceipt, Series: "K2"}, 10))
		require.Empty(t, b.list(server.DocumentFilter{Shop: s.ID, Kind: server.KindReceipt, From: "2026-09-04"}, 10))
		require.Len(t, b.list(server.DocumentFilter{Shop: s.ID, Kind: server.KindReceipt, From: "2026-09-03", To: "2026-09-03", Series: "K1"}, 10), 5)
		require.Empty(t, b.list(server.DocumentFilter{Shop: crdt.ShopID{9}, Kind: server.KindReceipt}, 10))
		none, next, err := b.Documents(t.Context(), crdt.ObjectID{9}, server.DocumentFilter{Shop: s.ID, Kind: server.KindReceipt}, "", 10)
		require.NoError(t, err)
		require.Empty(t, none, "of another account")
		require.Empty(t, next)
		for _, cursor := range []string{"x", "-1", "0", "99999", "01", "1.0", "9223372036854775808"} {
			_, _, err := b.Documents(t.Context(), account, server.DocumentFilter{Shop: s.ID, Kind: server.KindReceipt}, cursor, 10)
			require.ErrorIs(t, err, server.ErrCursor, cursor)
		}
	})
}

func TestADocumentIsFoundByIDAndNumber(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		b := open(t, db)
		s := archivetest.Day(t, 1, 3)
		b.archive(s)
		b.archive(archivetest.Day(t, 2, 4))
		for _, name := range []string{"K1-000002", s.Books.Sold[1].ID.String()} {
			d, err := b.Document(t.Context(), account, s.ID, server.KindReceipt, name)
			require.NoError(t, err, name)
			require.Equal(t, s.Books.Sold[1].ID, d.ID)
		}
		d, err := b.Document(t.Context(), account, s.ID, server.KindClosing, "K1 Z 1")
		require.NoError(t, err)
		require.Equal(t, s.Books.Reports[0].ID, d.ID)
		for _, name := range []string{"K1-000004", "K2-000001", "K1-", "-1", "", "K1-0", "K1--1", "K1 Z 1", "K1-99999999999999999999", s.Books.Reports[0].ID.String(), crdt.ObjectID{}.String()} {
			_, err := b.Document(t.Context(), account, s.ID, server.KindReceipt, name)
			require.ErrorIs(t, err, server.ErrNotFound, name)
		}
	})
}

// What does not hold is there, and says why.
func TestFindings(t *testing.T) {
	b := sqlite(t)
	s := archivetest.NewShop(t, 1)
	s.Series.Sell(100)
	s.Series.Sell(200)
	s.Series.Sell(300)
	s.Series.Sell(400)
	fork, late := s.Books.Sold[1], s.Books.Sold[2]
	s.Series.Resigned(&fork, func(d *receipt.Document) { d.User = "Mallory" })
	wrong := s.Books.Sold[3]
	s.Series.Resigned(&wrong, func(d *receipt.Document) { d.Totals.Gross++ })
	all := s.Books.Sold
	s.Books.Sold = append(all[:1:1], wrong) // 1, and 4 with wrong sums
	s.Fill()
	b.archive(s)

	d, err := b.Document(t.Context(), account, s.ID, server.KindReceipt, "K1-000004")
	require.NoError(t, err)
	require.False(t, d.Verified)
	require.Contains(t, codes(d), archive.NoteFlagged)
	require.Contains(t, codes(d), books.FindGap)

	s.Books.Sold = append(s.Books.Sold, all[1], fork)
	s.Series.Close(nil) // covers 1 to 4
	s.Fill()
	s.Books.Sold = append(s.Books.Sold, late)
	s.Fill()
	b.archive(s)
	list := b.list(server.DocumentFilter{Shop: s.ID, Kind: server.KindReceipt}, 2)
	require.Equal(t, []string{"K1-000003", "K1-000002", "K1-000002", "K1-000004", "K1-000001"}, numbers(list))
	require.Equal(t, []string{archive.NoteFork, books.FindChain}[:1], codes(list[1])[:1])
	require.Contains(t, codes(list[2]), archive.NoteFork)
	require.Contains(t, codes(list[0]), archive.NoteLate)
	require.True(t, list[0].Verified, "it came late, and holds: %v", list[0].Findings)
	require.True(t, list[4].Verified, list[4].Findings)
	require.NotContains(t, codes(list[3]), books.FindGap, "the one before it came")
}

func TestADocumentThatCameTwiceIsListedOnce(t *testing.T) {
	b := sqlite(t)
	s := archivetest.NewShop(t, 1)
	s.Series.Sell(100)
	s.Fill()
	s.Books.Sold = append(s.Books.Sold, s.Books.Sold[0]) // as after a new lineage: another commit, the same item
	s.Fill()
	b.archive(s)
	list := b.list(server.DocumentFilter{Shop: s.ID, Kind: server.KindReceipt}, 1)
	require.Equal(t, []string{"K1-000001"}, numbers(list))
	require.True(t, list[0].Verified, list[0].Findings)
}

func TestATillThatNobodyAdmitted(t *testing.T) {
	b := sqlite(t)
	s := archivetest.NewShop(t, 1)
	s.Commits = s.Commits[1:] // without its admission
	s.Series.Sell(100)
	s.Fill()
	b.archive(s)
	list := b.list(server.DocumentFilter{Shop: s.ID, Kind: server.KindReceipt}, 10)
	require.Equal(t, []string{books.FindMember}, codes(list[0]))
	require.False(t, list[0].Verified)
}

func TestAnItemThatCannotBeRead(t *testing.T) {
	b := sqlite(t)
	s := archivetest.NewShop(t, 1)
	s.Commit(crdt.Sales, crdt.Piece{Kind: crdt.KindItem, Type: receipt.TypeReceipt, Object: crdt.ObjectID{7}, Raw: []byte{0x80}})
	b.archive(s)
	list := b.list(server.DocumentFilter{Shop: s.ID, Kind: server.KindReceipt}, 10)
	require.Len(t, list, 1)
	require.False(t, list[0].Verified)
	require.Contains(t, codes(list[0]), archive.NoteFlagged)
	require.Equal(t, crdt.ObjectID{7}, list[0].ID)
	require.Equal(t, []byte{0x80}, list[0].Content)
}

// Sparse documents in a long log are found, and a call looks through a bounded part of it.
func TestALongWayBetweenDocuments(t *testing.T) {
	b := sqlite(t)
	s := archivetest.NewShop(t, 1)
	s.Series.Sell(100)
	s.Fill()
	var record crdt.Record
	record.SetString("n", "Espresso")
	for range 160 {
		var pieces []crdt.Piece
		for i := range 60 {
			pieces = append(pieces, crdt.Piece{Kind: crdt.KindRegister, Type: "article", Object: crdt.ObjectID{byte(i)}, Name: "texts", Raw: record.Bytes()})
		}
		s.Commit(crdt.Catalog, pieces...)
	}
	b.archive(s)
	require.Equal(t, []string{"K1-000001"}, numbers(b.list(server.DocumentFilter{Shop: s.ID, Kind: server.KindReceipt}, 1)))
}

func TestProofs(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		b := open(t, db)
		_, _, err := b.Checkpoint(t.Context(), account)
		require.ErrorIs(t, err, server.ErrNotFound)
		s := archivetest.Day(t, 1, 5)
		b.archive(s)
		v, err := archive.NewVerifier(db.Installation().Key.Public().(ed25519.PublicKey))
		require.NoError(t, err)
		checkpoint := func() archive.Checkpoint {
			msg, size, err := b.Checkpoint(t.Context(), account)
			require.NoError(t, err)
			c, err := archive.OpenCheckpoint(msg, archive.AccountID(account), v)
			require.NoError(t, err)
			require.Equal(t, size, c.Size)
			return c
		}
		older := checkpoint()
		s.Series.Sell(100)
		s.Fill()
		b.archive(s)
		newer := checkpoint()
		require.Greater(t, newer.Size, older.Size)

		hashes := func(list [][32]byte) (out []tlog.Hash) {
			for _, h := range list {
				out = append(out, h)
			}
			return out
		}
		for i := range newer.Size {
			p, err := b.Inclusion(t.Context(), account, i, newer.Size)
			require.NoError(t, err)
			require.NoError(t, archive.CheckInclusion(newer, i, p.Leaf, hashes(p.Hashes)))
		}
		proof, err := b.Consistency(t.Context(), account, older.Size, newer.Size)
		require.NoError(t, err)
		require.NoError(t, archive.CheckGrowth(older, newer, hashes(proof)))
		proof, err = b.Consistency(t.Context(), account, newer.Size, newer.Size)
		require.NoError(t, err)
		require.NotNil(t, proof)
		require.Empty(t, proof)
		for _, r := range [][2]int64{{0, 1}, {-1, 1}, {2, 1}, {1, newer.Size + 1}} {
			_, err = b.Consistency(t.Context(), account, r[0], r[1])
			require.ErrorIs(t, err, server.ErrNotFound, r)
		}
		_, err = b.Inclusion(t.Context(), account, 0, newer.Size+1)
		require.ErrorIs(t, err, server.ErrNotFound)
	})
}

func TestTheReportOnAShop(t *testing.T) {
	b := sqlite(t)
	s := archivetest.Day(t, 1, 3)
	b.archive(s)
	b.archive(archivetest.Day(t, 2, 1))
	get := func(from, to string) (r books.Report) {
		raw, err := b.Completeness(t.Context(), account, s.ID, from, to, nil)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(raw, &r))
		return r
	}
	r := get("", "")
	require.True(t, r.OK)
	require.EqualValues(t, 3, r.Documents)
	require.EqualValues(t, 1, r.Closings)
	require.Len(t, r.Series, 1)
	require.Equal(t, "K1", r.Series[0].Series)

	s.Series.Sell(100)
	s.Series.Sell(200)
	s.Books.Sold = append(s.Books.Sold[:3:3], s.Books.Sold[4]) // number 4 is missing
	s.Fill()
	b.archive(s)
	r = get("", "")
	require.False(t, r.OK)
	require.EqualValues(t, 1, r.Series[0].Missing)
	require.Positive(t, r.Wrong)
	require.False(t, get("2026-09-03", "").OK)
	r = get("2026-09-04", "2026-09-30")
	require.True(t, r.OK, "nothing of these days is wrong: %v", r.Findings)
	require.Empty(t, r.Findings)
	require.Equal(t, "2026-09-04", r.From)
}

func TestHolds(t *testing.T) {
	b := sqlite(t)
	list, err := b.Holds(t.Context(), account)
	require.NoError(t, err)
	require.Empty(t, list)
	long := strings.Repeat("ö", 300)
	want := server.ExportRange{Shop: crdt.ShopID{1}, From: "2026-01-01", To: "2026-12-31"}
	h, err := b.SetHold(t.Context(), account, want, "Betriebsprüfung", long)
	require.NoError(t, err)
	require.Equal(t, want, h.Range)
	require.Equal(t, 200, len([]rune(h.By)))
	require.True(t, h.Released.IsZero())
	list, err = b.Holds(t.Context(), account)
	require.NoError(t, err)
	require.Equal(t, []server.Hold{h}, list)

	_, err = b.ReleaseHold(t.Context(), crdt.ObjectID{9}, h.ID, "Anna", "done")
	require.ErrorIs(t, err, server.ErrNotFound, "of another account")
	_, err = b.ReleaseHold(t.Context(), account, crdt.ObjectID{9}, "Anna", "done")
	require.ErrorIs(t, err, server.ErrNotFound)
	r, err := b.ReleaseHold(t.Context(), account, h.ID, "Anna", "done")
	require.NoError(t, err)
	require.Equal(t, "Anna", r.ReleasedBy)
	require.Equal(t, "done", r.Why)
	require.True(t, r.Released.Equal(now))
	again, err := b.ReleaseHold(t.Context(), account, h.ID, "Bert", "again")
	require.NoError(t, err)
	require.Equal(t, r, again, "the first release counts")
}
