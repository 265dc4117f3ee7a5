// Package backuptest makes shops for the tests of backups: tills with real stores that sold something.
package backuptest

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/catalog"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/crdt/shop"
	"github.com/tillmesh/tillmesh/node/backup"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/store"
	"github.com/tillmesh/tillmesh/replication/store/badger"
	"github.com/tillmesh/tillmesh/replication/store/memory"
	"github.com/tillmesh/tillmesh/replication/store/rows"
)

// Shop is a made shop. Everything in it follows from its seed.
type Shop struct {
	ID   crdt.ShopID
	rand *rand.Rand
	next uint32
}

// Till is a till of a made shop with an open store.
type Till struct {
	T       testing.TB
	Shop    *Shop
	Key     ed25519.PrivateKey
	ID      crdt.TillID
	Replica crdt.ReplicaID
	Prefix  string
	Name    string
	Dir     string // of the store; empty in memory
	Rows    rows.Store
	Store   *store.Store
	Gate    *backup.Gate
	Made    func(*crdt.Commit) // is called with every commit; may be nil

	boot   uint32
	k      map[crdt.Scope]uint32
	heads  map[crdt.Scope]replication.Head
	number uint64
	last   crdt.Hash
	queue  []replication.Op
}

// Begin is when the made shops were founded.
var Begin = time.Date(2026, 9, 3, 9, 0, 0, 0, time.UTC)

// Found makes a shop and its first till, whose store is in dir, or in memory if that is empty.
func Found(t testing.TB, dir string, seed uint64) *Till {
	t.Helper()
	s := &Shop{rand: rand.New(rand.NewPCG(seed, 1))}
	till := s.till(t, dir, shop.FounderPrefix, "Kasse 1")
	a, id := shop.Found(till.public(), [shop.NonceSize]byte{byte(seed)}, till.Name, Begin.UnixMilli())
	s.ID = id
	p, err := a.Sign(id, till.Key)
	require.NoError(t, err)
	business := &shop.Shop{Name: "Café Möwe"}
	settings, err := shop.EditSettings(nil, shop.SettingsEdit{Shop: business})
	require.NoError(t, err)
	till.begin(append([]crdt.Piece{p}, settings...)...)
	return till
}

// Admit makes another till, which first holds all that the admitting one holds.
func (x *Till) Admit(dir, prefix, name string) *Till {
	x.T.Helper()
	till := x.Shop.till(x.T, dir, prefix, name)
	a := shop.Admission{PublicKey: till.public(), Name: name, Prefix: prefix, By: x.ID, MS: Begin.UnixMilli()}
	p, err := a.Sign(x.Shop.ID, x.Key)
	require.NoError(x.T, err)
	x.Commit(crdt.Shop, []crdt.Piece{p})
	till.Pull(x)
	till.begin()
	x.Pull(till)
	return till
}

func (s *Shop) till(t testing.TB, dir, prefix, name string) *Till {
	seed := sha256.Sum256(fmt.Appendf(nil, "%s %d", prefix, s.rand.Uint64()))
	key := ed25519.NewKeyFromSeed(seed[:])
	x := &Till{T: t, Shop: s, Key: key, Prefix: prefix, Name: name, Dir: dir, boot: 7,
		k: make(map[crdt.Scope]uint32), heads: make(map[crdt.Scope]replication.Head)}
	x.ID = crdt.TillIDOf(x.public())
	copy(x.Replica[:], seed[16:])
	x.Rows, x.Store = OpenStore(t, dir)
	x.Gate = backup.NewGate(x.Store)
	return x
}

// OpenStore opens the store in a directory, or in memory, and closes it when the test ends.
func OpenStore(t testing.TB, dir string) (rows.Store, *store.Store) {
	t.Helper()
	var engine rows.Store = memory.New()
	if dir != "" {
		b, _, err := badger.Open(badger.Options{Dir: filepath.Join(dir, "store")})
		require.NoError(t, err)
		engine = b
	}
	t.Cleanup(func() { require.NoError(t, engine.Close()) })
	st, err := store.Open(t.Context(), engine)
	require.NoError(t, err)
	return engine, st
}

func (x *Till) public() ed25519.PublicKey { return x.Key.Public().(ed25519.PublicKey) }

