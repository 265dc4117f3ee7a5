package simulation

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"
)

// plan is what a seed wants to happen: the statements of a scenario. What happens while they are carried out is left to
// the chance of the world, so a plan with a statement less is another run.
type plan struct {
	rand   *rand.Rand
	chaos  time.Duration // how long there are faults
	names  []string      // of the tills that may act
	fresh  int           // names given so far
	list   []Statement
	begin  []Statement
	cond   Conditions
	plants Plant
}

func newPlan(seed uint64, plant Plant) []Statement {
	r := rand.New(rand.NewPCG(seed, 0x706c_616e))
	p := &plan{rand: r, plants: plant, chaos: time.Duration(2+r.IntN(15)) * time.Second}
	if r.IntN(6) == 0 {
		p.chaos *= 5
	}
	for range 2 + min(r.IntN(5), r.IntN(5)) {
		p.names = append(p.names, p.name())
	}
	p.conditions()
	p.first("tills", p.names...)
	p.topology()
	for _, name := range p.names {
		p.add(p.under(time.Second), "", "start", name)
	}
	p.clocks()
	p.work()
	p.network()
	p.deaths()
	if p.chance(4) || plant == PlantForgetsDormant {
		p.damage()
	} else {
		p.disks()
		p.identities()
		p.members()
		p.long()
	}
	p.clouds()
	plant.provoke(p)
	p.begin = slices.Insert(p.begin, 1, Statement{Verb: "conditions", Args: Args{Words: strings.Fields(p.cond.String())}})
	slices.SortStableFunc(p.list, func(a, b Statement) int { return int(a.At - b.At) })
	end := Statement{Timed: AtTime, At: p.chaos, Verb: "settle"}
	if n := len(p.list); n > 0 {
		end.At = max(end.At, p.list[n-1].At)
	}
	return append(append(p.begin, p.list...), end)
}

func (p *plan) name() string {
	p.fresh++
	return "K" + strconv.Itoa(p.fresh)
}

func (p *plan) first(verb string, words ...string) {
	p.begin = append(p.begin, Statement{Verb: verb, Args: Args{Words: words}})
}

func (p *plan) add(at time.Duration, subject, verb string, words ...string) {
	p.list = append(p.list, Statement{Timed: AtTime, At: at, Verb: verb, Args: Args{Subject: subject, Words: words}})
}

func (p *plan) under(limit time.Duration) time.Duration {
	return time.Duration(p.rand.Int64N(int64(limit)))
}
func (p *plan) when() time.Duration     { return p.under(p.chaos) }
func (p *plan) chance(percent int) bool { return p.rand.IntN(100) < percent }
func (p *plan) anyone() string          { return p.names[p.rand.IntN(len(p.names))] }

// two returns two different tills.
func (p *plan) two() (a, b string) {
	i := p.rand.IntN(len(p.names))
	j := p.rand.IntN(len(p.names) - 1)
	if j >= i {
		j++
	}
	return p.names[i], p.names[j]
}

func (p *plan) conditions() {
	r := p.rand
	p.cond = Conditions{
		Latency: time.Duration(1+r.IntN(20)) * time.Millisecond, Fsync: time.Duration(1+r.IntN(10)) * time.Millisecond,
		Notice: time.Second, Batch: 1 + r.IntN(4000), Read: 1 + r.IntN(3000),
	}
	if p.chance(17) {
		p.cond.Latency *= 20
	}
	if p.chance(17) {
		p.cond.Fsync *= 30
	}
	if p.chance(50) {
		p.cond.BadWrite = r.IntN(8)
	}
	if p.chance(25) {
		p.cond.BadRead = r.IntN(10)
	}
	if p.chance(50) {
		p.cond.Deaths = r.IntN(3)
	}
	if p.chance(33) {
		p.cond.Loss, p.cond.Twice, p.cond.Overtake = r.IntN(15), r.IntN(15), true
	}
}

// topology lets each till of some shops reach its neighbours only.
func (p *plan) topology() {
	if !p.chance(25) {
		return
	}
	for i, a := range p.names {
		for _, b := range p.names[:max(i-1, 0)] {
			p.first("never", b, a)
		}
	}
}

func (p *plan) clocks() {
	if !p.chance(30) {
		return
	}
	for _, name := range p.names {
		switch p.rand.IntN(6) {
		case 0:
			p.first("clock", name, "26h")
		case 1:
			p.first("clock", name, "-26h")
		case 2:
			p.first("clock", name, []string{"-6y", "-1y", "3y", "40y"}[p.rand.IntN(4)])
		case 3:
			p.add(p.when(), "", "drift", name, strconv.Itoa(p.rand.IntN(200_000)-100_000))
		case 4:
			p.add(p.when(), "", "clock", name, FormatTime(p.under(4*time.Hour)-2*time.Hour))
		}
	}
}

func (p *plan) work() {
	for range 3 + p.rand.IntN(25) {
		n := 1
		for p.chance(30) && n < 6 {
			n++
		}
		p.add(p.when(), p.anyone(), "writes", strconv.Itoa(n))
	}
	for range p.rand.IntN(8) {
		p.add(p.when(), p.anyone(), "sells", strconv.Itoa(1+p.rand.IntN(3)))
	}
	if p.chance(50) {
		for range 1 + p.rand.IntN(6) {
			p.add(p.when(), p.anyone(), "orders", strconv.Itoa(1+p.rand.IntN(3)))
			p.add(p.when(), p.anyone(), "moves")
		}
	}
}

// text writes a plan as a scenario.
func planText(seed uint64, plant Plant, list []Statement) string {
	out := fmt.Sprintf("seed %d\n", seed)
	if plant != PlantNone {
		out += fmt.Sprintf("plant %s\n", plant)
	}
	for _, st := range list {
		out += st.String() + "\n"
	}
	return out
}
