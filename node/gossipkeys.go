package node

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/node/pairing"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/mesh"
)

// The shop key is the first gossip key. Each revocation makes a fresh one: by the till that says it, before it answers the
// person, or by one that hears of it and finds nobody who has it. Keys travel on links only, to active tills: two tills swap
// all they have when they meet and when that changes. The old key goes at once, and what a revoked till knows is of no use.

const (
	topicKeys    = "keys"
	keysPatience = 5 * time.Second // for one answer
	// keysWait is how long a till that heard of a revocation waits for the fresh key of the one that said so. Whoever was
	// told of it has a link, and the key comes on the same way.
	keysWait = 2 * time.Second
)

// gossipKeys are the gossip keys of this till. They are safe for concurrent use.
type gossipKeys struct {
	keep func(mesh.GossipKeys) error // makes a change durable and uses it

	mu    sync.Mutex
	set   mesh.GossipKeys
	stale time.Duration // Steady since which the keys are known to be stale; 0: they are not
	told  map[replication.LinkID]told
}

// told is what a till was last told on a link.
type told struct {
	keys        mesh.GossipKeys
	revocations uint32
	failed      bool
}

// firstKeys returns the set of a till that knows the shop key only.
func firstKeys(shopKey string) (mesh.GossipKeys, error) {
	var key [32]byte
	b, err := hex.DecodeString(shopKey)
	if err != nil || len(b) != len(key) {
		return mesh.GossipKeys{}, errors.New("shop key in identity.json: not 32 bytes in hex")
	}
	copy(key[:], b)
	return mesh.NewGossipKeys(key), nil
}

// answeredKeys returns the set that an admission hands over.
func answeredKeys(a pairing.Answer) mesh.GossipKeys {
	set := mesh.NewGossipKeys(a.ShopKey)
	for _, k := range a.GossipKeys {
		set = set.Merge(mesh.GossipKeys{}.Rotated(k.Revocations, k.Key))
	}
	return set
}

// travelKeys is the reverse: what goes beside the shop key.
func (t *Till) travelKeys(shopKey [32]byte) []pairing.GossipKey {
	var out []pairing.GossipKey
	for _, k := range t.GossipKeys().All() {
		if k.Secret != shopKey && len(out) < pairing.MaxKeys {
			out = append(out, pairing.GossipKey{Key: k.Secret, Revocations: k.Revocations})
		}
	}
	return out
}

// GossipKeys returns the keys to gossip with.
func (t *Till) GossipKeys() mesh.GossipKeys {
	t.keys.mu.Lock()
	defer t.keys.mu.Unlock()
	return t.keys.set
}

// takeKeys merges keys of another till and makes what changed durable.
func (t *Till) takeKeys(other mesh.GossipKeys) (mesh.GossipKeys, error) {
	known := t.roster.revocations()
	t.keys.mu.Lock()
	defer t.keys.mu.Unlock()
	return t.setKeysLocked(t.keys.set.Merge(other.Within(known)))
}

// rotateKeys makes a fresh key if every key this till has may be known to a till that was revoked.
func (t *Till) rotateKeys() error {
	known := t.roster.revocations()
	t.keys.mu.Lock()
	defer t.keys.mu.Unlock()
	if !t.keys.set.Stale(known) {
		return nil
	}
	var fresh [32]byte
	t.env.draw(fresh[:])
	t.log.Info("the group of tills gets a fresh key", "revocations", known)
	_, err := t.setKeysLocked(t.keys.set.Rotated(known, fresh))
	return err
}

// setKeysLocked makes keys those of this till. t.keys.mu is held.
func (t *Till) setKeysLocked(set mesh.GossipKeys) (mesh.GossipKeys, error) {
	if set.Equal(t.keys.set) {
		return set, nil
	}
	if t.keys.keep != nil {
		if err := t.keys.keep(set); err != nil {
			return t.keys.set, fmt.Errorf("keep the keys of the group: %w", err)
		}
	}
	t.keys.set = set
	return set, nil
}

// askedForKeys takes the keys of another till and answers with all this one has.
func (t *Till) askedForKeys(till crdt.TillID, body []byte) ([]byte, bool) {
	if !t.roster.active(till) {
		return []byte("keys are for active tills of the shop"), false
	}
	other, err := mesh.DecodeGossipKeys(body)
	if err != nil {
		return []byte(err.Error()), false
	}
	set, err := t.takeKeys(other)
	if err != nil {
		t.log.Error("keys of another till were not taken", "error", err)
	}
	return set.Encode(), true
}

