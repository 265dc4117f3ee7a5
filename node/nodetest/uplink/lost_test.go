package uplink_test

import (
	"context"
	"crypto/rand"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/cloudlink/database"
	"github.com/tillmesh/tillmesh/cloudlink/server"
	"github.com/tillmesh/tillmesh/cloudlink/server/watch"
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt/loss"
	"github.com/tillmesh/tillmesh/node"
	"github.com/tillmesh/tillmesh/node/journal"
	"github.com/tillmesh/tillmesh/node/journal/rksv/es256"
	"github.com/tillmesh/tillmesh/node/journal/tse"
	"github.com/tillmesh/tillmesh/node/journal/tse/tsetest"
)

// soon waits for something that other goroutines bring about.
func soon(t *testing.T, what string, ready func() bool) {
	t.Helper()
	require.Eventually(t, ready, 2*time.Minute, 20*time.Millisecond, what)
}

// status is what the cloud says of the shop of a till.
func (c *cloud) status(k *till) server.ShopStatus {
	c.t.Helper()
	shop, _, _ := k.Self()
	got, err := c.shops.ShopStatus(c.t.Context(), shop)
	require.NoError(c.t, err)
	return got
}

func (c *cloud) change(statement string, args ...any) {
	c.t.Helper()
	ctx := context.Background()
	db, err := database.Open(ctx, c.options)
	require.NoError(c.t, err)
	require.NoError(c.t, db.Tx(ctx, func(tx *database.Tx) error {
		res, err := tx.Exec(ctx, statement, args...)
		if err != nil {
			return err
		}
		n, err := res.RowsAffected()
		require.Positive(c.t, n)
		return err
	}))
	require.NoError(c.t, db.Close())
}

func tillNamed(list []server.TillStatus, id crdt.TillID) server.TillStatus {
	for _, s := range list {
		if s.Till == id {
			return s
		}
	}
	return server.TillStatus{}
}

// sign runs the till anew with a signing device that counts.
func (k *till) sign(peer *till) {
	t := k.t
	t.Helper()
	key, err := es256.NewKey(rand.Reader)
	require.NoError(t, err)
	device, err := tse.NewSoftware(tse.Config{Key: key, Now: time.Now, File: new(tsetest.File)})
	require.NoError(t, err)
	k.signers = func(f node.SignerFor) (journal.Device, error) { return journal.NewTSE(device, f.Serial), nil }
	k.stop()
	k.start(peer.LinkAddr().String())
}

// requireDevice checks what the signing device bounds of the second one of three receipts, with what the device itself said of all three.
func requireDevice(t *testing.T, list []node.Receipt, d *loss.Device) {
	t.Helper()
	var said []tse.Record
	for _, r := range list {
		one, err := tse.ParseRecord(r.Parsed.Security)
		require.NoError(t, err)
		require.NoError(t, tse.Verify(one))
		said = append(said, one)
	}
	require.NotNil(t, d)
	require.Equal(t, "tse", d.Kind)
	require.Equal(t, said[0].Serial, d.Serial)
	require.EqualValues(t, said[0].Transaction, d.After)
	require.EqualValues(t, said[2].Transaction, d.Before)
	require.Equal(t, d.Before-d.After-1, d.Transactions)
	require.Greater(t, said[1].Transaction, said[0].Transaction, "it lies between")
	require.Less(t, said[1].Transaction, said[2].Transaction)
	require.NotNil(t, d.Signatures)
	require.EqualValues(t, said[2].Counter-said[0].Counter-1, *d.Signatures)
}

