package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/tillmesh/tillmesh/node"
	"github.com/tillmesh/tillmesh/node/client"
	"github.com/tillmesh/tillmesh/node/verify"
)

type verifyCommand struct {
	askFlags `embed:""`
	Path     string `arg:"" optional:"" help:"A data directory of a till that is stopped, a backup file, or an export folder; without it: the running till."`
	Export   string `placeholder:"DIR" help:"With PATH: also write all documents with their signatures into this folder, for somebody else to verify."`
}

// Help is the longer help.
func (v *verifyCommand) Help() string {
	return "Checks every receipt and closing, of all tills: that each series is a chain without gaps, forks and changes, that every " +
		"signature holds, that every amount recomputes, and that every closing says what its receipts come to. Nothing is changed. " +
		"The exit code is 0 if nothing is wrong and 1 if something is."
}

// Run verifies the running till or a path.
func (v *verifyCommand) Run(ctx context.Context, c *console) error {
	var result client.Verification
	what := "this till"
	if v.Path == "" {
		if v.Export != "" {
			return usage(fmt.Errorf("--export needs a path"), "name a data directory, a backup or an export to write it from")
		}
		till, err := v.client(c)
		if err != nil {
			return err
		}
		defer till.Close()
		if result, err = till.Verify(ctx); err != nil {
			return err
		}
	} else {
		kind, report, err := node.VerifyPath(ctx, node.VerifyOptions{Path: v.Path, Export: v.Export, TryStore: tryStore, Progress: v.progress(c)})
		if err != nil {
			return err
		}
		what, result = "the "+kind+" "+v.Path, shownReport(report)
	}
	text, err := verificationText(what, result)
	if err != nil {
		return err
	}
	if err := c.print(result, text); err != nil || result.OK {
		return err
	}
	return &advice{fmt.Errorf("%d things are wrong", result.Wrong), "compare with the other tills and with a backup: \"till verify PATH\" checks those, too"}
}

// progress tells a person how far it is.
func (v *verifyCommand) progress(c *console) func(verify.Progress) {
	if !c.person || c.json {
		return nil
	}
	return func(p verify.Progress) {
		if p.Documents%50_000 == 0 {
			_, _ = io.WriteString(c.err, fmt.Sprintf("%d documents read, now at %s-%06d\n", p.Documents, p.Series, p.Number))
		}
	}
}

// shownReport is a report in the form in which a till answers.
func shownReport(r verify.Report) client.Verification {
	out := client.Verification{OK: r.OK(), Documents: r.Documents, Closings: r.Closings, Wrong: r.Wrong, Series: []client.VerifiedSeries{}, Findings: []client.VerifyFinding{}}
	for _, x := range r.Series {
		out.Series = append(out.Series, client.VerifiedSeries{Series: x.Prefix, Till: x.Till.String(), Name: x.Name, First: x.First, Last: x.Last,
			LastHash: x.LastHash.String(), Documents: x.Documents, Missing: x.Missing, Closings: x.Closings, LastClosing: x.LastClosing,
			Unclosed: x.Unclosed, Unsigned: x.Unsigned, Wrong: x.Wrong})
	}
	for _, f := range r.Findings {
		out.Findings = append(out.Findings, client.VerifyFinding{Code: f.Code, Note: f.Note, About: f.About, Series: f.Series.Prefix, Number: f.Number, Last: f.Last, Text: f.Text})
	}
	return out
}

func verificationText(what string, v client.Verification) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %d documents and %d closings read\n", what, v.Documents, v.Closings)
	if len(v.Series) > 0 {
		rows := [][]string{{"SERIES", "TILL", "NUMBERS", "MISSING", "CLOSINGS", "AFTER THE LAST", "UNSIGNED", "WRONG"}}
		for _, s := range v.Series {
			rows = append(rows, []string{s.Series, s.Name, fmt.Sprintf("%d-%d", s.First, s.Last), fmt.Sprint(s.Missing), fmt.Sprint(s.Closings),
				fmt.Sprint(s.Unclosed), fmt.Sprint(s.Unsigned), fmt.Sprint(s.Wrong)})
		}
		if err := table(&b, rows); err != nil {
			return "", err
		}
	}
	for _, f := range v.Findings {
		mark := "!! "
		if f.Note {
			mark = "   "
		}
		fmt.Fprintf(&b, "%s%s (%s)\n", mark, f.Text, f.Code)
	}
	if v.OK {
		b.WriteString("nothing is wrong\n")
	}
	return b.String(), nil
}
