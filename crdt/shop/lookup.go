package shop

import (
	"cmp"
	"crypto/ed25519"
	"fmt"
	"slices"

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
	Recovered  bool        // admitted by a recovery key: AdmittedBy is the ID of that key
	Replaces   crdt.TillID // zero if none
	// ReplacedBy are the tills that took this one's place and have begun to work, sorted.
	ReplacedBy []crdt.TillID
	Lineages   []Lineage   // the last one is the current one
	Departures []Departure // the one that counts first
	Conflicts  []Conflict  // registers of the till that wait for a decision
	Err        error       // why a register of the till could not be read, nil if all could
}

// Shop returns the ID of the shop.
func (r *Roster) Shop() crdt.ShopID { return r.shop }

// State returns whether a till takes part. Revoked is final, and stronger than retired. A till that another one replaces is
// retired once that one has begun its first lineage: from then on somebody works in its place.
func (r *Roster) State(till crdt.TillID) State {
	left := r.left[till]
	switch {
	case r.members[till] == nil:
		return Unknown
	case len(left) > 0 && left[0].Revoked:
		return Revoked
	case len(left) > 0 || len(r.replacedBy(till)) > 0:
		return Retired
	}
	return Active
}

// replacedBy returns the tills that took the place of a till and have begun to work, sorted.
func (r *Roster) replacedBy(till crdt.TillID) []crdt.TillID {
	var out []crdt.TillID
	for id := range r.instead[till] {
		if m := r.members[id]; m != nil && len(m.lineages) > 0 {
			out = append(out, id)
		}
	}
	slices.SortFunc(out, crdt.TillID.Compare)
	return out
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

// MayPush reports whether a till or cloud may push commits of a replica on its link: only those of its own replicas, and not
// once it is revoked or uncoupled. A retired till still hands over what it holds. What others wrote is never pushed, by
// nobody: it is told of and pulled.
func (r *Roster) MayPush(till crdt.TillID, replica crdt.ReplicaID) bool {
	if r.clouds[till] != nil && r.cloudMayPush(till, replica) {
		return true
	}
	if s := r.State(till); s != Active && s != Retired {
		return false
	}
	return slices.ContainsFunc(r.members[till].lineages, func(l Lineage) bool { return l.Replica == replica })
}

// MayPushCommit is [Roster.MayPush] for a commit in hand, which may be the one that introduces its replica: the lineage
// or seat is in the first commit of a replica, so nobody can know it before.
func (r *Roster) MayPushCommit(till crdt.TillID, c *crdt.Commit) bool {
	if r.MayPush(till, c.Dot.Replica) {
		return true
	}
	if c.Scope != crdt.Shop {
		return false
	}
	if r.Coupled(till) && r.introducesSeat(till, c) {
		return true
	}
	if s := r.State(till); s != Active && s != Retired {
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

// Lineage returns the lineage that claims a replica. Of several, which is a problem, it is the one that says it did first.
func (r *Roster) Lineage(replica crdt.ReplicaID) (Lineage, bool) {
	if claims := r.replica[replica]; len(claims) > 0 {
		return claims[0], true
	}
	return Lineage{}, false
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
		Lineages: slices.Clone(m.lineages), Departures: slices.Clone(r.left[id]), ReplacedBy: r.replacedBy(id),
	}
	_, t.Recovered = r.recover[a.By]
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
	by, used := own.gives(), make(map[int]bool)
	for _, m := range r.members {
		for p := range m.bases() {
			if p.by == by {
				used[p.number] = true
			}
		}
	}
	next := r.highestNumber() + 1
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
	return NextSeries(m.admissions[0].Prefix, m.series(known)...)
}

// SeriesApart is [SeriesApart] with all that the roster knows.
func (r *Roster) SeriesApart(till crdt.TillID, replica crdt.ReplicaID, known ...string) (string, error) {
	m := r.members[till]
	if m == nil {
		return "", fmt.Errorf("series of a new lineage: %w: till %s", ErrNotActive, till.Short())
	}
	return SeriesApart(m.admissions[0].Prefix, replica, m.series(known)...)
}

// series returns the prefixes of all lineages of the till, and others.
func (m *member) series(known []string) []string {
	known = slices.Clip(known)
	for _, l := range m.lineages {
		known = append(known, l.Prefix)
	}
	return known
}
