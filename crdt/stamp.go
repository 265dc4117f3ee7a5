package crdt

// Stamp is the writer's time of a commit, set once and never judged again. It only orders siblings that nobody has
// decided between yet; it never decides whether a write counts.
type Stamp struct {
	Trusted bool  // the writer's clock was checked, or nobody ever contradicted it
	MS      int64 // Unix milliseconds, corrected by the writer's known offset
}

// Compare orders two stamps for display: trusted before untrusted, then the later, then the higher dot. It returns a
// positive number if the first is shown before the second.
func (s Stamp) Compare(d Dot, other Stamp, otherDot Dot) int {
	switch {
	case s.Trusted != other.Trusted:
		if s.Trusted {
			return 1
		}
		return -1
	case s.MS != other.MS:
		if s.MS > other.MS {
			return 1
		}
		return -1
	}
	return d.Compare(otherDot)
}
