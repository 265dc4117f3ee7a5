package pairing

import (
	"encoding/binary"
	"net"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

// against sends raw bytes to the till, drops what comes back, hangs up, and returns the till's error.
func (d *desk) against(t *testing.T, key byte, raw []byte) error {
	t.Helper()
	near, far := net.Pipe()
	var wg sync.WaitGroup
	wg.Go(func() { drain(near) })
	wg.Go(func() {
		defer near.Close()
		_, _ = near.Write(raw) // refused half way is part of the test
	})
	_, err := Reception{Requests: d.Requests}.Accept(t.Context(), Channel{Conn: located{far, testAddress(key)}, Self: d.key, Peer: testKey(key)}, d.admit)
	far.Close()
	wg.Wait()
	return err
}

func TestHostileBytesBeforeDigits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk()
		for name, raw := range map[string][]byte{
			"short first":  {1, methodDigits, 0, 3, 1, 2, 3},
			"empty first":  {1, methodDigits, 0, 0},
			"long first":   append([]byte{1, methodDigits, 1, 0}, make([]byte, 256)...),
			"zero key":     append([]byte{1, methodDigits, 0, xxFirst}, make([]byte, xxFirst)...),
			"huge length":  {1, methodDigits, 0xff, 0xff},
			"huge frame":   append(append([]byte{1, methodDigits, 0, xxFirst, 9}, make([]byte, xxFirst-1)...), 0xff, 0xff),
			"empty frame":  append(append([]byte{1, methodDigits, 0, xxFirst, 9}, make([]byte, xxFirst-1)...), 0, 0),
			"random third": append(append([]byte{1, methodDigits, 0, xxFirst, 9}, make([]byte, xxFirst-1)...), binary.BigEndian.AppendUint16(nil, xxThird+1)...),
		} {
			require.ErrorIs(t, d.against(t, 1, raw), ErrMalformed, name)
		}
		raw := append(append([]byte{1, methodDigits, 0, xxFirst, 9}, make([]byte, xxFirst-1)...), binary.BigEndian.AppendUint16(nil, xxThird)...)
		require.ErrorIs(t, d.against(t, 1, append(raw, make([]byte, xxThird)...)), ErrTampered)
		require.ErrorIs(t, d.against(t, 1, raw), ErrHungUp)
		require.Empty(t, d.addresses)

		// With the right keys, but other messages.
		for name, spoil := range map[string]func(*stranger){
			"request for reveal": func(s *stranger) { s.reveal(s.nonce, []byte{kindReveal}) },
			"another device key": func(s *stranger) { s.reveal(s.nonce, requestBytes(t, 2)) },
			"long reveal": func(s *stranger) {
				_ = s.send("", make([]byte, 2+nonceLen)) // refused half way is part of the test
			},
			"no nonce": func(s *stranger) {
				require.NoError(t, s.send("", []byte{kindDone}))
				require.NoError(t, s.send("", requestBytes(t, 1)))
				_, err := s.expect("")
				require.ErrorIs(t, err, ErrDeclined)
			},
		} {
			d.Reopen()
			conn, went := d.visitor(1)
			s, second := knock(t, d, conn, 1, 1)
			s.commit(second)
			spoil(s)
			require.ErrorIs(t, <-went, ErrMalformed, name)
			conn.Close()
		}
		require.Empty(t, d.seats)
	})
}

// Nothing may come from the new till while its request waits.
func TestWordBeforeTheAnswerIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk()
		near, far := net.Pipe()
		a := &asking{}
		a.over.Go(func() {
			defer far.Close()
			_, a.acceptErr = Reception{Requests: d.Requests}.Accept(t.Context(), Channel{Conn: far, Self: d.key, Peer: testKey(1)}, d.admit)
		})
		s, second := knock(t, d, near, 1, 1)
		s.commit(second)
		require.NoError(t, decodeWaiting(s.reveal(s.nonce, requestBytes(t, 1))))
		require.NoError(t, s.send("", encodeDone()))
		a.over.Wait()
		require.ErrorIs(t, a.acceptErr, ErrMalformed)
		require.Empty(t, d.admitted)
		near.Close()
	})
}

// The connection is cut after every third number of bytes, so within each message, in each direction: clear errors on both sides, no seat is left
// occupied, and a till that has kept the shop is admitted.
func TestDigitsCutAnywhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sizes := map[string]int{"up": 4 + xxFirst + 2 + xxThird + 2 + 1 + nonceLen + tagLen + 2 + len(requestBytes(t, 1)) + tagLen + 2 + 1 + tagLen}
		answer, err := encodeAnswer(testAnswer())
		require.NoError(t, err)
		sizes["down"] = 4 + xxSecond + 2 + 1 + nonceLen + tagLen + 2 + 1 + tagLen + 2 + len(answer) + tagLen
		for direction, size := range sizes {
			d := newDesk()
			for left := 0; left < size; left += 3 {
				d.Reopen()
				d.mu.Lock()
				d.admitted = nil
				d.mu.Unlock()
				a := &asking{}
				a.joiner, a.inviter = net.Pipe()
				if direction == "up" {
					a.joiner = &cut{a.joiner, left}
				} else {
					a.inviter = &cut{a.inviter, left}
				}
				d.ask(t.Context(), 1, a)
				if list := d.Waiting(); len(list) == 1 {
					_, err := d.Decide(t.Context(), list[0].ID, true)
					require.Error(t, err)
				}
				a.over.Wait()
				require.Error(t, a.acceptErr, "%s %d", direction, left)
				require.Empty(t, d.seats)
				if len(d.admitted) > 0 {
					require.ErrorIs(t, a.acceptErr, ErrUnconfirmed, "%s %d", direction, left)
				} else {
					require.ErrorIs(t, a.acceptErr, ErrHungUp, "%s %d", direction, left)
				}
				if a.kept {
					require.Len(t, d.admitted, 1)
					require.NoError(t, a.joinErr) // it cannot know that its last word was cut
				} else {
					require.ErrorIs(t, a.joinErr, ErrHungUp, "%s %d", direction, left)
				}
			}
			d.Reopen()
			d.requireAdmits(t, 1)
		}
	})
}
