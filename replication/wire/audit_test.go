package wire_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication/wire"
)

func (r random) digests(n int) []crdt.Digest {
	list := make([]crdt.Digest, n)
	for i := range list {
		list[i] = crdt.Digest{r.Uint64(), r.Uint64()}
	}
	return list
}

func (r random) rising(n, end int) (list []int) {
	at := -1
	for range n {
		if at += 1 + r.IntN(end/n); at < end {
			list = append(list, at)
		}
	}
	return list
}

func (r random) dot() crdt.Dot { return crdt.Dot{Replica: r.id(), Seq: crdt.Seq(r.Uint64())} }

func (r random) audit(step wire.AuditStep) *wire.AuditBody {
	a := &wire.AuditBody{Step: step, ID: r.number()}
	if step != wire.AuditVerdict && step < wire.AuditOffer {
		a.Context = r.id()
	}
	switch step {
	case wire.AuditCompare:
		a.Total, a.Again = r.digests(1)[0], r.IntN(2) == 0
	case wire.AuditVerdict:
		a.Code = wire.AuditCode(r.number())
	case wire.AuditSums:
		a.Sums = r.digests(wire.AuditBuckets)
	case wire.AuditParts:
		for _, n := range r.rising(r.IntN(20)+1, wire.AuditBuckets) {
			a.Parts = append(a.Parts, wire.AuditPart{Bucket: n, Sums: r.digests(wire.AuditLeaves)})
		}
	case wire.AuditEntries:
		a.Leaves, a.More = r.rising(r.IntN(50)+1, wire.AuditBuckets*wire.AuditLeaves), r.IntN(2) == 0
		for range r.IntN(40) {
			a.Entries = append(a.Entries, wire.AuditEntry{Dot: r.dot(), Tag: r.id(), Sum: r.digests(1)[0]})
		}
	case wire.AuditOffer:
		a.Commits, a.Last = r.list(), r.IntN(2) == 0
		for range r.IntN(40) {
			a.Wants = append(a.Wants, r.dot())
		}
	case wire.AuditGive:
		a.Commits, a.Last = r.list(), r.IntN(2) == 0
	}
	return a
}

var auditSteps = []wire.AuditStep{wire.AuditCompare, wire.AuditVerdict, wire.AuditSums, wire.AuditParts, wire.AuditEntries,
	wire.AuditOffer, wire.AuditGive}

func TestAuditBodies(t *testing.T) {
	r := seeded(t)
	doc := readDocument(t)
	require.Len(t, doc.steps, len(auditSteps))
	for _, step := range auditSteps {
		for range 20 {
			want := r.audit(step)
			body := want.Append(nil)
			got, err := wire.DecodeAudit(body)
			require.NoError(t, err)
			require.Equal(t, want, got)
			got, err = wire.DecodeAudit(appended(body))
			require.NoError(t, err, "step %d with an element more", step)
			require.Equal(t, want, got)
			value, rest, err := walk(body)
			require.NoError(t, err)
			require.Empty(t, rest)
			require.NoError(t, doc.checkSection(doc.steps[int(step)], value, false), "the document says otherwise")
			last := value.elements[len(value.elements)-1]
			short := bytes.Clone(body[:len(body)-len(last.raw)])
			short[0]--
			_, err = wire.DecodeAudit(short)
			require.ErrorIs(t, err, wire.ErrFrame)
		}
	}
}

func TestAuditBodiesThatArePassedOver(t *testing.T) {
	for name, body := range map[string][]byte{
		"empty": {}, "a newer version": {0x93, 2, 1, 1}, "a newer step": {0x94, 1, 8, 1, 0xc0}, "step 0": {0x93, 1, 0, 1},
	} {
		got, err := wire.DecodeAudit(body)
		require.NoError(t, err, name)
		require.Nil(t, got, name)
	}
}

func TestAuditBodiesThatAreRefused(t *testing.T) {
	with := func(change func(*wire.AuditBody), step wire.AuditStep) []byte {
		a := goldenAudit(t, step)
		change(a)
		return a.Append(nil)
	}
	tooMany := make([]wire.AuditEntry, wire.MaxAuditEntries+1)
	for name, body := range map[string][]byte{
		"no array":           {0x01},
		"cut off":            {0x93, 1, 1},
		"too few":            {0x92, 1, 1},
		"sums of 255":        with(func(a *wire.AuditBody) { a.Sums = a.Sums[1:] }, wire.AuditSums),
		"bucket 256":         with(func(a *wire.AuditBody) { a.Parts[1].Bucket = 256 }, wire.AuditParts),
		"a bucket twice":     with(func(a *wire.AuditBody) { a.Parts[1].Bucket = 1 }, wire.AuditParts),
		"half a bucket":      with(func(a *wire.AuditBody) { a.Parts[1].Sums = a.Parts[1].Sums[1:] }, wire.AuditParts),
		"leaf 16384":         with(func(a *wire.AuditBody) { a.Leaves[1] = 16384 }, wire.AuditEntries),
		"leaves that fall":   with(func(a *wire.AuditBody) { a.Leaves[1] = 2 }, wire.AuditEntries),
		"too many entries":   with(func(a *wire.AuditBody) { a.Entries = tooMany }, wire.AuditEntries),
		"half an entry":      {0x97, 1, 5, 1, 0xc4, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x90, 0xc4, 1, 0, 0xc2},
		"half a wanted one":  {0x96, 1, 6, 1, 0x90, 0xc4, 1, 0, 0xc2},
		"bytes after it":     append(goldenAudit(t, wire.AuditGive).Append(nil), 0xc0),
		"a number for bytes": {0x95, 1, 7, 1, 0x91, 1, 0xc2},
	} {
		_, err := wire.DecodeAudit(body)
		require.ErrorIs(t, err, wire.ErrFrame, name)
	}
}

// What is read can be written, and what was written is read as the same.
func FuzzAuditBody(f *testing.F) {
	for _, step := range auditSteps {
		f.Add(goldenAudit(f, step).Append(nil))
	}
	f.Add([]byte{})
	f.Add([]byte{0x93, 2, 1, 1})
	f.Fuzz(func(t *testing.T, body []byte) {
		a, err := wire.DecodeAudit(body)
		if err != nil {
			require.ErrorIs(t, err, wire.ErrFrame)
			require.Nil(t, a)
			return
		}
		if a == nil {
			return
		}
		again, err := wire.DecodeAudit(a.Append(nil))
		require.NoError(t, err)
		require.Equal(t, a, again)
	})
}
