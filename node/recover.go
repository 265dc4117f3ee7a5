package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/shop"
	"github.com/tillmesh/tillmesh/node/backup/found"
)

// Codes of refusals about found tills. They are part of the API: append, never change.
const (
	CodeNothingFound = "nothing-found" // no data of a till in that directory, or nothing in it that is not here
	CodeFoundInUse   = "found-in-use"  // a till runs on that directory
	CodeFoundOther   = "found-other"   // the found till is of another shop
	CodeFoundOwn     = "found-own"     // it is the directory of this till itself, or a copy
	CodeFoundChanged = "found-changed" // it is no longer what was shown
	CodeRecoverRuns  = "recover-runs"  // one is being looked through already
	CodePath         = "path"          // no path that this till can read
)

// FoundTill is what the directory of a till that was lost and found again holds and nobody here has.
type FoundTill struct {
	found.Found
	Till  crdt.TillID // as its directory says, else the one that wrote most of it; zero if neither is known
	Name  string
	State shop.State
}

// recovery lets one found till be looked through at a time.
type recovery struct {
	turn sync.Mutex // guards told
	told bool       // every mark in this store is an item of the shop, too
}

// ScanFound lists what the directory of a found till, on this machine, holds that this till does not: its data directory, or
// the store in it. It changes nothing there, and reads all of it.
func (t *Till) ScanFound(ctx context.Context, dir string) (FoundTill, error) {
	if !t.recovery.turn.TryLock() {
		return FoundTill{}, refuse(CodeRecoverRuns, "wait until that is done", "a found till is being looked through already")
	}
	defer t.recovery.turn.Unlock()
	d, whose, err := t.openFound(dir)
	if err != nil {
		return FoundTill{}, err
	}
	list, err := d.Scan(ctx, t.store, t.id.Shop, nil)
	if err = errors.Join(err, d.Close()); err != nil {
		return FoundTill{}, refuseFound(dir, err)
	}
	out := FoundTill{Found: list, Till: whose}
	for i, most := 0, int64(0); i < len(list.Tills) && whose.IsZero(); i++ {
		if c := list.Tills[i]; c.Commits > most {
			out.Till, most = c.Till, c.Commits
		}
	}
	if !out.Till.IsZero() {
		out.Name, out.State = t.roster.name(out.Till), t.roster.state(out.Till)
	}
	return out, nil
}

// TakeFound takes over what ScanFound listed under this ID, as it is, and marks it for all tills of the shop: who said so,
// when, at which till and from which. It returns when all of it is durable here. If it is cut off, what was taken stays,
// marked, and the next list has the rest. Taking the same again returns the mark there is.
func (t *Till) TakeFound(ctx context.Context, dir string, id crdt.Hash, person string) (shop.Takeover, error) {
	if !t.recovery.turn.TryLock() {
		return shop.Takeover{}, refuse(CodeRecoverRuns, "wait until that is done", "a found till is being looked through already")
	}
	defer t.recovery.turn.Unlock()
	if err := t.mayTakeFound(); err != nil {
		return shop.Takeover{}, err
	}
	d, whose, err := t.openFound(dir)
	if err != nil {
		return shop.Takeover{}, err
	}
	mark, err := d.Take(ctx, t.store, t.id.Shop, id, found.Taking{By: person, At: t.clock.Now(), From: whose, Commits: t.replicator.TakeOver})
	if err = errors.Join(err, d.Close()); err != nil {
		if o, ok := t.takeoverBy(id); ok && errors.Is(err, found.ErrChanged) {
			return o, nil // it was taken before
		}
		return shop.Takeover{}, refuseFound(dir, err)
	}
	if mark.Commits == 0 {
		return shop.Takeover{}, refuse(CodeNothingFound, "", "everything that is in %s is here already", dir)
	}
	// What was taken is durable and has its mark here; the others have to know, even if whoever asked hangs up now.
	return t.tellTakeover(context.WithoutCancel(ctx), mark)
}

func (t *Till) mayTakeFound() error {
	if err := t.mayWrite(); err != nil {
		return err
	}
	return t.room.change()
}

