package simulated

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/node/terminal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func id(n uint64) (id crdt.ObjectID) {
	for i := range 8 {
		id[i] = byte(n >> (8 * i))
	}
	return id
}

func request(n uint64, amount int64) terminal.Request {
	return terminal.Request{Payment: id(n), Kind: terminal.Authorise, Amount: amount, Currency: "EUR"}
}

// named returns the first payment with a fate, under seed 7.
func named(t *testing.T, fate string) uint64 {
	t.Helper()
	for n := uint64(1); n < 10_000; n++ {
		if fateOf(7, id(n)).name == fate {
			return n
		}
	}
	t.Fatalf("no payment is %s", fate)
	return 0
}

func device(t *testing.T, c Config) *Device {
	t.Helper()
	d, err := NewDevice(c)
	require.NoError(t, err)
	return d
}

func inBubble(d *Device) *Terminal {
	began := time.Now()
	return &Terminal{Device: d, Now: func() time.Duration { return time.Since(began) }, Wait: wait}
}

func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

func TestWhatIsToldIsWhatIsInTheBook(t *testing.T) {
	for _, f := range fates {
		name := f.make(12345).name
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := device(t, Config{Name: "T", Seed: 7})
				term, r := inBubble(d), request(named(t, name), 1230)
				told, err := term.Ask(t.Context(), r)
				time.Sleep(2 * time.Minute)
				found, queried := term.Query(t.Context(), r)
				require.NoError(t, queried, "after a while it answers")
				book, bookErr := d.Book(term.Now())
				require.NoError(t, bookErr)
				require.Len(t, book, 1)
				require.Equal(t, book[0].State, found.State)
				require.NotEqual(t, terminal.Pending, found.State)
				if err == nil {
					require.Equal(t, found, told)
				} else {
					require.ErrorIs(t, err, terminal.ErrNoAnswer)
				}
				again, err := term.Ask(t.Context(), r)
				if err == nil {
					require.Equal(t, found, again, "asked twice it does not take the money twice")
				}
				want := map[string]terminal.State{"quick": terminal.Captured, "slow": terminal.Captured, "late": terminal.Captured, "declined": terminal.Declined,
					"answer lost": terminal.Captured, "answered twice": terminal.Captured, "request lost": terminal.Absent}[name]
				if want != "" {
					require.Equal(t, want, found.State)
				}
			})
		})
	}
}

func TestWhatIsNotKnownIsRefusedFromThenOn(t *testing.T) {
	d := device(t, Config{Name: "T"})
	o, err := d.Look(0, id(1))
	require.NoError(t, err)
	require.Equal(t, terminal.Absent, o.State)
	_, err = d.Begin(time.Second, request(1, 500))
	require.NoError(t, err, "the request was on its way")
	o, err = d.Look(time.Hour, id(1))
	require.NoError(t, err)
	require.Equal(t, terminal.Absent, o.State)
}

func TestCancel(t *testing.T) {
	d := device(t, Config{Name: "T"})
	_, err := d.Begin(0, request(1, 500))
	require.NoError(t, err)
	require.NoError(t, d.Cancel(100*time.Millisecond, id(1)))
	o, err := d.Look(time.Hour, id(1))
	require.NoError(t, err)
	require.Equal(t, terminal.Declined, o.State)
	_, err = d.Begin(0, request(2, 500))
	require.NoError(t, err)
	require.NoError(t, d.Cancel(time.Second, id(2)), "too late")
	o, err = d.Look(time.Hour, id(2))
	require.NoError(t, err)
	require.Equal(t, terminal.Captured, o.State)
	require.NotEmpty(t, o.Trace)
	require.NotEmpty(t, o.Customer)
}

