//go:build bench

package scale

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/node/nodetest/bench/figures"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/store"
	"github.com/tillmesh/tillmesh/replication/store/badger"
	"github.com/tillmesh/tillmesh/replication/store/rows"
)

// joinRows measure a till that joins a shop with a past: the commits of every tab are superseded, so what is sent of the
// past are receipts with a gap before each, which close only at the end.
func joinRows(t *testing.T, table *report) {
	full := sized(300_000, 2000)
	p := plot{name: "join", title: "A new till takes over settled receipts", x: "receipts", y: "seconds", curves: []curve{{label: "until equal"}}}
	for _, receipts := range []int{full / 10, full / 3, full} {
		c := measureJoin(t, receipts)
		table.add(fmt.Sprintf("join: %d settled receipts, the tabs' commits superseded", receipts),
			fmt.Sprintf("%s, %s sent for %s of commits, %d batches, the largest %s", figures.Duration(c.took), figures.Megabytes(c.sent),
				figures.Megabytes(c.commits), c.batches, figures.Kilobytes(c.largest)),
			fmt.Sprintf("the largest row of the context: %s", figures.Kilobytes(c.context)))
		p.add(0, float64(receipts), c.took.Seconds())
	}
	p.draw(t)
}

type joinCost struct {
	took          time.Duration
	sent, commits int64
	batches       int
	largest       int64 // batch, bytes of keys and values
	context       int64 // row of a context
}

func measureJoin(t *testing.T, receipts int) (c joinCost) {
	t.Helper()
	who, key := bookkeeper()
	dir := t.TempDir()
	b, _, err := openBooks(t.Context(), dir, who, key)
	require.NoError(t, err)
	b.gap = linesPerTab + 2
	// The store holds what the receipts superseded, as if it had been written here.
	last := crdt.NewSeq(b.boot+days+1, 0)
	_, err = b.guard.Apply(t.Context(), []replication.Op{{Claim: &replication.Claim{Scope: crdt.Sales, Context: crdt.Context{who.Replica: {{To: last}}}}}})
	require.NoError(t, err)
	require.NoError(t, b.settleUntil(t.Context(), receipts, receipts))
	require.NoError(t, b.close())

	source, _, err := badger.Open(badger.Options{Dir: filepath.Join(dir, "store")})
	require.NoError(t, err)
	empty, _, err := badger.Open(badger.Options{Dir: filepath.Join(t.TempDir(), "store")})
	require.NoError(t, err)
	recorded := &recorder{Store: empty}
	s := newShop()
	s.add(t, source)
	s.add(t, recorded)
	began := time.Now()
	s.meet()
	require.True(t, await(250*time.Millisecond, s.same), "the new till holds %d receipts", receipts)
	c.took, c.sent = time.Since(began), s.sent.Load()
	s.close()
	c.commits, err = liveBytes(t.Context(), s.tills[0].store)
	require.NoError(t, err)
	c.batches, c.largest, c.context = recorded.batches, recorded.largest, recorded.context
	require.NoError(t, source.Close())
	require.NoError(t, empty.Close())
	return c
}

// liveBytes returns the sum of the sizes of the live commits of sales.
func liveBytes(ctx context.Context, st *store.Store) (bytes int64, err error) {
	want := st.Contexts()[crdt.Sales]
	for at := (replication.Cursor{}); !at.Done; {
		var list [][]byte
		if list, at, err = st.Live(ctx, crdt.Sales, want, at, 1<<20); err != nil {
			return bytes, err
		}
		for _, raw := range list {
			bytes += int64(len(raw))
		}
	}
	return bytes, nil
}

// recorder notes what is written to rows. One goroutine writes, and nobody reads what is noted before it ended.
type recorder struct {
	rows.Store
	batches          int
	largest, context int64
}

// Commit is a method of rows.Store.
func (r *recorder) Commit(ctx context.Context, batch []rows.Write) error {
	var size int64
	for _, w := range batch {
		n := int64(len(w.Key) + len(w.Value))
		size += n
		if w.Key[0] == 'k' { // the runs of a context, see the keys of package store
			r.context = max(r.context, n)
		}
	}
	r.batches, r.largest = r.batches+1, max(r.largest, size)
	return r.Store.Commit(ctx, batch)
}
