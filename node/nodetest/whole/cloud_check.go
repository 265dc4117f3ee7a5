package whole

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tillmesh/tillmesh/cloudlink/archive"
	"github.com/tillmesh/tillmesh/cloudlink/archive/merkle"
	"github.com/tillmesh/tillmesh/cloudlink/database"
	"github.com/tillmesh/tillmesh/cloudlink/lease"
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/node"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/simulation"
)

// What is checked of a cloud while everything goes on: that what it took is in the archive at the same moment, each piece once; that a
// receipt is there of which a till says so; that a term of the lease has one holder, and only that one moves the cursor.

// leases is what is known of the lease since the database was put in place.
type leases struct {
	holders map[uint64]crdt.TillID // by term
	cursor  []byte                 // as it was last
}

// archived checks that what became durable is in the archive with it.
func (c *Cloud) archived(taken []replication.Taken) {
	var want []archive.Entry
	for i := range taken {
		want = append(want, archive.Entries(c.shopID(), taken[i].Commit)...)
	}
	if len(want) == 0 {
		return
	}
	args := []any{c.account[:]}
	for i := range want {
		origin := want[i].Origin()
		args = append(args, origin[:])
	}
	var n int
	err := c.exec(func(ctx context.Context, tx *database.Tx) error {
		return tx.QueryRow(ctx, `SELECT count(*) FROM archive_leaves WHERE account = ? AND origin IN (?`+strings.Repeat(", ?", len(want)-1)+`)`, args...).Scan(&n)
	})
	if err != nil || n != len(want) {
		c.shop.W.Fail("the cloud took %s and more, %d in all, of which %d are in the archive (%v)", archive.NameOf(want[0].Leaf), len(want), n, err)
	}
}

func (c *Cloud) shopID() crdt.ShopID { return c.shop.Tills[0].newcomer.Identity.Shop }

// leaseNotes is a store that notes can be read from.
type leaseNotes interface {
	Notes(ctx context.Context, keys ...string) ([][]byte, error)
}

// heard looks at a question that was answered.
func (c *Cloud) heard(r *replica, from crdt.TillID, topic string, body, out []byte, ok bool) []byte {
	if !ok {
		c.shop.W.Trace("the cloud does not answer %s about %s: %s", from.Short(), topic, out)
		c.shop.tally("cloud refused " + topic)
	}
	if topic != lease.Topic {
		return out
	}
	if r.over {
		c.leases.cursor = nil // what it noted last cannot be read any more
		return out
	}
	q, err := lease.DecodeQuestion(body)
	st, isNotes := r.cfg.Store.(leaseNotes)
	if !ok {
		c.unanswered(st, q, from)
		return out
	}
	a, err2 := lease.DecodeAnswer(out)
	if err != nil || err2 != nil || !isNotes {
		c.shop.W.Fail("an answer about the lease cannot be read: %v, %v", err, err2)
		return out
	}
	a = c.shop.plant.granted(a, from)
	if a.Granted {
		if holder, known := c.leases.holders[a.Term]; known && holder != from {
			c.shop.W.Fail("%v and %v hold the lease of term %d", holder.Short(), from.Short(), a.Term)
		}
		c.leases.holders[a.Term] = from
	}
	c.shop.tally("lease " + string(a.Reason))
	got, err := st.Notes(context.Background(), leaseNote)
	var state lease.State
	if err == nil {
		state, err = lease.DecodeState(got[0])
	}
	if err != nil {
		return a.Encode() // the store is closed, or was taken over
	}
	now := lease.State{Cursor: state.Cursor}
	now.Cursor.AtMS, now.Cursor.CompleteMS = 0, 0 // they are saved with whatever else is
	if moved := !bytes.Equal(now.Encode(), c.leases.cursor); moved && c.leases.cursor != nil &&
		(!a.Noted || q.Term != a.Term || state.Cursor.Term != a.Term || state.Cursor.Till != from) {
		c.shop.W.Fail("the cursor is that of term %d by %v, after a question of %v under term %d, which is answered with term %d, noted %v", state.Cursor.Term,
			state.Cursor.Till.Short(), from.Short(), q.Term, a.Term, a.Noted)
	}
	c.leases.cursor = now.Encode()
	c.shop.plant.move(r, q, a, state, from)
	return a.Encode()
}

