package nodetest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/node/client"
)

const (
	// commandTime bounds a command of the program that ends by itself.
	commandTime = 30 * time.Second
	// startTime is how long a till may take until it answers.
	startTime = time.Minute
	// stopTime is how long a till may take to end when it is asked to.
	stopTime = 20 * time.Second
	// Patience is how long tests wait for what should take a moment, on the slowest machine.
	Patience = 30 * time.Second
)

// Shop is a shop of real till processes.
type Shop struct {
	// Tills are those of the shop, in the order they came in. Tests read it.
	Tills []*Till

	t        testing.TB
	dir      string // holds all data directories and logs
	program  string
	launcher *launcher
	next     func() Place
	all      []*Till // also those that did not become members
}

// New makes a shop without tills on loopback.
func New(t testing.TB) *Shop {
	t.Helper()
	return NewOn(t, loopback(t))
}

// NewOn makes a shop without tills; next gives the place of each till that is made.
func NewOn(t testing.TB, next func() Place) *Shop {
	t.Helper()
	s := &Shop{t: t, dir: t.TempDir(), program: Program(t), launcher: newLauncher(), next: next}
	t.Cleanup(s.close)
	return s
}

// Open makes a shop of so many running tills on loopback that have met.
func Open(t testing.TB, tills int) *Shop {
	t.Helper()
	s := New(t)
	first := s.Found()
	for len(s.Tills) < tills {
		s.Join(first)
	}
	s.Equal()
	return s
}

// Run runs a subtest of the shop's test; what fails in the shop meanwhile ends that subtest.
func (s *Shop) Run(name string, f func(t *testing.T)) {
	s.t.Helper()
	parent, ok := s.t.(*testing.T)
	if !ok {
		s.t.Fatal("only a test has subtests")
	}
	parent.Run(name, func(t *testing.T) {
		s.t = t
		defer func() { s.t = parent }()
		f(t)
	})
}

func (s *Shop) close() {
	for _, till := range s.all {
		if till.process != nil {
			if err := till.process.Kill(); err != nil {
				s.t.Errorf("kill %s: %v", till.Name, err)
			}
		}
		till.http.CloseIdleConnections()
		till.judge()
	}
	s.launcher.close()
}

// Data returns a path for a data directory or a copy of one; nothing is there yet.
func (s *Shop) Data(name string) string { return filepath.Join(s.dir, name) }

// NewTill prepares a till with the next name, directory and place. It is not yet part of the shop.
func (s *Shop) NewTill() *Till {
	n := len(s.all) + 1
	till := &Till{
		Name: fmt.Sprintf("Kasse %d", n), Place: s.next(), shop: s,
		Data: s.Data(fmt.Sprintf("till%d", n)), State: s.Data(fmt.Sprintf("till%d.state", n)), log: s.Data(fmt.Sprintf("till%d.log", n)),
	}
	dial := till.Place.Dial
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	till.http = &http.Transport{DialContext: dial, MaxIdleConnsPerHost: 64, IdleConnTimeout: time.Minute}
	s.all = append(s.all, till)
	return till
}

// Found founds the shop on a new till and starts it.
func (s *Shop) Found() *Till {
	s.t.Helper()
	till := s.NewTill()
	out := till.Exec("init", "--data", till.Data, "--shop", "Café Möwe", "--name", till.Name)
	require.Zero(s.t, out.Code, "till init: %s", out.Stderr)
	till.start()
	s.Tills = append(s.Tills, till)
	return till
}

// Join lets a new till join by a token of the given one and starts it.
func (s *Shop) Join(by *Till) *Till {
	s.t.Helper()
	till := s.NewTill()
	out := till.Exec(till.JoinArgs(by, s.Invite(by))...)
	require.Zero(s.t, out.Code, "till join: %s", out.Stderr)
	till.start()
	s.Tills = append(s.Tills, till)
	return till
}

// Invite returns a token that admits one till.
func (s *Shop) Invite(by *Till) string {
	s.t.Helper()
	invitation, err := by.API().Invite(s.t.Context())
	require.NoError(s.t, err, "invite at %s", by.Name)
	require.NotEmpty(s.t, invitation.Token)
	return invitation.Token
}

