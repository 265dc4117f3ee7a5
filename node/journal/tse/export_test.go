package tse

// Changes returns how many changes the state has seen, durable or not.
func (s *Software) Changes() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return int(s.turn)
}
