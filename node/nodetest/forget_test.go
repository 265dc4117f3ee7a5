package nodetest_test

import (
	"path/filepath"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/shop"
	"github.com/tillmesh/tillmesh/replication/store/badger"
	"github.com/tillmesh/tillmesh/replication/store/rows"
)

// forgetItself takes out of the second till's store that it was admitted and what it writes as.
func (d *doubted) forgetItself() { d.forget(d.two.ID()) }

// forgetOthers takes out of the second till's store the admission of the first, so that it would let nobody in any more.
func (d *doubted) forgetOthers() { d.forget(d.one.ID()) }

// forget removes the rows of admissions and lineages of a till from the second till's store, as if the disk had lost them; what
// the store says it holds stays as it was.
func (d *doubted) forget(till string) {
	d.t.Helper()
	ctx := d.t.Context()
	st, _, err := badger.Open(badger.Options{Dir: filepath.Join(d.two.Data, "store")})
	require.NoError(d.t, err)
	prefix := crdt.Shop.AppendKey([]byte{'c'})
	list, err := st.Scan(ctx, prefix, append(prefix[:len(prefix):len(prefix)], 0xff), 10_000, 64<<20)
	require.NoError(d.t, err)
	var gone []rows.Write
	for _, row := range list {
		c, err := crdt.DecodeCommit(row.Value)
		require.NoError(d.t, err)
		if namesTill(c, till) {
			gone = append(gone, rows.Write{Key: row.Key, Delete: true})
		}
	}
	require.NotEmpty(d.t, gone)
	require.NoError(d.t, st.Commit(ctx, gone))
	require.NoError(d.t, st.Close())
}

func namesTill(c *crdt.Commit, till string) bool {
	for i := range c.Pieces {
		switch p := &c.Pieces[i]; p.Type {
		case shop.TypeAdmission:
			if a, err := shop.ParseAdmission(p.Raw); err == nil && a.Till().String() == till {
				return true
			}
		case shop.TypeLineage:
			if l, err := shop.ParseLineage(p.Raw); err == nil && l.Till.String() == till {
				return true
			}
		}
	}
	return false
}