// ShareKeys swaps keys with every linked till that may not know what this one knows, and makes a fresh one if nobody gave
// one in time. It is called whenever links, roster or keys may have changed; again says that it is to be called once more
// after a moment. retry asks those again that did not answer.
func (t *Till) ShareKeys(ctx context.Context, retry bool) (again bool) {
	if !t.roster.active(t.id.Till) {
		return false // nobody tells a till that left the shop
	}
	now := t.env.Steady()
	var swaps sync.WaitGroup
	for _, l := range t.untold(retry) {
		swaps.Go(func() { t.swapKeys(ctx, l) })
	}
	swaps.Wait()
	known := t.roster.revocations()
	t.keys.mu.Lock()
	stale := t.keys.set.Stale(known)
	switch {
	case !stale:
		t.keys.stale = 0
	case t.keys.stale == 0:
		t.keys.stale = max(now, 1)
	}
	waited := t.keys.stale > 0 && now-t.keys.stale >= keysWait
	t.keys.mu.Unlock()
	if stale && waited {
		if err := t.rotateKeys(); err != nil {
			t.log.Error("a fresh key of the group was not made", "error", err)
		}
		return true
	}
	return stale || len(t.untold(false)) > 0
}

// untold returns the links to active tills that were not told what this till knows now, and forgets those that ended.
func (t *Till) untold(retry bool) []replication.LinkState {
	known := t.roster.revocations()
	links := t.replicator.State().Links
	t.keys.mu.Lock()
	defer t.keys.mu.Unlock()
	live := make(map[replication.LinkID]told, len(links))
	var out []replication.LinkState
	for _, l := range links {
		was, ok := t.keys.told[l.ID]
		if ok {
			live[l.ID] = was
		}
		current := ok && was.revocations == known && was.keys.Equal(t.keys.set) && !(was.failed && retry)
		// While the keys are stale the others are asked again: one of them is about to have a fresh one.
		if l.Ready && t.roster.active(l.Till) && (!current || t.keys.set.Stale(known) && !was.failed) {
			out = append(out, l)
		}
	}
	t.keys.told = live
	return out
}

func (t *Till) swapKeys(ctx context.Context, l replication.LinkState) {
	said := told{keys: t.GossipKeys(), revocations: t.roster.revocations()}
	asking, cancel := context.WithTimeout(ctx, keysPatience)
	defer cancel()
	body, err := t.replicator.Ask(asking, l.Till, topicKeys, said.keys.Encode())
	if err == nil {
		var other mesh.GossipKeys
		if other, err = mesh.DecodeGossipKeys(body); err == nil {
			var set mesh.GossipKeys
			set, err = t.takeKeys(other)
			if err == nil && set.Equal(other) {
				said.keys = set // both have the same now
			}
		}
	}
	if err != nil && ctx.Err() == nil {
		said.failed = true
		t.log.Debug("keys were not swapped", "till", l.Till.Short(), "error", err)
	}
	t.keys.mu.Lock()
	defer t.keys.mu.Unlock()
	t.keys.told[l.ID] = said
}

// readKeys reads the gossip keys of a data directory. Without the file, or with one that cannot be read, a till begins with
// the shop key and asks the others; then err says why.
func readKeys(dir string, id Identity) (set mesh.GossipKeys, problem, err error) {
	first, err := firstKeys(id.ShopKey)
	if err != nil {
		return first, nil, err
	}
	b, err := os.ReadFile(filepath.Join(dir, fileKeys))
	if errors.Is(err, fs.ErrNotExist) {
		return first, nil, nil
	}
	if err == nil {
		set, err = mesh.DecodeGossipKeys(b)
	}
	if err != nil {
		return first, fmt.Errorf("read %s: %w", fileKeys, err), nil
	}
	return set, nil, nil
}

// writeKeys puts the gossip keys in place, durably and whole.
func writeKeys(dir string, set mesh.GossipKeys) error {
	tmp := filepath.Join(dir, fileKeys+".new")
	if err := os.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the rest of an earlier attempt: %w", err)
	}
	if err := writeFile(tmp, set.Encode()); err != nil {
		return err
	}
	if err := os.Rename(tmp, filepath.Join(dir, fileKeys)); err != nil {
		return fmt.Errorf("put %s in place: %w", fileKeys, err)
	}
	return syncDir(dir)
}

// useKeys is what a machine does with keys that changed: they are durable first, then used.
func (m *Machine) useKeys(set mesh.GossipKeys) error {
	if err := writeKeys(m.o.Data, set); err != nil {
		return err
	}
	primary, others := set.Secrets()
	if err := m.gossip.SetKeys(primary, others...); err != nil {
		return err
	}
	m.gossip.Wake()
	m.wakeKeys()
	return nil
}

// wakeKeys says that links, roster or keys changed.
func (m *Machine) wakeKeys() {
	select {
	case m.keysWake <- struct{}{}:
	default:
	}
}

const (
	keysPause = 200 * time.Millisecond // between two looks while something is missing
	keysRetry = 10 * time.Second       // for tills that did not answer
)

// shareKeys keeps the keys of this till and those of the linked ones the same until ctx is done.
func (m *Machine) shareKeys(ctx context.Context) {
	retried := m.env.Steady()
	for {
		now := m.env.Steady()
		retry := now-retried >= keysRetry
		if retry {
			retried = now
		}
		wait := keysRetry
		if m.ShareKeys(ctx, retry) {
			wait = keysPause
		}
		if !m.env.wait(ctx, wait, m.keysWake) {
			return
		}
	}
}
