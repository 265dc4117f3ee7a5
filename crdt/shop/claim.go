package shop

import (
	"crypto/ed25519"
	"fmt"
	"slices"

	"github.com/tillmesh/tillmesh/crdt"
)

// claim is a signed item that does not count yet.
type claim struct {
	typ       string
	signer    crdt.TillID
	about     crdt.TillID
	rec       crdt.Record
	raw       []byte
	verified  bool
	admission Admission
	lineage   Lineage
	departure Departure
	recovery  Recovery
	takeover  Takeover
	coupling  Coupling
	uncoupled Uncoupling
	seat      Seat
}

func readClaim(typ string, raw []byte) (c claim, id crdt.ObjectID, err error) {
	switch typ {
	case TypeAdmission:
		c.admission, c.rec, err = parseAdmission(raw)
		c.signer, c.about, id = c.admission.By, c.admission.Till(), AdmissionID(c.admission.Till())
	case TypeLineage:
		c.lineage, c.rec, err = parseLineage(raw)
		c.signer, c.about, id = c.lineage.Till, c.lineage.Till, c.lineage.ObjectID()
	case TypeRecovery:
		c.recovery, c.rec, err = parseRecovery(raw)
		c.signer, c.about, id = c.recovery.By, c.recovery.By, c.recovery.ObjectID()
	case TypeTakeover:
		c.takeover, c.rec, err = parseTakeover(raw)
		c.signer, c.about, id = c.takeover.By, c.takeover.From, c.takeover.ObjectID()
	case TypeCoupling:
		c.coupling, c.rec, err = parseCoupling(raw)
		c.signer, c.about, id = c.coupling.By, c.coupling.By, c.coupling.ObjectID()
	case TypeUncoupling:
		c.uncoupled, c.rec, err = parseUncoupling(raw)
		c.signer, c.about, id = c.uncoupled.By, c.uncoupled.By, c.uncoupled.ObjectID()
	case TypeSeat:
		c.seat, c.rec, err = parseSeat(raw)
		c.signer, c.about, id = c.seat.Cloud, c.seat.Cloud, c.seat.ObjectID()
	case TypeRetirement, TypeRevocation:
		c.departure, c.rec, err = parseDeparture(typ == TypeRevocation, raw)
		c.signer, c.about, id = c.departure.By, c.departure.Till, c.departure.ObjectID()
	default:
		return claim{}, id, nil
	}
	c.typ, c.raw = typ, raw
	return c, id, err
}

// settle takes every waiting item whose signer counts by now, until none is left that does. Taking one can only make
// others count, never stop one from counting, so the order does not matter.
func (r *Roster) settle() {
	for again := true; again; {
		again = false
		keep := r.waiting[:0]
		for _, c := range r.waiting {
			taken, err := r.take(&c)
			switch {
			case err != nil:
				r.refused = append(r.refused, Problem{c.about, fmt.Sprintf("%s refused: %v", c.typ, err)})
			case taken:
				again = true
			default:
				keep = append(keep, c)
			}
		}
		clear(r.waiting[len(keep):])
		r.waiting = keep
	}
}

// take makes an item count if it can already. An error means that it never will.
func (r *Roster) take(c *claim) (bool, error) {
	key, err := r.signedBy(c)
	if key == nil || err != nil {
		return false, err
	}
	if !c.verified {
		if err := verify(c.typ, r.shop, c.rec, key); err != nil {
			return false, err
		}
		c.verified = true
	}
	by := r.members[c.signer]
	switch c.typ {
	case TypeAdmission:
		if !r.mayAdmit(by, &c.admission) {
			return false, nil
		}
		r.admit(c)
	case TypeLineage:
		if !by.continues(c.lineage.Prefix) {
			return false, nil
		}
		r.extend(by, c.lineage)
	case TypeRecovery:
		if !by.founder() {
			return false, nil
		}
		if old, again := r.recover[c.recovery.ID()]; !again || c.recovery.MS < old.MS {
			r.recover[c.recovery.ID()] = recovered{c.recovery, c.raw}
		}
	case TypeTakeover:
		r.took(c.takeover)
	case TypeCoupling:
		r.couple(c.coupling, c.raw)
	case TypeUncoupling:
		r.uncouple(c.uncoupled)
	case TypeSeat:
		r.sit(c.seat)
	default:
		r.left[c.about] = append(r.left[c.about], c.departure)
		slices.SortFunc(r.left[c.about], compareDepartures)
	}
	return true, nil
}

// signedBy returns the key that has to have signed an item, nil if it is not known yet.
func (r *Roster) signedBy(c *claim) (ed25519.PublicKey, error) {
	if c.typ == TypeAdmission && c.admission.Founder {
		if IDOf(c.admission.PublicKey, c.admission.Nonce) != r.shop {
			return nil, fmt.Errorf("%w: not the founder of shop %v", ErrSignature, r.shop)
		}
		return c.admission.PublicKey, nil
	}
	if c.typ == TypeSeat {
		if cloud := r.clouds[c.signer]; cloud != nil {
			return cloud.key, nil
		}
		return nil, nil
	}
	if by := r.members[c.signer]; by != nil {
		return by.key, nil
	}
	if k, ok := r.recover[c.signer]; ok && c.typ == TypeAdmission {
		return k.PublicKey, nil
	}
	return nil, nil
}

// mayAdmit reports whether who signed an admission may give its prefix: a till in one of its lineages, or a recovery key.
func (r *Roster) mayAdmit(by *member, a *Admission) bool {
	if a.Founder || by != nil && by.given(a.Prefix) {
		return true
	}
	p, err := parsePrefix(a.Prefix)
	_, ok := r.recover[a.By]
	return ok && err == nil && p.recovered(a.Till())
}
