package server

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"
	"time"

	"github.com/tillmesh/tillmesh/cloudlink/database"
	"github.com/tillmesh/tillmesh/replication/store/rows"
)

// States of the database.
const (
	databaseOK       = "ok"
	databaseDown     = "down"      // it does not answer
	databaseFull     = "full"      // it answers, and has no room for more
	databaseReadOnly = "read-only" // it answers, and takes nothing
	databaseBroken   = "broken"    // it answers, and says that it is damaged
)

const (
	// pingTime bounds the question to the database.
	pingTime = 3 * time.Second
	// lookFor is how long an answer is shown: everybody may ask how the cloud is, and that must not be work for the database. In trouble it is lookAgain: who
	// waits for its end asks often, and a try that fails costs little.
	lookFor   = 5 * time.Second
	lookAgain = time.Second
	// lookEvery is how often it is looked at when nobody asks, so that since when something is so is known.
	lookEvery = time.Minute
	// trialBytes are written for a try, and taken away again. It is more than what a database that is full may have left in odd corners.
	trialBytes = 64 << 10
)

// databaseLook is what was seen of the database last.
type databaseLook struct {
	looking sync.Mutex // held while it is asked

	mu    sync.Mutex
	at    time.Time // zero: it was not looked at yet
	state string
	since time.Time // since when this server sees it so
}

// database says how the database is and since when that is so, as this server noticed it. It is asked only if that was long ago; while somebody else asks it,
// what was seen last counts.
func (s *Server) database(ctx context.Context) (state string, since time.Time) {
	l := &s.looked
	if state, since, fresh := l.last(s.now()); fresh {
		return state, since
	}
	if !l.looking.TryLock() {
		if state, since, _ := l.last(s.now()); state != "" {
			return state, since
		}
		l.looking.Lock()
	}
	defer l.looking.Unlock()
	if state, since, fresh := l.last(s.now()); fresh { // somebody else asked meanwhile
		return state, since
	}
	state, err := s.tryDatabase(context.WithoutCancel(ctx)) // others may wait for what comes of it
	l.mu.Lock()
	defer l.mu.Unlock()
	now := s.now()
	if l.at.IsZero() {
		l.state, l.since = databaseOK, s.since
	}
	switch {
	case state != databaseOK && state != l.state:
		s.log.WarnContext(ctx, "the database cannot be used", "state", state, "error", err)
	case err != nil:
		s.log.DebugContext(ctx, "a try of the database failed", "state", state, "error", err)
	}
	if state != l.state {
		l.state, l.since = state, now
	}
	l.at = now
	return l.state, l.since
}

// last returns what was seen last, and whether it is fresh. A clock that was set back makes nothing fresh.
func (l *databaseLook) last(now time.Time) (state string, since time.Time, fresh bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	age, most := now.Sub(l.at), lookFor
	if l.state != databaseOK {
		most = lookAgain
	}
	return l.state, l.since, !l.at.IsZero() && age >= 0 && age < most
}

// tryDatabase asks the database and has it store something. One that has too much to do works.
func (s *Server) tryDatabase(ctx context.Context) (state string, err error) {
	ctx, cancel := context.WithTimeout(ctx, pingTime)
	defer cancel()
	if err := s.o.DB.Ping(ctx); err != nil {
		return databaseDown, err
	}
	id := []byte(rand.Text())
	err = s.o.DB.Tx(ctx, func(tx *database.Tx) error {
		// Nobody waits for this answer: its key is of no request.
		if _, err := tx.Exec(ctx, `INSERT INTO replies (caller, reply, request, status, body, until) VALUES (?, ?, ?, 0, ?, 0)`, id, id, id, make([]byte, trialBytes)); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `DELETE FROM replies WHERE caller = ? AND reply = ?`, id, id)
		return err
	})
	switch {
	case err == nil, errors.Is(err, rows.ErrInUse), ctx.Err() != nil:
		return databaseOK, err
	case errors.Is(err, rows.ErrFull):
		return databaseFull, err
	case errors.Is(err, rows.ErrCorrupt):
		return databaseBroken, err
	}
	return databaseReadOnly, err
}

// watchDatabase looks at the database now and then until ctx is done.
func (s *Server) watchDatabase(ctx context.Context) {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		s.database(ctx)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
