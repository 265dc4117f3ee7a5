package simulation

import (
	"strconv"
	"time"
)

func (p *plan) network() {
	long := func() string { return FormatTime(p.under(p.chaos / 2)) }
	for range p.rand.IntN(6) {
		a, b := p.two()
		p.add(p.when(), "", "cut", a, b, long())
	}
	for range p.rand.IntN(3) {
		a, b := p.two()
		p.add(p.when(), "", "stall", a, b, long())
	}
	if p.chance(50) {
		for range p.rand.IntN(5) {
			p.add(p.when(), "", "snap", []string{"pull", "commits", "end", "context"}[p.rand.IntN(4)], strconv.Itoa(1+p.rand.IntN(3)))
		}
	}
	if p.chance(10) {
		a, b := p.two()
		p.add(p.when(), "", "slow", a, b, FormatTime(time.Second+p.under(8*time.Second)))
	}
	if p.chance(10) {
		a, b := p.two()
		p.add(p.when(), "", "flap", a, b, strconv.Itoa(2+p.rand.IntN(6)), FormatTime(200*time.Millisecond+p.under(time.Second)))
	}
	if p.chance(20) && len(p.names) > 2 {
		var left, right string
		for i, name := range p.names {
			if i%2 == p.rand.IntN(2) || left == "" {
				left += "," + name
			} else {
				right += "," + name
			}
		}
		if right != "" {
			p.add(p.when(), "", "partition", left[1:]+"|"+right[1:], long())
		}
	}
	if p.chance(20) {
		p.add(p.when(), "", "isolate", p.anyone(), long())
	}
}

func (p *plan) deaths() {
	for range p.rand.IntN(5) {
		p.add(p.when(), "", []string{"kill", "kill", "powercut", "powercut", "restart"}[p.rand.IntN(5)], p.anyone())
	}
	if p.chance(5) {
		p.add(p.when(), "", "twice", p.anyone())
	}
}

func (p *plan) disks() {
	spell := func(percent int, begin, end string) {
		if p.chance(percent) {
			name, at := p.anyone(), p.when()
			p.add(at, "", begin, name)
			p.add(at+p.under(p.chaos/2), "", end, name)
		}
	}
	spell(8, "fill", "free")
	spell(6, "freeze", "thaw")
	if p.chance(6) {
		name, at := p.anyone(), p.under(p.chaos/2)
		p.add(at, "", "lie", name)
		p.add(at+p.under(p.chaos/2), "", "powercut", name)
	}
	if p.chance(8) {
		p.add(p.when(), "", "rewind", p.anyone(), strconv.Itoa(1+p.rand.IntN(5)))
	}
	if p.chance(6) {
		p.add(p.when(), "", "tear", p.anyone())
	}
}

// damage spoils rows, which others give back.
func (p *plan) damage() {
	p.first("audit", "1m")
	for range 1 + p.rand.IntN(2) {
		p.add(p.chaos/2+p.under(p.chaos/2), "", []string{"lose", "lose", "flip"}[p.rand.IntN(3)], p.anyone())
	}
}

func (p *plan) identities() {
	if p.chance(8) {
		name, at := p.anyone(), p.under(p.chaos/2)
		p.add(at, "", "backup", name, "B")
		p.add(at+p.under(p.chaos/2), "", "restore", name, "B")
	}
	if p.chance(5) {
		name := p.anyone()
		p.add(p.when(), "", "copy", name, name+"copy")
	}
	if p.chance(5) {
		p.add(p.when(), "", "rehouse", p.anyone())
	}
}

func (p *plan) members() {
	if p.chance(10) {
		p.add(p.when(), p.anyone(), "admits", p.name())
	}
	if p.chance(6) {
		a, b := p.two()
		p.add(p.when(), a, "retires", b)
	}
	if p.chance(10) && len(p.names) > 2 {
		a, b := p.two()
		at := p.when()
		if p.chance(50) { // it is away with what it did not hand over
			p.add(at, "", "isolate", b, FormatTime(p.under(p.chaos)))
			p.add(at+p.under(p.chaos/8), b, "sells", "2")
		}
		p.add(at+p.under(p.chaos/4), a, "revokes", b)
	}
	if p.chance(7) && len(p.names) > 2 {
		a, b := p.two()
		at := p.when()
		p.add(at, "", "destroy", b)
		if p.chance(60) {
			p.add(at+p.under(p.chaos/4), a, "replaces", b, p.name())
		}
	}
}

// clouds couples a cloud, which has faults of its own, with some shops.
func (p *plan) clouds() {
	if !p.chance(25) {
		return
	}
	at, name := p.under(p.chaos/2), "C1"
	p.add(at, p.anyone(), "couples", name)
	later := func() time.Duration { return at + 200*time.Millisecond + p.under(p.chaos/2) }
	for range p.rand.IntN(3) {
		p.add(later(), name, "writes", "2")
	}
	for range p.rand.IntN(3) {
		p.add(later(), "", []string{"kill", "powercut", "restart"}[p.rand.IntN(3)], name)
	}
	if p.chance(30) {
		p.add(later(), "", "isolate", name, FormatTime(p.under(p.chaos/2)))
	}
	if p.chance(25) {
		backup := later()
		p.add(backup, "", "backup", name, "BC")
		p.add(backup+p.under(p.chaos/4), "", "restore", name, "BC")
	}
	if p.chance(15) {
		p.add(later(), p.anyone(), "uncouples", name)
	}
}

// long lets days to years pass.
func (p *plan) long() {
	for p.chance(12) {
		length := FormatTime(time.Duration(1+p.rand.IntN(24)) * []time.Duration{time.Hour, day, 30 * day}[p.rand.IntN(3)])
		at := p.when()
		if p.chance(40) { // one of them stays away for all of it
			away := p.anyone()
			p.add(at, "", "stop", away)
			p.add(at+p.under(p.chaos/2), "", "start", away)
		}
		p.add(at, "", []string{"jump", "close"}[p.rand.IntN(2)], length)
	}
}
