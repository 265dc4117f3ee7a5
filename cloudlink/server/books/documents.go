package books

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tillmesh/tillmesh/cloudlink/archive"
	"github.com/tillmesh/tillmesh/cloudlink/archive/merkle"
	"github.com/tillmesh/tillmesh/cloudlink/server"
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
)

// types are the types of the objects that documents lie under.
var types = map[server.DocumentKind]string{server.KindReceipt: receipt.TypeReceipt, server.KindClosing: receipt.TypeClosing}

const (
	// firstWindow and lastWindow are how many leaves are looked through in one step: more where nothing was found.
	firstWindow, lastWindow = 4096, 1 << 16
	// maxLooked bounds the leaves that one call looks through. A list may be shorter than asked for and still go on.
	maxLooked = 1 << 19
)

// Documents is a method of server.Documents. The newest are those that came in last. A document that came twice, as after a till
// recovered, is listed once, where it came first; different ones with one number are all listed.
func (b *Books) Documents(ctx context.Context, account crdt.ObjectID, f server.DocumentFilter, after string, limit int) ([]server.Document, string, error) {
	id := archive.AccountID(account)
	end, err := b.cursor(ctx, id, after)
	if err != nil {
		return nil, "", err
	}
	view, err := b.view(ctx, id, f.Shop, f.Kind)
	if err != nil {
		return nil, "", err
	}
	var list []server.Document
	for window, looked := int64(firstWindow), int64(0); end > 0 && len(list) < limit && looked < maxLooked; {
		first := max(0, end-window)
		hits, from, err := b.search(ctx, id, f, first, end, limit-len(list))
		if err != nil {
			return nil, "", err
		}
		if len(hits) == 0 {
			window = min(2*window, lastWindow)
		}
		docs, err := view.documents(ctx, hits)
		if err != nil {
			return nil, "", err
		}
		list = append(list, docs...)
		looked, end = looked+end-from, from
	}
	if end == 0 {
		return list, "", nil
	}
	return list, strconv.FormatInt(end, 10), nil
}

// cursor returns above which index nothing is listed any more.
func (b *Books) cursor(ctx context.Context, account archive.AccountID, after string) (int64, error) {
	size, _, err := b.logs.Size(ctx, account)
	if err != nil || after == "" {
		return size, err
	}
	end, err := strconv.ParseInt(after, 10, 64)
	if err != nil || end < 1 || end > size || strconv.FormatInt(end, 10) != after {
		return 0, fmt.Errorf("%w: %.40q", server.ErrCursor, after)
	}
	return end, nil
}

// search returns the newest leaves between two indexes that fit, at most need of them, the newest first, and down to which index it looked.
func (b *Books) search(ctx context.Context, account archive.AccountID, f server.DocumentFilter, first, end int64, need int) (hits []merkle.Stored, from int64, err error) {
	q := merkle.Query{Shop: f.Shop, Type: types[f.Kind], FromDay: f.From, ToDay: f.To, First: first, End: end, Bare: true}
	var indexes []int64 // of those that fit, the oldest first
	for s, err := range b.logs.Leaves(ctx, account, q) {
		if err != nil {
			return nil, 0, err
		}
		leaf, err := archive.ParseLeaf(s.Leaf)
		if err != nil {
			return nil, 0, fmt.Errorf("leaf %d: %w", s.Index, err)
		}
		if leaf.Kind != archive.Note && (f.Series == "" || leaf.Name == f.Series) {
			indexes = append(indexes, s.Index)
		}
	}
	if len(indexes) > need {
		indexes = indexes[len(indexes)-need:]
		first = indexes[0]
	}
	if len(indexes) == 0 {
		return nil, first, nil
	}
	// The contents, in one go: what lies between them is of the same kind.
	q.First, q.End, q.Bare = indexes[0], indexes[len(indexes)-1]+1, false
	for s, err := range b.logs.Leaves(ctx, account, q) {
		if err != nil {
			return nil, 0, err
		}
		if len(indexes) > 0 && s.Index == indexes[0] {
			indexes = indexes[1:]
			hits = append(hits, s)
		}
	}
	slices.Reverse(hits)
	return hits, first, nil
}

// Document is a method of server.Documents. Of different documents under one number it is the one that came first.
func (b *Books) Document(ctx context.Context, account crdt.ObjectID, shop crdt.ShopID, kind server.DocumentKind, name string) (server.Document, error) {
	none := fmt.Errorf("%w: %s %.80q", server.ErrNotFound, kind, name)
	account1 := archive.AccountID(account)
	id, err := crdt.ParseObjectID(name)
	if err != nil {
		series, number, ok := parseNumber(kind, name)
		if !ok {
			return server.Document{}, none
		}
		var there bool
		if id, there, err = b.numbered(ctx, account1, shop, types[kind], series, number); err != nil || !there {
			return server.Document{}, orElse(err, none)
		}
	}
	for s, err := range b.logs.Objects(ctx, account1, shop, types[kind], id, id) {
		if err != nil {
			return server.Document{}, err
		}
		view, err := b.view(ctx, account1, shop, kind)
		if err != nil {
			return server.Document{}, err
		}
		docs, err := view.documents(ctx, []merkle.Stored{s})
		if err != nil || len(docs) == 0 {
			return server.Document{}, orElse(err, none)
		}
		return docs[0], nil
	}
	return server.Document{}, none
}

func orElse(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}

// parseNumber reads a number as people write it: K2-000418, or K2 Z 17 of a closing.
func parseNumber(kind server.DocumentKind, name string) (series string, number int64, ok bool) {
	sign := "-"
	if kind == server.KindClosing {
		sign = " Z "
	}
	at := strings.LastIndex(name, sign)
	if at < 1 {
		return "", 0, false
	}
	number, err := strconv.ParseInt(name[at+len(sign):], 10, 64)
	return name[:at], number, err == nil && number > 0
}

// describe returns what a document says about itself, as far as it can be read.
func describe(s merkle.Stored, leaf archive.Leaf) (d server.Document, link chained) {
	d = server.Document{ID: leaf.Object, Series: leaf.Name, N: leaf.Number, Day: leaf.Day, Hash: leaf.Hash, Leaf: s.Index, Archived: time.UnixMilli(s.ArchivedAt)}
	if leaf.Kind.Document() {
		d.Number = archive.NameOf(leaf)
	}
	d.Content = s.Content
	signed, err := archive.SignedOf(leaf.Kind, s.Content)
	if err != nil {
		return d, link
	}
	d.Content, d.Signature, d.Key, d.Till = signed.Document, signed.Signature, signed.Key, crdt.TillIDOf(signed.Key)
	if leaf.Kind == archive.Closing {
		z, err := receipt.ParseZReport(signed.Document)
		if err != nil {
			return d, link
		}
		d.Till, d.Closed, d.Gross, d.Currency = z.Till.ID, z.Closed, int64(z.Sums.Gross), z.Currency
		return d, chained{true, z.Previous, receipt.FirstZ(z.Shop.ID, z.Till.ID, z.Series)}
	}
	doc, err := receipt.ParseDocument(signed.Document)
	if err != nil {
		return d, link
	}
	d.Till, d.Closed, d.Gross, d.Currency = doc.Till.ID, doc.Closed, int64(doc.Totals.Gross), doc.Currency
	return d, chained{true, doc.Previous, receipt.First(doc.Shop.ID, doc.Till.ID, doc.Series)}
}

// chained is what a document says about the one before it.
type chained struct {
	known    bool
	previous receipt.Digest // the hash that it carries
	first    receipt.Digest // the one that the first of its series carries
}