// unanswered looks at a question of which the till gets no answer: what it reports may have been noted all the same, and nothing else.
func (c *Cloud) unanswered(st leaseNotes, q lease.Question, from crdt.TillID) {
	if st == nil {
		return
	}
	got, err := st.Notes(context.Background(), leaseNote)
	if err != nil {
		c.leases.cursor = nil // the store is closed, or was taken over
		return
	}
	state, err := lease.DecodeState(got[0])
	if err != nil {
		return
	}
	now := lease.State{Cursor: state.Cursor}
	now.Cursor.AtMS, now.Cursor.CompleteMS = 0, 0
	if c.leases.cursor != nil && !bytes.Equal(now.Encode(), c.leases.cursor) && (state.Cursor.Till != from || state.Cursor.Term != q.Term) {
		c.shop.W.Fail("the cursor is that of term %d by %v, after a question of %v under term %d without an answer", state.Cursor.Term,
			state.Cursor.Till.Short(), from.Short(), q.Term)
	}
	c.leases.cursor = now.Encode()
}

// leaseNote is where package replicas keeps the lease.
const leaseNote = "uplink/lease"

// tally counts what happened.
func (s *Shop) tally(what string) { s.told.answers[what]++ }

// look compares, now and then, what a till says to be archived with the archive.
func (c *Cloud) look() {
	if len(c.shop.told.receipts) == 0 || !c.coupled || c.relapsed {
		return
	}
	ids := slices.SortedFunc(maps.Keys(c.shop.told.receipts), crdt.ObjectID.Compare)
	id, t := ids[c.rand.IntN(len(ids))], c.shop.Tills[c.rand.IntN(len(c.shop.Tills))]
	if t.life == nil {
		return
	}
	r, err := t.Node().Receipt(context.Background(), id.String())
	if err != nil || !r.Archived.Held {
		return // it is not there, or nobody says that it is archived
	}
	c.shop.tally("archived")
	if hashes := c.hashes(receipt.TypeReceipt, id); !slices.Contains(hashes, r.Hash) {
		c.shop.W.Fail("%s says that %s is archived, and it is not", t.Name, r.Number)
	}
}

// hashes returns the hashes of the documents under which an object is archived.
func (c *Cloud) hashes(typ string, id crdt.ObjectID) (out []receipt.Digest) {
	for leaf, err := range c.logs.Leaves(context.Background(), c.account, merkle.Query{Shop: c.shopID(), Type: typ, Object: id, Bare: true}) {
		parsed, err2 := archive.ParseLeaf(leaf.Leaf)
		if err != nil || err2 != nil {
			c.shop.W.Fail("the archive cannot be read: %v, %v", err, err2)
			return out
		}
		out = append(out, parsed.Hash)
	}
	return out
}

// leafKey is what there is one leaf of.
type leafKey struct {
	kind  archive.Kind
	dot   crdt.Dot
	scope crdt.Scope
	piece int
	name  string
}

// Check checks the cloud when all faults ended and these tills are equal with it: everything that was sold is archived once, every till
// knows it, nothing is pending, nothing moves any more, and an alarm about the archive is there only where it was put back.
func (c *Cloud) Check(tills ...*Till) {
	if c == nil || !c.coupled || c.shop.W.Err() != nil || !c.reachable() {
		return
	}
	s := c.shop
	documents := c.checkLeaves()
	var first view
	for i, t := range tills {
		v, err := look(t.Node())
		if err != nil {
			s.W.Fail("%s: %v", t.Name, err)
			return
		}
		if i == 0 {
			first = v
		}
		for _, r := range v.receipts {
			if !r.Archived.Held {
				s.W.Fail("%s does not know that %s is archived", t.Name, r.Number)
				return
			}
		}
		c.checkAlarms(t)
	}
	for _, r := range first.receipts {
		if !slices.Contains(documents[r.ID], r.Hash) {
			s.W.Fail("%s is not in the archive", r.Number)
		}
	}
	for _, z := range first.closings {
		if !slices.Contains(documents[z.ID], z.Hash) {
			s.W.Fail("closing %s is not in the archive", z.Text)
		}
	}
	c.checkPending(tills)
	c.checkSilence(tills)
}

