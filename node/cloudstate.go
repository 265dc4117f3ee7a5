package node

import (
	"context"
	"time"

	"github.com/tillmesh/tillmesh/cloudlink"
	"github.com/tillmesh/tillmesh/cloudlink/election"
	"github.com/tillmesh/tillmesh/crdt"
)

// CloudState is how a till stands with the cloud.
type CloudState struct {
	Clouds  []CoupledCloud // that are or were coupled, those that are first
	Status  cloudlink.Status
	Advice  string // what to do about the cause; empty if there is none
	First   FirstTransfer
	Archive ArchiveSeen
	Session *CloudSession // who is signed in at this till; nil: nobody is
	// Forwards is what the till that forwards says: this one itself, or another that is linked; nil: not known.
	Forwards *CloudSaid
	Tills    []election.Known // what the others say of their own way
}

// CloudBrief is the same in short.
type CloudBrief struct {
	State   cloudlink.State
	Since   time.Time
	Cause   cloudlink.Cause
	Text    string // of the cause
	URL     string
	Account string
	Uplink  crdt.TillID // which till forwards; zero: not decided
	Pending uint64      // records that the cloud lacks, as far as this till knows
	Seen    time.Time   // when the cloud answered this till last; zero: never
}

// CloudState returns how this till stands with the cloud. It asks the till that forwards, if that is another one.
func (t *Till) CloudState(ctx context.Context) CloudState {
	out := CloudState{Clouds: t.Clouds(), Session: t.CloudSession(), First: FirstUnknown, Status: cloudlink.Status{State: cloudlink.NotCoupled}}
	line := t.coupler.line
	if line == nil {
		return out
	}
	out.Status, out.First, out.Archive, out.Tills = line.Status(), line.FirstTransfer(), line.Archive(), line.Tills()
	if out.Status.Cause != cloudlink.NoCause {
		out.Advice = out.Status.Cause.Advice()
	}
	switch s := out.Status; {
	case s.Uplink.IsZero():
	case s.Uplink == t.id.Till:
		said := t.ownCloud(s)
		out.Forwards = &said
	default:
		if said, err := t.askForCloud(ctx, s.Uplink); err == nil {
			out.Forwards = &said
		}
	}
	return out
}

// cloudBrief returns how this till stands with the cloud, nil if the shop has none.
func (t *Till) cloudBrief() *CloudBrief {
	to := t.calls()
	if to == nil || t.coupler.line == nil {
		return nil
	}
	known, _ := t.cloud(to.Cloud)
	s := t.coupler.line.Status()
	return &CloudBrief{State: s.State, Since: s.Since, Cause: s.Cause, Text: s.Text, URL: known.URL, Account: known.Account, Uplink: s.Uplink,
		Pending: s.Progress.Pending(), Seen: s.Seen}
}
