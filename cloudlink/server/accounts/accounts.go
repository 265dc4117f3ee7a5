package accounts

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/tillmesh/tillmesh/cloudlink/database"
	"github.com/tillmesh/tillmesh/crdt"
)

// Options say what [New] needs. All but DB and Cloud may be left out.
type Options struct {
	DB    *database.DB
	Cloud crdt.TillID // ID of this installation's key: proofs for another one do not count
	// Hosts are the names under which tills reach this installation, without a port; a proof for another name does not
	// count. Loopback counts always.
	Hosts  []string
	Now    func() time.Time // default time.Now
	Random io.Reader        // default crypto/rand
	Hash   HashParams       // default DefaultHashParams
	Hashes int              // computed at once; default DefaultHashes
}

// Accounts is safe for concurrent use, and by several servers on one database.
type Accounts struct {
	db     *database.DB
	cloud  crdt.TillID
	hosts  []string
	now    func() time.Time
	random io.Reader
	hasher *hasher
}

// New returns the accounts in a database whose migrations have run.
func New(o Options) (*Accounts, error) {
	if o.DB == nil || o.Cloud.IsZero() {
		return nil, errors.New("accounts need a database and the ID of the cloud")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Random == nil {
		o.Random = rand.Reader
	}
	if o.Hash == (HashParams{}) {
		o.Hash = DefaultHashParams
	}
	if o.Hashes <= 0 {
		o.Hashes = DefaultHashes
	}
	a := &Accounts{db: o.DB, cloud: o.Cloud, now: o.Now, random: o.Random, hasher: newHasher(o.Hash, o.Hashes)}
	for _, h := range o.Hosts {
		a.hosts = append(a.hosts, plainHost(h))
	}
	return a, nil
}

// Cloud returns the ID of this installation's key.
func (a *Accounts) Cloud() crdt.TillID { return a.cloud }

// Hashes returns how many password hashes were computed since the start.
func (a *Accounts) Hashes() uint64 { return a.hasher.count.Load() }

// bytes returns n random bytes.
func (a *Accounts) bytes(n int) ([]byte, error) {
	b := make([]byte, n)
	if _, err := io.ReadFull(a.random, b); err != nil {
		return nil, fmt.Errorf("random bytes: %w", err)
	}
	return b, nil
}

func (a *Accounts) newID() (id crdt.ObjectID, err error) {
	b, err := a.bytes(len(id))
	copy(id[:], b)
	return id, err
}

// write runs one transaction. f may run more than once.
func (a *Accounts) write(ctx context.Context, f func(tx *database.Tx) error) error {
	return a.db.Tx(ctx, f)
}

// exec runs one statement by itself.
func (a *Accounts) exec(ctx context.Context, statement string, args ...any) error {
	return a.write(ctx, func(tx *database.Tx) error {
		_, err := tx.Exec(ctx, statement, args...)
		return err
	})
}

// row runs a statement that answers at most one row and has it read; sql.ErrNoRows if there is none.
func (a *Accounts) row(ctx context.Context, read func(scan func(...any) error) error, statement string, args ...any) error {
	return a.db.View(ctx, func(tx *database.Tx) error { return read(tx.QueryRow(ctx, statement, args...).Scan) })
}

// rows calls read for every row that a statement answers.
func (a *Accounts) rows(ctx context.Context, statement string, args []any, read func(*sql.Rows) error) error {
	return a.db.View(ctx, func(tx *database.Tx) error {
		rows, err := tx.Query(ctx, statement, args...)
		if err != nil {
			return fmt.Errorf("read a list: %w", err)
		}
		for rows.Next() {
			if err := read(rows); err != nil {
				return fmt.Errorf("read a list: %w", errors.Join(err, rows.Close()))
			}
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			return fmt.Errorf("read a list: %w", err)
		}
		return nil
	})
}

// Limits of texts, in characters.
const (
	maxLabel = 100 // of sessions and keys
	maxText  = 200 // names of shops and tills, as package shop has them, and reasons
)

// label checks a short text for people.
func label(what, s string, most int) (string, error) {
	s = strings.TrimSpace(s)
	if s == "" || utf8.RuneCountInString(s) > most || strings.IndexFunc(s, unicode.IsControl) >= 0 || !utf8.ValidString(s) {
		return "", refuse(CodeLabel, "", "%s has 1 to %d characters on one line", what, most)
	}
	return s, nil
}

func ms(t time.Time) int64 { return t.UnixMilli() }

// at is the reverse of ms; 0 is the zero time.
func at(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
