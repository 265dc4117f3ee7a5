package found

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/codec"
	"github.com/tillmesh/tillmesh/replication"
)

// Taking says who takes and where to.
type Taking struct {
	By   string      // who said yes
	At   time.Time   //
	From crdt.TillID // the found till, as its identity file says; zero: the one that wrote most of it
	// Commits makes commits from elsewhere durable, with notes in the same transaction as the last of them. It returns when
	// they are. The notes hold the [Mark], with each batch anew: what was taken is marked, even if the rest never comes.
	Commits  func(ctx context.Context, list []*crdt.Commit, notes []replication.Note) error
	Progress func(Progress) // may be nil
}

// batchCommits and batchBytes bound what is handed over at once.
const batchCommits, batchBytes = 256, 512 << 10

// Take takes over what Scan listed under this ID, in batches, and keeps a [Mark] with them. If it is cut off, what
// was taken stays, and the next Scan lists the rest. Errors: [ErrChanged] and those of [Dir.Scan].
func (d *Dir) Take(ctx context.Context, own Own, shopID crdt.ShopID, id crdt.Hash, t Taking) (Mark, error) {
	list, err := d.Scan(ctx, own, shopID, t.Progress)
	if err != nil {
		return Mark{}, err
	}
	if list.ID != id {
		return Mark{}, fmt.Errorf("take over from the found till: %w", ErrChanged)
	}
	m := mark(list, t, d.path)
	if list.Commits == 0 {
		return m, nil
	}
	if err := d.take(ctx, own, shopID, list, m, t); err != nil {
		return Mark{}, fmt.Errorf("take over from the found till: %w", err)
	}
	return m, nil
}

func (d *Dir) take(ctx context.Context, own Own, shopID crdt.ShopID, list Found, m Mark, t Taking) error {
	j, err := newJudge(ctx, own, shopID)
	if err != nil {
		return err
	}
	var batch []*crdt.Commit
	size, taken := 0, int64(0)
	flush := func() error {
		if err := t.Commits(ctx, batch, []replication.Note{m.note()}); err != nil {
			return err
		}
		batch, size = nil, 0
		if t.Progress != nil {
			t.Progress(Progress{Read: taken, Taken: taken})
		}
		return nil
	}
	_, err = d.each(ctx, own, func(*crdt.Commit) {}, func(c *crdt.Commit) error {
		if !j.unknown(c).take {
			return nil
		}
		batch = append(batch, c)
		size += len(c.Bytes())
		if taken++; taken < list.Commits && len(batch) < batchCommits && size < batchBytes {
			return nil
		}
		return flush()
	})
	if err == nil && taken != list.Commits {
		err = ErrChanged
	}
	return err
}

func mark(f Found, t Taking, place string) Mark {
	m := Mark{By: t.By, At: t.At.Truncate(time.Millisecond).UTC(), From: t.From, Place: place, ID: f.ID, Commits: f.Commits, Sums: f.Sums}
	most := int64(0)
	for _, c := range f.Tills {
		m.Receipts += c.Receipts
		if t.From.IsZero() && c.Commits > most {
			m.From, most = c.Till, c.Commits
		}
	}
	m.Numbers = runs(f.Receipts)
	return m
}

// runs returns the numbers of receipts as runs, sorted.
func runs(list []Receipt) (out []Numbers) {
	list = slices.SortedFunc(slices.Values(list), func(a, b Receipt) int {
		return cmp.Or(strings.Compare(a.Series, b.Series), cmp.Compare(a.N, b.N))
	})
	for _, r := range list {
		if last := len(out) - 1; last >= 0 && out[last].Prefix == r.Series && out[last].Last+1 >= r.N {
			out[last].Last = r.N
			continue
		}
		out = append(out, Numbers{r.Series, r.N, r.N})
	}
	return out
}

// MarkNote is how the keys of marks begin, in the order of time.
const MarkNote = "recovered/"

func (m Mark) note() replication.Note {
	key := binary.BigEndian.AppendUint64([]byte(MarkNote), uint64(m.At.UnixMilli()))
	return replication.Note{Key: string(append(key, m.ID[:8]...)), Value: m.Encode()}
}

// Encode returns the bytes of the note.
func (m Mark) Encode() []byte {
	b := codec.AppendUint(codec.AppendArray(nil, 10), 1)
	b = codec.AppendString(b, m.By)
	b = codec.AppendInt(b, m.At.UnixMilli())
	b = codec.AppendBytes(b, m.From[:])
	b = codec.AppendString(b, m.Place)
	b = codec.AppendBytes(b, m.ID[:])
	b = codec.AppendUint(codec.AppendUint(b, uint64(m.Commits)), uint64(m.Receipts))
	b = codec.AppendArray(b, 3*len(m.Numbers))
	for _, n := range m.Numbers {
		b = codec.AppendInt(codec.AppendInt(codec.AppendString(b, n.Prefix), n.First), n.Last)
	}
	b = codec.AppendArray(b, 3*len(m.Sums))
	for _, s := range m.Sums {
		b = codec.AppendInt(codec.AppendInt(codec.AppendString(b, s.Currency), s.Receipts), s.Total)
	}
	return b
}

// DecodeMark reads what Encode wrote.
func DecodeMark(b []byte) (m Mark, err error) {
	r := codec.NewReader(b)
	more := r.ArrayOf(10)
	if v := r.Uint(); r.Err() == nil && v != 1 {
		return m, fmt.Errorf("mark of version %d: %w", v, crdt.ErrVersion)
	}
	m.By = r.String()
	m.At = time.UnixMilli(r.Int()).UTC()
	r.Fixed(m.From[:])
	m.Place = r.String()
	r.Fixed(m.ID[:])
	m.Commits, m.Receipts = int64(r.Uint()), int64(r.Uint())
	for range r.Array() / 3 {
		m.Numbers = append(m.Numbers, Numbers{r.String(), r.Int(), r.Int()})
	}
	for range r.Array() / 3 {
		m.Sums = append(m.Sums, Sum{r.String(), r.Int(), r.Int()})
	}
	r.Skip(more)
	if err := r.Done(); err != nil {
		return m, fmt.Errorf("mark: %w", err)
	}
	return m, nil
}
