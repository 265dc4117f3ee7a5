package uplink_test

import (
	"bytes"
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/cloudlink/archive"
	"github.com/tillmesh/tillmesh/cloudlink/archive/merkle"
	"github.com/tillmesh/tillmesh/cloudlink/database"
	"github.com/tillmesh/tillmesh/cloudlink/database/backup"
	"github.com/tillmesh/tillmesh/node"
)

// alarmed returns the alarm of a kind that nobody saw yet and whose text has something in it.
func alarmed(k *till, kind, text string) (found node.Alarm, ok bool) {
	for _, a := range k.Alarms() {
		if a.Kind == kind && a.Seen.IsZero() && strings.Contains(a.Text, text) {
			return a, true
		}
	}
	return found, false
}

// A cloud that was restored from an older backup says so: the till raises its alarm all the same and shows what the cloud says, and an owner settles it.
func TestARestoredCloudSaysSo(t *testing.T) {
	c := startCloud(t, sqlite(t))
	k1 := found(t)
	c.couple(k1)
	k1.archived(k1.sell(2))
	soon(t, "the archive is signed", func() bool {
		size, hashed, err := c.logs.Size(t.Context(), c.account())
		return err == nil && size == hashed
	})
	account := c.account()
	var file bytes.Buffer
	made, err := backup.Write(t.Context(), &file, c.db, backup.About{Program: "test", Now: time.Now()})
	require.NoError(t, err)
	held, _, err := c.logs.Size(t.Context(), account)
	require.NoError(t, err)
	sold := k1.sell(3)
	k1.archived(sold)
	c.stop() // the till looks at the archive when it connects
	c.start()
	soon(t, "the till saw a newer archive", func() bool { return k1.ArchiveSeen().Size > held })
	seen := k1.ArchiveSeen().Size
	c.stop()

	c.options = database.Options{Dir: filepath.Join(t.TempDir(), "restored")}
	ctx := context.Background()
	require.NoError(t, backup.Restore(ctx, &file, c.options, made))
	db, err := database.Open(ctx, c.options)
	require.NoError(t, err)
	signer, err := archive.NewSigner(db.Installation().Key)
	require.NoError(t, err)
	statement, err := merkle.New(db).Restored(ctx, account, made.Made, time.Now(), signer)
	require.NoError(t, err)
	require.Less(t, statement.Size, seen)
	require.NoError(t, db.Close())
	c.start()

	var alarm node.Alarm
	soon(t, "the alarm says what the cloud says", func() (ok bool) {
		alarm, ok = alarmed(k1, node.AlarmArchive, "it was restored from a backup")
		return ok
	})
	require.Contains(t, alarm.Text, "does not continue what this till saw")
	require.Contains(t, alarm.Next, "till alarms --accept")
	_, err = k1.AcceptAlarm(t.Context(), alarm.ID, " ")
	require.ErrorContains(t, err, "who accepts it")
	_, err = k1.AcceptAlarm(t.Context(), "nothing", "Anna")
	require.ErrorContains(t, err, "no alarm")

	// Not before somebody accepts it, however often the till looks.
	require.Equal(t, "rewritten", k1.ArchiveSeen().Verdict)
	accepted, err := k1.AcceptAlarm(t.Context(), alarm.ID, "Anna Berg")
	require.NoError(t, err)
	require.Equal(t, "Anna Berg", accepted.SeenBy)
	soon(t, "the new history is remembered", func() bool {
		v := k1.ArchiveSeen().Verdict
		return v == "same" || v == "grown"
	})
	_, again := alarmed(k1, node.AlarmArchive, "")
	require.False(t, again)
	_, err = k1.AcceptAlarm(t.Context(), alarm.ID, "Anna Berg")
	require.ErrorContains(t, err, "says nothing about a restore", "once")
	k1.archived(sold)
	c.documents(5)
}
