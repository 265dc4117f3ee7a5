package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/tillmesh/tillmesh/cloudlink/archive/completeness"
	"github.com/tillmesh/tillmesh/cloudlink/archive/export"
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt/loss"
)

type verifyCommand struct {
	File  string `arg:"" placeholder:"FILE" help:"Export that a cloud wrote, or a signed loss statement."`
	Cloud string `placeholder:"ID" help:"ID of the cloud that should have signed it, as the tills show it; without it the ID in the file is only told."`
}

// Help is the longer help.
func (v *verifyCommand) Help() string {
	return "Needs no server and no network. Checks that every byte is as the archive wrote and signed it, and names each place that is not; that the records " +
		"are those of the log that the checkpoints sign; and, if the file holds all days, that every series of receipts is there without gaps, forks and " +
		"changes and adds up. The exit code is 0 if nothing is wrong and 1 if something is."
}

// verified is the result of verify.
type verified struct {
	OK        bool      `json:"ok"`        // both of the next two
	Authentic bool      `json:"authentic"` // every byte is as the archive wrote and signed it
	Complete  *bool     `json:"complete"`  // nothing is missing or wrong in the documents; null: not checked, or not all days are in the file
	Cloud     string    `json:"cloud"`     // that signed
	Expected  bool      `json:"expected"`  // it is the one of --cloud
	Account   string    `json:"account"`
	Shop      string    `json:"shop"` // empty: all
	From      string    `json:"from"`
	To        string    `json:"to"`
	Leaves    int64     `json:"leaves"`
	Of        int64     `json:"of"`
	Documents int64     `json:"documents"`
	Erased    int64     `json:"erased"`
	Wrong     int64     `json:"wrong"`
	Places    []place   `json:"places"`
	Findings  []finding `json:"findings"` // about documents
}

// place is one place of the file that is not as it was written.
type place struct {
	File     string `json:"file"`
	Line     int64  `json:"line"`
	Document string `json:"document"`
	Text     string `json:"text"`
}

// finding is one thing that is missing or wrong in the documents.
type finding struct {
	Shop string `json:"shop"`
	Code string `json:"code"`
	Note bool   `json:"note"`
	Text string `json:"text"`
}

// Run verifies a file.
func (v *verifyCommand) Run(ctx context.Context, c *console) error {
	want, err := v.cloud()
	if err != nil {
		return err
	}
	var r *export.Report
	err = readFile(v.File, func(f *os.File, size int64) (err error) {
		head := make([]byte, 16)
		n, err := f.ReadAt(head, 0)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if loss.Like(head[:n]) {
			return v.statement(c, f, want)
		}
		r, err = export.Verify(ctx, f, size, export.VerifyOptions{})
		return err
	})
	switch {
	case errors.Is(err, crdt.ErrVersion):
		return &advice{err, "update this program: the file was written by a newer one"}
	case errors.Is(err, fs.ErrNotExist):
		return &advice{fmt.Errorf("there is no file %s", v.File), "name the file that was downloaded, or that \"cloud export\" wrote"}
	case err != nil, r == nil: // or it was a statement
		return err
	}
	r.Expected = want != "" && r.Cloud == want
	if err := c.print(shown(r), r.Text()); err != nil {
		return err
	}
	return judge(r, want)
}

func (v *verifyCommand) cloud() (string, error) {
	if v.Cloud == "" {
		return "", nil
	}
	id, err := crdt.ParseTillID(v.Cloud)
	if err != nil {
		return "", usage(fmt.Errorf("--cloud: %w", err), "it has 52 characters; \"till cloud status\" shows it")
	}
	return id.String(), nil
}

// judge is the error of an export that does not hold.
func judge(r *export.Report, want string) error {
	switch {
	case !r.OK():
		return &advice{fmt.Errorf("%s of the file not as the archive wrote it", are(r.Wrong, "place")), "ask for a new export, and keep this one"}
	case want != "" && !r.Expected:
		return &advice{fmt.Errorf("the file was signed by another cloud, %s", orNobody(r.Cloud)), "do not rely on it; find out where it comes from"}
	case r.Completeness != nil && !r.Completeness.OK():
		return &advice{errors.New("the file is as the archive wrote it, but something is missing or wrong in the documents"),
			"see the report above; the tills and their backups may have what is missing"}
	}
	return nil
}

func are(n int64, thing string) string {
	if n == 1 {
		return "1 " + thing + " is"
	}
	return fmt.Sprintf("%d %ss are", n, thing)
}

func orNobody(id string) string {
	if id == "" {
		return "or by nobody"
	}
	return id
}

func shown(r *export.Report) verified {
	m := &r.Manifest
	out := verified{
		Authentic: r.OK(), Cloud: r.Cloud, Expected: r.Expected, Account: m.Account.String(), From: m.FromDay, To: m.ToDay, Leaves: m.Leaves, Of: m.Size,
		Documents: r.Documents, Erased: r.Erased, Wrong: r.Wrong, Places: []place{}, Findings: []finding{},
	}
	if !m.Shop.IsZero() {
		out.Shop = m.Shop.String()
	}
	for _, f := range r.Findings {
		out.Places = append(out.Places, place{f.File, f.Line, f.Document, f.Text})
	}
	out.OK = out.Authentic
	if r.Completeness != nil {
		ok := r.Completeness.OK()
		out.Complete, out.OK = &ok, out.OK && ok
		out.Findings = findingsOf(r.Completeness.Shops)
	}
	return out
}

func findingsOf(shops []completeness.ShopReport) []finding {
	list := []finding{}
	for _, s := range shops {
		for _, f := range s.Findings {
			list = append(list, finding{s.Shop.String(), f.Code, f.Note, f.Text})
		}
	}
	return list
}
