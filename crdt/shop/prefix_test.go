package shop_test

import (
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/shop"
)

func TestCheckPrefix(t *testing.T) {
	for _, s := range []string{"K1", "K2b", "K2z", "K2aa", "K2zz", "K7.5.3", "K7b.5c.3", "K9999"} {
		require.NoError(t, shop.CheckPrefix(s), s)
	}
	for _, s := range []string{"", "K", "1", "k1", "K0", "K01", "K+1", "K1a", "K1B", "K1.", "K.1", "K1..2", "K1-2",
		"K10000", "K1 ", "K2aaaa",
		"K1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1"} {
		require.ErrorIs(t, shop.CheckPrefix(s), shop.ErrInvalid, s)
	}
}

func TestNextPrefix(t *testing.T) {
	f, a, b, c := newDevice(1), newDevice(2), newDevice(3), newDevice(4)
	s, first := founded(t, f)
	r := roster(t, s, first, lineage(t, s, f, 0, "K1", 1))
	next := func(d *device, n uint64) string {
		p, err := r.NextPrefix(d.replica(n))
		require.NoError(t, err)
		return p
	}
	add := func(p crdt.Piece) { require.NoError(t, r.AddItem(p.Type, p.Object, p.Raw)) }
	require.Equal(t, "K2", next(f, 0))
	add(admission(t, s, f, a, "K2", 2))
	_, err := r.NextPrefix(a.replica(0))
	require.ErrorIs(t, err, shop.ErrNotActive, "no lineage yet")
	add(lineage(t, s, a, 0, "K2", 3))
	require.Equal(t, "K3", next(f, 0))
	require.Equal(t, "K3.2", next(a, 0))
	add(admission(t, s, a, b, "K3.2", 4))
	add(lineage(t, s, b, 0, "K3.2", 5))
	require.Equal(t, "K4", next(f, 0))
	require.Equal(t, "K4.3.2", next(b, 0))
	add(lineage(t, s, a, 1, "K2b", 6))
	require.Equal(t, "K4.2b", next(a, 1), "a later lineage may not know all that the one before it gave")
	add(lineage(t, s, f, 1, "K1b", 6))
	require.Equal(t, "K4.1b", next(f, 1))
	add(admission(t, s, f, c, "K4.1b", 7))
	require.True(t, r.Active(c.id))
	require.Equal(t, "K5", next(f, 0))

	add(departure(t, s, f, a, true, 8))
	_, err = r.NextPrefix(a.replica(1))
	require.ErrorIs(t, err, shop.ErrNotActive)

	add(admission(t, s, f, newDevice(5), "K9999", 9))
	require.Equal(t, "K2.3.2", next(b, 0), "no higher number is left")
	require.Equal(t, "K3", next(f, 0))
}

func TestNextSeries(t *testing.T) {
	f, a := newDevice(1), newDevice(2)
	s, first := founded(t, f)
	r := roster(t, s, first, admission(t, s, f, a, "K2", 2))
	want := []string{"K2", "K2b", "K2c"}
	for i := range uint64(60) {
		p, err := r.NextSeries(a.id)
		require.NoError(t, err)
		if int(i) < len(want) {
			require.Equal(t, want[i], p)
		}
		l := lineage(t, s, a, i, p, int64(i))
		require.NoError(t, r.AddItem(l.Type, l.Object, l.Raw))
	}
	require.Empty(t, r.Problems(), "every lineage has its own series")
	till, _ := r.Till(a.id)
	require.Equal(t, "K2z", till.Lineages[25].Prefix)
	require.Equal(t, "K2aa", till.Lineages[26].Prefix)
	require.Equal(t, "K2ba", till.Lineages[52].Prefix)

	p, err := r.NextSeries(f.id, "K1", "K1c", "K2z")
	require.NoError(t, err)
	require.Equal(t, "K1d", p, "the till's own papers know more than the roster; another till's do not count")
	_, err = r.NextSeries(f.id, "K1", "nonsense")
	require.ErrorIs(t, err, shop.ErrInvalid)
	_, err = r.NextSeries(newDevice(3).id)
	require.ErrorIs(t, err, shop.ErrNotActive)
	dotted := roster(t, s, first, admission(t, s, f, a, "K2", 2), admission(t, s, a, newDevice(3), "K3.2", 3))
	p, err = dotted.NextSeries(newDevice(3).id, "K3.2")
	require.NoError(t, err)
	require.Equal(t, "K3b.2", p)
}

// TestPrefixesAreUniqueApart lets tills that mostly do not see each other admit tills and lose their stores.
func TestPrefixesAreUniqueApart(t *testing.T) {
	for seed := range uint64(8) {
		t.Run("seed="+strconv.FormatUint(seed, 10), func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 2))
			founder := newDevice(0)
			s, first := founded(t, founder)
			type till struct {
				*device
				lineage uint64
				series  string
				held    []crdt.Piece
			}
			start := lineage(t, s, founder, 0, "K1", 1)
			tills := []*till{{founder, 0, "K1", []crdt.Piece{first, start}}}
			made := []crdt.Piece{first, start}
			given := map[string]bool{"K1": true}
			unique := func(prefix string) {
				require.False(t, given[prefix], "%s given twice", prefix)
				given[prefix] = true
			}
			for step := range 60 {
				w := tills[rnd.IntN(len(tills))]
				switch rnd.IntN(6) {
				case 0: // meets another till
					w.held = append(w.held, tills[rnd.IntN(len(tills))].held...)
				case 1: // its store is lost; all it has left is its own series and what the founder's and its own admission say
					series, err := roster(t, s, w.held...).NextSeries(w.id, w.series)
					require.NoError(t, err)
					unique(series)
					w.lineage++
					w.series = series
					l := lineage(t, s, w.device, w.lineage, series, int64(step))
					w.held = append(forgets(rnd, w.held, w.device), l)
					made = append(made, l)
				default:
					prefix, err := roster(t, s, w.held...).NextPrefix(w.replica(w.lineage))
					require.NoError(t, err)
					unique(prefix)
					d := newDevice(uint64(len(tills)))
					a, l := admission(t, s, w.device, d, prefix, int64(step)), lineage(t, s, d, 0, prefix, int64(step))
					w.held = append(w.held, a)
					tills = append(tills, &till{d, 0, prefix, append(append([]crdt.Piece{}, w.held...), l)})
					made = append(made, a, l)
				}
			}
			rnd.Shuffle(len(made), func(i, j int) { made[i], made[j] = made[j], made[i] })
			r := roster(t, s, made...)
			require.Len(t, r.Tills(), len(tills))
			require.Empty(t, r.Problems())
			t.Logf("%d tills, %d prefixes", len(tills), len(given))
		})
	}
}

// forgets drops admissions the device itself signed and nobody else needs to know about it.
func forgets(rnd *rand.Rand, held []crdt.Piece, d *device) (kept []crdt.Piece) {
	for _, p := range held {
		if p.Type == shop.TypeAdmission {
			if a, err := shop.ParseAdmission(p.Raw); err == nil && a.By == d.id && !a.Founder && rnd.IntN(2) == 0 {
				continue
			}
		}
		kept = append(kept, p)
	}
	return kept
}
