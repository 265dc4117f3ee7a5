package node

import (
	"context"
	"crypto/ed25519"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/shop"
	"github.com/tillmesh/tillmesh/node/backup"
	"github.com/tillmesh/tillmesh/node/book"
	"github.com/tillmesh/tillmesh/node/journal"
	"github.com/tillmesh/tillmesh/node/journal/rksv"
	"github.com/tillmesh/tillmesh/node/pairing"
	"github.com/tillmesh/tillmesh/node/verify"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/store"
)

// Till is what one till of a shop decides: all its use cases, over parts that are handed in. It knows no file, no socket
// and no clock of its own, so it runs in a simulated shop as it does on a [Machine]. [Assemble] makes it, Connect gives
// it the others; after that all methods may be called at any time.
type Till struct {
	log     *slog.Logger
	id      Identity
	key     ed25519.PrivateKey
	token   string
	boot    uint32
	version string
	env     Environment
	clock   *businessClock
	clocks  *timekeeper
	doctor  *doctor
	began   time.Time
	room    room

	store      *store.Guard
	gate       *backup.Gate       // before the store: the replicator writes through it
	founder    ed25519.PrivateKey // the founder secret, nil if this till does not have it
	backups    backups
	recovery   recovery
	replicator Replicator
	network    Network
	invites    *pairing.Invitations
	requests   *pairing.Requests
	replaces   replaceWishes
	keys       gossipKeys

	roster       *roster
	book         *book.Book
	goods        *assortment
	series       *journal.Series
	events       *Events
	replies      *replies
	heads        *heads
	tabs         tabLocks
	overs        overs     // receipts of which too much was taken back
	decided      decisions // about cases
	copies       *copies
	cards        *cards
	signing      signing
	prints       *prints
	verification verification
	presence     *presence
	days         *shownDays
	work         sync.Map // tab ID -> Steady when somebody last worked on it here; entries leave with the tab
	shop         cached[shop.Settings]
	zone         atomic.Pointer[time.Location] // of the shop, as read last

	alarms alarms
	told   removals
	// deviceKeys are those of signature units by series, nil: none is known.
	deviceKeys func(verify.Series) (rksv.Keys, bool)
	refill     refill
	again      atomic.Bool // what a sealed lineage wrote is still to be said again
	coupler    coupler     // how the shop comes to a cloud
	whole      wholes      // what is known of series that are held without a gap
	handing    string      // why this till sells nothing; empty: it sells

	masterData sync.Mutex // one edit of master data or settings at a time on this till: what it saw is what it replaces
	stats      Counters
}

// Counters count what a till did since its start, for metrics.
type Counters struct {
	LinesAdded, TabsOpened, ReceiptsClosed, PaymentsTaken atomic.Uint64
}

// Token returns what the HTTP API of this till asks for.
func (t *Till) Token() string { return t.token }

// Now returns the business time: what is written down as the time of what happens now.
func (t *Till) Now() time.Time { return t.clock.Now() }

// Self returns who this till is.
func (t *Till) Self() (shopID crdt.ShopID, till crdt.TillID, replica crdt.ReplicaID) {
	return t.id.Shop, t.id.Till, t.id.Replica
}

// Housekeep does what is done now and then: about every 10 s.
func (t *Till) Housekeep(ctx context.Context) {
	now := t.clock.Now()
	if day, _, err := t.today(ctx, now); err != nil {
		t.log.Warn("the business day is not known", "error", err)
	} else {
		t.book.SetDay(day)
	}
	t.CompareClocks(ctx)
	t.askRisks(ctx, askRiskEvery)
	t.keepRisks(ctx)
	t.UpdateCopies(ctx)
	t.saveRefill(ctx)
	t.keepClosings(ctx)
	t.keepTold(ctx)
	t.attendSigning(ctx)
	if err := t.tellTakeovers(ctx); err != nil {
		t.log.Warn("the other tills do not know yet what was taken over from a found till", "error", err)
	}
	if err := errors.Join(t.expireCards(ctx), t.expirePrints(ctx)); err != nil {
		t.log.Warn("old notes of payments and prints were not removed", "error", err)
	}
	if err := t.replies.expire(ctx, t, now); err != nil {
		t.log.Warn("old answers were not removed", "error", err)
	}
}

// commit writes an own change and waits until it is durable.
func (t *Till) commit(ctx context.Context, scope crdt.Scope, schema uint32, pieces []crdt.Piece) error {
	_, err := t.save(ctx, t.change(scope, schema, pieces))
	return err
}

func (t *Till) save(ctx context.Context, l replication.Local) (*crdt.Commit, error) {
	wait, err := t.submit(l)
	if err != nil {
		return nil, err
	}
	commit, err := wait(ctx)
	t.room.failed(err)
	return commit, err
}

// submit queues an own change, unless this till was removed from the shop.
func (t *Till) submit(l replication.Local) (func(context.Context) (*crdt.Commit, error), error) {
	if err := t.mayWrite(); err != nil && !t.lastWord(l) {
		return nil, err
	}
	return t.replicator.Submit(l)
}

func (t *Till) change(scope crdt.Scope, schema uint32, pieces []crdt.Piece) replication.Local {
	return replication.Local{
		Scope: scope, Pieces: pieces, Schema: schema, WallMS: t.env.Now().UnixMilli(), Stamp: t.clock.Stamp(),
	}
}
