package merkle_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"

	"github.com/tillmesh/tillmesh/cloudlink/archive"
	"github.com/tillmesh/tillmesh/cloudlink/archive/archivetest"
	"github.com/tillmesh/tillmesh/cloudlink/archive/completeness"
	"github.com/tillmesh/tillmesh/cloudlink/archive/merkle"
	"github.com/tillmesh/tillmesh/cloudlink/database"
	"github.com/tillmesh/tillmesh/cloudlink/database/databasetest"
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/crdt/receipt/verify"
	"github.com/tillmesh/tillmesh/crdt/shop"
)

func TestMain(m *testing.M) { os.Exit(databasetest.Main(m)) }

var (
	account = archive.AccountID{1, 2, 3}
	now     = time.UnixMilli(archivetest.NowMS)
)

func keys(t testing.TB) (note.Signer, note.Verifier) {
	s, err := archive.NewSigner(archivetest.CloudKey())
	require.NoError(t, err)
	public, _ := archivetest.CloudKey().Public().(ed25519.PublicKey)
	v, err := archive.NewVerifier(public)
	require.NoError(t, err)
	return s, v
}

// appendAll appends commits, each in a transaction of its own.
func appendAll(t testing.TB, db *database.DB, account archive.AccountID, id crdt.ShopID, commits []*crdt.Commit) (last merkle.Appended) {
	t.Helper()
	logs := merkle.New(db)
	for _, c := range commits {
		require.NoError(t, db.Tx(t.Context(), func(tx *database.Tx) (err error) {
			last, err = logs.Append(t.Context(), tx, account, archive.Entries(id, c), now)
			return err
		}))
	}
	return last
}

func review(t testing.TB, logs *merkle.Logs, account archive.AccountID) {
	t.Helper()
	for more := true; more; {
		var err error
		more, err = logs.Review(t.Context(), account, now)
		require.NoError(t, err)
	}
}

func all(t testing.TB, logs *merkle.Logs, account archive.AccountID, q merkle.Query) (out []merkle.Stored) {
	t.Helper()
	for s, err := range logs.Leaves(t.Context(), account, q) {
		require.NoError(t, err)
		out = append(out, s)
	}
	return out
}

func TestWhatWasAppendedIsThereAndProven(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		logs := merkle.New(db)
		s := archivetest.Day(t, 1, 300) // more than a tile and a page
		signer, verifier := keys(t)
		_, err := logs.Latest(t.Context(), account, verifier)
		require.ErrorIs(t, err, merkle.ErrNotFound)

		half := len(s.Commits) / 2
		appendAll(t, db, account, s.ID, s.Commits[:half])
		first, err := logs.Checkpoint(t.Context(), account, now, signer)
		require.NoError(t, err)
		require.EqualValues(t, half, first.Size)
		last := appendAll(t, db, account, s.ID, s.Commits)
		require.EqualValues(t, len(s.Commits), last.Size, "what was there is not appended again")
		second, err := logs.Checkpoint(t.Context(), account, now.Add(-time.Hour), signer)
		require.NoError(t, err)
		require.Equal(t, first.Time, second.Time, "a clock that goes back makes no older checkpoint")
		again, err := logs.Checkpoint(t.Context(), account, now.Add(time.Hour), signer)
		require.NoError(t, err)
		require.Equal(t, second, again)

		list := all(t, logs, account, merkle.Query{})
		require.Len(t, list, len(s.Commits))
		var f archive.Frontier
		for i, x := range list {
			require.EqualValues(t, i, x.Index)
			leaf, err := archive.ParseLeaf(x.Leaf)
			require.NoError(t, err)
			require.Equal(t, archive.DigestOf(x.Salt, x.Content), leaf.Digest)
			f.Add(archive.RecordHash(x.Leaf))
			for _, c := range []merkle.Signed{first, second} {
				if x.Index >= c.Size || i%37 > 0 {
					continue
				}
				raw, proof, err := logs.Prove(t.Context(), account, x.Index, c.Size)
				require.NoError(t, err)
				require.NoError(t, archive.CheckInclusion(c.Checkpoint, x.Index, raw, proof))
			}
		}
		require.Equal(t, second.Root, f.Root())
		require.Len(t, all(t, logs, account, merkle.Query{Kinds: []archive.Kind{archive.Version}}), 3)
		require.Len(t, all(t, logs, account, merkle.Query{FromDay: "2026-09-04"}), 0)
		require.Len(t, all(t, logs, account, merkle.Query{First: 5, End: 9, Bare: true}), 4)
		_, err = logs.At(t.Context(), account, 4000)
		require.ErrorIs(t, err, merkle.ErrNotFound)
		_, _, err = logs.Prove(t.Context(), account, 0, 4000)
		require.ErrorIs(t, err, merkle.ErrNotFound)

		m := archive.Memory{Note: first.Note}
		offer, err := logs.Offer(t.Context(), account, first.Size, verifier)
		require.NoError(t, err)
		verdict, next, err := m.Compare(account, offer, verifier)
		require.NoError(t, err)
		require.Equal(t, archive.Grown, verdict)
		require.Equal(t, second.Note, next.Note)
		scrubbed, err := logs.Scrub(t.Context(), account, verifier, nil)
		require.NoError(t, err)
		require.Zero(t, scrubbed.Wrong, scrubbed.Damage)
		accounts, err := logs.Accounts(t.Context(), archive.AccountID{}, 10)
		require.NoError(t, err)
		require.Equal(t, []archive.AccountID{account}, accounts)
	})
}