func TestAPaymentIsReversedOnce(t *testing.T) {
	d := device(t, Config{Name: "T"})
	back := func(n, of uint64, amount int64) terminal.State {
		_, err := d.Begin(0, terminal.Request{Payment: id(n), Kind: terminal.Reverse, Amount: amount, Currency: "EUR", Of: id(of)})
		require.NoError(t, err)
		o, err := d.Look(time.Hour, id(n))
		require.NoError(t, err)
		return o.State
	}
	_, err := d.Begin(0, request(1, 500))
	require.NoError(t, err)
	_, err = d.Look(time.Hour, id(1))
	require.NoError(t, err)
	require.Equal(t, terminal.Declined, back(10, 2, 500), "there is no such payment")
	require.Equal(t, terminal.Declined, back(11, 1, 400), "not in part")
	require.Equal(t, terminal.Captured, back(12, 1, 500))
	require.Equal(t, terminal.Declined, back(13, 1, 500))
	book, err := d.Book(time.Hour)
	require.NoError(t, err)
	var sum int64
	for _, e := range book {
		sum += e.Signed()
	}
	require.Zero(t, sum)
}

func TestTheBookOutlivesTheProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "book")
	f, err := OpenFile(path, "T", 0)
	require.NoError(t, err)
	for n := range uint64(3) {
		_, err = f.Device().Begin(0, request(n+1, 100))
		require.NoError(t, err)
	}
	before, err := f.Device().Look(time.Hour, id(1))
	require.NoError(t, err)
	require.NoError(t, f.Close())
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, append(b, `{"payment":"torn`...), 0o600))

	again, err := OpenFile(path, "T", 0)
	require.NoError(t, err)
	defer func() { require.NoError(t, again.Close()) }()
	after, err := again.Device().Look(0, id(1))
	require.NoError(t, err)
	require.Equal(t, before, after)
	undone, err := again.Device().Look(time.Second, id(2))
	require.NoError(t, err)
	require.Equal(t, terminal.Captured, undone.State, "what was not decided is decided soon")
	_, err = NewDevice(Config{Book: [][]byte{[]byte("no JSON")}})
	require.Error(t, err)
}

// Whatever a till does in whatever order: the book never changes its mind, and never takes money it was not asked for.
func TestDecidedIsDecided(t *testing.T) {
	for seed := range uint64(300) {
		d := device(t, Config{Name: "T", Seed: seed})
		final := make(map[crdt.ObjectID]terminal.State)
		asked := make(map[crdt.ObjectID]int64)
		rand := seed*2862933555777941757 + 3037000493
		now := time.Duration(0)
		for range 200 {
			rand = rand*6364136223846793005 + 1442695040888963407
			n, what := rand>>33%12+seed*100, rand>>20%4
			now += time.Duration(rand>>40%3000) * time.Millisecond
			switch what {
			case 0:
				if _, err := d.Begin(now, request(n, 100)); err == nil {
					asked[id(n)] = 100
				}
			case 1:
				_ = d.Cancel(now, id(n)) // it may be down
			default:
				o, err := d.Look(now, id(n))
				if err != nil {
					require.ErrorIs(t, err, terminal.ErrNoAnswer, "seed %d", seed)
					continue
				}
				if was, decided := final[id(n)]; decided {
					require.Equal(t, was, o.State, "seed %d", seed)
				}
				if o.State != terminal.Pending {
					final[id(n)] = o.State
				}
			}
		}
		book, err := d.Book(now + time.Hour)
		require.NoError(t, err)
		for _, e := range book {
			if e.State == terminal.Captured {
				require.Equal(t, asked[e.Payment], e.Amount, "seed %d", seed)
			}
		}
	}
}

func TestOverTCP(t *testing.T) {
	began := time.Now()
	d := device(t, Config{Name: "T17"})
	term := &Terminal{Device: d, Now: func() time.Duration { return time.Since(began) }, Wait: wait}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- (Server{term}).Run(ctx, l) }()
	link := NewLink(l.Addr().String())
	_, err = link.Mark(t.Context())
	require.NoError(t, err)
	o, err := link.Ask(t.Context(), request(1, 990))
	require.NoError(t, err)
	require.Equal(t, terminal.Captured, o.State)
	again, err := link.Query(t.Context(), request(1, 990))
	require.NoError(t, err)
	require.Equal(t, o, again)
	require.NoError(t, link.Cancel(t.Context(), id(1)))
	_, err = link.Ask(t.Context(), request(2, 0))
	require.ErrorContains(t, err, "no amount")
	cancel()
	require.NoError(t, <-ended)
	_, err = link.Query(t.Context(), request(1, 990))
	require.ErrorIs(t, err, terminal.ErrNoAnswer)
}
