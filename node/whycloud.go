package node

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/tillmesh/tillmesh/cloudlink"
	"github.com/tillmesh/tillmesh/cloudlink/greeting"
)

// onCloud says how far a receipt is on its way into the archive. r is nil if it is not here.
func (t *Till) onCloud(ctx context.Context, r *Receipt) (uplink, archive Step) {
	uplink, archive = Step{Name: StepUplink, State: StepNone, Text: "no cloud"}, Step{Name: StepArchive, State: StepNone, Text: "no cloud"}
	to := t.calls()
	if to == nil {
		return uplink, archive
	}
	known, _ := t.cloud(to.Cloud)
	switch {
	case r == nil:
		uplink.State, uplink.Text = StepUnknown, "not known here"
		archive.State, archive.Text = StepUnknown, "not known here; the archive at "+known.URL+" may have it"
		return uplink, archive
	case r.Archived.Held:
		uplink.State, uplink.Text = StepDone, "the cloud at "+known.URL+" has it"
		archive.State, archive.Text = StepDone, "it is in the archive"
		if !r.Archived.Since.IsZero() {
			archive.Text += " since " + secondText(r.Archived.Since)
		}
		return uplink, archive
	case t.coupler.line == nil:
		uplink.State, uplink.Text = StepUnknown, "this till has no way to a cloud"
		archive.State, archive.Text = StepUnknown, "not known here"
		return uplink, archive
	}
	uplink = t.atUplink(ctx, r)
	archive.State, archive.Text = uplink.State, "not in the archive yet, as far as this till knows"
	archive.Cause, archive.Do = "the cloud does not have it yet", "see the step before"
	return uplink, archive
}

// atUplink says what a receipt waits for that the cloud is not known to have.
func (t *Till) atUplink(ctx context.Context, r *Receipt) Step {
	step := Step{Name: StepUplink, State: StepWaits}
	s := t.coupler.line.Status()
	switch {
	case s.State == cloudlink.Off:
		step.State, step.Text, step.Do = StepBroken, "sending to the cloud is switched off at this till", "switch it on"
		return step
	case s.Uplink.IsZero():
		step.Text, step.Cause, step.Do = "it waits here", "the tills of the shop are still finding out who forwards", "wait a moment"
		return step
	case s.Uplink == t.id.Till:
		return t.pendingAt(step, t.ownCloud(s), "this till", s.CloudSince)
	}
	name := t.roster.name(s.Uplink)
	if !slices.Contains(r.Copies, s.Uplink) {
		step.State, step.Text = StepBroken, fmt.Sprintf("%s forwards for the shop, and is not known to have it yet", name)
		step.Cause, step.Do = "it has to get there first", "see the other tills above"
		if _, linked, pulling := t.heardOf(s.Uplink); linked || pulling {
			step.State = StepWaits
		}
		return step
	}
	said, err := t.askForCloud(ctx, s.Uplink)
	if err != nil {
		step.Text = fmt.Sprintf("it waits at %s, which forwards for the shop", name)
		step.Cause, step.Do = fmt.Sprintf("%s does not say how it stands with the cloud", name), "look there, with \"till cloud status\""
		return step
	}
	return t.pendingAt(step, said, name, time.Time{})
}

// pendingAt says what a receipt waits for at the till that forwards.
func (t *Till) pendingAt(step Step, said CloudSaid, name string, cloudSince time.Time) Step {
	step.Text = fmt.Sprintf("it waits at %s, which forwards for the shop", name)
	switch {
	case said.Cause != cloudlink.NoCause:
		step.State, step.Do = urgency(said.Cause), said.Cause.Advice()
		step.Cause = fmt.Sprintf("%s, since %s", or(said.Text, said.Cause.Text()), secondText(said.Since))
		if !cloudSince.IsZero() {
			step.Cause += "; the cloud says: since " + secondText(cloudSince)
		}
		if said.State == cloudlink.Waiting {
			step.Cause += "; it waits for another till to forward"
		}
	case said.State == cloudlink.FirstTransfer:
		step.Cause = "everything there is goes to the cloud for the first time" + leftText(said)
		step.Do = "wait; selling goes on meanwhile, and what is sold now comes after what was there"
	case said.State == cloudlink.CatchingUp, said.State == cloudlink.UpToDate:
		step.Cause, step.Do = "it is on its way"+leftText(said), "wait a moment"
	case said.State == cloudlink.Connecting, said.State == cloudlink.Starting:
		step.Cause, step.Do = fmt.Sprintf("%s is calling the cloud, since %s", name, secondText(said.Since)), "wait a moment"
	case said.State == cloudlink.Waiting:
		step.Cause, step.Do = fmt.Sprintf("%s waits for another till to forward: the tills have not agreed yet", name), "wait a moment"
	case said.State == cloudlink.Off:
		step.State, step.Cause, step.Do = StepBroken, "sending to the cloud is switched off there", "switch it on at "+name
	default:
		step.Cause, step.Do = fmt.Sprintf("%s stands so with the cloud: %s", name, or(string(said.State), "unknown")), "update the program of this till"
	}
	return step
}

func leftText(said CloudSaid) string {
	switch said.Pending {
	case 0:
		return ""
	case 1:
		return ": 1 record is left"
	}
	return fmt.Sprintf(": %d records are left", said.Pending)
}

// urgency says whether a cause goes by itself or somebody has to do something.
func urgency(c cloudlink.Cause) string {
	switch c {
	case cloudlink.ProxyFails, cloudlink.Intercepted, cloudlink.Untrusted, cloudlink.StoreFails, cloudlink.NoNetwork, cloudlink.Cause(greeting.Full):
		return StepBroken
	}
	if c.Lasting() {
		return StepBroken
	}
	return StepWaits
}

func secondText(at time.Time) string { return at.Local().Format("2006-01-02 15:04:05") }