func TestATransactionThatIsUndoneTakesItsLeavesWithIt(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		logs, s := merkle.New(db), archivetest.Day(t, 1, 3)
		undone := errors.New("the commit was not stored")
		err := db.Tx(t.Context(), func(tx *database.Tx) error {
			_, err := logs.Append(t.Context(), tx, account, archive.Entries(s.ID, s.Commits[0]), now)
			require.NoError(t, err)
			return undone
		})
		require.ErrorIs(t, err, undone)
		size, _, err := logs.Size(t.Context(), account)
		require.NoError(t, err)
		require.Zero(t, size)
		require.EqualValues(t, 1, appendAll(t, db, account, s.ID, s.Commits[1:2]).Size, "no gap is left")
	})
}

func TestTwoServersAppendWithoutGaps(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		const shops = 4
		var wait sync.WaitGroup
		total := 0
		for n := range shops {
			s := archivetest.Day(t, byte(n), 12)
			total += len(s.Commits)
			for range 2 { // both servers offer the same commits
				wait.Go(func() {
					logs := merkle.New(db)
					for _, c := range s.Commits {
						if err := db.Tx(context.Background(), func(tx *database.Tx) error {
							_, err := logs.Append(context.Background(), tx, account, archive.Entries(s.ID, c), now)
							return err
						}); err != nil {
							t.Error(err)
						}
					}
				})
			}
			wait.Go(func() {
				signer, _ := keys(t)
				if _, err := merkle.New(db).Checkpoint(context.Background(), account, now, signer); err != nil {
					t.Error(err)
				}
			})
		}
		wait.Wait()
		list := all(t, merkle.New(db), account, merkle.Query{})
		require.Len(t, list, total)
		for i, x := range list {
			require.EqualValues(t, i, x.Index)
		}
		signer, verifier := keys(t)
		_, err := merkle.New(db).Checkpoint(t.Context(), account, now, signer)
		require.NoError(t, err)
		scrubbed, err := merkle.New(db).Scrub(t.Context(), account, verifier, nil)
		require.NoError(t, err)
		require.Zero(t, scrubbed.Wrong, scrubbed.Damage)
		found, err := merkle.New(db).Shops(t.Context(), account)
		require.NoError(t, err)
		require.Len(t, found, shops)
	})
}

func TestTwoAccountsNeverSeeEachOther(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		logs, other := merkle.New(db), archive.AccountID{9}
		s, x := archivetest.Day(t, 1, 5), archivetest.Day(t, 1, 9) // of the same shop, as far as the second one says
		appendAll(t, db, account, s.ID, s.Commits)
		appendAll(t, db, other, x.ID, x.Commits)
		signer, verifier := keys(t)
		a, err := logs.Checkpoint(t.Context(), account, now, signer)
		require.NoError(t, err)
		b, err := logs.Checkpoint(t.Context(), other, now, signer)
		require.NoError(t, err)
		require.NotEqual(t, a.Root, b.Root)
		require.Len(t, all(t, logs, account, merkle.Query{}), len(s.Commits))
		require.Len(t, all(t, logs, other, merkle.Query{}), len(x.Commits))
		_, err = archive.OpenCheckpoint(a.Note, other, verifier)
		require.Error(t, err)
		require.NoError(t, logs.SetHold(t.Context(), other, merkle.Hold{ID: crdt.ObjectID{1}, Reason: "audit", SetBy: "Eva"}))
		holds, err := logs.Holds(t.Context(), account)
		require.NoError(t, err)
		require.Empty(t, holds)
		require.ErrorIs(t, logs.ReleaseHold(t.Context(), account, crdt.ObjectID{1}, "Eva", "over", now), merkle.ErrNotFound)
		x.Forget(2)
		appendAll(t, db, other, x.ID, x.Commits)
		for _, l := range all(t, logs, account, merkle.Query{}) {
			require.NotNil(t, l.Content, "a customer of another account was erased")
		}
		r, err := completeness.Check(t.Context(), []completeness.Shop{{ID: s.ID, Books: logs.Books(account, s.ID)}}, nil)
		require.NoError(t, err)
		require.True(t, r.OK())
		documents, _ := r.Documents()
		require.EqualValues(t, 5, documents)
	})
}

