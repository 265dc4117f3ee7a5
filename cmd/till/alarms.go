package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tillmesh/tillmesh/node/client"
)

type alarmsCommand struct {
	askFlags `embed:""`
	Seen     string `placeholder:"ID" xor:"what" help:"Say that this alarm was seen; \"all\" for all of them."`
	Accept   string `placeholder:"ID" xor:"what" help:"Accept as an owner that the archive was restored, as this alarm says; with --by."`
	By       string `placeholder:"NAME" help:"Who saw it, or accepts it."`
}

// Run lists the alarms of a till.
func (a *alarmsCommand) Run(ctx context.Context, c *console) error {
	if a.Accept != "" && strings.TrimSpace(a.By) == "" {
		return usage(errors.New("it was not said who accepts it"), "name the owner who does with --by")
	}
	till, err := a.client(c)
	if err != nil {
		return err
	}
	defer till.Close()
	if a.Accept != "" {
		accepted, err := till.AcceptAlarm(ctx, a.Accept, a.By)
		if err != nil {
			return err
		}
		return c.print([]client.Alarm{accepted}, "accepted: this till remembers the archive as it is now\n"+alarmsText([]client.Alarm{accepted}, time.Now()))
	}
	list, err := till.Alarms(ctx)
	if err != nil {
		return err
	}
	if a.Seen != "" {
		for i := range list {
			if a.Seen != list[i].ID && (a.Seen != "all" || !list[i].SeenAt.IsZero()) {
				continue
			}
			if list[i], err = till.SeeAlarm(ctx, list[i].ID, a.By); err != nil {
				return err
			}
			a.Seen = cmp.Or(map[string]string{"all": "all"}[a.Seen], "done")
		}
		if a.Seen != "all" && a.Seen != "done" {
			if _, err := till.SeeAlarm(ctx, a.Seen, a.By); err != nil {
				return err // it says that there is none
			}
		}
	}
	return c.print(list, alarmsText(list, time.Now()))
}

// alarmsText lists alarms for people.
func alarmsText(list []client.Alarm, now time.Time) string {
	if len(list) == 0 {
		return "there are no alarms\n"
	}
	var b strings.Builder
	for _, a := range list {
		seen := "not seen yet"
		if !a.SeenAt.IsZero() {
			seen = strings.TrimSpace("seen " + age(a.SeenAt, now) + " " + a.SeenBy)
		}
		fmt.Fprintf(&b, "%s  %s  %s, %s\n", a.ID, a.Kind, age(a.At, now), seen)
		alarmText(&b, a)
		b.WriteString("\n")
	}
	return b.String()
}

func alarmText(b *strings.Builder, a client.Alarm) {
	fmt.Fprintf(b, "   %s\n", a.Text)
	if a.Prefix != "" {
		fmt.Fprintf(b, "   the numbers go on with %s-000001", a.Prefix)
		if a.LastNumber != "" {
			fmt.Fprintf(b, "; the last known one before is %s", a.LastNumber)
		}
		b.WriteString("\n")
	}
	if r := a.Rebuilt; r != nil {
		fmt.Fprintf(b, "   found: %s\n   saved from it: %s; from the other tills: %s", oneLine(r.Found), count(r.Saved, "change"), count(r.Fetched, "change"))
		if !r.Whole {
			b.WriteString(" so far")
		}
		b.WriteString("\n")
		if r.Moved != "" {
			fmt.Fprintf(b, "   the damaged data is kept in the data directory as %s\n", r.Moved)
		}
	}
	if a.Next != "" {
		fmt.Fprintf(b, "   to do: %s\n", a.Next)
	}
}

// unseenText says in the status which alarms nobody saw yet.
func unseenText(b *strings.Builder, list []client.Alarm) {
	for _, a := range list {
		fmt.Fprintf(b, "ALARM %s\n", a.Text)
		if a.Prefix != "" && a.LastNumber != "" {
			fmt.Fprintf(b, "  after %s the numbers go on with %s-000001\n", a.LastNumber, a.Prefix)
		}
	}
	if len(list) > 0 {
		b.WriteString("  more about it: till alarms\n")
	}
}

type auditCommand struct {
	askFlags `embed:""`
	Last     bool `help:"Show what the last audits came to, and run none."`
}

// Help is the longer help.
func (a *auditCommand) Help() string {
	return "Reads all data of a till again and compares it with every till it reaches. What differs is put right. " +
		"Tills do that by themselves about once an hour."
}

// Run has a till audited.
func (a *auditCommand) Run(ctx context.Context, c *console) error {
	till, err := a.client(c)
	if err != nil {
		return err
	}
	defer till.Close()
	ask := till.RunAudit
	if a.Last {
		ask = till.Audits
	}
	got, err := ask(ctx)
	if err != nil {
		return err
	}
	text, err := auditsText(got, time.Now())
	if err != nil {
		return err
	}
	return c.print(got, text)
}

func auditsText(a client.Audits, now time.Time) (string, error) {
	var b strings.Builder
	rows := [][]string{{"WHAT", "WITH", "OUTCOME", "PUT BACK", "SENT", "TOOK", "WHEN"}}
	for _, r := range a.Items {
		rows = append(rows, []string{r.Scope, cmp.Or(r.Name, "itself"), r.Outcome, fmt.Sprint(r.Repaired), fmt.Sprint(r.Sent),
			(time.Duration(r.TookMS) * time.Millisecond).String(), age(r.At, now)})
	}
	if len(a.Items) == 0 {
		b.WriteString("nothing was audited since this till started\n")
	} else if err := table(&b, rows); err != nil {
		return "", err
	}
	for _, r := range a.Items {
		if r.Cause != "" {
			fmt.Fprintf(&b, "%s with %s: %s\n", r.Scope, cmp.Or(r.Name, "itself"), r.Cause)
		}
	}
	if len(a.Damaged) > 0 {
		fmt.Fprintf(&b, "something was missing in %s, and no other till has confirmed yet that nothing is\n", strings.Join(a.Damaged, ", "))
	}
	if !a.Ended {
		b.WriteString("the audit goes on; look again with \"till audit --last\"\n")
	}
	return b.String(), nil
}
