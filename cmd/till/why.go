package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/tillmesh/tillmesh/node/client"
)

type whyCommand struct {
	askFlags `embed:""`
	Receipt  string `arg:"" help:"Number of the receipt such as K2-000418, or its ID; also one that is not there."`
}

// Run says where a receipt is on its way.
func (w *whyCommand) Run(ctx context.Context, c *console) error {
	till, err := w.client(c)
	if err != nil {
		return err
	}
	defer till.Close()
	answer, err := till.Why(ctx, w.Receipt)
	if err != nil {
		return err
	}
	return c.print(answer, whyText(answer))
}

func whyText(w client.Why) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", cmp.Or(w.Number, w.ID, w.Asked))
	names := map[string]string{"issued": "issued", "here": "saved here", "tills": "other tills", "uplink": "uplink", "archive": "archive"}
	marks := map[string]string{"done": "ok ", "waits": "...", "broken": "!! ", "none": "-  ", "unknown": "?  "}
	for _, s := range w.Steps {
		fmt.Fprintf(&b, "%s %-11s  %s\n", cmp.Or(marks[s.State], "?  "), cmp.Or(names[s.Name], s.Name), s.Text)
		for _, t := range s.Tills {
			fmt.Fprintf(&b, "                   %s: %s\n", t.Name, t.Text)
		}
		if s.Name != w.First && s.Name != "tills" {
			continue
		}
		if s.Cause != "" {
			fmt.Fprintf(&b, "                 because: %s\n", s.Cause)
		}
		if s.Do != "" {
			fmt.Fprintf(&b, "                 to do: %s\n", s.Do)
		}
	}
	return b.String()
}

type explainCommand struct {
	askFlags `embed:""`
	ID       string `arg:"" help:"ID of a tab, line, payment, article, case and so on, or number of a receipt."`
}

// Run tells everything that happened to something.
func (e *explainCommand) Run(ctx context.Context, c *console) error {
	till, err := e.client(c)
	if err != nil {
		return err
	}
	defer till.Close()
	answer, err := till.Explain(ctx, e.ID)
	if err != nil {
		return err
	}
	text, err := explainText(answer)
	if err != nil {
		return err
	}
	return c.print(answer, text)
}

func explainText(e client.Explanation) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s\n", e.Kind, cmp.Or(e.Title, e.ID))
	if e.State != "" {
		fmt.Fprintf(&b, "now: %s\n", e.State)
	}
	if len(e.Events) > 0 {
		rows := [][]string{{"WHEN", "TILL", "USER", "WHAT", "", "FROM"}}
		for _, h := range e.Events {
			when := h.At.Local().Format("2006-01-02 15:04:05")
			if !h.Trusted {
				when += " ?"
			}
			rows = append(rows, []string{when, h.Name, h.User, h.What, h.Text, h.Source})
		}
		if err := table(&b, rows); err != nil {
			return "", err
		}
	}
	if e.More > 0 {
		fmt.Fprintf(&b, "and %d more\n", e.More)
	}
	for _, x := range e.Beside {
		fmt.Fprintf(&b, "%s was written apart:\n", x.Register)
		for i, v := range x.Values {
			mark := " "
			if i == 0 {
				mark = ">"
			}
			fmt.Fprintf(&b, "  %s %s (%s, %s)\n", mark, v.Text, v.Name, v.At.Local().Format("2006-01-02 15:04:05"))
		}
		fmt.Fprintf(&b, "  %s\n", x.Rule)
	}
	for _, n := range e.Notes {
		fmt.Fprintf(&b, "note: %s\n", n)
	}
	return b.String(), nil
}
