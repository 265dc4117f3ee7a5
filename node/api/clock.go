package api

import (
	"github.com/tillmesh/tillmesh/node"
)

// clock is what is known of the till's clock.
type clock struct {
	Trusted  bool         `json:"trusted" doc:"What is written now bears a time that can be relied on; receipts say so, too"`
	OffsetMS int64        `json:"offset_ms" doc:"What is added to the clock of this machine to get business time, in milliseconds; negative if the clock is ahead"`
	Source   string       `json:"source" doc:"What the offset rests on: none, remembered, tills or cloud" example:"tills"`
	Now      string       `json:"now" doc:"Business time, RFC 3339"`
	Warn     bool         `json:"warn" doc:"Somebody should look at a clock: something differs by 2 s or more"`
	Text     string       `json:"text" doc:"What is wrong, in one sentence; empty if nothing is" example:"the clock of Kasse 3 is 26 h ahead"`
	Hint     string       `json:"hint" doc:"What to do, empty if nothing"`
	Wrong    []wrongClock `json:"wrong" nullable:"false" doc:"Other tills whose clocks are wrong"`
}

// wrongClock is the clock of another till.
type wrongClock struct {
	Till    string `json:"till"`
	Name    string `json:"name"`
	AheadMS int64  `json:"ahead_ms" doc:"How far it is ahead, in milliseconds; negative if it is behind"`
}

func showClock(r node.ClockReport) clock {
	out := clock{Trusted: r.Trusted, OffsetMS: r.OffsetMS, Source: r.Source.String(), Now: instant(r.Now), Warn: r.Warn, Text: r.Text, Wrong: []wrongClock{}}
	if r.Text != "" {
		out.Hint = "set the clock right in the settings of that machine; nothing is lost meanwhile"
	}
	for _, p := range r.Wrong {
		out.Wrong = append(out.Wrong, wrongClock{p.Till.String(), r.Names(p.Till), p.AheadMS})
	}
	return out
}
