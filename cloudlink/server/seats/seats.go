// Package seats says which server works on which shop.
//
// Any number of servers share one database. A shop's replica is written by one of them at a time: the one that holds its
// seat. A server says that it lives by [Server.Beat]; one that was silent for [Silence] loses its seats to whoever wants them.
//
// # Why two servers never write one shop
//
// Not because of clocks. Each time a seat is taken or given back its epoch grows, in a transaction that has to wait for
// the commits under way on that shop, because they hold the row of the seat (sql.ShopOptions). A commit of an older epoch
// changes nothing and ends with rows.ErrFenced. So whoever takes a seat finds all that was committed before, and nothing
// is committed under an older epoch after that, however late a server notices.
//
// Time decides only when a seat may be taken, and it is the database's: one clock for all servers, so that a wrong clock of
// a server means nothing. If the clock of the database jumps, seats may move once although their servers live, or stay for
// up to [Silence] longer. A time in the future is as silent as one in the past.
package seats

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/tillmesh/tillmesh/cloudlink/database"
	"github.com/tillmesh/tillmesh/crdt"
)

const (
	// BeatEvery is the pause between two calls of Beat.
	BeatEvery = time.Second
	// Silence is how long a server is not heard of before others take its seats. Less finds a dead server sooner and takes
	// seats from one that is only slow, which costs its shops a new connection.
	Silence = 5 * time.Second
	// forgotten is after how long a silent server without seats leaves the list.
	forgotten = 24 * time.Hour
)

// Seat is the right to work on a shop, as long as its epoch is the newest.
type Seat struct {
	Shop  crdt.ShopID
	Epoch int64
}

// Listed is a server of this installation.
type Listed struct {
	ID      string
	Address string        // where other servers reach it
	Started time.Time     // by the clock of the database
	Ago     time.Duration // since it was heard of; negative if the clock of the database was put back
	Silent  bool          // it loses its seats
	Seats   int
}

// Held is the error of [Server.Take] if a living server holds the seat.
type Held struct {
	Shop    crdt.ShopID
	ID      string
	Address string
	Mine    bool // it is this one: it gives its seat back first
}

func (h *Held) Error() string {
	if h.Mine {
		return fmt.Sprintf("this server works on shop %v already: give the seat back first", h.Shop)
	}
	return fmt.Sprintf("server %s at %s works on shop %v: ask there", h.ID, h.Address, h.Shop)
}

// Server is this server among the others. It is safe for concurrent use.
type Server struct {
	db      *database.DB
	id      string
	address string
}

// New names this server. The ID is drawn anew at each start, so that a server that was started again is another one; the
// address is where other servers reach it. Call Beat before anything else.
func New(db *database.DB, id, address string) *Server { return &Server{db, id, address} }

// ID returns the ID of this server.
func (s *Server) ID() string { return s.id }

// Beat says that this server lives. Call it every [BeatEvery]. It reports true if others may have taken seats since the last
// one, because it came too late or this server was taken from the list: then compare [Server.Mine] with what is open.
func (s *Server) Beat(ctx context.Context) (late bool, err error) {
	err = s.db.Tx(ctx, func(tx *database.Tx) error {
		late = false
		var silent bool
		err := tx.QueryRow(ctx, `SELECT `+silence(s.db)+` FROM servers WHERE server = ?`+tx.Dialect().ForUpdate(), s.id).Scan(&silent)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		late = err != nil || silent
		now := tx.Dialect().Now()
		if _, err = tx.Exec(ctx, `INSERT INTO servers (server, address, started, seen) VALUES (?, ?, `+now+`, `+now+`)
			ON CONFLICT (server) DO UPDATE SET address = excluded.address, seen = excluded.seen`, s.id, s.address); err != nil || !late {
			return err
		}
		return s.forget(ctx, tx)
	})
	if err != nil {
		return false, fmt.Errorf("say that server %s lives: %w", s.id, err)
	}
	return late, nil
}

// forget takes servers from the list that are long gone. A seat stays with its shop and epoch for ever.
func (s *Server) forget(ctx context.Context, tx *database.Tx) error {
	_, err := tx.Exec(ctx, `DELETE FROM servers WHERE seen < `+tx.Dialect().Now()+` - ?
		AND NOT EXISTS (SELECT 1 FROM seats WHERE seats.server = servers.server)`, forgotten.Milliseconds())
	return err
}

// silence is the condition that a row of servers is silent.
func silence(db *database.DB) string {
	return fmt.Sprintf(`(abs(%s - seen) > %d)`, db.Dialect().Now(), Silence.Milliseconds())
}

