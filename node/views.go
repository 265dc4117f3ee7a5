package node

import (
	"context"
	"fmt"

	"github.com/tillmesh/tillmesh/cloudlink/server/coupling"
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/catalog"
	"github.com/tillmesh/tillmesh/crdt/receipt/loss"
	"github.com/tillmesh/tillmesh/crdt/shop"
	"github.com/tillmesh/tillmesh/node/clock"
	"github.com/tillmesh/tillmesh/node/health"
	"github.com/tillmesh/tillmesh/replication"
)

// loadViews builds from the store what the till keeps in memory: roster, open sales, codes of articles, the series.
// What is settled is not read, so the cost grows with what is open and with the number of articles.
func (t *Till) loadViews(ctx context.Context) error {
	t.events = newEvents(t.boot, t.clock.Now)
	t.replies = newReplies()
	t.presence = newPresence()
	t.copies = newCopies()
	t.days = newShownDays()
	t.heads = &heads{last: make(map[[8]byte]uint64)}
	t.roster = &roster{r: shop.NewRoster(t.id.Shop)}
	shopScope := t.store.Contexts()[crdt.Shop]
	for at := (replication.Cursor{}); !at.Done; {
		var list [][]byte
		var err error
		if list, at, err = t.store.Live(ctx, crdt.Shop, shopScope, at, 1<<20); err != nil {
			return fmt.Errorf("read roster: %w", err)
		}
		for _, raw := range list {
			c, err := crdt.DecodeCommit(raw)
			if err != nil {
				return fmt.Errorf("read roster: %w", err)
			}
			if err := t.roster.add(c); err != nil {
				t.log.Warn("an entry of the roster does not count", "error", err)
			}
		}
	}
	var err error
	if t.goods, err = loadAssortment(ctx, t.store); err != nil {
		return err
	}
	if err := t.loadBook(ctx); err != nil {
		return err
	}
	if err := t.loadCopies(ctx); err != nil {
		return err
	}
	if err := t.loadDays(ctx); err != nil {
		return err
	}
	if err := t.loadPrints(ctx); err != nil {
		return err
	}
	return t.loadSeries(ctx)
}

// Applied takes commits that became durable, in their order; the replicator calls it before it answers anybody.
func (t *Till) Applied(taken []replication.Taken) {
	t.refill.took(taken)
	var events []Event
	var sales []replication.Taken
	rosterChanged := false
	for i := range taken {
		c := taken[i].Commit
		switch c.Scope {
		case crdt.Shop:
			if err := t.roster.add(c); err != nil {
				t.log.Warn("an entry of the roster does not count", "error", err)
			}
			rosterChanged = true
			for j := range c.Pieces {
				if c.Pieces[j].Type == shop.TypeSettings {
					t.shop.drop()
					events = append(events, Event{What: "settings", Till: t.roster.tillOf(c.Dot.Replica).String()})
					break
				}
			}
		case crdt.Catalog:
			t.goods.apply(c)
			events = append(events, catalogEvents(c, t.roster.tillOf(c.Dot.Replica))...)
		case crdt.Sales:
			sales = append(sales, taken[i])
			t.heads.apply(c)
		}
	}
	if len(sales) > 0 {
		for _, ch := range t.book.Apply(sales) {
			events = append(events, t.saleEvent(ch))
		}
		events = append(events, t.tookReceipts(sales)...)
		events = append(events, t.tookClosings(sales)...)
		events = append(events, t.tookDecisions(sales)...)
	}
	if rosterChanged {
		events = append(events, Event{What: "mesh"})
	}
	t.events.post(events...)
	if rosterChanged {
		t.Held() // whose copies count may have changed
		t.network.RosterChanged()
	}
}

// Roster tells the replicator who may push what.
func (t *Till) Roster() replication.Roster { return t.roster }

// Notify tells that links or the equality with other tills changed. It does not block.
func (t *Till) Notify() {
	t.events.post(Event{What: "mesh"})
	t.presence.poke()
}

// Asked answers questions of other tills; ok is false if it refuses, with the reason as the answer.
func (t *Till) Asked(ctx context.Context, till crdt.TillID, topic string, body []byte) (answer []byte, ok bool) {
	if topic == coupling.RevokedTopic && (t.roster.coupled(till) || t.roster.active(till)) {
		return t.toldRevoked(ctx, till, body)
	}
	if topic != clock.Topic && !t.roster.mayLink(till) { // a cloud gets neither tabs nor keys
		return []byte("only tills of the shop may ask for " + topic), false
	}
	switch topic {
	case topicClaim:
		return t.askedForClaim(ctx, till, body)
	case topicPresence:
		return t.toldPresence(till, body)
	case topicKeys:
		return t.askedForKeys(till, body)
	case health.Topic:
		return t.doctor.answerer.Answer(ctx, till, body)
	case topicClosing:
		return t.askedForClosing(ctx, till, body)
	case topicCloud:
		return t.askedForCloud()
	case topicRisk:
		return t.askedForRisk()
	case loss.Topic:
		return t.askedHeld(ctx, body)
	case clock.Topic:
		return clock.EncodeAnswer(t.env.Now().UnixMilli()), true
	}
	return []byte("this till does not know the question " + topic), false
}

func catalogEvents(c *crdt.Commit, writer crdt.TillID) []Event {
	var out []Event
	var last crdt.ObjectID
	for i := range c.Pieces {
		p := &c.Pieces[i]
		if i > 0 && p.Object == last {
			continue
		}
		last = p.Object
		switch p.Type {
		case catalog.TypeArticle, catalog.TypeGroup, catalog.TypeTax:
			out = append(out, Event{What: p.Type, Object: p.Object.String(), Till: writer.String()})
		}
	}
	return out
}

// Settings returns the settings of the shop.
func (t *Till) Settings(ctx context.Context) (shop.Settings, error) {
	s, gen, ok := t.shop.get()
	if ok {
		return s, nil
	}
	obj, err := t.store.Object(ctx, settingsKey)
	if err != nil {
		return shop.Settings{}, err
	}
	s, err = shop.ViewSettings(obj)
	if err == nil {
		t.shop.set(s, gen)
	}
	return s, err
}

var settingsKey = crdt.Key{Scope: crdt.Shop, Type: shop.TypeSettings, Object: shop.SettingsObject()}

// EditSettings changes the settings of the shop.
func (t *Till) EditSettings(ctx context.Context, e shop.SettingsEdit) (shop.Settings, error) {
	t.masterData.Lock()
	defer t.masterData.Unlock()
	obj, err := t.store.Object(ctx, settingsKey)
	if err != nil {
		return shop.Settings{}, err
	}
	pieces, err := shop.EditSettings(obj, e)
	if err != nil {
		return shop.Settings{}, err
	}
	if len(pieces) > 0 {
		if err := t.commit(ctx, crdt.Shop, shop.Schema, pieces); err != nil {
			return shop.Settings{}, err
		}
	}
	return t.Settings(ctx)
}
