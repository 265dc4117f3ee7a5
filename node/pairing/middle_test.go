package pairing

import (
	"bytes"
	"net"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

const middle = 66 // the device key of somebody between the two

// Somebody in between keeps the protocol on both sides with keys of his own: towards the new till he is the till of the
// shop, towards that till he is the new one. He learns what each side reveals as early as the protocol lets him, in either
// order, and copies nonces and commitment where he can. The digits differ.
func TestManInTheMiddleSeesOtherDigits(t *testing.T) {
	for seed := range byte(24) {
		copies := seed%2 == 0 // repeat the nonces of the honest sides instead of drawing own ones
		synctest.Test(t, func(t *testing.T) {
			d := newDesk()
			near, went := d.visitor(middle)
			toShop, second := knock(t, d, near, middle, seed)

			// The new till's side: its commitment is known before he commits to the shop.
			toJoiner, fromJoiner := net.Pipe()
			a := &asking{joiner: fromJoiner}
			a.over.Go(func() {
				_, a.joinErr = Ask(t.Context(), testRandom(seed+50), Channel{Conn: a.joiner, Self: testKey(1), Peer: testKey(middle)}, privateKey(1),
					testRequest(nil), nopCompare(a), nil)
			})
			random := make([]byte, seedLen)
			_, _ = testRandom(seed + 100).Read(random)
			_, first, err := readHead(toJoiner)
			require.NoError(t, err)
			c, err := newComparison(false, privateKey(middle), testKey(1), testKey(middle), random)
			require.NoError(t, err)
			reply, err := c.second(first)
			require.NoError(t, err)
			require.NoError(t, writeHead(toJoiner, statusGo, reply))
			third, err := readFrame(toJoiner, "", xxThird, xxThird)
			require.NoError(t, err)
			out, into, err := c.finish(third)
			require.NoError(t, err)
			inner := secure{conn: toJoiner, out: out, into: into}

			fromShop := toShop.commit(second) // copying the commitment of the new till is of no use: he cannot open it in time
			mine := c.nonce
			if copies {
				mine = fromShop
			}
			require.NoError(t, inner.send("", encodeNonce(kindNonce, mine)))
			plain, err := inner.receive("", 1+nonceLen)
			require.NoError(t, err)
			joiner, err := decodeNonce(plain, kindReveal)
			require.NoError(t, err)
			_, err = inner.receive("", maxRequest)
			require.NoError(t, err)
			require.NoError(t, inner.send("", encodeWaiting()))
			synctest.Wait()

			atShop, err := toShop.comparison.digits(toShop.nonce, fromShop)
			require.NoError(t, err)
			require.NoError(t, decodeWaiting(toShop.reveal(toShop.nonce, requestBytes(t, middle))))
			require.NoError(t, <-went)
			require.True(t, a.showed)
			require.NotEqual(t, a.shown, atShop, "seed %d", seed)

			// Even with both nonces alike the handshakes differ.
			same, err := toShop.comparison.digits(joiner, fromShop)
			require.NoError(t, err)
			require.NotEqual(t, a.shown, same, "seed %d", seed)
			require.NoError(t, near.Close())
			require.NoError(t, toJoiner.Close())
			a.over.Wait()
			require.ErrorIs(t, a.joinErr, ErrHungUp)
		})
	}
}

// Position one: he commits to one nonce and reveals another, such as one that would make the digits alike.
func TestAnotherNonceThanCommittedIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk()
		near, went := d.visitor(middle)
		s, second := knock(t, d, near, middle, 1)
		s.commit(second)
		other := s.nonce
		other[31] ^= 1
		answer, err := decodeAnswer(s.reveal(other, requestBytes(t, middle)))
		require.NoError(t, err)
		require.Equal(t, CodeMalformed, answer.Code)
		require.ErrorIs(t, <-went, ErrTampered)
		require.Empty(t, d.Waiting())
		require.Len(t, d.door.failed, 1)
		near.Close()
	})
}

