package lineage_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/lineage"
	"github.com/tillmesh/tillmesh/replication/store/memory"
	"github.com/tillmesh/tillmesh/replication/store/rows"
)

func TestStartsWithoutDoubt(t *testing.T) {
	m := newMachine(t)
	last := uint32(0)
	for range 3 {
		r := m.sellSome(2)
		require.Empty(t, r.doubts)
		require.Equal(t, m.shop.first, r.replica)
		require.Greater(t, r.boot, last)
		last = r.boot
	}
	require.EqualValues(t, 6, m.sold["K1"])
}

func TestARestoredStoreBeginsANewLineage(t *testing.T) {
	m := newMachine(t)
	m.sellSome(3)
	backup := m.disk.Clone()
	m.sellSome(2)
	before := m.mustStart()
	before.stop()
	m.disk = backup
	r := m.mustStart()
	require.Equal(t, []lineage.Kind{lineage.RecordAhead, lineage.NewerBoot}, kinds(r.doubts))
	n := r.renewed
	require.Equal(t, "K1b", n.Lineage.Prefix)
	require.Equal(t, m.shop.first, n.Lineage.Predecessor)
	require.Equal(t, "K1", n.LastPrefix)
	require.EqualValues(t, 5, n.LastNumber, "the record knows more than the store")
	require.Nil(t, n.LastHash, "but not what stood on it")
	require.Greater(t, n.Boot, before.boot)
	require.Equal(t, crdt.Sales, n.Lineage.Last[1].Scope)
	require.Greater(t, n.Lineage.Last[1].Seq, r.guard.Contexts()[crdt.Sales].Last(m.shop.first), "of the record, which knows more")

	require.NotContains(t, r.heads, crdt.Catalog)
	require.Equal(t, r.replica, r.sell().Dot.Replica)
	alarms, err := lineage.Alarms(t.Context(), r.guard)
	require.NoError(t, err)
	require.Equal(t, []lineage.Alarm{n.Alarm}, alarms)
	require.Zero(t, alarms[0].SeenMS)
	r.commit(replication.Local{Notes: []replication.Note{alarms[0].Seen(9, "Jule").Note()}})
	alarms, err = lineage.Alarms(t.Context(), r.guard)
	require.NoError(t, err)
	require.Equal(t, "Jule", alarms[0].SeenBy)
	r.stop()

	again := m.sellSome(1)
	require.Empty(t, again.doubts, "it is settled")
	require.EqualValues(t, 2, m.sold["K1b"])
}

func TestTheHashOfTheLastNumberIsNamedIfTheStoreHasIt(t *testing.T) {
	m := newMachine(t)
	m.sellSome(3)
	m.record = nil
	r := m.mustStart()
	require.Equal(t, []lineage.Kind{lineage.RecordMissing}, kinds(r.doubts))
	require.EqualValues(t, 3, r.renewed.LastNumber)
	require.Equal(t, &crdt.Hash{3}, r.renewed.LastHash)
	require.Equal(t, "K1b", r.prefix)
	r.stop()
}

// TestAnOldBackupAfterANewLineage: the backup knows neither the lineage nor its series; the binding does.
func TestAnOldBackupAfterANewLineage(t *testing.T) {
	m := newMachine(t)
	m.sellSome(2)
	backup, record := m.disk.Clone(), bytes.Clone(m.record)
	m.record = nil
	require.Equal(t, "K1b", m.sellSome(2).prefix)
	m.disk, m.record = backup, record
	r := m.sellSome(2)
	require.Equal(t, []lineage.Kind{lineage.OtherReplica}, kinds(r.doubts))
	require.Equal(t, "K1c", r.prefix)
	require.Equal(t, m.shop.first, r.renewed.Lineage.Predecessor)
}

// TestCopiesNeverShareASeries: copies of one directory on machines that know nothing of each other.
func TestCopiesNeverShareASeries(t *testing.T) {
	m := newMachine(t)
	m.sellSome(3)
	a, b := m.copy(false), m.copy(false)
	ra, rb, rm := a.sellSome(2), b.sellSome(2), m.sellSome(2)
	require.Equal(t, []lineage.Kind{lineage.BindingMissing}, kinds(ra.doubts))
	require.Empty(t, rm.doubts)
	require.NotEqual(t, ra.prefix, rb.prefix)
	require.Equal(t, "K1", rm.prefix)
	require.Equal(t, map[string]uint64{"K1": 5, ra.prefix: 2, rb.prefix: 2}, m.sold)

	// The one that came back to the first machine is still known by its place.
	c := m.copy(true)
	c.place.Path = "/home/copy"
	require.Equal(t, []lineage.Kind{lineage.OtherPlace}, kinds(c.sellSome(1).doubts))
}