// Equal waits until the given tills, or all of the shop, are linked with all others and hold the same.
func (s *Shop) Equal(tills ...*Till) {
	s.t.Helper()
	s.EqualWithin(Patience, tills...)
}

// EqualWithin is Equal with another patience. It returns how long it took.
func (s *Shop) EqualWithin(patience time.Duration, tills ...*Till) time.Duration {
	s.t.Helper()
	if len(tills) == 0 {
		tills = s.Tills
	}
	begin := time.Now()
	var same time.Duration // until they held the same, whether or not they knew
	Eventually(s.t, patience, "the tills are equal", func() error {
		err := s.differ(s.t.Context(), tills, true)
		if _, unequal := errors.AsType[differError](err); same == 0 && !unequal {
			same = time.Since(begin)
		} else if unequal {
			same = 0
		}
		return err
	})
	took := time.Since(begin)
	if took-same > time.Second {
		s.t.Logf("the tills held the same after %v, and knew it after %v", same.Round(time.Millisecond), took.Round(time.Millisecond))
	}
	return took
}

// differError says that two tills hold different things.
type differError struct{ one, other string }

func (e differError) Error() string { return e.one + ", " + e.other }

// Agree waits until the given tills hold the same, whether or not others of the shop are away.
func (s *Shop) Agree(tills ...*Till) {
	s.t.Helper()
	Eventually(s.t, Patience, "the tills agree", func() error { return s.differ(s.t.Context(), tills, false) })
}

// differ says why the tills are not equal. If all is set, each must also be linked with all active tills of the shop
// and call itself equal.
func (s *Shop) differ(ctx context.Context, tills []*Till, all bool) error {
	var first client.Status
	var seen []client.Status
	for i, till := range tills {
		if !till.Running() {
			return ended(till)
		}
		status, err := till.api.Status(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", till.Name, err)
		}
		if i == 0 {
			first = status
		}
		if status.StateHash == "" || status.StateHash != first.StateHash {
			return differError{holds(tills[0], first), holds(till, status)}
		}
		seen = append(seen, status)
	}
	if !all {
		return nil
	}
	for i, status := range seen {
		till := tills[i]
		if len(status.Peers) != len(s.Tills)-1 {
			return fmt.Errorf("%s knows %d other tills, not %d", till.Name, len(status.Peers), len(s.Tills)-1)
		}
		for _, p := range status.Peers {
			switch {
			case !p.Linked:
				return fmt.Errorf("%s is not linked with %s", till.Name, p.Name)
			case p.Pulling:
				return fmt.Errorf("%s is still pulling from %s", till.Name, p.Name)
			}
		}
		if !status.Equal {
			return fmt.Errorf("%s does not call itself equal with all others, although they hold the same", till.Name)
		}
	}
	return nil
}

func holds(till *Till, status client.Status) string {
	return fmt.Sprintf("%s holds %.8s", till.Name, status.StateHash)
}

// errEnded means that a till that should run does not.
var errEnded = errors.New("the process has ended by itself")

func ended(till *Till) error { return fmt.Errorf("%s: %w", till.Name, errEnded) }

// Eventually waits until holds returns nil and fails the test with its last error after the given time, or at once if
// a till has ended by itself. holds runs on the goroutine of the caller.
func Eventually(t testing.TB, within time.Duration, what string, holds func() error) {
	t.Helper()
	if err := Await(t.Context(), within, holds); err != nil {
		t.Fatalf("not within %v: %s: %v", within, what, err)
	}
}

// Await waits until holds returns nil and returns its last error after the given time. It may be called from any
// goroutine.
func Await(ctx context.Context, within time.Duration, holds func() error) error {
	late := time.NewTimer(within)
	defer late.Stop()
	pause := time.NewTicker(10 * time.Millisecond)
	defer pause.Stop()
	for {
		err := holds()
		if err == nil || errors.Is(err, errEnded) {
			return err
		}
		select {
		case <-pause.C:
		case <-late.C:
			return err
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		}
	}
}
