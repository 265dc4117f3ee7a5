package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/tillmesh/tillmesh/cloudlink/archive/merkle"
	"github.com/tillmesh/tillmesh/cloudlink/database"
	"github.com/tillmesh/tillmesh/cloudlink/server/accounts"
	"github.com/tillmesh/tillmesh/cloudlink/server/books"
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication/store/rows"
)

// data is the database of a cloud, for commands that work beside its servers or without any.
type data struct {
	*database.DB
	logs     *merkle.Logs
	books    *books.Books
	accounts *accounts.Accounts
}

// open runs do with a database that is there already. It makes none.
func (f databaseFlags) open(ctx context.Context, do func(*data) error) (err error) {
	if err := f.check(); err != nil {
		return err
	}
	if f.DB == "" {
		if _, err := os.Stat(filepath.Join(f.Data, database.File)); errors.Is(err, fs.ErrNotExist) {
			return &advice{fmt.Errorf("there is no cloud in %s", f.Data), "name the directory that was given to \"cloud serve --data\""}
		}
	}
	db, err := database.Open(ctx, database.Options{Dir: f.Data, DSN: f.DB})
	if errors.Is(err, rows.ErrUnreachable) {
		return &advice{err, "start the database, or check --db"}
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	d := data{DB: db, logs: merkle.New(db)}
	if d.books, err = books.New(books.Options{DB: db, Logs: d.logs}); err != nil {
		return err
	}
	if d.accounts, err = accounts.New(accounts.Options{DB: db, Cloud: db.Installation().ID}); err != nil {
		return err
	}
	return do(&d)
}

// rangeFlags say which part of an archive.
type rangeFlags struct {
	Shop string `placeholder:"ID" help:"Only this shop, by its 26 characters; all shops of the account if left out."`
	From string `placeholder:"DAY" help:"First business day, such as 2026-01-31; from the beginning if left out."`
	To   string `placeholder:"DAY" help:"Last business day; to the end if left out."`
}

// shop returns the shop; zero if none was named.
func (f rangeFlags) shop() (id crdt.ShopID, err error) {
	if f.Shop == "" {
		return id, nil
	}
	if id, err = crdt.ParseShopID(f.Shop); err != nil {
		err = usage(fmt.Errorf("--shop: %w", err), "\"cloud admin shops --account NAME\" lists the shops of an account")
	}
	return id, err
}

// table lays out rows in columns; the first row names them.
func table(b *strings.Builder, rows [][]string) error {
	w := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		if _, err := fmt.Fprintln(w, strings.Join(row, "\t")); err != nil {
			return fmt.Errorf("lay out a table: %w", err)
		}
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("lay out a table: %w", err)
	}
	return nil
}

// count is a number with its thing: "1 shop", "2 shops".
func count(n int64, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// bytesText writes an amount of bytes in the unit that fits.
func bytesText(n int64) string {
	switch {
	case n < 1<<10:
		return fmt.Sprintf("%d bytes", n)
	case n < 1<<20:
		return fmt.Sprintf("%d kB", n>>10)
	case n < 1<<30:
		return fmt.Sprintf("%d MB", n>>20)
	default:
		return fmt.Sprintf("%d GB", n>>30)
	}
}
