package watch_test

import (
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/cloudlink/archive"
	"github.com/tillmesh/tillmesh/cloudlink/archive/archivetest"
	"github.com/tillmesh/tillmesh/cloudlink/archive/merkle"
	"github.com/tillmesh/tillmesh/cloudlink/database"
	"github.com/tillmesh/tillmesh/cloudlink/database/databasetest"
	"github.com/tillmesh/tillmesh/cloudlink/server/watch"
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/crdt/receipt/loss"
)

func TestMain(m *testing.M) { os.Exit(databasetest.Main(m)) }

var account = archive.AccountID{4}

// world is a shop whose commits come into an archive in any order.
type world struct {
	t    *testing.T
	db   *database.DB
	logs *merkle.Logs
	w    *watch.Watch
	s    *archivetest.Shop
	now  time.Time
}

func newWorld(t *testing.T, e databasetest.Engine) *world {
	x := &world{t: t, db: databasetest.Open(t, e.New(t)), s: archivetest.NewShop(t, 1), now: time.UnixMilli(archivetest.NowMS)}
	t.Cleanup(func() { require.NoError(t, x.db.Close()) })
	x.logs = merkle.New(x.db)
	x.w = watch.New(x.db, x.logs)
	return x
}

// archive appends commits.
func (x *world) archive(list ...*crdt.Commit) {
	x.t.Helper()
	for _, c := range list {
		require.NoError(x.t, x.db.Tx(x.t.Context(), func(tx *database.Tx) error {
			_, err := x.logs.Append(x.t.Context(), tx, account, archive.Entries(x.s.ID, c), x.now)
			return err
		}))
	}
}

func (x *world) notice() []watch.Gap {
	x.t.Helper()
	found, err := x.w.Notice(x.t.Context(), account, x.s.ID, x.now)
	require.NoError(x.t, err)
	kept, err := x.w.Gaps(x.t.Context(), account, x.s.ID)
	require.NoError(x.t, err)
	require.Len(x.t, kept, len(found))
	return kept
}

// commits of the documents, by their numbers.
func (x *world) sold(n int) (list []*crdt.Commit) {
	x.t.Helper()
	founding := x.s.Commits
	x.archive(founding...)
	x.s.Commits = nil
	for range n {
		x.s.Series.Sell(340)
	}
	x.s.Fill()
	list, x.s.Commits = x.s.Commits, nil
	return list
}

func TestGapsAreNoticedAndKeepTheirAge(t *testing.T) {
	for _, e := range databasetest.Engines {
		t.Run(e.Name, func(t *testing.T) {
			x := newWorld(t, e)
			sold := x.sold(10)
			x.archive(sold[0], sold[1], sold[4], sold[7])
			first := x.now
			gaps := x.notice()
			require.Len(t, gaps, 2)
			require.Equal(t, loss.Run{First: 3, Last: 4}, gaps[0].Run)
			require.Equal(t, loss.Run{First: 6, Last: 7}, gaps[1].Run)
			require.Equal(t, "K1-000003", gaps[0].NumberText())
			require.Equal(t, x.s.Series.Till(), gaps[0].Till)
			require.True(t, gaps[0].Noticed.Equal(first))

			// A part of one arrives, and later numbers make another one: what is left keeps its age.
			x.now = x.now.Add(time.Hour)
			x.archive(sold[2], sold[9])
			gaps = x.notice()
			require.Len(t, gaps, 3)
			require.Equal(t, loss.Run{First: 4, Last: 4}, gaps[0].Run)
			require.True(t, gaps[0].Noticed.Equal(first))
			require.Equal(t, loss.Run{First: 9, Last: 9}, gaps[2].Run)
			require.True(t, gaps[2].Noticed.Equal(x.now))

			x.archive(sold...)
			require.Empty(t, x.notice())
			require.Empty(t, x.notice())
			x.s.Series.Close(nil)
			x.s.Series.Sell(100)
			x.s.Series.Close(nil)
			x.s.Fill()
			x.archive(slices.DeleteFunc(x.s.Commits, func(c *crdt.Commit) bool {
				return c.Pieces[0].Type == receipt.TypeClosing && receipt.NumberOf(c.Pieces[0].Object) == 1
			})...)
			gaps = x.notice()
			require.Len(t, gaps, 1)
			require.Equal(t, "K1 Z 1", gaps[0].NumberText())
		})
	}
}

