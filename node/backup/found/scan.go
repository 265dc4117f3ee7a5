package found

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"maps"
	"slices"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/node/backup/chain"
	"github.com/tillmesh/tillmesh/node/backup/salvage"
)

// commitRows is how the keys of commits begin in a store, see package store.
var commitRows = []byte{'c'}

// Dir is the store of a found till. It is for one goroutine.
type Dir struct {
	path  string
	files *salvage.Store
	free  func() error // ends what keeps a till from starting on the files
}

// Open looks at the directory of a found till's store. It changes nothing there. Errors: [ErrNothing], [ErrInUse].
func Open(path string) (*Dir, error) {
	free, err := reserve(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	files, err := salvage.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w: %w", ErrNothing, err)
	}
	if err != nil {
		return nil, errors.Join(err, free())
	}
	return &Dir{path, files, free}, nil
}

// Close closes the files.
func (d *Dir) Close() error { return errors.Join(d.files.Close(), d.free()) }

// Scan lists what the found till holds and the own store does not. Memory is bounded whatever is there.
func (d *Dir) Scan(ctx context.Context, own Own, shopID crdt.ShopID, progress func(Progress)) (Found, error) {
	f, err := d.scan(ctx, own, shopID, progress)
	if err != nil {
		return Found{}, fmt.Errorf("look through the found till: %w", err)
	}
	return f, nil
}

// each hands every commit that can be read to known or unknown.
func (d *Dir) each(ctx context.Context, own Own, known func(*crdt.Commit), unknown func(*crdt.Commit) error) (unreadable int64, err error) {
	contexts := own.Contexts()
	for row, err := range d.files.Rows(ctx, commitRows) {
		if err != nil {
			return unreadable, err
		}
		c, err := crdt.DecodeCommit(row.Value)
		switch {
		case err != nil:
			unreadable++
		case contexts[c.Scope].Has(c.Dot):
			known(c)
		default:
			if err := unknown(c); err != nil {
				return unreadable, err
			}
		}
	}
	return unreadable, nil
}

// scanner puts a list together.
type scanner struct {
	Found
	judge    *judge
	names    map[crdt.TillID]*TillCount
	scopes   map[crdt.Scope]*ScopeCount
	sums     map[string]*Sum
	payments map[crdt.ObjectID]*Payment
	sum      hash.Hash
	shopSeen [2]int64 // commits of the shop scope: unknown, known
}

func (d *Dir) scan(ctx context.Context, own Own, shopID crdt.ShopID, progress func(Progress)) (Found, error) {
	j, err := newJudge(ctx, own, shopID)
	if err != nil {
		return Found{}, err
	}
	s := &scanner{judge: j, names: make(map[crdt.TillID]*TillCount), scopes: make(map[crdt.Scope]*ScopeCount),
		sums: make(map[string]*Sum), payments: make(map[crdt.ObjectID]*Payment), sum: sha256.New()}
	read := int64(0)
	tell := func() {
		if read++; progress != nil && read%1000 == 0 {
			progress(Progress{Read: read})
		}
	}
	var failed error
	var unreadable int64
	s.Series, err = chain.Verify(func(yield func(receipt.Signed, error) bool) {
		unreadable, failed = d.each(ctx, own,
			func(c *crdt.Commit) {
				tell()
				s.Known++
				if c.Scope == crdt.Shop {
					s.shopSeen[1]++
				}
			},
			func(c *crdt.Commit) error {
				tell()
				return s.unknown(c, yield)
			})
		if failed != nil {
			yield(receipt.Signed{}, failed)
		}
	}, func(till crdt.TillID, prefix string, number int64) (receipt.Digest, bool, error) {
		return held(ctx, own, receipt.ReceiptID(shopID, till, prefix, number))
	})
	if err = cmp.Or(failed, err); err != nil {
		return Found{}, err
	}
	if s.shopSeen[0] > 0 && s.shopSeen[1] == 0 {
		return Found{}, ErrOtherShop
	}
	if unreadable > 0 {
		s.Damage = append(s.Damage, fmt.Sprintf("%d changes cannot be read", unreadable))
	}
	return s.finish(ctx, own, d)
}

var errStopped = errors.New("stopped")

