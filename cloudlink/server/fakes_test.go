package server

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/catalog"
	"github.com/tillmesh/tillmesh/crdt/receipt/loss"
)

// marker is in everything that belongs to an account in the fakes.
const marker = "belongs-to-"

// fake is the other side of all ports, in memory. What it holds of an account has the marker with the account's ID in it.
type fake struct {
	mu       sync.Mutex
	articles map[crdt.ShopID]map[crdt.ObjectID]catalog.Article
	owners   map[crdt.ObjectID]crdt.ObjectID // of exports and holds
	calls    []string
	panics   bool
	fails    error
	status   ShopStatus
	report   func(ctx context.Context, progress func(ReportProgress)) (json.RawMessage, error) // nil: there is one at once
}

func newFake() *fake {
	return &fake{articles: make(map[crdt.ShopID]map[crdt.ObjectID]catalog.Article), owners: make(map[crdt.ObjectID]crdt.ObjectID)}
}

// fakePorts splits the fake into ports, whose method names overlap.
type (
	fakeReplicas  struct{ *fake }
	fakeDocuments struct{ *fake }
	fakeLog       struct{ *fake }
	fakeReports   struct{ *fake }
	fakeExports   struct{ *fake }
	fakeHolds     struct{ *fake }
	fakeWatch     struct{ *fake }
)

func (f *fake) called(name string, args ...any) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, fmt.Sprint(append([]any{name}, args...)...))
	if f.panics {
		panic("the fake breaks")
	}
	return f.fails
}

func (f fakeReplicas) Articles(_ context.Context, shop crdt.ShopID, from crdt.ObjectID, limit int) (list []ListedArticle, next crdt.ObjectID, err error) {
	err = f.called("Articles", shop)
	for id, a := range f.articles[shop] {
		if id.Compare(from) >= 0 && len(list) < limit {
			list = append(list, ListedArticle{ID: id, Article: a})
		}
	}
	return list, next, err
}

func (f fakeReplicas) Article(_ context.Context, shop crdt.ShopID, id crdt.ObjectID) (catalog.Article, error) {
	if err := f.called("Article", shop); err != nil {
		return catalog.Article{}, err
	}
	a, ok := f.articles[shop][id]
	if !ok {
		return a, fmt.Errorf("article %v: %w", id, ErrNotFound)
	}
	return a, nil
}

func (f fakeReplicas) EditArticle(_ context.Context, shop crdt.ShopID, id crdt.ObjectID, edit func(catalog.Article, string) (catalog.ArticleEdit, error)) error {
	if err := f.called("EditArticle", shop); err != nil {
		return err
	}
	a := f.articles[shop][id]
	e, err := edit(a, "EUR")
	if err != nil {
		return err
	}
	if e.Names != nil {
		a.Names = *e.Names
	}
	if e.Codes != nil {
		a.Codes = *e.Codes
	}
	for day, p := range e.Prices {
		a.Prices = append(a.Prices, catalog.DatedPrice{From: day, Price: p})
	}
	if f.articles[shop] == nil {
		f.articles[shop] = make(map[crdt.ObjectID]catalog.Article)
	}
	f.articles[shop][id] = a
	return nil
}

func (f fakeReplicas) Arrived(_ context.Context, shop crdt.ShopID, _ crdt.ObjectID) (Arrived, error) {
	return Arrived{On: []crdt.TillID{{1}, {2}}, Missing: []crdt.TillID{{3}}}, f.called("Arrived", shop)
}

func (f fakeDocuments) Documents(_ context.Context, account crdt.ObjectID, d DocumentFilter, after string, limit int) ([]Document, string, error) {
	if after != "" && after != "more" {
		return nil, "", ErrCursor
	}
	one, err := f.Document(context.Background(), account, d.Shop, d.Kind, "K1-000001")
	return []Document{one}, "more", err
}

func (f fakeDocuments) Document(_ context.Context, account crdt.ObjectID, shop crdt.ShopID, kind DocumentKind, name string) (Document, error) {
	if err := f.called("Document", account, shop); err != nil {
		return Document{}, err
	}
	if name != "K1-000001" {
		return Document{}, fmt.Errorf("%s %s: %w", kind, name, ErrNotFound)
	}
	return Document{
		ID: crdt.ObjectID{7}, Number: name, Series: "K1", N: 1, Till: crdt.TillID{1}, Closed: "2026-03-01T10:00:00.000Z", Day: "2026-03-01", Gross: 340,
		Currency: "EUR", Content: []byte(`{"note":"` + marker + account.String() + `"}`), Hash: [32]byte{9}, Signature: []byte{1}, Key: []byte{2}, Leaf: 5,
		Archived: time.Date(2026, 3, 1, 10, 0, 1, 0, time.UTC), Findings: []Finding{{"chain", "the one before is not there"}},
	}, nil
}

