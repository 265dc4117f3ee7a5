package main

import (
	"crypto/ed25519"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/cloudlink/archive/archivetest"
	"github.com/tillmesh/tillmesh/cloudlink/database"
	"github.com/tillmesh/tillmesh/cloudlink/database/databasetest"
	"github.com/tillmesh/tillmesh/cloudlink/server/accounts"
	"github.com/tillmesh/tillmesh/cloudlink/server/seats"
)

func TestAdmin(t *testing.T) {
	for _, engine := range databasetest.Engines {
		t.Run(engine.Name, func(t *testing.T) {
			s := archivetest.Day(t, 1, 2)
			h := newHome(t, engine.New(t), s)
			list := done[[]listedAccount](t, h.args("admin", "accounts")...)
			require.Len(t, list, 1)
			require.Equal(t, owner, list[0].Name)
			require.Equal(t, 1, list[0].Shops)
			require.Positive(t, list[0].Records)
			require.Contains(t, cloud(t, h.args("admin", "accounts")...).out, "ACCOUNT ")

			shops := done[[]listedShop](t, h.args("admin", "shops", "--account", owner)...)
			require.Len(t, shops, 1)
			require.Equal(t, s.ID.String(), shops[0].ID)

			require.Equal(t, "no till is coupled with this account\n", cloud(t, h.args("admin", "devices", "--account", owner)...).out)
			require.Equal(t, "[]\n", cloud(t, h.args("admin", "servers", "--json")...).out)
			h.with(func(db *database.DB) {
				people, err := accounts.New(accounts.Options{DB: db, Cloud: db.Installation().ID})
				require.NoError(t, err)
				_, err = people.Enrol(t.Context(), s.ID, s.Key.Public().(ed25519.PublicKey), "Theke")
				require.NoError(t, err)
				_, err = seats.New(db, "one", "http://10.0.0.1:8490").Beat(t.Context())
				require.NoError(t, err)
			})
			devices := done[[]listedDevice](t, h.args("admin", "devices", "--account", owner)...)
			require.Len(t, devices, 1)
			require.Equal(t, "Theke", devices[0].Name)
			require.Nil(t, devices[0].Revoked)
			require.Contains(t, cloud(t, h.args("admin", "devices", "--account", owner)...).out, "coupled")
			servers := done[[]listedServer](t, h.args("admin", "servers")...)
			require.Len(t, servers, 1)
			require.False(t, servers[0].Silent)
			require.Contains(t, cloud(t, h.args("admin", "servers")...).out, "http://10.0.0.1:8490  works")
		})
	}
}

func TestLegalHolds(t *testing.T) {
	s := archivetest.NewShop(t, 1)
	h := newHome(t, databasetest.SQLite(t), s)
	require.Equal(t, "this account has no legal hold\n", cloud(t, h.args("admin", "holds", "--account", owner)...).out)
	hold := done[listedHold](t, h.args("admin", "hold", "--account", owner, "--reason", "Betriebsprüfung", "--by", "Anna", "--shop", s.ID.String(), "--from", "2026-01-01")...)
	require.Equal(t, "operator Anna", hold.By)
	list := done[[]listedHold](t, h.args("admin", "holds", "--account", owner)...)
	require.Equal(t, []listedHold{hold}, list)
	require.Contains(t, cloud(t, h.args("admin", "holds", "--account", owner)...).out, "2026-01-01 to …  holds  Betriebsprüfung")
	r := done[listedHold](t, h.args("admin", "release", hold.ID, "--account", owner, "--why", "done", "--by", "Bert")...)
	require.Equal(t, "operator Bert", r.ReleasedBy)
	require.Equal(t, "done", r.Why)
	require.NotNil(t, r.Released)
	other := "a" + list[0].ID[1:]
	if other == list[0].ID {
		other = "b" + list[0].ID[1:]
	}
	got := cloud(t, h.args("admin", "release", other, "--account", owner, "--why", "done", "--by", "Bert")...)
	require.NotEqual(t, exitDone, got.code)
	require.Contains(t, got.err, "hint: ")
}
