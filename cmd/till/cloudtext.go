package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tillmesh/tillmesh/node/client"
)

// termsText is what a person confirms.
func termsText(t client.CloudTerms) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %s is to be coupled with\n  account %s\n  at %s\n  key of the cloud %s\n", t.ShopName, t.TillName, t.Account, t.URL, t.Cloud)
	if t.Known {
		b.WriteString("the shop belongs to this account already; this till is added\n")
	} else {
		b.WriteString("all tills of the shop are coupled by that\n")
	}
	b.WriteString("the account may then\n")
	for _, a := range t.Access {
		what := "read        "
		if a.Write {
			what = "read, change"
		}
		fmt.Fprintf(&b, "  %s  %s\n", what, a.Text)
	}
	if t.NotRead != "" {
		fmt.Fprintf(&b, "%s\n", t.NotRead)
	}
	for _, m := range t.Missing {
		fmt.Fprintf(&b, "before that: %s\n", m)
	}
	return b.String()
}

func coupledAlreadyText(t client.CloudTerms) string {
	text := fmt.Sprintf("nothing is left to be done: the shop is coupled with %s at %s", t.Account, t.URL)
	if t.Coupled != nil {
		text += fmt.Sprintf(" (since %s, by %s)", t.Coupled.Since.Local().Format("2006-01-02 15:04"), cmp.Or(t.Coupled.ByName, "another till"))
	}
	return text + ", and every till of a coupled shop is coupled with it\n"
}

func coupledText(n client.CoupledNow) string {
	text := fmt.Sprintf("coupled: the shop with %s at %s, for all its tills\n", n.Cloud.Account, n.Cloud.URL)
	if n.First {
		text += "everything there is goes into the archive now, while you go on selling; \"till cloud status\" shows how far it is\n"
	}
	return text
}

// cloudStates are the states as people read them.
var cloudStates = map[string]string{
	"off": "sending is switched off at this till", "not-coupled": "the shop is coupled with no cloud", "starting": "the tills are finding out who forwards",
	"waiting": "another till forwards", "connecting": "this till is calling the cloud", "stuck": "this till cannot reach the cloud",
	"first-transfer": "everything there is goes to the cloud for the first time", "catching-up": "the cloud is catching up", "up-to-date": "the cloud has everything",
}

// cloudText shows how the till stands with the cloud.
func cloudText(s client.CloudState, now time.Time) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, since %s\n", cmp.Or(cloudStates[s.State], s.State), age(s.Since, now))
	if s.Cause != "" {
		fmt.Fprintf(&b, "  because: %s\n", s.Text)
		if !s.CloudSince.IsZero() {
			fmt.Fprintf(&b, "  the cloud says: since %s\n", s.CloudSince.Local().Format("2006-01-02 15:04"))
		}
		if s.Advice != "" {
			fmt.Fprintf(&b, "  to do: %s\n", s.Advice)
		}
		if !s.NextTry.IsZero() {
			fmt.Fprintf(&b, "  next try at %s, after %s\n", s.NextTry.Local().Format(time.TimeOnly), count(s.Attempts, "call"))
		}
	}
	for _, c := range s.Clouds {
		if c.Coupled {
			fmt.Fprintf(&b, "coupled with %s at %s since %s, by %s\n", c.Account, c.URL, c.Since.Local().Format("2006-01-02 15:04"), cmp.Or(c.ByName, "another till"))
		} else {
			fmt.Fprintf(&b, "was coupled with %s at %s until %s\n", c.Account, c.URL, c.Ended.Local().Format("2006-01-02 15:04"))
		}
	}
	if s.SignedIn != nil {
		fmt.Fprintf(&b, "signed in here: %s\n", s.SignedIn.Account)
	}
	if s.State == "not-coupled" {
		b.WriteString("  to do: till cloud create, till cloud login, or till cloud couple CODE\n")
		return b.String(), nil
	}
	uplinkText(&b, s)
	b.WriteString(progressText(s))
	// What has arrived is counted during the first transfer only; later it is what is missing that counts.
	if slices.ContainsFunc(s.Progress, func(p client.CloudClass) bool { return p.Pending > 0 }) {
		rows := [][]string{{"WHAT", "THERE", "OF", "MISSING"}}
		for _, p := range s.Progress {
			rows = append(rows, []string{p.Name, fmt.Sprint(p.Done), fmt.Sprint(p.Total), fmt.Sprint(p.Pending)})
		}
		if err := table(&b, rows); err != nil {
			return "", err
		}
	}
	if a := s.Archive; !a.Looked.IsZero() {
		fmt.Fprintf(&b, "archive: %d records, looked at %s: %s\n", a.Size, age(a.Looked, now), verdictText(a.Verdict))
	}
	return b.String(), nil
}

