package cloudlink

import "io"

// movedBytes is how much the line has to take for that to count: more than the questions that are asked anyway.
const movedBytes = 8 << 10

// moving tells when the line took a piece of what was written. On a slow one the cloud's answers wait behind what is sent, and it is no less there
// for that: to hang up would be to send the same again, and never to get through.
type moving struct {
	io.ReadWriteCloser
	taken int
	moved func()
}

// Write is a method of io.Writer.
func (m *moving) Write(b []byte) (n int, err error) {
	for {
		part := b[n:min(len(b), n+movedBytes)]
		k, err := m.ReadWriteCloser.Write(part)
		n += k
		if m.taken += k; m.taken >= movedBytes && m.moved != nil {
			m.taken = 0
			m.moved()
		}
		if err != nil || n == len(b) {
			return n, err
		}
	}
}