func TestALostStore(t *testing.T) {
	m := newMachine(t)
	m.sellSome(4)
	m.disk = memory.NewDisk()
	r := m.rows()
	e := m.evidence(r)
	doubts := lineage.Judge(e)
	require.Equal(t, []lineage.Kind{lineage.StoreMissing}, kinds(doubts))
	n, err := lineage.Renew(t.Context(), r, m, m.renewal(e, doubts))
	require.NoError(t, err)
	require.Equal(t, "K1b", n.Lineage.Prefix, "what is beside and outside of the store still knows the numbers")
	require.Equal(t, m.shop.first, n.Lineage.Predecessor)
	require.EqualValues(t, 4, n.LastNumber)
	require.NotEmpty(t, n.Lineage.Last)
	require.NoError(t, r.Close())
	r = m.rows()
	require.Empty(t, lineage.Judge(m.evidence(r)))
}

// TestACrashAnywhere cuts a renewal at every write, and the next one too.
func TestACrashAnywhere(t *testing.T) {
	damage := map[string]func(*machine){
		"record missing": func(m *machine) { m.record = nil },
		"store older":    func(m *machine) { old := m.disk.Clone(); m.sellSome(2); m.disk = old },
		"copied":         func(m *machine) { m.binding = nil },
	}
	type cut struct {
		fail  int
		late  bool
		fault memory.Fault
	}
	var cuts []cut
	for fail := 1; fail <= 4; fail++ {
		cuts = append(cuts, cut{fail: fail}, cut{fail: fail, late: true})
	}
	for _, f := range []memory.Fault{memory.BeforeWrite, memory.AfterWrite, memory.AfterSync, memory.Full} {
		cuts = append(cuts, cut{fault: f})
	}
	for name, spoil := range damage {
		for i, first := range cuts {
			for j, second := range append(cuts, cut{}) {
				t.Run(fmt.Sprintf("%s %d %d", name, i, j), func(t *testing.T) {
					m := newMachine(t)
					m.sellSome(2)
					spoil(m)
					cuts := 0
					for _, c := range []cut{first, second} {
						m.fail, m.late, m.writes = c.fail, c.late, 0
						if c.fault != memory.None {
							m.disk.FailNext(c.fault)
						}
						r, err := m.attempt()
						if err != nil {
							require.True(t, errors.Is(err, errPower) || errors.Is(err, rows.ErrFailed) || errors.Is(err, rows.ErrFull), err)
							cuts++
							continue
						}
						r.sell()
						r.stop()
					}
					require.NotZero(t, cuts, "the first cut always hits")
					m.fail = 0
					m.disk.FailNext(memory.None)
					r := m.mustStart()
					r.sell()
					r.stop()
					m.settled(name)
				})
			}
		}
	}
}

// attempt is start, but a fault of the disk in what follows a renewal is a power cut too.
func (m *machine) attempt() (r *running, err error) {
	if len(lineage.Judge(m.peek())) == 0 {
		m.disk.FailNext(memory.None) // the fault was meant for a renewal
	}
	return m.start()
}

func (m *machine) peek() lineage.Evidence {
	r := m.rows()
	defer func() { require.NoError(m.t, r.Close()) }()
	return m.evidence(r)
}

// settled: after any cuts there is one new lineage that works, nothing is in doubt, nothing was given out twice.
func (m *machine) settled(name string) {
	t := m.t
	require.Empty(t, lineage.Judge(m.peek()))
	r := m.mustStart()
	require.Empty(t, r.doubts)
	require.NotEqual(t, m.shop.first, r.replica)
	require.Len(t, r.heads, 2)
	roster := m.roster()
	till, _ := roster.Till(m.shop.till)
	require.Len(t, till.Lineages, 2, "one new lineage, whatever was cut")
	require.Empty(t, roster.Problems())
	if name != "copied" {
		require.Equal(t, "K1b", r.prefix, "no letter is lost to a cut")
	}
	opening, err := r.guard.Object(t.Context(), crdt.Key{Scope: crdt.Sales, Type: "opening", Object: crdt.DeriveObjectID("opening", []byte(r.prefix))})
	require.NoError(t, err)
	require.Len(t, opening.Items, 1)
	alarms, err := lineage.Alarms(t.Context(), r.guard)
	require.NoError(t, err)
	require.Len(t, alarms, 1)
	left, err := lineage.Pending(t.Context(), r.guard)
	require.NoError(t, err)
	require.True(t, left)
	require.NotZero(t, r.again().Items)
	r.saidTwice()
	r.stop()
}