// Position two: the nonces and everything else, changed on the way. Any one changed byte of every third, in either direction, either ends
// the admission before both screens show digits, or comes after them and ends it then.
func TestChangedBytesEndIt(t *testing.T) {
	var up, down bytes.Buffer
	synctest.Test(t, func(t *testing.T) {
		joiner, inviter := net.Pipe()
		d := newDesk()
		a := d.ask(t.Context(), 1, &asking{joiner: recorded{joiner, &up}, inviter: recorded{inviter, &down}})
		_, err := d.Decide(t.Context(), d.only(t).ID, true)
		require.NoError(t, err)
		a.requireAdmitted(t)
	})
	for direction, size := range map[string]int{"up": up.Len(), "down": down.Len()} {
		for at := 1; at < size; at += 3 {
			synctest.Test(t, func(t *testing.T) {
				d := newDesk()
				a := &asking{}
				a.joiner, a.inviter = net.Pipe()
				if direction == "up" {
					a.joiner = &flipped{a.joiner, at}
				} else {
					a.inviter = &flipped{a.inviter, at}
				}
				d.ask(t.Context(), 1, a)
				if list := d.Waiting(); len(list) == 1 && a.showed {
					require.Equal(t, list[0].Digits, a.shown)
					_, _ = d.Decide(t.Context(), list[0].ID, true)
				}
				a.over.Wait()
				require.Error(t, a.acceptErr, "%s %d", direction, at)
				if a.kept { // only the last word was damaged
					if a.joinErr != nil {
						require.ErrorIs(t, a.joinErr, ErrUnconfirmed)
					}
					require.ErrorIs(t, a.acceptErr, ErrUnconfirmed)
					require.Len(t, d.admitted, 1)
				} else {
					require.Error(t, a.joinErr, "%s %d", direction, at)
				}
			})
		}
	}
}

// flipped turns the highest bit of one byte of what is written.
type flipped struct {
	net.Conn
	at int
}

func (f *flipped) Write(b []byte) (int, error) {
	if f.at >= 0 && f.at < len(b) {
		b = bytes.Clone(b)
		b[f.at] ^= 0x80
	}
	f.at -= len(b)
	return f.Conn.Write(b)
}

// Position three: keys. A relay with device keys of its own passes every byte on, and static keys without the right signature.
func TestOtherKeysFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk()
		near, far := net.Pipe()
		a := &asking{}
		a.over.Go(func() {
			defer far.Close()
			_, a.acceptErr = Reception{Requests: d.Requests}.Accept(t.Context(), Channel{Conn: far, Self: d.key, Peer: testKey(middle)}, d.admit)
		})
		_, a.joinErr = Ask(t.Context(), testRandom(1), Channel{Conn: near, Self: testKey(1), Peer: testKey(middle)}, privateKey(1), testRequest(nil), nil, nil)
		near.Close()
		a.over.Wait()
		require.ErrorIs(t, a.joinErr, ErrTampered)
		require.ErrorIs(t, a.acceptErr, ErrHungUp)
		require.Empty(t, d.addresses, "no nonce was revealed: no try")

		// A new till whose static key is signed by another device key than that of the connection.
		conn, went := d.visitor(1)
		s, second := knock(t, d, conn, 1, 1)
		s.key = privateKey(middle)
		third, _, _, err := s.third(second)
		require.NoError(t, err)
		require.NoError(t, writeFrame(conn, "", third))
		require.ErrorIs(t, <-went, ErrTampered)
		conn.Close()

		// The same on the other side.
		d.Requests.key = privateKey(middle)
		c, err := newComparison(false, privateKey(middle), testKey(1), d.key, make([]byte, seedLen))
		require.NoError(t, err)
		joiner, err := newComparison(true, privateKey(1), testKey(1), d.key, bytes.Repeat([]byte{7}, seedLen))
		require.NoError(t, err)
		first, err := joiner.first()
		require.NoError(t, err)
		reply, err := c.second(first)
		require.NoError(t, err)
		_, _, _, err = joiner.third(reply)
		require.ErrorIs(t, err, ErrTampered)
	})
}

// A first message with a key that agrees on nothing is refused in the open.
func TestUselessKeysAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk()
		conn, went := d.visitor(1)
		_, err := open(Channel{Conn: conn}, methodDigits, make([]byte, xxFirst))
		require.ErrorIs(t, err, ErrMalformed)
		require.ErrorIs(t, <-went, ErrMalformed)
		conn.Close()
	})
}

// What a new till once sent is worth nothing in another connection, and the same the other way round.
func TestRecordedRequestIsWorthNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk()
		var up, down bytes.Buffer
		joiner, inviter := net.Pipe()
		a := d.ask(t.Context(), 1, &asking{joiner: recorded{joiner, &up}, inviter: recorded{inviter, &down}})
		_, err := d.Decide(t.Context(), d.only(t).ID, true)
		require.NoError(t, err)
		a.requireAdmitted(t)

		require.ErrorIs(t, d.against(t, 1, up.Bytes()), ErrTampered)
		require.Empty(t, d.Waiting())
		require.Len(t, d.admitted, 1)

		near, far := net.Pipe()
		a = &asking{}
		a.over.Go(func() {
			defer near.Close()
			if _, _, err := readHead(near); err == nil {
				_, _ = near.Write(down.Bytes()) // refused half way is part of the test
			}
		})
		_, err = Ask(t.Context(), testRandom(9), Channel{Conn: far, Self: testKey(1), Peer: d.key}, privateKey(1), testRequest(nil), nopCompare(a), nil)
		require.ErrorIs(t, err, ErrTampered)
		far.Close()
		a.over.Wait()
		require.False(t, a.showed)
	})
}