// openFound looks at the directory of a found till and says whose it is, if its identity file can be read.
func (t *Till) openFound(dir string) (*found.Dir, crdt.TillID, error) {
	if !filepath.IsAbs(dir) {
		return nil, crdt.TillID{}, refuse(CodePath, "write it from the root on, as this till sees it", "%q is no whole path", dir)
	}
	var whose Identity
	if b, err := os.ReadFile(filepath.Join(dir, fileIdentity)); err == nil {
		if json.Unmarshal(b, &whose) != nil {
			whose = Identity{} // the store says more
		}
	}
	switch {
	case !whose.Shop.IsZero() && whose.Shop != t.id.Shop:
		return nil, crdt.TillID{}, refuseFound(dir, found.ErrOtherShop)
	case whose.Replica == t.id.Replica:
		return nil, crdt.TillID{}, refuse(CodeFoundOwn, "name the directory of the till that was found", "%s is the data of this till itself, or a copy of it", dir)
	}
	place := filepath.Join(dir, dirStore)
	if _, err := os.Stat(place); errors.Is(err, fs.ErrNotExist) {
		place = dir
	}
	d, err := found.Open(place)
	if err != nil {
		return nil, crdt.TillID{}, refuseFound(dir, err)
	}
	return d, whose.Till, nil
}

// refuseFound turns what package found says into a refusal.
func refuseFound(dir string, err error) error {
	switch {
	case errors.Is(err, found.ErrNothing):
		return refuse(CodeNothingFound, "name the data directory of the found till, the one with the directory \"store\" in it", "there is no data of a till in %s", dir)
	case errors.Is(err, found.ErrInUse):
		return refuse(CodeFoundInUse, "stop it first, then try again", "a till runs on %s", dir)
	case errors.Is(err, found.ErrOtherShop):
		return refuse(CodeFoundOther, "nothing of it was taken", "the till in %s belongs to another shop", dir)
	case errors.Is(err, found.ErrChanged):
		return refuse(CodeFoundChanged, "list it again, then decide", "what %s holds and this till does not is no longer what was shown", dir)
	case errors.Is(err, fs.ErrPermission):
		return refuse(CodePath, "make a copy that the till's user may read, and name that", "this till may not read %s", dir)
	}
	return err
}

// tellTakeover makes a mark of this store known to all tills of the shop.
func (t *Till) tellTakeover(ctx context.Context, m found.Mark) (shop.Takeover, error) {
	o := shop.Takeover{From: m.From, By: t.id.Till, Person: m.By, MS: m.At.UnixMilli(), ID: m.ID, Commits: m.Commits, Receipts: m.Receipts}
	for _, n := range m.Numbers {
		if len(o.Numbers) < shop.MaxNumberRuns {
			o.Numbers = append(o.Numbers, shop.NumberRun{Series: n.Prefix, First: n.First, Last: n.Last})
		}
	}
	item, err := o.Sign(t.id.Shop, t.key)
	if err != nil {
		return o, err
	}
	if err := t.commit(ctx, crdt.Shop, shop.Schema, []crdt.Piece{item}); err != nil {
		return o, fmt.Errorf("what was found is taken, but the other tills do not know who did it yet: %w", err)
	}
	return o, nil
}

// tellTakeovers makes known what was taken before a till could say so, because it was cut off.
func (t *Till) tellTakeovers(ctx context.Context) error {
	if !t.recovery.turn.TryLock() {
		return nil // later
	}
	defer t.recovery.turn.Unlock()
	if t.recovery.told || t.mayWrite() != nil {
		return nil
	}
	for from := ""; ; {
		list, err := t.store.NotesFrom(ctx, found.MarkNote, from, 100)
		if err != nil {
			return err
		}
		for _, n := range list {
			m, err := found.DecodeMark(n.Value)
			if err != nil {
				return err
			}
			if _, known := t.takeoverBy(m.ID); known {
				continue
			}
			if _, err := t.tellTakeover(ctx, m); err != nil {
				return err
			}
		}
		if len(list) == 0 {
			t.recovery.told = true
			return nil
		}
		from = list[len(list)-1].Key + "\x00"
	}
}

// takeoverBy returns what this till took over under an ID.
func (t *Till) takeoverBy(id crdt.Hash) (shop.Takeover, bool) {
	list := t.Takeovers()
	i := slices.IndexFunc(list, func(o shop.Takeover) bool { return o.By == t.id.Till && o.ID == id })
	if i < 0 {
		return shop.Takeover{}, false
	}
	return list[i], true
}

// Takeovers lists what the tills of the shop took over from found ones, the latest first.
func (t *Till) Takeovers() []shop.Takeover {
	t.roster.mu.RLock()
	defer t.roster.mu.RUnlock()
	return t.roster.r.Takeovers()
}

// TakenOver returns how a receipt came here, if it was taken over from a found till.
func (t *Till) TakenOver(series string, number int64) (shop.Takeover, bool) {
	for _, o := range t.Takeovers() {
		if o.Holds(series, number) {
			return o, true
		}
	}
	return shop.Takeover{}, false
}