// A till vanishes with an open tab: another till and the cloud say what is known, what is missing and where it is, and from where on nobody knows.
func TestATillIsLost(t *testing.T) {
	c := startCloud(t, sqlite(t))
	k1 := found(t)
	k2 := k1.join("Kasse 2")
	k2.sign(k1)
	c.couple(k1)
	own := k1.sell(2)
	theirs := k2.sell(3)
	k1.archived(append(own, theirs...))
	tab, err := k2.OpenTab(t.Context(), node.NewTab{Name: "Tisch 4", User: "Ben"})
	require.NoError(t, err)
	_, _, err = k2.AddLines(t.Context(), tab.ID, []node.NewLine{{Open: &node.OpenItem{Name: "Tee", Price: 300, Tax: tea}, Quantity: 2000, User: "Ben"}})
	require.NoError(t, err)
	shop, first, _ := k1.Self()
	_, second, _ := k2.Self()
	soon(t, "the open tab is known at the other till", func() bool {
		tabs := k1.Tabs(t.Context())
		return len(tabs) == 1 && tabs[0].Total == 600
	})
	soon(t, "the cloud hears of both", func() bool {
		tills := c.status(k1).Tills
		return !tillNamed(tills, first).Heard.IsZero() && !tillNamed(tills, second).Heard.IsZero()
	})
	k2.stop()

	// At the other till.
	signed, err := k1.Loss(t.Context(), "K2")
	require.NoError(t, err)
	s, err := loss.Verify(signed, first)
	require.NoError(t, err)
	require.Len(t, s.Series, 1)
	require.Equal(t, "K2", s.Series[0].Series)
	require.Equal(t, []loss.Known{{Run: loss.Run{First: 1, Last: 3}, At: []int64{0, 1}}}, s.Series[0].Known, "here and in the archive")
	require.Equal(t, loss.ByArchive, s.Holders[1].Kind)
	require.Empty(t, s.Series[0].Missing)
	require.EqualValues(t, 4, s.Series[0].Tail.From)
	require.Equal(t, []loss.OpenTab{{ID: tab.ID.String(), Name: "Tisch 4", Opened: s.Open.Tabs[0].Opened, Gross: 600, Currency: "EUR"}}, s.Open.Tabs)

	// At the cloud, which asks the till that it speaks with.
	soon(t, "the till that is left forwards", func() bool { return tillNamed(c.status(k1).Tills, first).Connected })
	cloudID := c.db.Installation().ID
	signed, err = c.shops.Loss(t.Context(), shop, second)
	require.NoError(t, err)
	s, err = loss.Verify(signed, cloudID)
	require.NoError(t, err)
	require.Equal(t, []loss.Known{{Run: loss.Run{First: 1, Last: 3}, At: []int64{0, 1}}}, s.Series[0].Known)
	require.Equal(t, first.String(), s.Holders[1].ID)
	require.True(t, s.Holders[1].Asked)
	require.False(t, s.Holders[2].Asked, "the till that is lost")
	require.NotNil(t, s.Contact)
	require.Equal(t, s.Contact.Heard, s.Series[0].Tail.Contact)
	_, err = c.shops.Loss(t.Context(), shop, crdt.TillID{9})
	require.ErrorIs(t, err, server.ErrNotFound)

	// A receipt is gone from the archive, and a day passes without the till.
	c.stop()
	c.change(`DELETE FROM archive_leaves WHERE type = 'receipt' AND name = 'K2' AND number = 2`)
	c.change(`UPDATE heard SET heard_at = heard_at - ? WHERE till = ?`, (25 * time.Hour).Milliseconds(), second[:])
	c.change(`DELETE FROM series_whole WHERE name = 'K2'`) // what was whole is not looked at again: the log itself proves that nothing is removed
	c.start()
	soon(t, "the till that is left is connected", func() bool { return tillNamed(c.status(k1).Tills, first).Connected })
	var got server.ShopStatus
	soon(t, "the till that is left says that it has it", func() bool {
		got = c.status(k1)
		return len(got.Gaps) == 1 && len(got.Gaps[0].At) == 1
	})
	require.Equal(t, loss.Run{First: 2, Last: 2}, got.Gaps[0].Run)
	require.Equal(t, second, got.Gaps[0].Till)
	require.Equal(t, []string{first.String()}, got.Gaps[0].At)
	require.False(t, got.Gaps[0].Named, "it was noticed just now")
	signed, err = c.shops.Loss(t.Context(), shop, second)
	require.NoError(t, err)
	s, err = loss.Verify(signed, cloudID)
	require.NoError(t, err)
	require.Equal(t, loss.Run{First: 2, Last: 2}, s.Series[0].Missing[0].Run)
	require.Equal(t, []int64{1}, s.Series[0].Missing[0].At, "the other till has it")
	requireDevice(t, theirs, s.Series[0].Missing[0].Device)
	require.Regexp(t, `signing device [0-9a-f]{16}: .*: look for them in its export \(signatures: [0-9]+\)\n`, s.Text())

	require.Equal(t, "test", tillNamed(got.Tills, first).Program)

	// Nobody hears the till any more, not even the other one.
	k1.stop()
	c.stop()
	c.change(`UPDATE heard SET heard_at = heard_at - ? WHERE till = ?`, (25 * time.Hour).Milliseconds(), second[:])
	c.change(`UPDATE devices SET program = 'v1.9.0' WHERE till = ?`, first[:])
	c.change(`UPDATE devices SET program = 'v1.10.0' WHERE till = ?`, second[:])
	c.change(`UPDATE series_gaps SET noticed_at = noticed_at - ?`, watch.NamedAfter.Milliseconds())
	c.start()
	got = c.status(k1)
	require.False(t, got.Silent)
	require.True(t, tillNamed(got.Tills, second).Silent)
	require.False(t, tillNamed(got.Tills, first).Silent)
	require.Equal(t, "v1.9.0", got.OldestProgram)
	require.Len(t, got.Gaps, 1)
	require.True(t, got.Gaps[0].Named)
	soon(t, "the figures say so, too", func() bool {
		n := c.shops.Noticed()
		return n.SilentTills == 1 && n.Gaps == 1 && n.Missing == 1
	})
}