func uplinkText(b *strings.Builder, s client.CloudState) {
	u := s.Uplink
	if u == nil {
		return
	}
	name := u.Name
	if u.Self {
		name = "this till"
	}
	fmt.Fprintf(b, "%s forwards for the shop", name)
	if u.Why != "" {
		fmt.Fprintf(b, "; the one before does not any more: %s", u.Why)
	}
	b.WriteString("\n")
	if u.Self {
		return
	}
	switch {
	case u.State == "":
		fmt.Fprintf(b, "  it does not say how it stands with the cloud\n")
	case u.Cause != "":
		fmt.Fprintf(b, "  it says: %s, since %s\n", u.Text, u.Since.Local().Format("2006-01-02 15:04:05"))
	default:
		fmt.Fprintf(b, "  it says: %s\n", strings.ReplaceAll(cmp.Or(cloudStates[u.State], u.State), "this till", "it"))
	}
}

// progressText says how far the transfer is.
func progressText(s client.CloudState) string {
	state, pending := transferOf(s)
	complete := s.Complete
	if s.State == "waiting" && s.Uplink != nil {
		complete = s.Uplink.Complete
	}
	switch {
	case state == "up-to-date" && pending == 0:
		return "the cloud has everything\n"
	case pending > 0:
		return fmt.Sprintf("%s still to be sent\n", count(int(pending), "record"))
	case complete.IsZero():
		return "how far the cloud is, is not known yet\n"
	}
	return fmt.Sprintf("the cloud last had everything at %s\n", complete.Local().Format("2006-01-02 15:04:05"))
}

func verdictText(v string) string {
	switch v {
	case "first":
		return "seen for the first time, and remembered"
	case "same":
		return "as it was"
	case "grown":
		return "it only grew"
	case "behind":
		return "it shows an older state; it is looked at again"
	case "":
		return "nothing came of it yet"
	case "rewritten", "forked", "unsigned":
		return "IT IS NOT THE ONE THIS TILL SAW BEFORE (" + v + "), see till alarms"
	}
	return v
}

// lookText shows how far the way to a cloud goes.
func lookText(l client.CloudLook) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", l.URL)
	for _, f := range l.Findings {
		mark := "ok "
		if !f.OK {
			mark = "!! "
		}
		fmt.Fprintf(&b, "%s %-9s %s\n", mark, f.Step, f.Text)
		if f.Do != "" {
			fmt.Fprintf(&b, "              to do: %s\n", f.Do)
		}
	}
	return b.String()
}

// cloudLine says in the status how the till stands with the cloud.
func cloudLine(b *strings.Builder, c *client.CloudBrief, now time.Time) {
	if c == nil {
		return
	}
	fmt.Fprintf(b, "cloud: %s", cmp.Or(cloudStates[c.State], c.State))
	if c.State == "waiting" && c.UplinkName != "" {
		fmt.Fprintf(b, " (%s)", c.UplinkName)
	}
	if c.Cause != "" && c.State == "stuck" {
		fmt.Fprintf(b, ": %s, since %s", c.Text, age(c.Since, now))
	}
	if c.Pending > 0 {
		fmt.Fprintf(b, ", %s to be sent", count(int(c.Pending), "record"))
	}
	b.WriteString("; more: till cloud status\n")
}
