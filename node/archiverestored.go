package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/tillmesh/tillmesh/cloudlink/archive"
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/codec"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/engine"
)

const (
	// restoredNote holds, by cloud, the statement of a restore that was shown for an archive that does not continue what this till saw; it waits
	// until a person accepts it. The value is an archive.Excuse.
	restoredNote = "cloud/restored/"
	// acceptedNote holds what was accepted, by cloud and time, for ever: [1, checkpoint that was remembered, excuse, who, Unix ms].
	acceptedNote = "cloud/accepted/"
)

// Codes of refusals about accepting what an alarm says. They are part of the API: append, never change.
const (
	CodeNothingToAccept = "nothing-to-accept" // the alarm is none that can be settled that way
	CodeWhoAccepts      = "who-accepts"       // nobody was named
)

// excused asks a cloud whose archive does not continue what this till remembers whether it was restored, and keeps a statement that holds. It
// returns what to say with the alarm; empty: there is no such statement.
func (c *checkpoints) excused(ctx context.Context, cloud crdt.TillID, known archive.Checkpoint, v note.Verifier) (text string) {
	t := c.till
	asking, cancel := context.WithTimeout(ctx, checkpointTime)
	defer cancel()
	body, err := t.replicator.Ask(asking, cloud, archive.RestoreTopic, archive.EncodeRestoreQuestion(known))
	if err != nil {
		if !errors.Is(err, engine.ErrRefused) && ctx.Err() == nil {
			t.log.Warn("whether the cloud was restored is not known", "error", err)
		}
		return ""
	}
	excuse, err := archive.DecodeExcuse(body)
	var r archive.Restore
	if err == nil {
		r, _, err = excuse.Check(known, v)
	}
	if err == nil {
		err = t.keepNotes(ctx, replication.Note{Key: restoredNote + cloud.String(), Value: excuse.Encode()})
	}
	if err != nil {
		t.log.Warn("what the cloud says about a restore does not hold, or was not saved", "error", err)
		return ""
	}
	return restoreText(r, known)
}

func restoreText(r archive.Restore, known archive.Checkpoint) string {
	return fmt.Sprintf("The cloud says why, and signed it: on %s it was restored from a backup of %s. Its archive went back to %d records of the %d that this till saw; "+
		"what came after is handed over again by the tills.", minuteText(time.UnixMilli(r.Time)), minuteText(time.UnixMilli(r.Made)), r.Size, known.Size)
}

// restoreAdvice is what to do about an archive that says that it was restored.
const restoreAdvice = "if you know of that restore, accept it as an owner: till alarms --accept ID --by NAME; else tell who runs the cloud, and keep backups of the tills until it is " +
	"explained; both signed states are kept here as proof"

// AcceptAlarm settles the alarm about an archive that was restored: from now on this till remembers the archive as the cloud showed it with its
// statement. What was remembered before, the statement and who accepted it are kept. Nothing else can be accepted.
func (t *Till) AcceptAlarm(ctx context.Context, id, by string) (Alarm, error) {
	by = strings.TrimSpace(by)
	list := t.Alarms()
	i := slices.IndexFunc(list, func(a Alarm) bool { return a.ID == id })
	switch {
	case i < 0:
		return Alarm{}, refuse(CodeNoAlarm, "GET /api/v1/alarms lists them", "there is no alarm %.60q", id)
	case by == "":
		return Alarm{}, refuse(CodeWhoAccepts, "name the owner who does", "it was not said who accepts it")
	case list[i].Kind != AlarmArchive:
		return Alarm{}, refuse(CodeNothingToAccept, "say that it was seen", "an alarm of the kind %s is not settled by accepting it", list[i].Kind)
	}
	accepted, err := t.acceptRestores(ctx, by)
	if err != nil {
		return Alarm{}, err
	}
	if accepted == 0 {
		return Alarm{}, refuse(CodeNothingToAccept, "find out who changed the archive; if it was restored, that has to be done with \"cloud restore\"",
			"the cloud says nothing about a restore that explains this alarm")
	}
	return t.SeenAlarm(ctx, id, by)
}

// acceptRestores takes the statements that wait, of the clouds that the shop knows.
func (t *Till) acceptRestores(ctx context.Context, by string) (n int, err error) {
	for _, c := range t.Clouds() {
		cloud := c.ID.String()
		known, ok := t.roster.cloud(c.ID)
		if !ok {
			continue
		}
		kept, err := t.store.Notes(ctx, checkpointNote+cloud, restoredNote+cloud)
		if err != nil || kept[0] == nil || kept[1] == nil {
			if err != nil {
				return n, err
			}
			continue
		}
		excuse, err := archive.DecodeExcuse(kept[1])
		if err != nil {
			return n, fmt.Errorf("the statement of a restore that is kept: %w", err)
		}
		verifier, err := archive.NewVerifier(known.PublicKey)
		if err != nil {
			return n, err
		}
		account, err := archive.AccountOf(kept[0], verifier)
		if err != nil {
			return n, err
		}
		before, err := archive.OpenCheckpoint(kept[0], account, verifier)
		if err != nil {
			return n, err
		}
		if _, _, err := excuse.Check(before, verifier); err != nil {
			return n, fmt.Errorf("the statement of a restore that is kept: %w", err)
		}
		now := t.clock.MS()
		if err := t.keepNotes(ctx,
			replication.Note{Key: acceptedNote + cloud + "/" + time.UnixMilli(now).UTC().Format("20060102T150405.000"), Value: encodeAccepted(kept[0], kept[1], by, now)},
			replication.Note{Key: checkpointNote + cloud, Value: excuse.Checkpoint},
			replication.Note{Key: restoredNote + cloud}); err != nil {
			return n, err
		}
		t.log.Warn("a restore of the archive was accepted", "cloud", c.URL, "by", by)
		if t.coupler.look != nil {
			wakeUp(t.coupler.look)
		}
		n++
	}
	return n, nil
}

// encodeAccepted returns what is kept of an acceptance.
func encodeAccepted(remembered, excuse []byte, by string, ms int64) []byte {
	b := codec.AppendUint(codec.AppendArray(nil, 5), 1)
	b = codec.AppendBytes(codec.AppendBytes(b, remembered), excuse)
	return codec.AppendInt(codec.AppendString(b, clipText(by)), ms)
}
