package health

import (
	"bytes"
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// scrubber takes out of texts what may not leave the till.
type scrubber struct {
	names   *strings.Replacer // names of tills become prefixes
	byName  map[string]string
	secrets []string
}

const (
	removed   = "[removed]"
	shortest  = 4   // a secret or name of fewer characters cannot be told from ordinary text
	textLimit = 500 // bytes of one text
)

// What looks like a key, a token, a mail address or a path with somebody's name in it, whoever put it there.
var suspicious = regexp.MustCompile(`[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+` +
	`|[A-Za-z0-9+/_=-]{24,}` +
	`|(?:/home/|/Users/|[A-Za-z]:\\Users\\)[^/\\\s:"]+`)

func newScrubber(b Bundle) *scrubber {
	s := &scrubber{byName: make(map[string]string)}
	var pairs [][2]string
	if b.Facts.Name != "" {
		pairs = append(pairs, [2]string{b.Facts.Name, "this till"})
	}
	for _, t := range b.Facts.Tills {
		if t.Name != "" && t.Name != t.Prefix {
			pairs = append(pairs, [2]string{t.Name, or(t.Prefix, t.ID.Short())})
		}
	}
	slices.SortStableFunc(pairs, func(a, b [2]string) int { return cmp.Compare(len(b[0]), len(a[0])) })
	var flat []string
	for _, p := range pairs {
		s.byName[p[0]] = p[1]
		if len(p[0]) >= shortest { // "1" would be found in every number
			flat = append(flat, p[0], p[1])
		}
	}
	s.names = strings.NewReplacer(flat...)
	for _, secret := range b.Secrets {
		if len(secret) >= shortest {
			s.secrets = append(s.secrets, secret)
		}
	}
	slices.SortFunc(s.secrets, func(a, b string) int { return len(b) - len(a) })
	return s
}

// text cleans one text.
func (s *scrubber) text(t string) string {
	t = strings.ToValidUTF8(t, "\uFFFD")
	for _, secret := range s.secrets {
		t = strings.ReplaceAll(t, secret, removed)
	}
	return suspicious.ReplaceAllString(s.names.Replace(t), removed)
}

// short cleans and shortens one.
func (s *scrubber) short(t string) string { return clip(s.text(t), textLimit) }

// till cleans the name of a till.
func (s *scrubber) till(name string) string { return s.short(or(s.byName[name], name)) }

func (s *scrubber) texts(list []string) []string {
	out := make([]string, 0, len(list))
	for _, t := range list {
		out = append(out, s.short(t))
	}
	return out
}

// leaks reports whether a secret is in a file that is ready.
func (s *scrubber) leaks(content []byte) bool {
	return slices.ContainsFunc(s.secrets, func(secret string) bool { return bytes.Contains(content, []byte(secret)) })
}

// clip shortens a text to at most limit bytes of UTF-8.
func clip(t string, limit int) string {
	t = strings.ToValidUTF8(t, "\uFFFD")
	if len(t) <= limit {
		return t
	}
	for !utf8.RuneStart(t[limit]) {
		limit--
	}
	return t[:limit]
}

func (s *scrubber) device(d Device) Device {
	d.Program, d.Go, d.OS, d.Arch = s.short(d.Program), s.short(d.Go), s.short(d.OS), s.short(d.Arch)
	return d
}

func (s *scrubber) findings(list []Finding) []Finding {
	out := slices.Clone(list)
	for i := range out {
		out[i] = s.finding(out[i])
	}
	return out
}

func (s *scrubber) finding(f Finding) Finding {
	f.Tills, f.Details = slices.Clone(f.Tills), s.texts(f.Details)
	for i, name := range f.Tills {
		f.Tills[i] = s.till(name)
	}
	f.Values.Where, f.Values.Via, f.Values.Program = s.short(f.Values.Where), s.till(f.Values.Via), s.short(f.Values.Program)
	return f
}

func (s *scrubber) past(list []Past) []Past {
	out := slices.Clone(list)
	for i := range out {
		out[i].Finding = s.finding(out[i].Finding)
	}
	return out
}

func (s *scrubber) events(list []LinkEvent) []LinkEvent {
	out := slices.Clone(list[max(len(list)-eventsWritten, 0):])
	for i, e := range out {
		out[i] = LinkEvent{At: e.At, Till: s.short(e.Till), What: s.short(e.What), Addr: s.short(e.Addr), Text: s.short(e.Text)}
	}
	return out
}

func (s *scrubber) config(all map[string]string) map[string]string {
	out := make(map[string]string, len(all))
	for key, value := range all {
		if configKept[key] {
			out[key] = s.short(value)
		} else {
			out[s.short(key)] = removed
		}
	}
	return out
}

// network is what of the facts helps support, field by field: a field added to the facts stays at home until it is
// written down here.
func (s *scrubber) network(f Facts) map[string]any {
	tills := make([]map[string]any, 0, len(f.Tills))
	for _, t := range f.Tills {
		one := map[string]any{
			"id": t.ID.Short(), "prefix": s.short(t.Prefix), "linked": t.Linked, "since": t.Since, "alive": t.Alive, "heard": t.Heard,
			"seen": t.Seen, "told_removed": t.Told, "program": s.short(t.Program), "details": s.texts(details(t)), "via": s.till(t.Via),
		}
		var addrs []string
		for _, a := range t.Addrs {
			addrs = append(addrs, s.short(a.String()))
		}
		one["addresses"] = addrs
		tills = append(tills, one)
	}
	var adapters []string
	for _, i := range f.Interfaces {
		adapters = append(adapters, s.short(fmt.Sprintf("%s up=%t linked=%t multicast=%t %v", i.Name, i.Up, i.Linked, i.Multicast, i.Addrs)))
	}
	var ports []string
	for _, l := range f.Listens {
		ports = append(ports, s.short(fmt.Sprintf("%s %d in use=%t %s", l.What, l.Port, l.InUse, l.Error)))
	}
	out := map[string]any{
		"at": f.At, "till": f.Till.Short(), "started": f.Started, "adapters": adapters, "adapter": s.short(f.Adapter), "port": f.Port,
		"listens": ports, "router": f.Router, "tills": tills, "other_shops": f.OtherShops, "flood_from": s.short(addresses(f.FloodFrom)),
		"multicast": map[string]any{"off": f.Multicast.Off, "since": f.Multicast.Since, "problem": s.short(f.Multicast.Problem),
			"echo": f.Multicast.Echo, "heard": f.Multicast.Heard},
		"gossip": map[string]any{"up": f.Gossip.Up, "since": f.Gossip.Since, "problem": s.short(f.Gossip.Problem),
			"unreadable": f.Gossip.Unreadable, "conflicts": f.Gossip.Conflicts, "conflicts_for": f.Gossip.ConflictFor.String(),
			"conflict_at": s.short(addrPorts(f.Gossip.ConflictAt))},
	}
	var flood []string
	for _, r := range f.Flood {
		flood = append(flood, s.short(r.What)+" "+decimal(r.Count))
	}
	out["flood"] = flood
	if f.Disk != nil {
		out["disk"] = map[string]any{"level": f.Disk.Level, "for": f.Disk.For.String(), "room": f.Disk.Room, "ballast": f.Disk.Ballast}
	}
	if f.Clock != nil {
		out["clock"] = map[string]any{"trusted": f.Clock.Trusted, "offset_ms": f.Clock.OffsetMS, "source": f.Clock.Source,
			"jumps": f.Clock.Jumps, "drift_ms_per_day": f.Clock.DriftMS}
	}
	return out
}
