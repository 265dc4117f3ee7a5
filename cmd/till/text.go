package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tillmesh/tillmesh/node/client"
)

// statusText is the status of a till for people.
func statusText(s client.Status, now time.Time) (string, error) {
	var b strings.Builder
	if s.Shop == nil {
		b.WriteString("this till belongs to no shop yet\n")
		for _, f := range s.Found {
			fmt.Fprintf(&b, "found on the network: shop %s with %s\n", f.ShopID, count(len(f.Tills), "till"))
		}
		askingText(&b, s.Asking)
		return b.String(), nil
	}
	if s.Halted != nil {
		return haltedText(s, now), nil
	}
	fmt.Fprintf(&b, "%s: %s (%s), program %s, started %s\n",
		s.Shop.Name, s.Till.Name, s.Till.Prefix, cmp.Or(s.Version, s.Program, "unknown"), age(s.Since, now))
	if s.Removed != nil {
		b.WriteString(removedText(*s.Removed))
	}
	toldText(&b, s.ToldRemoved, now)
	unseenText(&b, s.Alarms)
	fmt.Fprintf(&b, "%s, %s held here, the next one is %s\n",
		count(s.OpenTabs, "open tab"), count(int(s.Store.Receipts), "receipt"), s.NextNumber)
	linked := 0
	for _, p := range s.Peers {
		if p.Linked {
			linked++
		}
	}
	switch {
	case len(s.Peers) == 0:
		b.WriteString("this is the only till of the shop\n")
	case linked == 0:
		b.WriteString("no other till is reached; this one goes on selling\n")
	case s.Equal:
		fmt.Fprintf(&b, "linked with %d of %s, equal with them\n", linked, count(len(s.Peers), "other till"))
	default:
		fmt.Fprintf(&b, "linked with %d of %s, not equal with all of them\n", linked, count(len(s.Peers), "other till"))
	}
	b.WriteString(riskText(s.Risk, now))
	signingLine(&b, s.Signing, now)
	cloudLine(&b, s.Cloud, now)
	if s.Terminal != nil && s.Terminal.Undecided > 0 {
		fmt.Fprintf(&b, "%s may or may not have been taken; \"till payments\" shows them\n", count(s.Terminal.Undecided, "card payment"))
	}
	if s.OpenPrints > 0 {
		fmt.Fprintf(&b, "%s may lack the paper; \"till prints\" shows them\n", count(s.OpenPrints, "receipt"))
	}
	clockText(&b, s.Clock)
	if s.Store.WaitingBytes > 0 {
		fmt.Fprintf(&b, "%s wait for the disk\n", bytesText(s.Store.WaitingBytes))
	}
	if s.Store.Doubt != "" {
		fmt.Fprintf(&b, "the store is in doubt: %s\n", s.Store.Doubt)
	}
	switch {
	case s.Disk.Text != "":
		fmt.Fprintf(&b, "%s\n  to do: %s\n", s.Disk.Text, s.Disk.Hint)
	case s.Disk.FreeBytes > 0:
		fmt.Fprintf(&b, "%s of disk are free\n", bytesText(s.Disk.FreeBytes))
	}
	if s.Doctor.Wrong > 0 {
		fmt.Fprintf(&b, "the doctor has %s; \"till doctor\" says what to do: %s\n", count(s.Doctor.Wrong, "finding"), s.Doctor.Title)
	}
	if len(s.Peers) == 0 {
		return b.String(), nil
	}
	b.WriteString("\n")
	rows := [][]string{{"TILL", "NAME", "LINK", "STATE", "SEEN"}}
	for _, p := range s.Peers {
		state := "equal " + age(p.EqualAt, now)
		switch {
		case p.Pulling:
			state = "catching up"
		case p.EqualAt.IsZero():
			state = "not equal yet"
		}
		rows = append(rows, []string{p.Prefix, p.Name, linkText(p.Linked), state, age(p.LastSeen, now)})
	}
	err := table(&b, rows)
	return b.String(), err
}

// meshText is the roster for people.
func meshText(m client.Mesh, now time.Time) (string, error) {
	var b strings.Builder
	rows := [][]string{{"TILL", "NAME", "MEMBER", "LINK", "ALIVE", "STATE", "SEEN", "ADDRESS"}}
	for _, t := range m.Tills {
		row := []string{t.Prefix, t.Name, t.State}
		if t.Self {
			row = append(row, "this till", "yes", "-", "now")
			t.Addresses = m.Own
		} else {
			state := "not equal yet"
			if !t.EqualAt.IsZero() {
				state = "equal " + age(t.EqualAt, now)
			}
			row = append(row, linkText(t.Linked), yesNo(t.Alive), state, age(t.LastSeen, now))
		}
		address := t.Address
		if address == "" {
			address = strings.Join(t.Addresses, " ")
		}
		rows = append(rows, append(row, cmp.Or(address, "-")))
	}
	if err := table(&b, rows); err != nil {
		return "", err
	}
	fmt.Fprintf(&b, "\nlooking by multicast: %s", cmp.Or(m.Discovery.MDNS, "unknown"))
	if len(m.Discovery.Interfaces) > 0 {
		fmt.Fprintf(&b, " on %s", strings.Join(m.Discovery.Interfaces, ", "))
	}
	b.WriteString("\n")
	if m.Gossip.Problem != "" {
		fmt.Fprintf(&b, "who is alive is not known: %s\n", m.Gossip.Problem)
	}
	for _, p := range m.Problems {
		fmt.Fprintf(&b, "problem: %s\n", p)
	}
	for _, name := range slices.Sorted(maps.Keys(m.Counters)) {
		if n := m.Counters[name]; n > 0 {
			fmt.Fprintf(&b, "%s: %d\n", strings.ReplaceAll(name, "_", " "), n)
		}
	}
	return b.String(), nil
}

func linkText(linked bool) string {
	if linked {
		return "linked"
	}
	return "no link"
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// count is a number with its thing: "1 till", "2 tills".
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// age is how long ago something was: "now", "3 s ago", "5 min ago", "2 h ago", "4 days ago", or "never".
func age(t client.Time, now time.Time) string {
	if t.IsZero() {
		return "never"
	}
	switch d := now.Sub(t.Time); {
	case d < time.Second: // also one that a clock put back makes lie ahead
		return "now"
	case d < time.Minute:
		return fmt.Sprintf("%d s ago", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%d min ago", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h ago", d/time.Hour)
	default:
		return fmt.Sprintf("%d days ago", d/(24*time.Hour))
	}
}

// bytesText writes an amount of bytes in the unit that fits.
func bytesText(n int64) string {
	switch {
	case n < 1<<10:
		return fmt.Sprintf("%d bytes", n)
	case n < 1<<20:
		return fmt.Sprintf("%d kB", n>>10)
	case n < 1<<30:
		return fmt.Sprintf("%d MB", n>>20)
	default:
		return fmt.Sprintf("%d GB", n>>30)
	}
}
