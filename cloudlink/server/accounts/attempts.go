package accounts

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/tillmesh/tillmesh/cloudlink/database"
)

// limit says how long one waits after failures.
type limit struct {
	free  int           // failures without a wait
	first time.Duration // wait after one more; it doubles with each
	most  time.Duration // the longest wait
}

// Failures are forgotten when there was none for forget.
const forget = 24 * time.Hour

var (
	perName    = limit{free: 5, first: time.Second, most: 15 * time.Minute}
	perAddress = limit{free: 20, first: time.Second, most: 15 * time.Minute}
	perMaker   = limit{free: 10, first: 10 * time.Second, most: time.Hour} // accounts made from one address
)

// wait returns how long nothing is tried after so many failures.
func (l limit) wait(failures int) time.Duration {
	over := failures - l.free
	if over <= 0 {
		return 0
	}
	if over > 30 || l.first<<(over-1) > l.most {
		return l.most
	}
	return l.first << (over - 1)
}

// subject is what attempts are counted by.
type subject struct {
	key string
	limit
	clears bool // success forgets all failures, not only its own
}

func nameSubject(key string) subject { return subject{"name " + key, perName, true} }

// addressSubject counts by address; of IPv6 by the network of 64 bits that one customer gets.
func addressSubject(kind string, l limit, from netip.Addr) subject {
	from = from.Unmap().WithZone("")
	key := from.String()
	if from.Is6() {
		if p, err := from.Prefix(64); err == nil {
			key = p.String()
		}
	}
	return subject{kind + " " + key, l, false}
}

// attempt counts one attempt of each subject as failed before it is made, so that many at once are counted too, or
// refuses with [CodeAttempts]. succeeded takes it back. A wait longer than the longest is of a clock that was wrong.
func (a *Accounts) attempt(ctx context.Context, subjects ...subject) error {
	slices.SortFunc(subjects, func(x, y subject) int { return cmp.Compare(x.key, y.key) }) // one order of locks
	return a.write(ctx, func(tx *database.Tx) error {
		now := a.now()
		for _, s := range subjects {
			var failures int
			err := tx.QueryRow(ctx, `INSERT INTO attempts (subject, failures, last_at, until) VALUES (?, 1, ?, 0)
				ON CONFLICT (subject) DO UPDATE SET failures = CASE WHEN attempts.last_at < ? THEN 1 ELSE attempts.failures + 1 END,
				last_at = excluded.last_at WHERE attempts.until <= ? OR attempts.until > ? RETURNING failures`,
				s.key, ms(now), ms(now.Add(-forget)), ms(now), ms(now.Add(s.most))).Scan(&failures)
			if errors.Is(err, sql.ErrNoRows) {
				return a.waits(ctx, tx, s, now)
			}
			if err != nil {
				return fmt.Errorf("count an attempt: %w", err)
			}
			if _, err := tx.Exec(ctx, `UPDATE attempts SET until = ? WHERE subject = ?`, ms(now.Add(s.wait(failures))), s.key); err != nil {
				return fmt.Errorf("count an attempt: %w", err)
			}
		}
		return nil
	})
}

// waits returns the refusal of a subject that has to wait.
func (a *Accounts) waits(ctx context.Context, tx *database.Tx, s subject, now time.Time) error {
	var until int64
	if err := tx.QueryRow(ctx, `SELECT until FROM attempts WHERE subject = ?`, s.key).Scan(&until); err != nil {
		return fmt.Errorf("look up failed attempts: %w", err)
	}
	wait := at(until).Sub(now).Round(time.Second)
	r := refuse(CodeAttempts, fmt.Sprintf("wait %v, then try again; tills that are coupled go on as before", max(wait, time.Second)),
		"there were too many attempts that failed")
	r.Wait = max(wait, time.Second)
	return r
}

// succeeded takes an attempt back. It returns how many failed before it by the subject that is cleared.
func (a *Accounts) succeeded(ctx context.Context, tx *database.Tx, subjects ...subject) (before int, err error) {
	slices.SortFunc(subjects, func(x, y subject) int { return cmp.Compare(x.key, y.key) })
	for _, s := range subjects {
		var failures int
		query := `UPDATE attempts SET failures = failures - 1, until = 0 WHERE subject = ? AND failures > 0 RETURNING failures`
		if s.clears {
			query = `DELETE FROM attempts WHERE subject = ? RETURNING failures - 1`
		}
		err := tx.QueryRow(ctx, query, s.key).Scan(&failures)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return 0, fmt.Errorf("take a counted attempt back: %w", err)
		}
		if s.clears && err == nil {
			before = failures
		}
	}
	return before, nil
}