// again says what is left again through the real store.
func (r *running) again() lineage.AgainReport {
	t := r.m.t
	said := &lineage.Reemission{Replica: r.replica, Store: r.guard,
		Exclusive: func(_ context.Context, _ []crdt.Key, do func() error) error { return do() },
		Submit: func(l replication.Local) (func(context.Context) (*crdt.Commit, error), error) {
			c := r.commit(l)
			return func(context.Context) (*crdt.Commit, error) { return c, nil }, nil
		}}
	report, err := said.Run(t.Context())
	require.NoError(t, err)
	for scope := range r.guard.Contexts() {
		d, err := r.guard.Recount(t.Context(), scope)
		require.NoError(t, err)
		require.Equal(t, r.guard.Digests()[scope], d)
	}
	left, err := lineage.Pending(t.Context(), r.guard)
	require.NoError(t, err)
	require.False(t, left)
	more, err := said.Run(t.Context())
	require.NoError(t, err)
	require.Zero(t, more)
	return report
}

// saidTwice: the first receipt of the first lineage counts under two dots, with the time it had.
func (r *running) saidTwice() {
	t := r.m.t
	id := crdt.DeriveObjectID("receipt", []byte("K1"), binary.BigEndian.AppendUint64(nil, 1))
	o, err := r.guard.Object(t.Context(), crdt.Key{Scope: crdt.Sales, Type: "receipt", Object: id})
	require.NoError(t, err)
	require.Len(t, o.Items, 2)
	require.False(t, o.Alarm())
	require.Equal(t, o.Items[0].Origin.Stamp, o.Items[1].Origin.Stamp)
}

func TestRenewRefuses(t *testing.T) {
	m := newMachine(t)
	m.record = nil
	r := m.rows()
	e := m.evidence(r)
	for name, change := range map[string]func(*lineage.Renewal){
		"a store of another till": func(n *lineage.Renewal) { n.Doubts = append(n.Doubts, lineage.New(lineage.StoreForeign, "")) },
		"another key":             func(n *lineage.Renewal) { n.Key = ed25519.NewKeyFromSeed(make([]byte, 32)) },
		"no key":                  func(n *lineage.Renewal) { n.Key = nil },
		"no replica":              func(n *lineage.Renewal) { n.Replica = crdt.ReplicaID{} },
		"the old replica":         func(n *lineage.Renewal) { n.Replica = m.shop.first },
		"no base":                 func(n *lineage.Renewal) { n.Base = "" },
		"no opening": func(n *lineage.Renewal) {
			n.Open = func(lineage.Renewed) ([]replication.Local, error) { return nil, errPower }
		},
		"a commit too large": func(n *lineage.Renewal) {
			n.Open = func(lineage.Renewed) ([]replication.Local, error) {
				return []replication.Local{{Scope: crdt.Sales, Pieces: []crdt.Piece{{Kind: crdt.KindItem, Type: "x", Object: crdt.ObjectID{1}, Raw: make([]byte, 2<<20)}}}}, nil
			}
		},
	} {
		n := m.renewal(e, lineage.Judge(e))
		change(&n)
		before, writes := m.disk.Commits(), m.writes
		_, err := lineage.Renew(t.Context(), r, m, n)
		require.Error(t, err, name)
		require.Equal(t, before, m.disk.Commits(), "%s: nothing is written", name)
		require.Equal(t, writes, m.writes, "%s: nothing is written", name)
	}
}

func TestABrokenChainIsSeen(t *testing.T) {
	m := newMachine(t)
	m.sellSome(3)
	st, end := m.open()
	require.NoError(t, lineage.CheckChain(t.Context(), st, m.shop.first))
	head := lineage.Heads(st.Heads(), st.Contexts(), m.shop.first)[crdt.Sales]
	bad := &crdt.Commit{Scope: crdt.Sales, Dot: crdt.Dot{Replica: m.shop.first, Seq: head.Seq + 1}, Pred: head.Seq, Prev: crdt.Hash{1}, Schema: 1,
		Pieces: []crdt.Piece{{Kind: crdt.KindItem, Type: "receipt", Object: crdt.ObjectID{9}, Raw: []byte{0x80}}}}
	require.NoError(t, bad.Seal())
	_, err := st.Apply(t.Context(), []replication.Op{{Commit: bad, Own: true}})
	require.NoError(t, err)
	require.ErrorIs(t, lineage.CheckChain(t.Context(), st, m.shop.first), lineage.ErrDoubt)
	end()
	r := m.mustStart()
	require.Contains(t, kinds(r.doubts), lineage.ChainBroken)
	require.True(t, lineage.UsedTwice(r.doubts))
	r.stop()

	// A commit of its own that it did not write, from somewhere else.
	m = newMachine(t)
	m.sellSome(3)
	st, end = m.open()
	head = lineage.Heads(st.Heads(), st.Contexts(), m.shop.first)[crdt.Sales]
	bad.Dot.Seq, bad.Pred, bad.Prev = head.Seq+1, head.Seq, head.Hash
	require.NoError(t, bad.Seal())
	_, err = st.Apply(t.Context(), []replication.Op{{Commit: bad}})
	require.NoError(t, err)
	require.ErrorIs(t, lineage.CheckChain(t.Context(), st, m.shop.first), lineage.ErrDoubt)
	end()
}

