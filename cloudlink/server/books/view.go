package books

import (
	"context"
	"fmt"

	"github.com/tillmesh/tillmesh/cloudlink/archive"
	"github.com/tillmesh/tillmesh/cloudlink/archive/merkle"
	"github.com/tillmesh/tillmesh/cloudlink/server"
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/crdt/shop"
)

// Codes of findings, beside those of the archive's notes. They are stable.
const (
	FindMember = "member" // its till was never admitted to the shop, as far as the archive knows
	FindGap    = "gap"    // the document before it is not there
	FindChain  = "chain"  // it does not continue the document before it
	FindErased = "erased" // its content is gone
)

// view judges the documents of one kind of a shop.
type view struct {
	b       *Books
	account archive.AccountID
	shop    crdt.ShopID
	typ     string
	roster  *shop.Roster
}

func (b *Books) view(ctx context.Context, account archive.AccountID, id crdt.ShopID, kind server.DocumentKind) (*view, error) {
	roster, err := b.roster(ctx, account, id)
	return &view{b, account, id, types[kind], roster}, err
}

// members are the types of items that say which tills ever belonged to a shop.
var members = []string{shop.TypeAdmission, shop.TypeLineage, shop.TypeRetirement, shop.TypeRevocation, shop.TypeRecovery, shop.TypeTakeover}

// roster reads who ever belonged to a shop. It reads a few leaves for each till, however long the log is.
func (b *Books) roster(ctx context.Context, account archive.AccountID, id crdt.ShopID) (*shop.Roster, error) {
	r := shop.NewRoster(id)
	for _, typ := range members {
		for s, err := range b.logs.Objects(ctx, account, id, typ, crdt.ObjectID{}, lastObject) {
			if err != nil {
				return nil, err
			}
			leaf, err := archive.ParseLeaf(s.Leaf)
			if err != nil {
				return nil, fmt.Errorf("leaf %d: %w", s.Index, err)
			}
			if leaf.Kind == archive.Item && leaf.Scope == crdt.Shop && s.Content != nil {
				_ = r.AddItem(leaf.Type, leaf.Object, s.Content) // what cannot be read counts for nothing
			}
		}
	}
	return r, nil
}

// documents describes and judges leaves; one that repeats an earlier one is left out.
func (v *view) documents(ctx context.Context, hits []merkle.Stored) ([]server.Document, error) {
	if len(hits) == 0 {
		return nil, nil
	}
	leaves := make([]archive.Leaf, len(hits))
	var objects []crdt.ObjectID
	for i, s := range hits {
		var err error
		if leaves[i], err = archive.ParseLeaf(s.Leaf); err != nil {
			return nil, fmt.Errorf("leaf %d: %w", s.Index, err)
		}
		objects = append(objects, leaves[i].Object)
		if before, ok := predecessor(leaves[i]); ok {
			objects = append(objects, before)
		}
	}
	beside, err := v.b.beside(ctx, v.account, v.shop, v.typ, objects)
	if err != nil {
		return nil, err
	}
	var out []server.Document
	for i, s := range hits {
		if repeats(s.Index, leaves[i], beside[leaves[i].Object]) {
			continue
		}
		d, link := describe(s, leaves[i])
		v.judge(&d, s, leaves[i], link, beside)
		out = append(out, d)
	}
	return out, nil
}

// predecessor returns the ID under which the document before it lies.
func predecessor(leaf archive.Leaf) (crdt.ObjectID, bool) {
	if !leaf.Kind.Document() || leaf.Number < 1 {
		return crdt.ObjectID{}, false
	}
	id := leaf.Object
	for i := len(id) - 1; i >= 8; i-- { // the last 8 bytes are the number
		if id[i]--; id[i] != 0xff {
			break
		}
	}
	return id, true
}

// repeats reports whether the same document was archived before.
func repeats(index int64, leaf archive.Leaf, beside []besideLeaf) bool {
	for _, o := range beside {
		if o.index < index && o.leaf.Kind == leaf.Kind && o.leaf.Digest == leaf.Digest {
			return true
		}
	}
	return false
}

// judge says what does not fit about a document. One that only came late still holds.
func (v *view) judge(d *server.Document, s merkle.Stored, leaf archive.Leaf, link chained, beside map[crdt.ObjectID][]besideLeaf) {
	d.Verified = true
	find := func(code, format string, args ...any) {
		d.Findings = append(d.Findings, server.Finding{Code: code, Text: fmt.Sprintf(format, args...)})
		d.Verified = d.Verified && code == archive.NoteLate
	}
	if s.Content == nil {
		find(FindErased, "Its content is gone. Only its hashes are there.")
		return
	}
	for _, text := range archive.Judge(leaf, s.Content) {
		find(archive.NoteFlagged, "%s", text)
	}
	for _, o := range beside[leaf.Object] {
		switch {
		case o.leaf.Kind == leaf.Kind && o.index != s.Index && o.leaf.Digest != leaf.Digest:
			find(archive.NoteFork, "%s is there twice with different content, also as leaf %d.", archive.NameOf(leaf), o.index)
		case o.leaf.Kind == archive.Note && o.note.About == s.Index && o.note.Code == archive.NoteLate:
			find(archive.NoteLate, "%s", o.note.Text)
		}
	}
	if v.roster.State(d.Till) == shop.Unknown {
		find(FindMember, "The till that made it was never admitted to this shop, as far as is known here.")
	}
	if link.known {
		v.link(leaf, link, beside, find)
	}
}

// link checks that a document continues the one before it.
func (v *view) link(leaf archive.Leaf, link chained, beside map[crdt.ObjectID][]besideLeaf, find func(code, format string, args ...any)) {
	id, ok := predecessor(leaf)
	if !ok {
		return
	}
	there, fits := false, false
	for _, o := range beside[id] {
		if o.leaf.Kind.Document() {
			there, fits = true, fits || receipt.Digest(o.leaf.Hash) == link.previous
		}
	}
	first := leaf.Number == 1 && link.previous == link.first
	before := leaf
	before.Number--
	switch {
	case fits, !there && first:
	case there:
		find(FindChain, "%s does not continue %s as it is in the archive.", archive.NameOf(leaf), archive.NameOf(before))
	case leaf.Number == 1:
		find(FindGap, "%s continues something that is not in the archive.", archive.NameOf(leaf))
	default:
		find(FindGap, "%s, which comes before it, is not in the archive.", archive.NameOf(before))
	}
}
