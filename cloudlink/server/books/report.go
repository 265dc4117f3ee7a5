package books

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/tillmesh/tillmesh/cloudlink/archive"
	"github.com/tillmesh/tillmesh/cloudlink/archive/completeness"
	"github.com/tillmesh/tillmesh/cloudlink/archive/merkle"
	"github.com/tillmesh/tillmesh/cloudlink/server"
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/crdt/receipt/verify"
	"github.com/tillmesh/tillmesh/crdt/shop"
)

// Report is what a check of a shop came to, as the API answers and "cloud check" prints it.
type Report struct {
	Shop string `json:"shop"`
	// From and To are the business days whose findings are listed; empty: without an end. Series are checked as a whole.
	From      string          `json:"from"`
	To        string          `json:"to"`
	OK        bool            `json:"ok"` // nothing is wrong in these days
	Documents int64           `json:"documents"`
	Closings  int64           `json:"closings"`
	Wrong     int64           `json:"wrong"`
	Series    []ReportSeries  `json:"series"`
	Findings  []ReportFinding `json:"findings"`
	// More is how many further findings are not listed.
	More int64 `json:"more"`
}

// ReportSeries is one series of a till.
type ReportSeries struct {
	Series      string `json:"series"`
	Till        string `json:"till"`
	Name        string `json:"name"`
	First       int64  `json:"first"`
	Last        int64  `json:"last"`
	LastHash    string `json:"last_hash"`
	Documents   int64  `json:"documents"`
	Missing     int64  `json:"missing"`
	Closings    int64  `json:"closings"`
	LastClosing int64  `json:"last_closing"`
	Unclosed    int64  `json:"unclosed"`
	Unsigned    int64  `json:"unsigned"`
	Wrong       int64  `json:"wrong"`
}

// ReportFinding is one thing that is missing, wrong, or worth knowing.
type ReportFinding struct {
	Code   string `json:"code"`
	Note   bool   `json:"note"` // nothing is wrong
	About  string `json:"about"`
	Series string `json:"series"`
	Till   string `json:"till"`
	Number int64  `json:"number"` // 0: the series as a whole
	Last   int64  `json:"last"`   // of a gap: the last number that is missing
	Text   string `json:"text"`
}

// Completeness is a method of server.Reports. server.ErrBusy: too many reports are being made.
func (b *Books) Completeness(ctx context.Context, account crdt.ObjectID, shop crdt.ShopID, from, to string, progress func(server.ReportProgress)) (json.RawMessage, error) {
	select {
	case b.checks <- struct{}{}:
		defer func() { <-b.checks }()
	default:
		return nil, fmt.Errorf("%w: %d reports are being made", server.ErrBusy, maxChecks)
	}
	r, _, err := b.Check(ctx, archive.AccountID(account), shop, from, to, progress)
	if err != nil {
		return nil, err
	}
	return json.Marshal(r)
}

// Check checks all documents of a shop and reports on those of some business days, both included; empty: without an end. It also returns the
// whole report, which has a text for people. progress may be nil; it must not block.
func (b *Books) Check(ctx context.Context, account archive.AccountID, id crdt.ShopID, from, to string, progress func(server.ReportProgress)) (Report, completeness.Report, error) {
	roster, err := b.roster(ctx, account, id)
	if err != nil {
		return Report{}, completeness.Report{}, err
	}
	var tell func(completeness.Progress)
	if progress != nil {
		of, err := b.expected(ctx, account, id)
		if err != nil {
			return Report{}, completeness.Report{}, err
		}
		tell = func(p completeness.Progress) {
			progress(server.ReportProgress{Documents: p.Documents, Of: of, Series: p.Series, Number: p.Number, Wrong: p.Wrong})
		}
	}
	whole, err := completeness.Check(ctx, []completeness.Shop{{
		ID: id, Books: b.logs.Books(account, id), Member: func(t crdt.TillID) bool { return roster.State(t) != shop.Unknown },
	}}, tell)
	if err != nil {
		return Report{}, completeness.Report{}, err
	}
	within, err := b.within(ctx, account, id, from, to)
	if err != nil {
		return Report{}, completeness.Report{}, err
	}
	return reportOf(whole.Shops[0], from, to, within), whole, nil
}