func (s *scanner) unknown(c *crdt.Commit, yield func(receipt.Signed, error) bool) error {
	if c.Scope == crdt.Shop {
		s.shopSeen[0]++
	}
	count := s.scopes[c.Scope]
	if count == nil {
		count = &ScopeCount{Scope: c.Scope}
		s.scopes[c.Scope] = count
	}
	v := s.judge.unknown(c)
	if !v.take {
		count.Leave++
		if !v.leave {
			if s.NotTaken++; len(s.Refused) < maxRefused {
				s.Refused = append(s.Refused, Refused{c.Scope, c.Dot, v.reason})
			}
		}
		return nil
	}
	count.Take++
	s.Commits++
	h := c.Hash()
	s.sum.Write(h[:])
	till := s.names[v.till]
	if till == nil {
		t, _ := s.judge.roster.Till(v.till)
		till = &TillCount{Till: v.till, Name: t.Name, State: t.State}
		s.names[v.till] = till
	}
	till.Commits++
	for _, r := range v.receipts {
		till.Receipts++
		s.receipt(r, v.till)
		if !yield(r.signed, nil) {
			return errStopped
		}
	}
	s.payment(c, v.till)
	return nil
}

func (s *scanner) receipt(r proven, till crdt.TillID) {
	sum := s.sums[r.doc.Currency]
	if sum == nil {
		sum = &Sum{Currency: r.doc.Currency}
		s.sums[r.doc.Currency] = sum
	}
	sum.Receipts++
	sum.Total += int64(r.doc.Totals.Gross)
	for _, o := range r.piece.Objects {
		if o.Type == receipt.TypePayment {
			for _, id := range o.IDs {
				delete(s.payments, id)
			}
		}
	}
	if len(s.Receipts) >= maxList {
		s.More++
		return
	}
	s.Receipts = append(s.Receipts, Receipt{ID: r.id, Till: till, Number: receipt.NumberText(r.doc.Series, r.doc.Number),
		Series: r.doc.Series, N: r.doc.Number, Kind: r.doc.Kind,
		Closed: r.doc.Closed, Total: r.doc.Totals.Gross, Currency: r.doc.Currency})
}

// payment notes payments until a receipt that settles them is met: it comes later, being of a later commit.
func (s *scanner) payment(c *crdt.Commit, till crdt.TillID) {
	for i := range c.Pieces {
		p := &c.Pieces[i]
		if p.Type != receipt.TypePayment || p.Erased {
			continue
		}
		if p.Kind == crdt.KindItem {
			item, err := receipt.ParsePayment(p.Raw)
			switch {
			case err != nil:
				continue
			case len(s.payments) >= maxList:
				s.More++
				continue
			}
			s.payments[p.Object] = &Payment{ID: p.Object, Tab: item.Tab, Till: till, Type: item.Type, Amount: item.Amount, MS: item.MS}
		} else if at := s.payments[p.Object]; at != nil && p.Name == receipt.RegisterProgress {
			if progress, err := receipt.ParseProgress(p.Raw); err == nil {
				at.State = progress.State
			}
		}
	}
}

func (s *scanner) finish(ctx context.Context, own Own, d *Dir) (Found, error) {
	for id, p := range s.payments {
		if p.State == receipt.PaymentDeclined {
			continue
		}
		// A receipt that is here may have settled it; then the payment left there.
		o, err := own.Object(ctx, crdt.Key{Scope: crdt.Sales, Type: receipt.TypePayment, Object: id})
		if err != nil {
			return Found{}, err
		}
		if !o.Gone {
			s.Payments = append(s.Payments, *p)
		}
	}
	slices.SortFunc(s.Payments, func(a, b Payment) int { return cmp.Or(cmp.Compare(a.MS, b.MS), a.ID.Compare(b.ID)) })
	for _, scope := range slices.SortedFunc(maps.Keys(s.scopes), crdt.Scope.Compare) {
		s.Scopes = append(s.Scopes, *s.scopes[scope])
	}
	for _, id := range slices.SortedFunc(maps.Keys(s.names), crdt.TillID.Compare) {
		s.Tills = append(s.Tills, *s.names[id])
	}
	for _, c := range slices.Sorted(maps.Keys(s.sums)) {
		s.Sums = append(s.Sums, *s.sums[c])
	}
	damage, more := d.files.Damage()
	s.Damage = append(s.Damage, damage...)
	if more > 0 {
		s.Damage = append(s.Damage, fmt.Sprintf("and %d more places", more))
	}
	s.ID = crdt.Hash(s.sum.Sum(nil))
	return s.Found, nil
}

// held returns the hash of a receipt in the own store.
func held(ctx context.Context, own Own, id crdt.ObjectID) (receipt.Digest, bool, error) {
	o, err := own.Object(ctx, crdt.Key{Scope: crdt.Sales, Type: receipt.TypeReceipt, Object: id})
	if err != nil || len(o.Items) == 0 {
		return receipt.Digest{}, false, err
	}
	pieces, err := own.Pieces(ctx, crdt.Sales, []crdt.Ref{o.Items[0].Ref})
	if err != nil || pieces[0] == nil {
		return receipt.Digest{}, false, err
	}
	r, err := receipt.ParseReceipt(pieces[0].Raw)
	if err != nil {
		return receipt.Digest{}, false, err
	}
	return receipt.Hash(r.Document), true, nil
}