// Take takes the seat of a shop under a new epoch. It waits for commits of the one who had it. If a living server has
// it, also this one, the error is a *[Held].
func (s *Server) Take(ctx context.Context, shop crdt.ShopID) (Seat, error) {
	seat := Seat{Shop: shop}
	err := s.db.Tx(ctx, func(tx *database.Tx) error {
		now := tx.Dialect().Now()
		if _, err := tx.Exec(ctx, `INSERT INTO seats (shop, server, epoch, since) VALUES (?, '', 0, `+now+`) ON CONFLICT (shop) DO NOTHING`, shop[:]); err != nil {
			return err
		}
		var holder string
		if err := tx.QueryRow(ctx, `SELECT server, epoch FROM seats WHERE shop = ?`+tx.Dialect().ForUpdate(), shop[:]).Scan(&holder, &seat.Epoch); err != nil {
			return err
		}
		if holder != "" {
			held, err := s.holds(ctx, tx, shop, holder)
			if err != nil {
				return err
			}
			if held != nil {
				return held
			}
		}
		seat.Epoch++
		_, err := tx.Exec(ctx, `UPDATE seats SET server = ?, epoch = ?, since = `+now+` WHERE shop = ?`, s.id, seat.Epoch, shop[:])
		return err
	})
	if err != nil {
		return Seat{}, fmt.Errorf("take the seat of shop %v: %w", shop, err)
	}
	return seat, nil
}

// holds returns who holds a seat if it lives.
func (s *Server) holds(ctx context.Context, tx *database.Tx, shop crdt.ShopID, id string) (*Held, error) {
	h := Held{Shop: shop, ID: id, Mine: id == s.id}
	var silent bool
	err := tx.QueryRow(ctx, `SELECT address, `+silence(s.db)+` FROM servers WHERE server = ?`, id).Scan(&h.Address, &silent)
	switch {
	case h.Mine && (err == nil || errors.Is(err, sql.ErrNoRows)):
		return &h, nil
	case errors.Is(err, sql.ErrNoRows), err == nil && silent:
		return nil, nil
	case err != nil:
		return nil, err
	}
	return &h, nil
}

// Holder returns who works on a shop, and nil if nobody living does. It locks nothing: what it says may be over.
func (s *Server) Holder(ctx context.Context, shop crdt.ShopID) (*Held, error) {
	var held *Held
	err := s.db.View(ctx, func(tx *database.Tx) error {
		var holder string
		err := tx.QueryRow(ctx, `SELECT server FROM seats WHERE shop = ?`, shop[:]).Scan(&holder)
		if errors.Is(err, sql.ErrNoRows) || err == nil && holder == "" {
			return nil
		}
		if err == nil {
			held, err = s.holds(ctx, tx, shop, holder)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("look up the seat of shop %v: %w", shop, err)
	}
	return held, nil
}

// Release gives a seat back, so that another server takes it at once. It waits for commits under way; none comes after.
// A seat that was lost already is no error.
func (s *Server) Release(ctx context.Context, seat Seat) error {
	err := s.db.Tx(ctx, func(tx *database.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE seats SET server = '', epoch = epoch + 1, since = `+tx.Dialect().Now()+`
			WHERE shop = ? AND epoch = ? AND server = ?`, seat.Shop[:], seat.Epoch, s.id)
		return err
	})
	if err != nil {
		return fmt.Errorf("give the seat of shop %v back: %w", seat.Shop, err)
	}
	return nil
}

// Leave gives all seats back and takes this server from the list: the end of an orderly stop.
func (s *Server) Leave(ctx context.Context) error {
	err := s.db.Tx(ctx, func(tx *database.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE seats SET server = '', epoch = epoch + 1, since = `+tx.Dialect().Now()+` WHERE server = ?`, s.id)
		if err == nil {
			_, err = tx.Exec(ctx, `DELETE FROM servers WHERE server = ?`, s.id)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("leave the list of servers: %w", err)
	}
	return nil
}

// Mine returns the seats that this server holds, by shop.
func (s *Server) Mine(ctx context.Context) (map[crdt.ShopID]Seat, error) {
	mine := make(map[crdt.ShopID]Seat)
	err := s.db.View(ctx, func(tx *database.Tx) (err error) {
		clear(mine)
		found, err := tx.Query(ctx, `SELECT shop, epoch FROM seats WHERE server = ?`, s.id)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, found.Close()) }()
		for found.Next() {
			var shop []byte
			var seat Seat
			if err := found.Scan(&shop, &seat.Epoch); err != nil {
				return err
			}
			if copy(seat.Shop[:], shop) != len(shop) {
				return fmt.Errorf("a seat has a shop of %d bytes", len(shop))
			}
			mine[seat.Shop] = seat
		}
		return found.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("list the seats of server %s: %w", s.id, err)
	}
	return mine, nil
}