// begin writes the first commit of a till: its lineage and name.
func (x *Till) begin(pieces ...crdt.Piece) {
	l, err := shop.Lineage{Till: x.ID, Replica: x.Replica, Prefix: x.Prefix, MS: Begin.UnixMilli()}.Sign(x.Shop.ID, x.Key)
	require.NoError(x.T, err)
	mode := shop.DefaultMode
	self, err := shop.EditTill(x.ID, nil, shop.TillEdit{Name: &x.Name, Mode: &mode})
	require.NoError(x.T, err)
	require.NoError(x.T, x.Store.SetIdentity(context.Background(), store.Identity{Shop: x.Shop.ID, Till: x.ID, Replica: x.Replica}))
	x.last = crdt.Hash(receipt.First(x.Shop.ID, x.ID, x.Prefix))
	x.Commit(crdt.Shop, append(append(pieces, l), self...))
}

// About is what a backup of the till says.
func (x *Till) About() backup.About {
	return backup.About{
		Header: backup.Header{Shop: x.Shop.ID, ShopName: "Café Möwe", Till: x.ID, TillName: x.Name, Replica: x.Replica, Prefix: x.Prefix,
			Program: "1.2.3", Made: Begin.Add(time.Hour)},
		Secrets: backup.Secrets{Founder: []byte("the founder's secret"), Gossip: [][]byte{make([]byte, 32), []byte("an older key")}},
	}
}

// Restart begins a new start of the till: its next commits do not continue the run before.
func (x *Till) Restart() {
	x.boot++
	clear(x.k)
}

// Make makes a commit, which is written with the next Flush.
func (x *Till) Make(scope crdt.Scope, pieces []crdt.Piece, notes ...replication.Note) *crdt.Commit {
	x.T.Helper()
	x.k[scope]++
	head := x.heads[scope]
	ms := Begin.UnixMilli() + int64(x.Shop.next)*1000
	c := &crdt.Commit{Scope: scope, Dot: crdt.Dot{Replica: x.Replica, Seq: crdt.NewSeq(x.boot, x.k[scope])}, Pred: head.Seq, Prev: head.Hash,
		Stamp: crdt.Stamp{Trusted: true, MS: ms}, WallMS: ms, Schema: 1, Pieces: pieces}
	require.NoError(x.T, c.Seal())
	x.heads[scope] = replication.Head{Seq: c.Dot.Seq, Hash: c.Hash()}
	x.queue = append(x.queue, replication.Op{Commit: c, Own: true, Notes: notes})
	if x.Made != nil {
		x.Made(c)
	}
	return c
}

// Flush writes what was made.
func (x *Till) Flush() {
	x.T.Helper()
	if len(x.queue) > 0 {
		_, err := x.Gate.Apply(context.Background(), x.queue)
		require.NoError(x.T, err)
	}
	x.queue = nil
}

// Commit makes and writes a commit.
func (x *Till) Commit(scope crdt.Scope, pieces []crdt.Piece) *crdt.Commit {
	x.T.Helper()
	c := x.Make(scope, pieces)
	x.Flush()
	return c
}

// Pull takes what the other till holds, as a complete pull does.
func (x *Till) Pull(from *Till) {
	x.T.Helper()
	from.Flush()
	x.Flush()
	ctx := context.Background()
	for scope, have := range from.Store.Contexts() {
		want := have.Minus(x.Store.Contexts()[scope])
		for at := (replication.Cursor{}); !at.Done; {
			list, next, err := from.Store.Live(ctx, scope, want, at, 256<<10)
			require.NoError(x.T, err)
			at = next
			var ops []replication.Op
			for _, raw := range list {
				c, err := crdt.DecodeCommit(raw)
				require.NoError(x.T, err)
				ops = append(ops, replication.Op{Commit: c})
			}
			_, err = x.Gate.Apply(ctx, ops)
			require.NoError(x.T, err)
		}
		_, err := x.Gate.Apply(ctx, []replication.Op{{Claim: &replication.Claim{Scope: scope, Context: want}}})
		require.NoError(x.T, err)
	}
}

// NewID returns an object ID.
func (s *Shop) NewID() (id crdt.ObjectID) {
	s.next++
	for i := range id {
		id[i] = byte(s.rand.Uint32())
	}
	return id
}

// Article writes an article.
func (x *Till) Article(name string) crdt.ObjectID {
	x.T.Helper()
	id := x.Shop.NewID()
	x.EditArticle(id, name)
	return id
}

// EditArticle renames an article, over what this till sees of it.
func (x *Till) EditArticle(id crdt.ObjectID, name string) {
	x.T.Helper()
	x.Flush()
	obj, err := x.Store.Object(context.Background(), crdt.Key{Scope: crdt.Catalog, Type: catalog.TypeArticle, Object: id})
	require.NoError(x.T, err)
	names := catalog.Named(name)
	pieces, err := catalog.EditArticle(id, obj, catalog.ArticleEdit{Names: &names})
	require.NoError(x.T, err)
	x.Commit(crdt.Catalog, pieces)
}