// expected returns about how many documents a shop has: what its series come to if nothing is missing.
func (b *Books) expected(ctx context.Context, account archive.AccountID, id crdt.ShopID) (n int64, err error) {
	list, err := b.logs.Series(ctx, account, id, receipt.TypeReceipt, maxSeries)
	if err != nil {
		return 0, err
	}
	for _, s := range list {
		last, err := b.logs.LastNumber(ctx, account, id, receipt.TypeReceipt, s)
		if err != nil {
			return 0, err
		}
		n += last
	}
	return n, nil
}

func reportOf(s completeness.ShopReport, from, to string, within func(verify.Finding) bool) Report {
	out := Report{Shop: s.Shop.String(), From: from, To: to, Documents: s.Report.Documents, Closings: s.Report.Closings, Series: []ReportSeries{}, Findings: []ReportFinding{}}
	for _, x := range s.Series {
		out.Series = append(out.Series, ReportSeries{
			Series: x.Prefix, Till: x.Till.String(), Name: x.Name, First: x.First, Last: x.Last, LastHash: x.LastHash.String(), Documents: x.Documents,
			Missing: x.Missing, Closings: x.Closings, LastClosing: x.LastClosing, Unclosed: x.Unclosed, Unsigned: x.Unsigned, Wrong: x.Wrong,
		})
	}
	listed := int64(0) // of those that are wrong, whatever their days
	for _, f := range s.Findings {
		if !f.Note {
			listed++
		}
		if !within(f) {
			continue
		}
		if !f.Note {
			out.Wrong++
		}
		out.Findings = append(out.Findings, ReportFinding{
			Code: f.Code, Note: f.Note, About: f.About, Series: f.Series.Prefix, Till: f.Series.Till.String(), Number: f.Number, Last: f.Last, Text: f.Text,
		})
	}
	// Of those beyond the list nobody knows the days: they count.
	out.More = s.Wrong - listed
	out.Wrong += out.More
	out.OK = out.Wrong == 0
	return out
}

// numbers are the lowest and the highest number of a series within some days.
type numbers struct{ first, last int64 }

// within returns which findings are about some business days: those about a number between the lowest and the highest number of its series in these
// days, and those about a series as a whole.
func (b *Books) within(ctx context.Context, account archive.AccountID, id crdt.ShopID, from, to string) (func(verify.Finding) bool, error) {
	if from == "" && to == "" {
		return func(verify.Finding) bool { return true }, nil
	}
	series := make(map[[8]byte]numbers) // by what the IDs of a series begin with
	q := merkle.Query{Shop: id, Kinds: []archive.Kind{archive.Receipt, archive.Closing}, FromDay: from, ToDay: to, Bare: true}
	for s, err := range b.logs.Leaves(ctx, account, q) {
		if err != nil {
			return nil, err
		}
		leaf, err := archive.ParseLeaf(s.Leaf)
		if err != nil {
			return nil, fmt.Errorf("leaf %d: %w", s.Index, err)
		}
		key := [8]byte(leaf.Object[:8])
		n, known := series[key]
		if !known {
			n = numbers{leaf.Number, leaf.Number}
		}
		series[key] = numbers{min(n.first, leaf.Number), max(n.last, leaf.Number)}
	}
	return func(f verify.Finding) bool {
		if f.Number == 0 {
			return true
		}
		object := receipt.ReceiptID(f.Series.Shop, f.Series.Till, f.Series.Prefix, 0)
		if f.About == verify.AboutClosing {
			object = receipt.ZID(f.Series.Shop, f.Series.Till, f.Series.Prefix, 0)
		}
		n, known := series[[8]byte(object[:8])]
		return known && max(f.Number, f.Last) >= n.first && f.Number <= n.last
	}, nil
}
