package pairing

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func nopCompare(a *asking) Compare {
	return func(_ context.Context, digits Digits) error {
		a.shown, a.showed = digits, true
		return nil
	}
}

func TestThreeTriesCloseTheDoor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk()
		for i := range byte(MaxTries) {
			a := d.fails(t, i+1)
			if i < MaxTries-1 {
				require.NotErrorIs(t, a.acceptErr, ErrDoorClosed)
			} else {
				require.ErrorIs(t, a.acceptErr, ErrDoorClosed)
			}
		}
		until, closed := d.Closed()
		require.True(t, closed)
		require.Equal(t, time.Now().Add(TriesWindow), until)
		a := d.ask(t.Context(), 9, &asking{})
		a.over.Wait()
		require.ErrorIs(t, a.joinErr, ErrDoorClosed)
		require.ErrorIs(t, a.acceptErr, ErrDoorClosed)
		require.False(t, a.showed)

		time.Sleep(TriesWindow - 1)
		a = d.ask(t.Context(), 9, &asking{})
		a.over.Wait()
		require.ErrorIs(t, a.joinErr, ErrDoorClosed)
		time.Sleep(time.Nanosecond)
		_, closed = d.Closed()
		require.False(t, closed)
		d.requireAdmits(t, 9)
	})
}

func TestOldTriesAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk()
		for range 3 * MaxTries {
			d.fails(t, 1)
			time.Sleep(TriesWindow / (MaxTries - 1))
		}
		_, closed := d.Closed()
		require.False(t, closed)
		d.requireAdmits(t, 1)
	})
}

// One machine closes the door, somebody opens it: the machine cannot close it again, and gets in if it is an honest one.
func TestReopenedDoorIsNotClosedByOneAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk()
		for range MaxTries {
			d.fails(t, 1)
		}
		for range 4 {
			changes := d.changes
			d.Reopen()
			require.Greater(t, d.changes, changes)
			d.fails(t, 1)
			a := d.ask(t.Context(), 1, &asking{})
			a.over.Wait()
			require.ErrorIs(t, a.joinErr, ErrDoorClosed, "the address is barred")
			_, closed := d.Closed()
			require.False(t, closed)
			d.requireAdmits(t, 2)
		}
		d.Reopen()
		d.requireAdmits(t, 1)
	})
}

// A flood of strangers, from many addresses: the honest request that waits goes through, nobody is pushed out, and what is
// remembered stays small.
func TestFloodDoesNotPushOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk()
		honest := d.ask(t.Context(), 1, &asking{seed: 1})
		again := d.ask(t.Context(), 1, &asking{seed: 2}) // its first connection may be dead
		third := d.ask(t.Context(), 1, &asking{seed: 3})
		third.over.Wait()
		require.ErrorIs(t, third.joinErr, ErrBusy)
		require.ErrorIs(t, third.acceptErr, ErrBusy)

		var strangers []*asking
		for i := range byte(200) {
			strangers = append(strangers, d.ask(t.Context(), 2+i%97, &asking{seed: i, name: "Kasse 482 913"}))
			require.LessOrEqual(t, len(d.Waiting()), MaxWaiting)
			require.LessOrEqual(t, len(d.seats), MaxWaiting)
		}
		waiting := 0
		for _, a := range strangers {
			if a.showed {
				waiting++
				continue
			}
			a.over.Wait()
			require.ErrorIs(t, a.joinErr, ErrBusy)
		}
		require.Equal(t, MaxWaiting-2, waiting)

		list := d.Waiting()
		require.Equal(t, honest.shown, list[0].Digits)
		require.Equal(t, "Kasse ### ###", list[7].Name)
		_, err := d.Decide(t.Context(), list[0].ID, true)
		require.NoError(t, err)
		honest.requireAdmitted(t)

		for _, w := range list[1:] {
			_, err := d.Decide(t.Context(), w.ID, false)
			require.NoError(t, err)
		}
		again.over.Wait()
		for _, a := range strangers {
			a.over.Wait()
		}
		require.Empty(t, d.seats)
		require.LessOrEqual(t, len(d.addresses), MaxWaiting)
		_, closed := d.Closed()
		require.True(t, closed)
		d.Reopen()
		d.requireAdmits(t, 1)
		time.Sleep(TriesWindow)
		d.fails(t, 1)
		require.Len(t, d.addresses, 1, "the others are forgotten")
	})
}

// Whoever does not get as far as the till's nonce takes no seat and costs no try.
func TestSilentStrangersTakeNoSeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk()
		for i := range byte(20) {
			conn, _ := d.visitor(i + 1)
			defer conn.Close()
			_, _ = knock(t, d, conn, i+1, i)
		}
		require.Empty(t, d.seats)
		d.requireAdmits(t, 99)

		// Two strangers pass the first look together, and there is one seat left: the door is looked at again.
		var late []*stranger
		var seconds [][]byte
		var ends []<-chan error
		for i := range byte(MaxWaiting + 1) {
			conn, went := d.visitor(100 + i)
			defer conn.Close()
			s, second := knock(t, d, conn, 100+i, i)
			late, seconds, ends = append(late, s), append(seconds, second), append(ends, went)
		}
		for i, s := range late {
			if i < MaxWaiting {
				s.commit(seconds[i])
				continue
			}
			third, out, into, err := s.third(seconds[i])
			require.NoError(t, err)
			s.out, s.into = out, into
			require.NoError(t, writeFrame(s.conn, "", third))
			_, err = s.expect("")
			require.ErrorIs(t, err, ErrBusy)
			require.ErrorIs(t, <-ends[i], ErrBusy)
		}
		require.Len(t, d.seats, MaxWaiting)
		for i, s := range late[:MaxWaiting] {
			s.conn.Close()
			require.Error(t, <-ends[i])
		}
		require.Empty(t, d.seats)
	})
}

func TestDoorThatClosedMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk()
		conn, went := d.visitor(50)
		s, second := knock(t, d, conn, 50, 1)
		for i := range byte(MaxTries) {
			d.fails(t, i+1)
		}
		third, out, into, err := s.third(second)
		require.NoError(t, err)
		s.out, s.into = out, into
		require.NoError(t, writeFrame(conn, "", third))
		_, err = s.expect("")
		require.ErrorIs(t, err, ErrDoorClosed)
		require.ErrorIs(t, <-went, ErrDoorClosed)
		conn.Close()
	})
}
