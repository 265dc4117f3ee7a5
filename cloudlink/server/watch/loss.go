package watch

import (
	"context"
	"crypto/ed25519"
	"time"

	"github.com/tillmesh/tillmesh/cloudlink/archive"
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt/loss"
	"github.com/tillmesh/tillmesh/crdt/shop"
)

// LossOf says of which till a statement is to be.
type LossOf struct {
	Account archive.AccountID
	Shop    crdt.ShopID
	Name    string    // of the shop
	Till    shop.Till // as the roster knows it
	// Held is what tills said that were asked; see [loss.Answer]. Nobody has to be.
	Held []loss.Held
	Now  time.Time
}

// Loss makes the statement of what is lost with a till, as the archive knows it, and signs it with the key of the cloud.
func (w *Watch) Loss(ctx context.Context, o LossOf) (loss.Signed, error) {
	key := w.db.Installation().Key
	public, _ := key.Public().(ed25519.PublicKey)
	heard, err := w.LastHeard(ctx, o.Shop)
	if err != nil {
		return loss.Signed{}, err
	}
	ask := loss.Ask{
		Made: o.Now.UTC().Format(time.RFC3339), By: loss.Party{ID: crdt.TillIDOf(public).String(), Kind: loss.ByArchive}, Shop: o.Shop, Name: o.Name,
		Till: o.Till.ID, Label: o.Till.Name, State: o.Till.State.String(), Prefix: Prefixes(o.Till), Held: o.Held,
	}
	if h, known := heard[o.Till.ID]; known {
		ask.Contact = &loss.Contact{Heard: h.At.UTC().Format(time.RFC3339), How: loss.HeardItself}
		if h.By != o.Till.ID {
			ask.Contact.How, ask.Contact.By = loss.HeardTold, h.By.String()
		}
	}
	s, err := loss.Build(ctx, w.logs.Books(o.Account, o.Shop), ask)
	if err != nil {
		return loss.Signed{}, err
	}
	return loss.Sign(s, key)
}

// Prefixes returns the series of a till in the order in which it had them.
func Prefixes(till shop.Till) (out []string) {
	seen := make(map[string]bool)
	for _, l := range till.Lineages {
		if !seen[l.Prefix] && len(out) < loss.MaxSeries {
			seen[l.Prefix] = true
			out = append(out, l.Prefix)
		}
	}
	if len(out) == 0 && till.Prefix != "" { // it was admitted, and nothing it wrote came here
		out = append(out, till.Prefix)
	}
	return out
}