func TestAnErasedCustomerIsGoneAndStillProven(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		logs, s := merkle.New(db), archivetest.Day(t, 1, 2)
		appendAll(t, db, account, s.ID, s.Commits)
		s.Forget(2)
		s.Customer(2, "Anna again, from a till that was away")
		s.Customer(3, "Bob")
		appendAll(t, db, account, s.ID, s.Commits)
		erased := 0
		for _, x := range all(t, logs, account, merkle.Query{Type: "customer"}) {
			if x.Content == nil {
				require.Nil(t, x.Salt)
				erased++
			}
		}
		require.Equal(t, 2, erased)
		signer, verifier := keys(t)
		_, err := logs.Checkpoint(t.Context(), account, now, signer)
		require.NoError(t, err)
		scrubbed, err := logs.Scrub(t.Context(), account, verifier, nil)
		require.NoError(t, err)
		require.Zero(t, scrubbed.Wrong, scrubbed.Damage)
		require.EqualValues(t, 2, scrubbed.Erased)
	})
}

func TestNotesSayWhatDoesNotFit(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		logs, s := merkle.New(db), archivetest.NewShop(t, 1)
		for range 4 {
			s.Series.Sell(100)
		}
		late := s.Books.Sold[2]
		s.Series.Close(nil)
		fork := s.Books.Sold[1]
		s.Series.Resigned(&fork, func(d *receipt.Document) { d.User = "Mallory" })
		forged := s.Books.Sold[3]
		forged.Signed.Signature = append([]byte{forged.Signed.Signature[0] ^ 1}, forged.Signed.Signature[1:]...)
		s.Books.Sold = []verify.Entry{s.Books.Sold[0], s.Books.Sold[1], forged}
		s.Fill()
		s.Books.Sold = append(s.Books.Sold, late, fork)
		s.Fill()
		appendAll(t, db, account, s.ID, s.Commits)
		review(t, logs, account)
		review(t, logs, account)
		var got []string
		for _, x := range all(t, logs, account, merkle.Query{Kinds: []archive.Kind{archive.Note}}) {
			j, err := archive.ParseJudgement(x.Content)
			require.NoError(t, err)
			got = append(got, fmt.Sprint(j.Code, " ", j.Text))
		}
		require.Equal(t, []string{
			"flagged The signature of K1-000004 does not fit its bytes.",
			"late K1-000003 came after K1 Z 1, which covers it.",
			"fork K1-000002 is there twice with different content: leaf 2 was archived before.",
			"late K1-000002 came after K1 Z 1, which covers it.",
		}, got)

		roster, err := logs.Roster(t.Context(), account, s.ID)
		require.NoError(t, err)
		r, err := completeness.Check(t.Context(), []completeness.Shop{{ID: s.ID, Books: logs.Books(account, s.ID),
			Member: func(till crdt.TillID) bool { return roster.State(till) != shop.Unknown }}}, nil)
		require.NoError(t, err)
		require.False(t, r.OK())
		require.Contains(t, r.Text(), "K1-000002 is there twice with different content.")
		require.Contains(t, r.Text(), "signature of K1-000004")
		require.EqualValues(t, 0, r.Shops[0].Counts[verify.FindMember])
		r, err = completeness.Check(t.Context(), []completeness.Shop{{ID: s.ID, Books: logs.Books(account, s.ID), Member: func(crdt.TillID) bool { return false }}}, nil)
		require.NoError(t, err)
		require.EqualValues(t, 1, r.Shops[0].Counts[verify.FindMember], "a key that nobody admitted")
	})
}