func TestWhenTillsWereHeard(t *testing.T) {
	x := newWorld(t, databasetest.Engines[0]) // the others run TestTheCloudSignsWhatIsLost
	one, two := crdt.TillID{1}, crdt.TillID{2}
	require.NoError(t, x.w.Heard(t.Context(), x.s.ID, []watch.Heard{{Till: one, At: x.now, By: one}, {Till: two, At: x.now.Add(-time.Hour), By: one}}))
	require.NoError(t, x.w.Heard(t.Context(), x.s.ID, []watch.Heard{{Till: one, At: x.now.Add(-time.Minute), By: two}}), "an older word")
	got, err := x.w.LastHeard(t.Context(), x.s.ID)
	require.NoError(t, err)
	require.Len(t, got, 2)
	require.True(t, got[one].At.Equal(x.now))
	require.Equal(t, one, got[one].By)
	require.True(t, got[two].At.Equal(x.now.Add(-time.Hour)))
	other, err := x.w.LastHeard(t.Context(), crdt.ShopID{9})
	require.NoError(t, err)
	require.Empty(t, other)
}

func TestWhoIsSilent(t *testing.T) {
	now := time.UnixMilli(archivetest.NowMS)
	one, two := crdt.TillID{1}, crdt.TillID{2}
	heard := func(a, b time.Duration) []watch.Heard {
		return []watch.Heard{{Till: one, At: now.Add(-a)}, {Till: two, At: now.Add(-b)}}
	}
	require.Equal(t, watch.Silence{}, watch.Silent(heard(0, watch.SilentAfter-time.Second), now))
	require.Equal(t, watch.Silence{Tills: []crdt.TillID{two}}, watch.Silent(heard(time.Minute, watch.SilentAfter), now))
	require.Equal(t, watch.Silence{Shop: true}, watch.Silent(heard(watch.SilentAfter, 3*watch.SilentAfter), now), "nobody can say who is away")
	require.Equal(t, watch.Silence{}, watch.Silent(nil, now))
}

func TestTheCloudSignsWhatIsLost(t *testing.T) {
	for _, e := range databasetest.Engines {
		t.Run(e.Name, func(t *testing.T) {
			x := newWorld(t, e)
			sold := x.sold(6)
			x.archive(append(slices.Clone(sold[:2]), sold[4:]...)...)
			x.s.Series.Close(nil)
			x.s.Fill()
			x.archive(x.s.Commits...)
			till := x.s.Series.Till()
			require.NoError(t, x.w.Heard(t.Context(), x.s.ID, []watch.Heard{{Till: till, At: x.now.Add(-2 * time.Hour), By: crdt.TillID{7}}}))
			roster, err := x.logs.Roster(t.Context(), account, x.s.ID)
			require.NoError(t, err)
			about, ok := roster.Till(till)
			require.True(t, ok)
			signed, err := x.w.Loss(t.Context(), watch.LossOf{Account: account, Shop: x.s.ID, Name: "Café", Till: about, Now: x.now,
				Held: []loss.Held{{Holder: loss.Holder{ID: "seven", Kind: loss.ByTill, Name: "Kasse 7", Asked: true}, Runs: map[string][]loss.Run{"K1": {{First: 1, Last: 3}}}}}})
			require.NoError(t, err)
			s, err := loss.Verify(signed, x.db.Installation().ID)
			require.NoError(t, err)
			require.Equal(t, loss.HeardTold, s.Contact.How)
			require.Len(t, s.Series, 1)
			k1 := s.Series[0]
			require.EqualValues(t, 4, k1.KnownNumbers)
			require.EqualValues(t, 2, k1.MissingNumbers)
			require.Equal(t, loss.Run{First: 3, Last: 3}, k1.Missing[0].Run)
			require.Equal(t, []int64{1}, k1.Missing[0].At, "another till has it")
			require.Equal(t, loss.Run{First: 4, Last: 4}, k1.Missing[1].Run)
			require.Equal(t, loss.Shared, k1.Missing[0].Gross.State)
			require.EqualValues(t, 2*340, *k1.Missing[0].Gross.Amount)
			require.EqualValues(t, 7, k1.Tail.From)
		})
	}
}
