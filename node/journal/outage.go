package journal

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication"
)

// Outage is a time in which the signing device did not work, or something it refused. It is kept in notes of the till: what
// numbers were not signed is written with each of them, the rest when it is known.
type Outage struct {
	Begin  int64  `json:"begin"`         // Unix milliseconds, business time; it names the outage
	End    int64  `json:"end,omitempty"` // 0: it goes on
	Reason string `json:"reason"`
	Series string `json:"series,omitempty"` // of the numbers
	First  int64  `json:"first,omitempty"`  // number that was not signed; 0: none
	Last   int64  `json:"last,omitempty"`
	Count  int64  `json:"count,omitempty"` // numbers that were not signed; others between first and last may have been
}

const (
	outageNote  = "signing/outage/"  // by begin: Outage without numbers
	numbersNote = "signing/numbers/" // by begin: Outage without end
	chainNote   = "signing/chain/"   // by series: Chain
)

const outageVersion = 1

type versionedOutage struct {
	Version int `json:"v"`
	Outage
}

func (o Outage) note(prefix string) replication.Note {
	b, err := json.Marshal(versionedOutage{outageVersion, o})
	if err != nil {
		panic(err) // numbers and texts
	}
	return replication.Note{Key: outageKey(prefix, o.Begin), Value: b}
}

func outageKey(prefix string, begin int64) string {
	return string(binary.BigEndian.AppendUint64([]byte(prefix), uint64(begin)))
}

// parseOutage reads a note of an outage; nothing as none.
func parseOutage(b []byte) (Outage, error) {
	var v versionedOutage
	if b == nil {
		return v.Outage, nil
	}
	if err := json.Unmarshal(b, &v); err != nil {
		return Outage{}, fmt.Errorf("outage of the signing device: %w", err)
	}
	if v.Version != outageVersion {
		return Outage{}, fmt.Errorf("outage of the signing device: version %d: %w", v.Version, crdt.ErrUpdateNeeded)
	}
	return v.Outage, nil
}

// merge puts together what two notes say of an outage.
func (o Outage) merge(numbers Outage) Outage {
	end, reason := o.End, o.Reason
	o = numbers
	if o.End = end; reason != "" {
		o.Reason = reason
	}
	return o
}

// with returns the outage with one more number that was not signed.
func (o Outage) with(series string, number int64) Outage {
	if o.Count == 0 {
		o.Series, o.First = series, number
	}
	o.Last = number
	o.Count++
	return o
}

// beginOf returns the begin in the key of a note.
func beginOf(key, prefix string) (int64, bool) {
	rest := strings.TrimPrefix(key, prefix)
	if len(rest) != 8 || len(rest) == len(key) {
		return 0, false
	}
	return int64(binary.BigEndian.Uint64([]byte(rest))), true
}
