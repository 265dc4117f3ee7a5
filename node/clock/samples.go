package clock

const samplesKept = 8

// samples are the last answers of one clock.
type samples struct {
	kept  [samplesKept]sample
	n     int // answers in all
	first sample
}

// sample is an answer against the own monotonic clock.
type sample struct {
	mono int64 // in the middle between question and answer
	peer int64 // what the other clock said then
	wall int64 // what the own wall clock said then
	err  int64 // half of the way there and back, and a millisecond for rounding
}

func (s *samples) add(a Sample) {
	took := a.Received.monoMS() - a.Sent.monoMS()
	n := sample{mono: a.Sent.monoMS() + took/2, peer: a.PeerMS, wall: a.Sent.WallMS + took/2, err: took/2 + 1}
	if s.n == 0 {
		s.first = n
	}
	if s.n > 0 && abs(n.peer-n.mono-s.latest().peer+s.latest().mono) >= jumpFrom+n.err {
		*s = samples{first: n} // the other clock jumped: what it said before is no longer true
	}
	s.kept[s.n%samplesKept] = n
	s.n++
}

func (s *samples) latest() sample { return s.kept[(s.n-1)%samplesKept] }

// best returns the answer with the smallest bound, brought to now.
func (s *samples) best(now Reading) vote {
	var out vote
	for i := range min(s.n, samplesKept) {
		k := s.kept[i]
		age := max(now.monoMS()-k.mono, 0)
		bound := k.err + age*driftPPM/1_000_000
		if i == 0 || bound < out.err {
			out = vote{offset: k.peer + age - now.WallMS, err: bound}
		}
	}
	out.age = max(now.monoMS()-s.latest().mono, 0)
	return out
}

// drift returns by how many milliseconds a day the other clock runs faster than the own one; known only after an hour.
func (s *samples) drift() (perDay int64, known bool) {
	const hour, day = 3_600_000, 24 * 3_600_000
	last := s.latest()
	passed := last.mono - s.first.mono
	if passed < hour {
		return 0, false
	}
	change := (last.peer - last.wall) - (s.first.peer - s.first.wall)
	return change * day / passed, true // the change is below a jump for each answer, far from overflow
}
