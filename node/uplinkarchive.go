package node

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tillmesh/tillmesh/cloudlink/archive"
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/engine"
)

const (
	// checkpointNote holds, by cloud, the latest checkpoint of its archive that this till saw, verbatim; evidenceNote one that does not
	// continue it.
	checkpointNote = "cloud/checkpoint/"
	evidenceNote   = "cloud/evidence/"
	// checkpointEvery is how often the archive is looked at while the till is connected, and checkpointSoon if nothing came of it.
	checkpointEvery = 5 * time.Minute
	checkpointSoon  = 3 * time.Second
	// checkpointTime is how long an answer may take.
	checkpointTime = 10 * time.Second
)

// AlarmArchive is the alarm about an archive that is not the one this till saw before.
const AlarmArchive = "archive-changed"

// ArchiveSeen is what this till knows of the archive.
type ArchiveSeen struct {
	Size    int64     // records of the account
	At      time.Time // when the cloud signed that, by its clock
	Looked  time.Time // when this till looked last; zero: not since its start
	Verdict string    // what came of it: first, same, grown, behind, rewritten, forked, unproven, unsigned; empty: nothing yet
}

// checkpoints remembers and compares the checkpoints of the archive.
type checkpoints struct {
	till *Till

	mu   sync.Mutex
	seen ArchiveSeen
}

func (c *checkpoints) state() ArchiveSeen {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.seen
}

// watch looks at the archive of a cloud that is linked, at once and again and again, until ctx is done.
func (c *checkpoints) watch(ctx context.Context, cloud crdt.TillID) {
	pause := checkpointSoon
	for c.till.env.wait(ctx, pause, c.till.coupler.look) {
		pause = checkpointEvery
		verdict, err := c.look(ctx, cloud)
		switch {
		case errors.Is(err, engine.ErrRefused), errors.Is(err, engine.ErrNotLinked):
			pause = checkpointSoon // nothing is archived yet, or the link is still being made
		case err != nil && ctx.Err() == nil && !verdict.Alarm():
			c.till.log.Warn("the archive of the cloud was not compared", "error", err)
		}
	}
}

// look asks for the checkpoint and compares it with the one that is remembered.
func (c *checkpoints) look(ctx context.Context, cloud crdt.TillID) (archive.Verdict, error) {
	t := c.till
	known, ok := t.roster.cloud(cloud)
	if !ok {
		return archive.Unproven, engine.ErrNotLinked
	}
	verifier, err := archive.NewVerifier(known.PublicKey)
	if err != nil {
		return archive.Unproven, err
	}
	kept, err := t.store.Notes(ctx, checkpointNote+cloud.String())
	if err != nil {
		return archive.Unproven, err
	}
	memory := archive.Memory{Note: kept[0]}
	var account archive.AccountID
	if memory.Note != nil {
		if account, err = archive.AccountOf(memory.Note, verifier); err != nil {
			return archive.Unproven, fmt.Errorf("the checkpoint that is remembered: %w", err)
		}
	}
	size, err := memory.Size(account, verifier)
	if err != nil {
		return archive.Unproven, err
	}
	asking, cancel := context.WithTimeout(ctx, checkpointTime)
	defer cancel()
	body, err := t.replicator.Ask(asking, cloud, archive.Topic, archive.EncodeQuestion(size))
	if err != nil {
		return archive.Unproven, err
	}
	offer, err := archive.DecodeOffer(body)
	if err != nil {
		return archive.Unproven, err
	}
	if memory.Note == nil {
		if account, err = archive.AccountOf(offer.Note, verifier); err != nil {
			return archive.Unsigned, errors.Join(err, c.changed(ctx, cloud, known.Couplings[0].URL, archive.Unsigned, offer.Note, "", err))
		}
	}
	verdict, next, err := memory.Compare(account, offer, verifier)
	c.noted(next, account, verdict, known.PublicKey)
	if verdict.Alarm() {
		excuse := ""
		if seen, err := archive.OpenCheckpoint(memory.Note, account, verifier); err == nil && verdict != archive.Unsigned {
			excuse = c.excused(ctx, cloud, seen, verifier)
		}
		return verdict, errors.Join(err, c.changed(ctx, cloud, known.Couplings[0].URL, verdict, offer.Note, excuse, err))
	}
	if string(next.Note) != string(memory.Note) {
		err = errors.Join(err, t.keepNotes(ctx, replication.Note{Key: checkpointNote + cloud.String(), Value: next.Note}))
	}
	return verdict, err
}

// noted keeps what to show.
func (c *checkpoints) noted(m archive.Memory, account archive.AccountID, verdict archive.Verdict, key []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen.Looked, c.seen.Verdict = c.till.env.Now(), verdict.String()
	verifier, err := archive.NewVerifier(key)
	if err != nil {
		return
	}
	if p, err := archive.OpenCheckpoint(m.Note, account, verifier); err == nil {
		c.seen.Size, c.seen.At = p.Size, time.UnixMilli(p.Time)
	}
}

// changed raises the alarm, with what the cloud says about it, and keeps what the cloud showed: with what is remembered it proves what happened.
func (c *checkpoints) changed(ctx context.Context, cloud crdt.TillID, url string, verdict archive.Verdict, shown []byte, excuse string, why error) error {
	text := fmt.Sprintf("The archive at %s does not continue what this till saw of it before: records were changed or removed there.", url)
	if verdict == archive.Unsigned {
		text = fmt.Sprintf("The archive at %s is not signed with the key of the cloud, or is that of another account.", url)
	}
	next := "tell who runs the cloud, and keep backups of the tills until it is explained; both signed states are kept here as proof"
	if excuse != "" {
		text, next = text+" "+excuse, restoreAdvice
	}
	c.till.raise(ctx, AlarmArchive, text, next,
		fmt.Sprintf("%s: %v", verdict, why))
	return c.till.keepNotes(ctx, replication.Note{Key: evidenceNote + cloud.String(), Value: shown})
}
