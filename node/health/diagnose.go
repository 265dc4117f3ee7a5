package health

import (
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/node/clock"
	"github.com/tillmesh/tillmesh/node/disk"
)

const (
	// grace is how long something may be missing before it is said: a till restarts in less.
	grace = 30 * time.Second
	// multicastGrace is how long nothing may be heard by multicast: three of the longest pauses between two rounds.
	multicastGrace = 108 * time.Second
	gossipGrace    = time.Minute
	// floodFrom is how many refused packets or connections a minute are no accident.
	floodFrom = 120
	// copyFrom is how long two addresses have to claim one till so that it is no change of address: one of those is over
	// when the old address was found dead.
	copyFrom = 2 * time.Minute
)

// Diagnose names what is wrong, the worst first, or [AllWell] if nothing that anybody could do something about is.
func Diagnose(f Facts) []Finding {
	list := append(diskFindings(f.Disk), clockFindings(f)...)
	list = append(list, signerFindings(f.Signer)...)
	list = append(list, listenFindings(f)...)
	if own := ownNetwork(f); len(own) > 0 {
		return sorted(append(list, own...))
	}
	ways, explained := wayFindings(f)
	list = append(list, ways...)
	list = append(list, multicastFindings(f, explained)...)
	list = append(list, gossipFindings(f, explained)...)
	list = append(list, strangerFindings(f)...)
	for _, l := range list {
		if l.Severity > Info {
			return sorted(list)
		}
	}
	return append([]Finding{found(AllWell, time.Time{}, Values{})}, list...)
}

func diskFindings(d *disk.Report) []Finding {
	if d == nil {
		return nil
	}
	code, ok := map[disk.Level]Code{
		disk.Low: DiskLow, disk.NoNewTabs: DiskNoNewTabs, disk.Closed: DiskClosed, disk.Full: DiskFull,
		disk.ReadOnly: DiskReadOnly, disk.Failing: DiskFailing,
	}[d.Level]
	if !ok {
		return nil
	}
	f := found(code, time.Time{}, Values{Bytes: d.Room, Span: d.For})
	f.Details = []string{d.Sentence()}
	if d.Fault != nil {
		f.Details = append(f.Details, d.Fault.Error())
	}
	return []Finding{f}
}

func clockFindings(f Facts) []Finding {
	c := f.Clock
	if c == nil || !c.Warn {
		return nil
	}
	own := func(code Code, ms int64) []Finding {
		return []Finding{found(code, time.Time{}, Values{Span: span(ms)})}
	}
	switch {
	case c.Impossible:
		return own(ClockImpossible, c.AheadMS)
	case c.Split != nil:
		return []Finding{found(ClockSplit, time.Time{}, Values{Span: span(c.Split.ApartMS)}, f.name(c.Split.Early), f.name(c.Split.Late))}
	case c.AheadMS >= clock.WarnFrom:
		return own(ClockAhead, c.AheadMS)
	case -c.AheadMS >= clock.WarnFrom:
		return own(ClockBehind, c.AheadMS)
	case !c.Trusted:
		return own(ClockUnchecked, 0)
	}
	// The own clock is right, so those of the others are wrong.
	var list []Finding
	for _, p := range c.Peers {
		code := PeerAhead
		if p.AheadMS < 0 {
			code = PeerBehind
		}
		if p.Wrong {
			list = append(list, found(code, time.Time{}, Values{Span: span(p.AheadMS)}, f.name(p.Till)))
		}
	}
	return list
}

func signerFindings(s *Signer) []Finding {
	if s == nil {
		return nil
	}
	f := found(SignerFails, s.Since, Values{})
	f.Details = []string{s.Reason}
	return []Finding{f}
}

func span(ms int64) time.Duration {
	ms = max(ms, -ms)
	return time.Duration(min(ms, int64(100*365*24*time.Hour/time.Millisecond))) * time.Millisecond
}

// name returns what people call a till; the zero ID is this one.
func (f Facts) name(id crdt.TillID) string {
	if id.IsZero() || id == f.Till {
		return f.Name
	}
	for _, t := range f.Tills {
		if t.ID == id {
			return t.Name
		}
	}
	return id.Short()
}

func listenFindings(f Facts) []Finding {
	var list []Finding
	for _, l := range f.Listens {
		switch {
		case l.InUse:
			list = append(list, found(PortInUse, time.Time{}, Values{Port: l.Port}))
		case l.Error != "":
			one := found(ListenFailed, time.Time{}, Values{Port: l.Port})
			one.Details = []string{l.What + ": " + l.Error}
			list = append(list, one)
		}
	}
	return list
}

// strangerFindings are about what does not belong to the shop, and what comes twice.
func strangerFindings(f Facts) []Finding {
	var list []Finding
	if f.Gossip.ConflictFor >= copyFrom {
		list = append(list, found(Copy, time.Time{}, Values{Count: f.Gossip.Conflicts, Where: addrPorts(f.Gossip.ConflictAt)}, f.name(f.Gossip.ConflictTill)))
	}
	var all uint64
	var details []string
	for _, r := range f.Flood {
		if all += r.Count; r.Count > 0 {
			details = append(details, r.What+": "+decimal(r.Count)+" in the last minute")
		}
	}
	if all >= floodFrom {
		one := found(Flood, time.Time{}, Values{Count: all, Where: addresses(f.FloodFrom)})
		one.Details = details
		list = append(list, one)
	}
	if f.OtherShops > 0 {
		list = append(list, found(OtherShop, time.Time{}, Values{Count: uint64(f.OtherShops)}))
	}
	for _, t := range f.Tills {
		if t.Linked && t.Program != "" && f.Program != "" && t.Program != f.Program {
			list = append(list, found(OtherProgram, time.Time{}, Values{Program: t.Program}, t.Name))
		}
	}
	return list
}
