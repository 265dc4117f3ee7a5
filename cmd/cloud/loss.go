package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/tillmesh/tillmesh/cloudlink/archive"
	"github.com/tillmesh/tillmesh/cloudlink/server/accounts"
	"github.com/tillmesh/tillmesh/cloudlink/server/watch"
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt/loss"
	"github.com/tillmesh/tillmesh/crdt/shop"
)

type lossCommand struct {
	accountFlags `embed:""`
	Shop         string `placeholder:"ID" help:"Shop of the till; needed if the account has several."`
	Till         string `arg:"" help:"Name, prefix such as K2, or ID of the till."`
	Out          string `placeholder:"FILE" help:"Write the signed statement into this file; there must be none of this name yet."`
}

// Help is the longer help.
func (l *lossCommand) Help() string {
	return "Says for each series of a till which numbers the archive holds, which are missing, what other documents bound of those, and from which number on nobody knows " +
		"anything. The statement is signed with the key of the cloud; \"cloud verify FILE\" checks it anywhere. No till is asked: by the API of a running cloud they are."
}

// Run makes the statement.
func (l *lossCommand) Run(ctx context.Context, c *console) error {
	return l.named(ctx, func(d *data, account accounts.Account) error {
		of, till, err := l.find(ctx, d, account)
		if err != nil {
			return err
		}
		signed, err := watch.New(d.DB, d.logs).Loss(ctx, watch.LossOf{
			Account: archive.AccountID(account.ID), Shop: of.ID, Name: of.Name, Till: till, Now: time.Now(),
		})
		if err != nil {
			return err
		}
		s, err := loss.Verify(signed, d.Installation().ID)
		if err != nil {
			return err
		}
		text := s.Text()
		if l.Out != "" {
			if err := saveStatement(l.Out, signed); err != nil {
				return err
			}
			text += fmt.Sprintf("\nsigned and written to %s\n", l.Out)
		}
		return c.print(signed, text)
	})
}

// find returns the till that is meant.
func (l *lossCommand) find(ctx context.Context, d *data, account accounts.Account) (of accounts.Shop, till shop.Till, err error) {
	only, err := rangeFlags{Shop: l.Shop}.shop()
	if err != nil {
		return of, till, err
	}
	shops, err := d.accounts.ShopsOf(ctx, account.ID)
	if err != nil {
		return of, till, err
	}
	found := 0
	for _, s := range shops {
		if !only.IsZero() && s.ID != only {
			continue
		}
		roster, err := d.logs.Roster(ctx, archive.AccountID(account.ID), s.ID)
		if err != nil {
			return of, till, err
		}
		for _, t := range roster.Tills() {
			if strings.EqualFold(t.Name, l.Till) || strings.EqualFold(t.Prefix, l.Till) || t.ID.String() == l.Till {
				of, till = s, t
				found++
			}
		}
	}
	switch {
	case found == 0:
		return of, till, &advice{fmt.Errorf("no till %.60q is known in the archive of %s", l.Till, account.Name),
			fmt.Sprintf("\"cloud admin status --account %s\" lists the tills", account.Name)}
	case found > 1:
		return of, till, usage(fmt.Errorf("%.60q may be %d tills", l.Till, found), "name the shop with --shop, or the till by its ID")
	}
	return of, till, nil
}

// saveStatement writes a signed statement and reads it back.
func saveStatement(path string, signed loss.Signed) error {
	return saveFile(path, func(w io.Writer) error {
		enc := json.NewEncoder(w)
		enc.SetEscapeHTML(false)
		return enc.Encode(signed)
	}, func(f *os.File, _ int64) error {
		_, err := readStatement(f, crdt.TillID{})
		return err
	})
}

// readStatement reads and verifies a statement.
func readStatement(r io.Reader, by crdt.TillID) (loss.Statement, error) {
	b, err := io.ReadAll(io.LimitReader(r, loss.MaxFile+1))
	if err != nil {
		return loss.Statement{}, err
	}
	signed, err := loss.Parse(b)
	if err != nil {
		return loss.Statement{}, err
	}
	return loss.Verify(signed, by)
}

// verifiedLoss is the result of verify of a statement.
type verifiedLoss struct {
	OK        bool           `json:"ok"`
	Kind      string         `json:"kind"`
	Signed    string         `json:"signed_by"` // ID of who signed it
	Expected  bool           `json:"expected"`  // it is the one of --cloud
	Statement loss.Statement `json:"statement"`
}

// statement verifies a loss statement instead of an export.
func (v *verifyCommand) statement(c *console, f *os.File, want string) error {
	s, err := readStatement(f, crdt.TillID{})
	switch {
	case errors.Is(err, crdt.ErrVersion):
		return &advice{err, "update this program: the file was written by a newer one"}
	case errors.Is(err, loss.ErrSignature), errors.Is(err, loss.ErrStatement):
		return &advice{err, "do not rely on it; ask for a new one, and keep this one"}
	case err != nil:
		return err
	}
	out := verifiedLoss{OK: want == "" || s.By.ID == want, Kind: s.Kind, Signed: s.By.ID, Expected: want != "" && s.By.ID == want, Statement: s}
	if err := c.print(out, fmt.Sprintf("the signature holds; it is that of %s\n\n%s", s.By.ID, s.Text())); err != nil || out.OK {
		return err
	}
	return &advice{fmt.Errorf("the statement was signed by another one, %s", s.By.ID), "do not rely on it; find out where it comes from"}
}
