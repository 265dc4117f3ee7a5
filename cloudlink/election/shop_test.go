package election_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/cloudlink/election"
	"github.com/tillmesh/tillmesh/cloudlink/lease"
	"github.com/tillmesh/tillmesh/crdt"
)

// played is a shop of tills with a cloud, stepped by 100 ms: whoever elects itself and is able to asks for the lease.
type played struct {
	t       *testing.T
	now     time.Time
	state   lease.State
	tills   []*playedTill
	changes int // of what a till thinks, since the last cause
}

type playedTill struct {
	id       crdt.TillID
	election *election.Election
	online   bool // has internet
	frozen   bool
	island   int
	session  uint64
	term     uint64
	renewed  time.Time
	thinks   election.Decision
}

func newPlayed(t *testing.T, n int) *played {
	p := &played{t: t, now: start}
	for i := range n {
		id := crdt.TillID{byte(i + 1)}
		p.tills = append(p.tills, &playedTill{id: id, election: election.New(id, election.Timing{}, start), online: true})
	}
	return p
}

func (p *played) step() {
	p.now = p.now.Add(100 * time.Millisecond)
	var all []crdt.TillID
	for _, k := range p.tills {
		all = append(all, k.id)
	}
	for _, k := range p.tills {
		if k.frozen {
			continue
		}
		var links []crdt.TillID
		for _, o := range p.tills {
			if o != k && o.island == k.island {
				links = append(links, o.id)
			}
		}
		k.election.Active(all)
		k.election.Links(p.now, links)
		p.forward(k)
		for _, to := range k.election.Due(p.now) {
			p.tills[to[0]-1].election.Heard(p.now, k.id, k.election.Claim(p.now))
			k.election.Telling(p.now, to)
			k.election.Told(to)
		}
		d := k.election.Decide(p.now)
		if d.Uplink != k.thinks.Uplink {
			p.changes++
		}
		k.thinks = d
	}
}

// forward is a forwarder without a network: it keeps the lease while its till is elected and online.
func (p *played) forward(k *playedTill) {
	nowMS := p.now.UnixMilli()
	reach := election.Can
	if !k.online {
		reach = election.Cannot
	}
	if k.term > 0 && p.now.Sub(k.renewed) >= lease.Life*time.Millisecond {
		k.term = 0
	}
	if (k.thinks.Self || k.term > 0) && k.online {
		if k.session == 0 {
			k.session = p.state.Open()
		}
		if k.term == 0 || p.now.Sub(k.renewed) >= lease.Renew*time.Millisecond {
			answer := p.state.Ask(k.id, lease.Question{Session: k.session, Term: k.term, Gone: k.thinks.Gone}, nowMS)
			k.term = 0
			if answer.Granted {
				k.term, k.renewed = answer.Term, p.now
			}
		}
	}
	k.election.Own(p.now, election.Claim{Reach: reach, Term: k.term, Left: lease.Life * time.Millisecond})
}

func (p *played) run(d time.Duration) {
	for range d / (100 * time.Millisecond) {
		p.step()
	}
}

// settled runs until all that are awake agree within their island, and returns how long it took.
func (p *played) settled(islands int) time.Duration {
	began := p.now
	for range 300 {
		p.step()
		uplinks := make(map[int]map[crdt.TillID]bool)
		for _, k := range p.tills {
			if !k.frozen {
				if uplinks[k.island] == nil {
					uplinks[k.island] = make(map[crdt.TillID]bool)
				}
				uplinks[k.island][k.thinks.Uplink] = true
			}
		}
		ok := len(uplinks) == islands
		for island, set := range uplinks {
			for up := range set {
				k := crdt.TillID{}
				if !up.IsZero() {
					k = up
				}
				ok = ok && len(set) == 1 && !k.IsZero() && p.tills[k[0]-1].island == island && !p.tills[k[0]-1].frozen && (p.tills[k[0]-1].online || !p.anyOnline(island))
			}
		}
		if ok {
			return p.now.Sub(began)
		}
	}
	p.t.Fatalf("no agreement after 30 s")
	return 0
}

func (p *played) anyOnline(island int) bool {
	for _, k := range p.tills {
		if k.island == island && k.online && !k.frozen {
			return true
		}
	}
	return false
}

func (p *played) holder() *playedTill { return p.tills[p.state.Holder[0]-1] }

func TestShopTakesOverInTime(t *testing.T) {
	p := newPlayed(t, 4)
	p.settled(1)
	p.run(time.Second)
	first := p.holder()
	require.Equal(t, p.tills[0], first)

	first.island = 9 // the program was killed: links closed; the cloud saw its session end
	first.online = false
	p.state.End(first.session, p.now.UnixMilli())
	killed := p.now
	for p.holder() == first {
		p.step()
	}
	require.LessOrEqual(t, p.now.Sub(killed), 3*time.Second)
	require.Equal(t, election.LinkClosed, p.holder().thinks.Detector)

	second := p.holder()
	p.run(3 * time.Second)
	second.frozen = true
	froze := p.now
	for p.holder() == second {
		p.step()
	}
	require.LessOrEqual(t, p.now.Sub(froze), 9*time.Second, "leaves a second to connect")
	require.Equal(t, election.Silence, p.holder().thinks.Detector)
	third := p.holder()
	term := p.state.Term
	second.frozen = false
	p.run(30 * time.Second)
	require.Equal(t, third, p.holder(), "who thaws does not take it back")
	require.Equal(t, term, p.state.Term)
	require.Equal(t, third.id, second.thinks.Uplink)
}

func TestCrashThatTheCloudDidNotSee(t *testing.T) {
	p := newPlayed(t, 3)
	p.settled(1)
	p.run(3100 * time.Millisecond)
	first := p.holder()
	first.island, first.online = 9, false
	killed := p.now
	for p.holder() == first {
		p.step()
	}
	require.LessOrEqual(t, p.now.Sub(killed), 3*time.Second)
}

// Whatever happens to links, internet and programs: some time after the last event all agree, nobody who cannot reach the cloud forwards
// while another can, and nothing changes any more.
func TestShopAgreesAfterEverything(t *testing.T) {
	rnd := seeded(t)
	for range 25 {
		p := newPlayed(t, 2+rnd.IntN(4))
		for range 12 {
			k := p.tills[rnd.IntN(len(p.tills))]
			switch rnd.IntN(4) {
			case 0:
				k.online = !k.online
			case 1:
				k.frozen = !k.frozen
			case 2:
				k.island = rnd.IntN(2)
			}
			p.run(time.Duration(rnd.IntN(8000)) * time.Millisecond)
		}
		for _, k := range p.tills {
			k.frozen = false
		}
		islands := make(map[int]bool)
		for _, k := range p.tills {
			islands[k.island] = true
		}
		p.settled(len(islands))
		p.run(12 * time.Second)
		p.settled(len(islands))
		p.changes = 0
		p.run(2 * time.Minute)
		require.Zero(t, p.changes, "it changes although nothing happens")
		for _, k := range p.tills {
			up := p.tills[k.thinks.Uplink[0]-1]
			require.True(t, up.online || !p.anyOnline(k.island))
		}
	}
}
