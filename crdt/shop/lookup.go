package shop

import (
	"cmp"
	"crypto/ed25519"
	"fmt"
	"slices"
	"strings"

	"github.com/tillmesh/tillmesh/crdt"
)

// Till is what the roster says about a till.
type Till struct {
	ID         crdt.TillID
	PublicKey  ed25519.PublicKey
	Name       string // the one to show
	Prefix     string // its Kassen-ID, such as "K2"
	Mode       Mode
	State      State
	AdmittedBy crdt.TillID // its own ID if it founded the shop
	AdmittedMS int64       // Unix milliseconds
	Founder    bool
	Replaces   crdt.TillID // zero if none
	Lineages   []Lineage   // the last one is the current one
	Departures []Departure // the one that counts first
	Conflicts  []Conflict  // registers of the till that wait for a decision
	Err        error       // why a register of the till could not be read, nil if all could
}

// Problem is something about the roster that a person has to look at. Nothing stops because of it.
type Problem struct {
	Till crdt.TillID // the till it is about
	Text string
}

// Shop returns the ID of the shop.
func (r *Roster) Shop() crdt.ShopID { return r.shop }

// State returns whether a till takes part. Revoked is final, and stronger than retired.
func (r *Roster) State(till crdt.TillID) State {
	left := r.left[till]
	switch {
	case r.members[till] == nil:
		return Unknown
	case len(left) == 0:
		return Active
	case left[0].Revoked:
		return Revoked
	}
	return Retired
}

// Active reports whether a till takes part: links to it are opened, and it may admit others.
func (r *Roster) Active(till crdt.TillID) bool { return r.State(till) == Active }

// PublicKey returns the device key of a till that was ever admitted, whatever became of it.
func (r *Roster) PublicKey(till crdt.TillID) (ed25519.PublicKey, bool) {
	if m := r.members[till]; m != nil {
		return m.key, true
	}
	return nil, false
}

// TillOf returns the till that claims a replica. If two do, which is a problem, it is the one that says it did first.
func (r *Roster) TillOf(replica crdt.ReplicaID) (crdt.TillID, bool) {
	if claims := r.replica[replica]; len(claims) > 0 {
		return claims[0].Till, true
	}
	return crdt.TillID{}, false
}

// MayPush reports whether a till may push commits of a replica on its link: only those of its own replicas, and not
// once it is revoked. A retired till still hands over what it holds.
func (r *Roster) MayPush(till crdt.TillID, replica crdt.ReplicaID) bool {
	if s := r.State(till); s != Active && s != Retired {
		return false
	}
	return slices.ContainsFunc(r.members[till].lineages, func(l Lineage) bool { return l.Replica == replica })
}

// MayPushCommit is [Roster.MayPush] for a commit in hand, which may be the one that introduces its replica: the lineage
// is in the first commit of a replica, so nobody can know it before.
func (r *Roster) MayPushCommit(till crdt.TillID, c *crdt.Commit) bool {
	if r.MayPush(till, c.Dot.Replica) {
		return true
	}
	if s := r.State(till); c.Scope != crdt.Shop || s != Active && s != Retired {
		return false
	}
	for i := range c.Pieces {
		p := &c.Pieces[i]
		if p.Kind != crdt.KindItem || p.Type != TypeLineage {
			continue
		}
		l, rec, err := parseLineage(p.Raw)
		if err == nil && l.Till == till && l.Replica == c.Dot.Replica && l.ObjectID() == p.Object &&
			r.members[till].continues(l.Prefix) && verify(TypeLineage, r.shop, rec, r.members[till].key) == nil {
			return true
		}
	}
	return false
}

// Till returns what is known about a till, and whether it was ever admitted.
func (r *Roster) Till(id crdt.TillID) (Till, bool) {
	m := r.members[id]
	if m == nil {
		return Till{}, false
	}
	a := m.admissions[0]
	t := Till{
		ID: id, PublicKey: m.key, Prefix: a.Prefix, State: r.State(id), AdmittedBy: a.By, AdmittedMS: a.MS,
		Founder: a.Founder, Replaces: a.Replaces, Name: a.Name, Mode: DefaultMode,
		Lineages: slices.Clone(m.lineages), Departures: slices.Clone(r.left[id]),
	}
	if obj := r.objects[TillObject(id)]; obj != nil {
		var view TillView
		view, t.Err = ViewTill(obj)
		if view.Name != "" {
			t.Name = view.Name
		}
		t.Mode, t.Conflicts = view.Mode, view.Conflicts
	}
	return t, true
}

