package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/tillmesh/tillmesh/node/backup"
)

type backupCommand struct {
	askFlags `embed:""`
	File     string `arg:"" placeholder:"FILE" help:"Where to write the backup on this machine; there must be no such file yet."`
}

// Help is the longer help.
func (b *backupCommand) Help() string {
	return "The till goes on selling. The file is read back from the disk before it takes its name. It holds the keys of the shop: keep it where only the owner can read it."
}

// madeBackup is a backup that was written or looked at.
type madeBackup struct {
	File          string        `json:"file"`
	Shop          string        `json:"shop"`
	ShopName      string        `json:"shop_name"`
	Till          string        `json:"till"`
	Name          string        `json:"name"`
	Prefix        string        `json:"prefix"`
	Made          time.Time     `json:"made"`
	Bytes         int64         `json:"bytes"`
	Changes       int64         `json:"changes"`
	Receipts      int64         `json:"receipts"`
	Tills         int           `json:"tills"`
	Hash          string        `json:"sha256"`
	FounderSecret bool          `json:"founder_secret"`
	Series        []seriesCount `json:"series"`
	Problems      []string      `json:"problems"`
}

// seriesCount is how far a series of receipts goes.
type seriesCount struct {
	Series   string `json:"series"`
	Receipts int64  `json:"receipts"`
	Last     int64  `json:"last"`
}

func describeBackup(file string, r backup.Report) madeBackup {
	m := madeBackup{
		File: file, Shop: r.Header.Shop.String(), ShopName: r.Header.ShopName, Till: r.Header.Till.String(), Name: r.Header.TillName,
		Prefix: r.Header.Prefix, Made: r.Header.Made, Bytes: r.Written.Bytes, Changes: r.Written.Commits, Tills: len(r.Roster.Tills()),
		Hash: hex.EncodeToString(r.Written.Hash[:]), FounderSecret: r.HasFounderSecret, Series: []seriesCount{}, Problems: []string{},
	}
	for _, s := range r.Series {
		m.Receipts += s.Documents
		m.Series = append(m.Series, seriesCount{s.Prefix, s.Documents, s.Last.Number})
	}
	m.Problems = append(m.Problems, r.Problems...)
	return m
}

func (m madeBackup) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s (%s) of %s, %s\n", m.File, m.Name, m.Prefix, m.ShopName, m.Made.Local().Format("2006-01-02 15:04"))
	fmt.Fprintf(&b, "%s of %s, %s in all, %s\n", count(int(m.Receipts), "receipt"), count(m.Tills, "till"), count(int(m.Changes), "change"), bytesText(m.Bytes))
	for _, s := range m.Series {
		fmt.Fprintf(&b, "  %s: up to %s-%06d\n", s.Series, s.Series, s.Last)
	}
	fmt.Fprintf(&b, "SHA-256 %s\n", m.Hash)
	if m.FounderSecret {
		b.WriteString("holds the founder secret: it can be restored without another till of the shop\n")
	} else {
		b.WriteString("holds no founder secret: to restore it another till of the shop must be there\n")
	}
	for _, p := range m.Problems {
		fmt.Fprintf(&b, "problem: %s\n", p)
	}
	return b.String()
}

// Run makes a backup of a running till.
func (b *backupCommand) Run(ctx context.Context, c *console) error {
	till, err := b.client(c)
	if err != nil {
		return err
	}
	defer till.Close()
	path, err := filepath.Abs(b.File)
	if err != nil {
		return fmt.Errorf("where %s is: %w", b.File, err)
	}
	report, err := backup.SaveFile(ctx, path, func(w io.Writer) error { return till.Backup(ctx, c.progress(w)) }, c.backupProgress("reading it back"))
	switch {
	case errors.Is(err, backup.ErrExists):
		return &advice{err, "choose another name; nothing was written over"}
	case errors.Is(err, backup.ErrDamaged):
		return &advice{err, "write the backup to another disk; this one gives back other bytes than it got, or the way from the till does"}
	case err != nil:
		return err
	}
	m := describeBackup(path, report)
	return c.print(m, "backed up and read back\n"+m.text())
}

// tellEvery is how often progress is told.
const tellEvery = time.Second

// progress tells how much went through a writer, for people who watch.
func (c *console) progress(w io.Writer) io.Writer {
	if !c.person || c.json {
		return w
	}
	return &watchedWriter{w: w, to: c.err, at: time.Now()}
}

type watchedWriter struct {
	w, to io.Writer
	n     int64
	at    time.Time
}

// Write passes b on.
func (w *watchedWriter) Write(b []byte) (int, error) {
	n, err := w.w.Write(b)
	w.n += int64(n)
	if time.Since(w.at) >= tellEvery {
		w.at = time.Now()
		if _, err := fmt.Fprintf(w.to, "%s written\n", bytesText(w.n)); err != nil {
			return n, err
		}
	}
	return n, err
}

// backupProgress tells how far reading or loading a backup is.
func (c *console) backupProgress(doing string) func(backup.Progress) {
	if !c.person || c.json {
		return nil
	}
	at := time.Now()
	return func(p backup.Progress) {
		if time.Since(at) < tellEvery || p.Total == 0 {
			return
		}
		at = time.Now()
		// Whoever does not see it misses nothing.
		_, _ = fmt.Fprintf(c.err, "%s: %d%%\n", doing, 100*p.Bytes/p.Total)
	}
}
