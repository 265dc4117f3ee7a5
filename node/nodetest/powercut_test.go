//go:build linux

package nodetest_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/node/client"
	"github.com/tillmesh/tillmesh/node/nodetest"
)

const (
	// envRestarts says how often tills are killed, 8 if it is not set; make check sets 200.
	envRestarts = "TILLMESH_RESTARTS"
	// pace is how often each of three tills sells: 20 receipts a second in total.
	pace = 150 * time.Millisecond
)

// seller sells at one till without looking back, as a queue of customers does.
type seller struct {
	till *nodetest.Till
	tea  string

	mu    sync.Mutex
	acked map[string]string // number -> hash of the document, as the till answered
	tries int
	full  int // sales refused for want of room
}

func (s *seller) run(ctx context.Context) {
	tick := time.NewTicker(pace)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s.sell(ctx)
		}
	}
}

// sell sells once. What fails on the way is left as it is: the customer goes to another till.
func (s *seller) sell(ctx context.Context) {
	ctx, done := context.WithTimeout(ctx, 5*time.Second)
	defer done()
	s.mu.Lock()
	s.tries++
	s.mu.Unlock()
	tab, err := s.till.API().OpenTab(ctx, client.NewTab{})
	if err == nil {
		_, err = s.till.API().AddLine(ctx, tab.ID, client.NewLine{Article: s.tea})
	}
	var r client.Receipt
	if err == nil {
		r, err = s.till.API().CloseTab(ctx, tab.ID, client.Close{Payments: []client.Payment{{Type: "Bar", Amount: 310}}})
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		s.acked[r.Number] = r.Hash
	} else if client.CodeOf(err) == "disk-full" {
		s.full++
	}
}

// TestPowerCuts is scenario 9 with real processes: three tills sell 20 receipts a second while they are killed at random
// and the disk of one is full for a while. Every receipt that was acknowledged is there afterwards, on every till.
func TestPowerCuts(t *testing.T) {
	t.Parallel()
	restarts := 8
	if n := os.Getenv(envRestarts); n != "" {
		var err error
		restarts, err = strconv.Atoi(n)
		require.NoError(t, err, envRestarts)
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	chance := rand.New(rand.NewPCG(seed, 9))
	mount, small := nodetest.SmallDisk(t, smallDisk) // first, so that it is unmounted last
	s := nodetest.New(t)
	first := s.Found()
	tea := first.PutArticle("Assam", 310, first.PutTax(1900))
	s.Join(first)
	if small {
		joinOn(t, s, first, mount)
	} else {
		s.Join(first)
	}
	s.Equal()

	selling, stop := context.WithCancel(t.Context())
	defer stop()
	var all sync.WaitGroup
	var sellers []*seller
	for _, till := range s.Tills {
		one := &seller{till: till, tea: tea, acked: make(map[string]string)}
		sellers = append(sellers, one)
		all.Go(func() { one.run(selling) })
	}
	defer all.Wait()
	tried := func() (n int) {
		for _, one := range sellers {
			one.mu.Lock()
			n += one.tries
			one.mu.Unlock()
		}
		return n
	}
	var free func()
	for n := range restarts {
		more := tried() + 4 + chance.IntN(10) // when the power is cut nobody chooses
		nodetest.Eventually(t, nodetest.Patience, "they sell", func() error {
			if tried() < more {
				return errNotYet
			}
			return nil
		})
		if small && n == restarts/3 {
			free = nodetest.FillDisk(t, mount, 2)
		}
		if free != nil && n == 2*restarts/3 {
			free()
			free = nil
		}
		till := s.Tills[chance.IntN(len(s.Tills))]
		till.Kill()
		if free != nil && till == s.Tills[2] {
			till.Spawn(till.RunArgs()...) // it only says that it cannot sell
			continue
		}
		till.Start()
	}
	if free != nil {
		free()
	}
	nodetest.Eventually(t, nodetest.Patience, "all tills sell again", func() error {
		for _, till := range s.Tills {
			if status, err := till.API().Status(t.Context()); err != nil || status.Halted != nil {
				return fmt.Errorf("%s: %v, halted: %v", till.Name, err, status.Halted)
			}
		}
		return nil
	})
	stop()
	all.Wait()
	s.Equal()

	acked, tries, refused := 0, 0, 0
	for _, one := range sellers {
		acked, tries, refused = acked+len(one.acked), tries+one.tries, refused+one.full
	}
	t.Logf("%d kills, %d sales tried, %d receipts acknowledged, %d refused for want of room", restarts, tries, acked, refused)
	require.NotZero(t, acked)
	if small {
		require.NotZero(t, refused, "the till with the full disk refuses")
	}
	for _, till := range s.Tills {
		receipts, err := till.API().AllReceipts(t.Context(), client.List{})
		require.NoError(t, err)
		requireNumbers(t, receipts)
		there := make(map[string]bool, len(receipts))
		for _, r := range receipts {
			there[r.Number] = true
			require.EqualValues(t, 310, r.Gross, "no half receipt shows as paid: %s", r.Number)
		}
		for _, one := range sellers {
			for number := range one.acked {
				require.True(t, there[number], "%s was acknowledged by %s and is not on %s", number, one.till.Name, till.Name)
			}
		}
	}
	for _, one := range sellers {
		for number, hash := range one.acked {
			for _, till := range s.Tills {
				r, err := till.API().Receipt(t.Context(), number)
				require.NoError(t, err)
				require.Equal(t, hash, r.Hash, "%s on %s", number, till.Name)
			}
			break // one of each till is read whole
		}
	}
}
