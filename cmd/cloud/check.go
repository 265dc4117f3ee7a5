package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"strings"

	"github.com/tillmesh/tillmesh/cloudlink/archive"
	"github.com/tillmesh/tillmesh/cloudlink/archive/merkle"
	"github.com/tillmesh/tillmesh/cloudlink/server/books"
	"github.com/tillmesh/tillmesh/crdt"
)

type checkCommand struct {
	databaseFlags `embed:""`
	Account       string `required:"" placeholder:"NAME" help:"Account whose archive it is."`
	Shop          string `placeholder:"ID" help:"Only the documents of this shop; those of all shops of the account if left out."`
}

// Help is the longer help.
func (k *checkCommand) Help() string {
	return "Reads every record of the account and compares it with what was signed, then checks for each shop that every series of receipts is there without gaps, " +
		"forks and changes, and that every closing adds up. It changes nothing, and servers may go on meanwhile. The exit code is 0 if nothing is wrong and 1 if something is."
}

// checked is the result of check.
type checked struct {
	OK      bool           `json:"ok"`
	Account string         `json:"account"`
	Name    string         `json:"name"`
	Leaves  int64          `json:"leaves"` // that were signed, and read
	Erased  int64          `json:"erased"`
	Waiting int64          `json:"waiting"` // that are not signed yet
	Changed int64          `json:"changed"` // records that are not as they were signed
	Damage  []damage       `json:"damage"`
	Shops   []books.Report `json:"shops"`
}

// damage is one record that is not as it was signed.
type damage struct {
	Leaf int64  `json:"leaf"` // -1: the log as a whole
	Text string `json:"text"`
}

// Run checks an account.
func (k *checkCommand) Run(ctx context.Context, c *console) error {
	only, err := rangeFlags{Shop: k.Shop}.shop()
	if err != nil {
		return err
	}
	return k.open(ctx, func(d *data) error {
		account, err := d.accounts.Named(ctx, k.Account)
		if err != nil {
			return refusal(err)
		}
		id := archive.AccountID(account.ID)
		out := checked{Account: account.ID.String(), Name: account.Name, Damage: []damage{}, Shops: []books.Report{}}
		if err := out.scrub(ctx, d, id); err != nil {
			return err
		}
		text, err := out.documents(ctx, d, id, only)
		if err != nil {
			return err
		}
		if err := c.print(out, out.text()+text); err != nil || out.OK {
			return err
		}
		if out.Changed > 0 {
			return &advice{fmt.Errorf("%s not as it was signed", are(out.Changed, "record")),
				"keep the database as it is, find out who changed it, and compare with a backup; tills raise an alarm at their next contact"}
		}
		return &advice{errors.New("something is missing or wrong in the documents"), "see the report above; the tills and their backups may have what is missing"}
	})
}

// scrub compares the records with what was signed.
func (k *checked) scrub(ctx context.Context, d *data, id archive.AccountID) error {
	public, _ := d.Installation().Key.Public().(ed25519.PublicKey)
	verifier, err := archive.NewVerifier(public)
	if err != nil {
		return err
	}
	size, _, err := d.logs.Size(ctx, id)
	if err != nil {
		return err
	}
	s, err := d.logs.Scrub(ctx, id, verifier, nil)
	if err != nil && !errors.Is(err, merkle.ErrNotFound) { // nothing was signed yet
		return err
	}
	k.Leaves, k.Erased, k.Changed, k.Waiting = s.Leaves, s.Erased, s.Wrong, max(0, size-s.Leaves)
	for _, x := range s.Damage {
		k.Damage = append(k.Damage, damage{x.Index, x.Text})
	}
	k.OK = k.Changed == 0
	return nil
}

// documents checks the documents of the shops.
func (k *checked) documents(ctx context.Context, d *data, id archive.AccountID, only crdt.ShopID) (string, error) {
	shops, err := d.logs.Shops(ctx, id)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	seen := false
	for _, shop := range shops {
		if !only.IsZero() && shop != only {
			continue
		}
		seen = true
		report, whole, err := d.books.Check(ctx, id, shop, "", "", nil)
		if err != nil {
			return "", err
		}
		k.Shops, k.OK = append(k.Shops, report), k.OK && report.OK
		b.WriteString("\n" + whole.Text())
	}
	if !only.IsZero() && !seen {
		return "", &advice{fmt.Errorf("nothing of shop %s is in the archive of %s", only, k.Name), fmt.Sprintf("\"cloud admin shops --account %s\" lists its shops", k.Name)}
	}
	return b.String(), nil
}

func (k *checked) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s of %s read: ", count(k.Leaves, "record"), k.Name)
	if k.Changed == 0 {
		b.WriteString("each is as it was signed\n")
	} else {
		fmt.Fprintf(&b, "%s not as it was signed\n", are(k.Changed, "record"))
	}
	for _, x := range k.Damage {
		fmt.Fprintf(&b, "!! %s\n", x.Text)
	}
	if more := k.Changed - int64(len(k.Damage)); more > 0 {
		fmt.Fprintf(&b, "!! %d more are not listed\n", more)
	}
	if k.Erased > 0 {
		fmt.Fprintf(&b, "%s erased at a customer's wish\n", are(k.Erased, "record"))
	}
	if k.Waiting > 0 {
		fmt.Fprintf(&b, "%s not signed yet; a server does so within seconds\n", are(k.Waiting, "newer record"))
	}
	return b.String()
}
