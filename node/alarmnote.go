package node

import (
	"fmt"
	"strings"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/codec"
	"github.com/tillmesh/tillmesh/replication"
)

// alarmNote is how the notes of alarms begin that are none of package lineage: then the ID. The value is a msgpack array:
// version 1, kind, text, next, detail, time, seen at (Unix milliseconds, 0: not), seen by.
const alarmNote = "alarm/"

const (
	alarmVersion = 1
	maxAlarmText = 2000 // bytes
)

// kept is an alarm as it is kept.
type kept struct {
	ID, Kind, Text, Next, Detail string
	MS, SeenMS                   int64
	SeenBy                       string
}

func (k kept) alarm() Alarm {
	a := Alarm{ID: k.ID, Kind: k.Kind, Text: k.Text, Next: k.Next, Detail: k.Detail, At: time.UnixMilli(k.MS), SeenBy: k.SeenBy}
	if k.SeenMS != 0 {
		a.Seen = time.UnixMilli(k.SeenMS)
	}
	return a
}

func (k kept) note() replication.Note {
	b := codec.AppendUint(codec.AppendArray(nil, 8), alarmVersion)
	for _, s := range []string{k.Kind, k.Text, k.Next, k.Detail} {
		b = codec.AppendString(b, clipText(s))
	}
	b = codec.AppendInt(codec.AppendInt(b, k.MS), k.SeenMS)
	return replication.Note{Key: alarmNote + k.ID, Value: codec.AppendString(b, clipText(k.SeenBy))}
}

func clipText(s string) string { return strings.ToValidUTF8(s[:min(len(s), maxAlarmText)], "") }

func readAlarm(n replication.Note) (kept, error) {
	if err := codec.Check(n.Value); err != nil {
		return kept{}, err
	}
	r := codec.NewReader(n.Value)
	more := r.ArrayOf(8)
	if v := r.Uint(); r.Err() == nil && v != alarmVersion {
		return kept{}, fmt.Errorf("alarm of version %d: %w", v, crdt.ErrVersion)
	}
	k := kept{ID: strings.TrimPrefix(n.Key, alarmNote), Kind: r.String(), Text: r.String(), Next: r.String(), Detail: r.String(),
		MS: r.Int(), SeenMS: r.Int(), SeenBy: r.String()}
	r.Skip(more)
	return k, r.Done()
}