func (f fakeLog) Checkpoint(_ context.Context, account crdt.ObjectID) ([]byte, int64, error) {
	return []byte(marker + account.String()), 6, f.called("Checkpoint", account)
}

func (f fakeLog) Inclusion(_ context.Context, account crdt.ObjectID, _, size int64) (Inclusion, error) {
	if size > 6 {
		return Inclusion{}, ErrNotFound
	}
	return Inclusion{Leaf: []byte(marker + account.String()), Hashes: [][32]byte{{1}}}, f.called("Inclusion", account)
}

func (f fakeLog) Consistency(_ context.Context, account crdt.ObjectID, _, _ int64) ([][32]byte, error) {
	return [][32]byte{{1}, {2}}, f.called("Consistency", account)
}

func (f fakeReports) Completeness(ctx context.Context, account crdt.ObjectID, _ crdt.ShopID, _, _ string, progress func(ReportProgress)) (json.RawMessage, error) {
	if f.report != nil {
		return f.report(ctx, progress)
	}
	return json.RawMessage(`{"account":"` + marker + account.String() + `"}`), f.called("Completeness", account)
}

func (f fakeExports) StartExport(_ context.Context, account crdt.ObjectID, want ExportRange) (Export, error) {
	id := crdt.ObjectID{8, byte(len(f.owners))}
	f.owners[id] = account
	return Export{ID: id, Range: want, State: "running"}, f.called("StartExport", account)
}

func (f fakeExports) Exports(ctx context.Context, account crdt.ObjectID) (list []Export, err error) {
	for id := range f.owners {
		if e, err := f.Export(ctx, account, id); err == nil {
			list = append(list, e)
		}
	}
	return list, f.called("Exports", account)
}

func (f fakeExports) Export(_ context.Context, account crdt.ObjectID, id crdt.ObjectID) (Export, error) {
	if f.owners[id] != account {
		return Export{}, ErrNotFound
	}
	return Export{ID: id, State: "done", Size: 3}, nil
}

func (f fakeExports) OpenExport(_ context.Context, account crdt.ObjectID, id crdt.ObjectID) (io.ReadCloser, int64, error) {
	if f.owners[id] != account {
		return nil, 0, ErrNotFound
	}
	return io.NopCloser(strings.NewReader("zip")), 3, nil
}

func (f fakeHolds) Holds(_ context.Context, account crdt.ObjectID) ([]Hold, error) {
	return []Hold{{ID: crdt.ObjectID{1}, Reason: marker + account.String()}}, f.called("Holds", account)
}

func (f fakeHolds) SetHold(_ context.Context, account crdt.ObjectID, want ExportRange, reason, by string) (Hold, error) {
	id := crdt.ObjectID{9, byte(len(f.owners))}
	f.owners[id] = account
	return Hold{ID: id, Range: want, Reason: reason, By: by}, f.called("SetHold", account)
}

func (f fakeHolds) ReleaseHold(_ context.Context, account crdt.ObjectID, id crdt.ObjectID, by, why string) (Hold, error) {
	if f.owners[id] != account {
		return Hold{}, ErrNotFound
	}
	return Hold{ID: id, ReleasedBy: by, Why: why}, f.called("ReleaseHold", account)
}

func (f fakeWatch) ShopStatus(_ context.Context, shop crdt.ShopID) (ShopStatus, error) {
	return f.status, f.called("ShopStatus", shop)
}

// Loss knows every till but {9}.
func (f fakeWatch) Loss(_ context.Context, shop crdt.ShopID, till crdt.TillID) (loss.Signed, error) {
	if err := f.called("Loss", shop, till); err != nil {
		return loss.Signed{}, err
	}
	if till == (crdt.TillID{9}) {
		return loss.Signed{}, fmt.Errorf("till %s: %w", till, ErrNotFound)
	}
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	by := crdt.TillIDOf(key.Public().(ed25519.PublicKey))
	return loss.Sign(loss.Statement{
		Version: loss.Version, Kind: loss.Kind, Made: "2026-03-01T10:00:00Z", By: loss.Party{ID: by.String(), Kind: loss.ByArchive}, Shop: loss.Party{ID: shop.String()},
		Till: loss.Party{ID: till.String(), Name: "Möwe <3>"}, State: "active", Series: []loss.Series{}, Holders: []loss.Holder{},
	}, key)
}

// seats sends one shop elsewhere.
type seats struct {
	shop  crdt.ShopID
	there http.Handler
}

func (s seats) Elsewhere(_ context.Context, shop crdt.ShopID) (http.Handler, error) {
	if shop == s.shop {
		return s.there, nil
	}
	return nil, nil
}