// TestWhatOthersConfirmedIsNotSaidAgain, unless a dot may have two meanings: then who confirmed it may hold the other one.
func TestWhatOthersConfirmedIsNotSaidAgain(t *testing.T) {
	for name, c := range map[string]struct {
		kind  lineage.Kind
		again int
	}{"confirmed": {lineage.RecordMissing, 0}, "two meanings": {lineage.ForkedOwn, 5}} {
		m := newMachine(t)
		r := m.mustStart()
		for range 3 {
			r.sell()
		}
		var agreed []replication.Note
		for scope, head := range r.guard.Heads() {
			agreed = append(agreed, replication.Note{Key: replication.AgreedNote(scope), Value: replication.AppendAgreed(nil, r.replica, head.Seq)})
		}
		r.commit(replication.Local{Notes: append(agreed, lineage.Reported(r.replica, lineage.New(c.kind, "")))})
		r.stop()
		r = m.mustStart()
		require.Equal(t, []lineage.Kind{c.kind}, kinds(r.doubts), name)
		require.Equal(t, c.again, r.again().Items, name)
		r.stop()
	}
}

func TestDoubtsOfTheCore(t *testing.T) {
	require.Equal(t, lineage.UnknownOwn, lineage.FromCore(replication.DoubtUnknownOwn, "").Kind)
	require.Equal(t, lineage.ForkedOwn, lineage.FromCore(replication.DoubtForkedOwn, "").Kind)
	require.Equal(t, lineage.CopyRuns, lineage.FromCore(replication.DoubtCopy, "").Kind)
	require.Equal(t, lineage.CopyRuns, lineage.FromCore(replication.DoubtTwice, "").Kind)
}

func TestADoubtThatCameUpWhileRunning(t *testing.T) {
	m := newMachine(t)
	r := m.mustStart()
	r.sell()
	r.commit(replication.Local{Notes: []replication.Note{lineage.Reported(r.replica, lineage.New(lineage.ForkedOwn, "dot 5.1"))}})
	r.stop()
	r = m.mustStart()
	require.Equal(t, []lineage.Kind{lineage.ForkedOwn}, kinds(r.doubts))
	r.stop()
	r = m.mustStart()
	require.Empty(t, r.doubts, "the new lineage begins without it")
	r.stop()
}

// asked notes what of a store is read.
type asked struct {
	lineage.Commits
	want []crdt.Context
}

// Live is a method of Commits.
func (a *asked) Live(ctx context.Context, scope crdt.Scope, want crdt.Context, at replication.Cursor, maxBytes int) ([][]byte, replication.Cursor, error) {
	a.want = append(a.want, want)
	return a.Commits.Live(ctx, scope, want, at, maxBytes)
}

// TestAStartDoesNotReadAllThatWasEverSold: starts that were joined are one run, of which only the last start is checked.
func TestAStartDoesNotReadAllThatWasEverSold(t *testing.T) {
	m := newMachine(t)
	m.sellSome(2)
	m.sellSome(2)
	st, end := m.open()
	defer end()
	runs := st.Contexts()[crdt.Sales][m.shop.first]
	require.Greater(t, len(runs), 1)
	whole := crdt.Interval{After: runs[0].After, To: runs[len(runs)-1].To}
	_, err := st.Apply(t.Context(), []replication.Op{{Claim: &replication.Claim{Scope: crdt.Sales, Context: crdt.Context{m.shop.first: {whole}}}}})
	require.NoError(t, err)
	require.Equal(t, []crdt.Interval{whole}, []crdt.Interval(st.Contexts()[crdt.Sales][m.shop.first]))
	read := &asked{Commits: st}
	require.NoError(t, lineage.CheckChain(t.Context(), read, m.shop.first))
	for _, want := range read.want {
		for _, run := range want[m.shop.first] {
			require.GreaterOrEqual(t, run.After, crdt.NewSeq(run.To.Boot(), 0), "%v", want)
		}
	}
}
