package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/tillmesh/tillmesh/cloudlink/database"
	"github.com/tillmesh/tillmesh/cloudlink/database/backup"
	"github.com/tillmesh/tillmesh/replication/store/rows"
)

type backupCommand struct {
	databaseFlags `embed:""`
	File          string `arg:"" placeholder:"FILE" help:"Where to write the backup; there must be no such file yet."`
}

// Help is the longer help.
func (b *backupCommand) Help() string {
	return "Writes the whole database of one moment into one file and reads it back; servers go on meanwhile. The file can be restored into either kind of database. It holds the key " +
		"of the cloud and everything that was sold: keep it where only the operator can read it."
}

// backedUp is a backup that was written or looked at.
type backedUp struct {
	File     string           `json:"file"`
	Cloud    string           `json:"cloud"`
	Program  string           `json:"program"`
	Made     time.Time        `json:"made"`
	Engine   string           `json:"engine"`
	Schema   int64            `json:"schema"`
	Bytes    int64            `json:"bytes"`
	SHA256   string           `json:"sha256"`
	Accounts int64            `json:"accounts"`
	Shops    int64            `json:"shops"`
	Records  int64            `json:"records"` // of the archive
	Rows     map[string]int64 `json:"rows"`    // by table
}

func describeBackup(file string, r backup.Report) backedUp {
	return backedUp{
		File: file, Cloud: r.Cloud.String(), Program: r.Program, Made: r.Made, Engine: r.Engine, Schema: r.Schema, Bytes: r.Bytes, SHA256: hex.EncodeToString(r.SHA256[:]),
		Accounts: r.Rows["accounts"], Shops: r.Rows["shops"], Records: r.Rows["archive_leaves"], Rows: r.Rows,
	}
}

func (b backedUp) text() string {
	return fmt.Sprintf("%s: cloud %s, %s\n%s, %s, %s of the archive; %s\nSHA-256 %s\n", b.File, b.Cloud, b.Made.Local().Format("2006-01-02 15:04"),
		count(b.Accounts, "account"), count(b.Shops, "shop"), count(b.Records, "record"), bytesText(b.Bytes), b.SHA256)
}

// Run makes a backup.
func (b *backupCommand) Run(ctx context.Context, c *console) error {
	return b.open(ctx, func(d *data) error {
		var report backup.Report
		err := saveFile(b.File, func(w io.Writer) (err error) {
			report, err = backup.Write(ctx, w, d.DB, backup.About{Program: version, Now: time.Now()})
			return err
		}, func(f *os.File, _ int64) error {
			got, err := backup.Verify(ctx, f)
			if err == nil && got.SHA256 != report.SHA256 {
				err = fmt.Errorf("%w: the disk gave back other bytes", backup.ErrDamaged)
			}
			return err
		})
		if err != nil {
			return err
		}
		m := describeBackup(b.File, report)
		return c.print(m, "backed up and read back\n"+m.text())
	})
}

type restoreCommand struct {
	databaseFlags `embed:""`
	File          string `arg:"" placeholder:"FILE" help:"Backup that \"cloud backup\" wrote."`
}

// Help is the longer help.
func (r *restoreCommand) Help() string {
	return "Makes the cloud of a backup in a new data directory (--data) or an empty database (--db); without either the backup is only checked and shown. All of it is restored or nothing. " +
		"It is the same cloud and takes the place of the old one, which must not run any more. For each shop it writes under a new replica, and the tills hand over again what came after the " +
		"backup. Tills that saw a newer state of the archive say so; people sign in again."
}

// restored is the result of restore.
type restored struct {
	backedUp
	Restored bool   `json:"restored"`
	Data     string `json:"data"` // empty: another database, or only looked at
	// Statements are what the archive of each account says about the restore.
	Statements []restoreStatement `json:"statements"`
}

// Run restores a backup, or shows what it holds.
func (r *restoreCommand) Run(ctx context.Context, c *console) error {
	var report backup.Report
	err := readFile(r.File, func(f *os.File, _ int64) (err error) {
		report, err = backup.Verify(ctx, f)
		return err
	})
	if err != nil {
		return backupAdvice(err)
	}
	m := describeBackup(r.File, report)
	if r.Data == "" && r.DB == "" {
		return c.print(restored{backedUp: m, Statements: []restoreStatement{}}, "the backup is whole; nothing was restored, for that name a place with --data or --db\n"+m.text())
	}
	err = readFile(r.File, func(f *os.File, _ int64) error {
		return backup.Restore(ctx, f, database.Options{Dir: r.Data, DSN: r.DB}, report)
	})
	if err != nil {
		return backupAdvice(err)
	}
	statements, err := r.sayRestored(ctx, report.Made)
	if err != nil {
		return &advice{fmt.Errorf("everything is restored, but the archive does not say so: %w", err),
			"do not start this cloud: restore the backup anew into another empty place"}
	}
	start := "cloud serve --data " + r.Data
	if r.DB != "" {
		start = "cloud serve --db …"
	}
	return c.print(restored{m, true, r.Data, statements}, "restored\n"+m.text()+statementsText(statements)+"make sure that the old cloud never runs again, then start this one with: "+start+"\n")
}

// backupAdvice says what to do about a backup that was not restored.
func backupAdvice(err error) error {
	hint := ""
	switch {
	case errors.Is(err, backup.ErrNotEmpty):
		hint = "name a new directory or an empty database; nothing was changed"
	case errors.Is(err, backup.ErrDamaged), errors.Is(err, backup.ErrNoBackup):
		hint = "use another backup, or copy this one again from where it comes"
	case errors.Is(err, backup.ErrNewer):
		hint = "update this program"
	case errors.Is(err, database.ErrNewerSchema):
		hint = "the database was made by a newer program than the backup: name a new directory or a new database"
	case errors.Is(err, rows.ErrUnreachable):
		hint = "start the database, or check --db"
	case errors.Is(err, rows.ErrFull):
		hint = "make room, or choose another disk; nothing was restored"
	default:
		return err
	}
	return &advice{err, hint}
}