// Tills returns every till that was ever admitted, in the order of admission.
func (r *Roster) Tills() []Till {
	tills := make([]Till, 0, len(r.members))
	for id := range r.members {
		t, _ := r.Till(id)
		tills = append(tills, t)
	}
	slices.SortFunc(tills, func(a, b Till) int {
		return cmp.Or(-compareBool(a.Founder, b.Founder), cmp.Compare(a.AdmittedMS, b.AdmittedMS), a.ID.Compare(b.ID))
	})
	return tills
}

// Object returns the merged registers of a till for an edit, nil if nobody wrote any. It must not be changed.
func (r *Roster) Object(till crdt.TillID) *crdt.Object { return r.objects[TillObject(till)] }

// NextPrefix returns the number prefix for a till that is now admitted by the till whose current replica this is. It is
// unique in the shop although nobody is asked: the founder gives K2, K3, ...; any other till, and the founder in a later
// lineage, puts its own current prefix behind a dot, and no prefix is given twice by one lineage, which knows all it
// gave. The number before the dot is the next one free as far as this roster knows.
func (r *Roster) NextPrefix(replica crdt.ReplicaID) (string, error) {
	till, ok := r.TillOf(replica)
	if !ok || !r.Active(till) {
		return "", fmt.Errorf("prefix of a new till: %w: replica %v", ErrNotActive, replica)
	}
	i := slices.IndexFunc(r.members[till].lineages, func(l Lineage) bool { return l.Replica == replica })
	own, err := parsePrefix(r.members[till].lineages[i].Prefix)
	if err != nil {
		return "", err
	}
	by, highest, used := own.gives(), 1, make(map[int]bool)
	for _, m := range r.members {
		for p := range m.bases() {
			highest = max(highest, p.number)
			if p.by == by {
				used[p.number] = true
			}
		}
	}
	next := highest + 1
	if next > MaxNumber { // somebody gave a very high one
		for next = 2; used[next]; next++ {
		}
	}
	p := prefix{next, 1, by}
	return p.String(), CheckPrefix(p.String())
}

// NextSeries returns the number prefix for a new lineage of a till: its own prefix for the first, then with b, c and so
// on behind the number. It is above all lineages the roster knows and all that the caller knows of from elsewhere, such
// as a high-water record or the till's own receipts.
func (r *Roster) NextSeries(till crdt.TillID, known ...string) (string, error) {
	m := r.members[till]
	if m == nil {
		return "", fmt.Errorf("series of a new lineage: %w: till %s", ErrNotActive, till.Short())
	}
	base, err := parsePrefix(m.admissions[0].Prefix)
	if err != nil {
		return "", err
	}
	for _, l := range m.lineages {
		known = append(slices.Clip(known), l.Prefix)
	}
	highest := 0
	for _, s := range known {
		p, err := parsePrefix(s)
		if err != nil {
			return "", fmt.Errorf("series of a new lineage: %w", err)
		}
		if p.base() == base {
			highest = max(highest, p.lineage)
		}
	}
	p := prefix{base.number, highest + 1, base.by}
	return p.String(), CheckPrefix(p.String())
}

// Problems returns what a person has to look at, the same on every till that holds the same items: items that are not
// signed by who they say, items whose signer is not known, a prefix that two tills or lineages have, a replica that two
// tills claim.
func (r *Roster) Problems() []Problem {
	out := slices.Clone(r.refused)
	for _, c := range r.waiting {
		out = append(out, Problem{c.about, fmt.Sprintf(
			"%s does not count: till %s, which signed it, is not in the roster or may not say this", c.typ, c.signer.Short())})
	}
	tills, series := make(map[string][]crdt.TillID), make(map[string][]Lineage)
	for id, m := range r.members {
		for p := range m.bases() {
			if !slices.Contains(tills[p.String()], id) {
				tills[p.String()] = append(tills[p.String()], id)
			}
		}
		for _, l := range m.lineages {
			series[l.Prefix] = append(series[l.Prefix], l)
		}
	}
	for p, ids := range tills {
		if len(ids) > 1 {
			out = append(out, Problem{slices.MinFunc(ids, crdt.TillID.Compare),
				fmt.Sprintf("%d tills have the number prefix %s", len(ids), p)})
		}
	}
	for p, claims := range series {
		if len(claims) > 1 {
			first := slices.MinFunc(claims, func(a, b Lineage) int { return a.Till.Compare(b.Till) })
			out = append(out, Problem{first.Till, fmt.Sprintf("%d lineages have the number prefix %s", len(claims), p)})
		}
	}
	for replica, claims := range r.replica {
		if slices.ContainsFunc(claims, func(l Lineage) bool { return l.Till != claims[0].Till }) {
			out = append(out, Problem{claims[0].Till, fmt.Sprintf("replica %v is claimed by %d tills", replica, len(claims))})
		}
	}
	slices.SortFunc(out, func(a, b Problem) int { return cmp.Or(a.Till.Compare(b.Till), strings.Compare(a.Text, b.Text)) })
	return out
}