// A history that was changed in the database is noticed: by the server before it signs, and by a till if the server has signed it all the same.
func TestARewrittenHistoryRaisesAnAlarm(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		logs, s := merkle.New(db), archivetest.Day(t, 1, 20)
		appendAll(t, db, account, s.ID, s.Commits)
		signer, verifier := keys(t)
		signed, err := logs.Checkpoint(t.Context(), account, now, signer)
		require.NoError(t, err)
		remembered := archive.Memory{Note: signed.Note}

		change := func(statement string, args ...any) {
			require.NoError(t, db.Tx(t.Context(), func(tx *database.Tx) error {
				_, err := tx.Exec(t.Context(), statement, args...)
				return err
			}))
		}
		x, err := logs.At(t.Context(), account, 7)
		require.NoError(t, err)
		content := append([]byte(nil), x.Content...)
		content[100] ^= 1
		change(`UPDATE archive_leaves SET content = ? WHERE account = ? AND leaf_index = 7`, content, account[:])
		scrubbed, err := logs.Scrub(t.Context(), account, verifier, nil)
		require.NoError(t, err)
		require.EqualValues(t, 1, scrubbed.Wrong)
		require.Contains(t, scrubbed.Damage[0].Text, "leaf 7 (K1-000004) was changed")

		leaf, err := archive.ParseLeaf(x.Leaf)
		require.NoError(t, err)
		leaf.Digest = archive.DigestOf(nil, content)
		change(`UPDATE archive_leaves SET leaf = ? WHERE account = ? AND leaf_index = 7`, leaf.Bytes(), account[:])
		scrubbed, err = logs.Scrub(t.Context(), account, verifier, nil)
		require.NoError(t, err)
		require.EqualValues(t, 2, scrubbed.Wrong, "the leaf, and the tree")

		// Somebody who has the database computes the tree anew.
		change(`DELETE FROM archive_tiles WHERE account = ?`, account[:])
		change(`UPDATE archive_trees SET hashed = 0 WHERE account = ?`, account[:])
		appendAll(t, db, account, s.ID, archivetest.Day(t, 2, 1).Commits)
		_, err = logs.Checkpoint(t.Context(), account, now, signer)
		require.ErrorIs(t, err, merkle.ErrRewritten, "the server signs nothing that does not continue")

		// Somebody who also has the key throws away what was signed.
		change(`DELETE FROM archive_checkpoints WHERE account = ?`, account[:])
		_, err = logs.Checkpoint(t.Context(), account, now, signer)
		require.NoError(t, err)
		size, err := remembered.Size(account, verifier)
		require.NoError(t, err)
		offer, err := logs.Offer(t.Context(), account, size, verifier)
		require.NoError(t, err)
		verdict, next, err := remembered.Compare(account, offer, verifier)
		require.Error(t, err)
		require.Equal(t, archive.Rewritten, verdict)
		require.True(t, verdict.Alarm())
		require.Equal(t, remembered, next)
	})
}

func TestHolds(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		logs, s := merkle.New(db), archivetest.Day(t, 1, 3)
		appendAll(t, db, account, s.ID, s.Commits)
		count := func(at time.Time) (n int) {
			for e, err := range logs.Deletable(t.Context(), account, at) {
				require.NoError(t, err)
				require.Equal(t, "2036-12-31", e.KeptUntil)
				n++
			}
			return n
		}
		before, after := time.Date(2036, 12, 31, 12, 0, 0, 0, time.UTC), time.Date(2037, 1, 1, 12, 0, 0, 0, time.UTC)
		require.Zero(t, count(before))
		require.Equal(t, len(s.Commits), count(after))
		hold := merkle.Hold{ID: crdt.ObjectID{1}, Shop: s.ID, FromDay: "2026-01-01", ToDay: "2026-12-31", Reason: "tax assessment", SetBy: "Eva", SetAt: 5}
		require.NoError(t, logs.SetHold(t.Context(), account, hold))
		require.NoError(t, logs.SetHold(t.Context(), account, hold), "asked for again")
		require.Zero(t, count(after))
		require.ErrorIs(t, logs.ReleaseHold(t.Context(), account, hold.ID, "", "over", now), merkle.ErrHold)
		require.NoError(t, logs.ReleaseHold(t.Context(), account, hold.ID, "Ole", "assessed", now))
		require.ErrorIs(t, logs.ReleaseHold(t.Context(), account, hold.ID, "Ole", "assessed", now), merkle.ErrNotFound)
		require.Equal(t, len(s.Commits), count(after))
		holds, err := logs.Holds(t.Context(), account)
		require.NoError(t, err)
		hold.ReleasedBy, hold.ReleasedAt, hold.ReleasedWhy = "Ole", now.UnixMilli(), "assessed"
		require.Equal(t, []merkle.Hold{hold}, holds)
		for _, bad := range []merkle.Hold{{}, {ID: hold.ID, SetBy: "Eva"}, {ID: hold.ID, Reason: "x", SetBy: "x", FromDay: "soon"},
			{ID: hold.ID, Reason: "x", SetBy: "x", FromDay: "2026-02-01", ToDay: "2026-01-01"}} {
			require.ErrorIs(t, logs.SetHold(t.Context(), account, bad), merkle.ErrHold)
		}
	})
}