// checkLeaves reads the whole archive and returns the hashes of documents by object.
func (c *Cloud) checkLeaves() map[crdt.ObjectID][]receipt.Digest {
	documents, seen := make(map[crdt.ObjectID][]receipt.Digest), make(map[leafKey]bool)
	for leaf, err := range c.logs.Leaves(context.Background(), c.account, merkle.Query{}) {
		if err != nil {
			c.shop.W.Fail("the archive cannot be read: %v", err)
			return documents
		}
		l, err := archive.ParseLeaf(leaf.Leaf)
		if err != nil {
			c.shop.W.Fail("leaf %d cannot be read: %v", leaf.Index, err)
			return documents
		}
		key := leafKey{l.Kind, l.Dot, l.Scope, l.Piece, l.Type}
		if seen[key] {
			c.shop.W.Fail("%s is in the archive twice", archive.NameOf(l))
		}
		seen[key] = true
		if l.Hash != [32]byte{} {
			documents[l.Object] = append(documents[l.Object], l.Hash)
		}
	}
	return documents
}

// checkAlarms checks what a till says of the archive.
func (c *Cloud) checkAlarms(t *Till) {
	alarmed := slices.ContainsFunc(t.Node().Alarms(), func(a node.Alarm) bool { return a.Kind == node.AlarmArchive })
	if alarmed && !c.restored {
		c.shop.W.Fail("%s says that the archive was changed, and nobody did", t.Name)
	}
	if u := t.life.uplink; c.restored && !alarmed && u != nil && u.Status().Connected {
		if verdict := u.Archive().Verdict; verdict == archive.Rewritten.String() || verdict == archive.Forked.String() {
			c.shop.W.Fail("%s finds the archive %s and raises no alarm", t.Name, verdict)
		}
	}
}

// checkPending checks that one till forwards, and that it has nothing left.
func (c *Cloud) checkPending(tills []*Till) {
	var holder *Till
	idle := func() bool {
		holder = nil
		for _, t := range tills {
			if t.life == nil || t.life.uplink == nil {
				continue
			}
			st := t.life.uplink.Status()
			if st.Term > 0 && holder != nil || st.Term > 0 && st.Progress.Pending() > 0 {
				return false
			}
			if st.Term > 0 {
				holder = t
			}
		}
		return holder != nil
	}
	if !c.shop.W.RunUntil(time.Minute, idle) && c.shop.W.Err() == nil {
		var all []string
		for _, t := range tills {
			st := t.life.uplink.Status()
			all = append(all, fmt.Sprintf("%s is %s (%v) with term %d and %d pending", t.Name, st.State, st.Err, st.Term, st.Progress.Pending()))
		}
		c.shop.W.Fail("at rest, not one till alone forwards and has nothing left: %s", strings.Join(all, "; "))
	}
}

// checkSilence checks that nothing about data moves any more. What a till does by itself now and then may come in between.
func (c *Cloud) checkSilence(tills []*Till) {
	w := c.shop.W
	for range 20 {
		commits := func() int { n, _ := w.Counts(); return n.Commits }
		before := commits()
		w.RunFor(3 * time.Second) // what was written is told
		moved := make(map[*simulation.Life]int)
		for _, t := range tills {
			if t.life != nil {
				moved[t.life.sim] = t.life.sim.Moved()
			}
		}
		w.RunFor(4 * time.Second)
		if w.Err() != nil || commits() != before {
			continue
		}
		for _, t := range tills {
			if t.life == nil {
				continue
			}
			if n, same := moved[t.life.sim]; same && t.life.sim.Moved() > n {
				w.Fail("at rest, %s still sends %d messages about data", t.Name, t.life.sim.Moved()-n)
			}
		}
		return
	}
	if w.Err() == nil {
		w.Fail("at rest, somebody writes again and again")
	}
}

// reachable reports whether a till that is left may speak with the cloud.
func (c *Cloud) reachable() bool { return len(c.shop.sellers()) > 0 }

// at returns the machine on which the cloud has the shop open, nil if none has.
func (c *Cloud) at() *simulation.Machine {
	for _, v := range c.servers {
		if v.machine.Running() && v.up() {
			return v.machine
		}
	}
	return nil
}

// machine returns the same, or one that does not run.
func (c *Cloud) machine() *simulation.Machine {
	if m := c.at(); m != nil {
		return m
	}
	return c.servers[0].machine
}

// exec does something in the database.
func (c *Cloud) exec(do func(ctx context.Context, tx *database.Tx) error) error {
	ctx := context.Background()
	return c.db.Tx(ctx, func(tx *database.Tx) error { return do(ctx, tx) })
}
