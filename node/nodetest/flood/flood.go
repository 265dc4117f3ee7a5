// Package flood plays a machine on the LAN that has no key of the shop and wants to stop it: it says random, forged,
// replayed and huge things to every port of a till that is open to the network. It knows what everybody there can know:
// addresses, the shop's ID, the tills' IDs, and what it recorded before.
//
// It is for tests and measurements of our own tills. It is bounded in time and rate, and sends multicast only on an
// interface that it is told.
//
// A test runs it as a process of its own, so that its memory and its work are not the tills': the test program is started
// again with the variable of [Config.Variable] and a test that only calls [FromEnvironment]; what it printed is read by
// [ReadReport]. On a machine that the tills share, start it with nice.
package flood

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// Environment is the variable that FromEnvironment reads a Config from, as JSON.
const Environment = "NODETEST_FLOOD"

const (
	maxTime = time.Minute
	// Rates per second, of each attack in all.
	packetRate = 3000
	callRate   = 150
	// callsOpen bounds the connections that one attack holds open at once.
	callsOpen = 48
)

// Config says what is attacked, and with what.
type Config struct {
	Links  []netip.AddrPort `json:"links"`  // where tills take links and pairing
	Gossip []netip.AddrPort `json:"gossip"` // where they gossip, TCP and UDP
	// Iface is the interface to flood with multicast DNS; empty: none.
	Iface string   `json:"iface,omitempty"`
	Shop  string   `json:"shop"`            // its ID, in text form
	Tills []string `json:"tills,omitempty"` // the IDs of its tills, in text form
	// Recorded are packets of gossip that tills sent; they are replayed as they are.
	Recorded [][]byte `json:"recorded,omitempty"`
	// Without leaves out the attacks whose names contain one of these: a till gives every address few places, and an
	// attack that holds them keeps others of the same machine out.
	Without []string      `json:"without,omitempty"`
	For     time.Duration `json:"for"` // at most a minute
	Seed    uint64        `json:"seed"`
}

// Report says how often each attack was made.
type Report map[string]uint64

// attack does something hostile again and again until ctx is done.
type attack struct {
	name string
	run  func(ctx context.Context, done *atomic.Uint64) error
}

// Run attacks until the time is over or ctx is done, with all attacks at once. Errors of the network are what an
// attacker expects; an error means that an attack could not begin.
func Run(ctx context.Context, c Config) (Report, error) {
	if c.For <= 0 || c.For > maxTime {
		return nil, fmt.Errorf("flood for %v: at most %v", c.For, maxTime)
	}
	ctx, cancel := context.WithTimeout(ctx, c.For)
	defer cancel()
	attacks := c.attacks()
	counts := make([]atomic.Uint64, len(attacks))
	failed := make([]error, len(attacks))
	var all sync.WaitGroup
	for i, a := range attacks {
		all.Go(func() {
			if err := a.run(ctx, &counts[i]); err != nil && ctx.Err() == nil {
				failed[i] = fmt.Errorf("%s: %w", a.name, err)
			}
		})
	}
	all.Wait()
	report := Report{}
	for i, a := range attacks {
		report[a.name] = counts[i].Load()
	}
	return report, errors.Join(failed...)
}

func (c Config) attacks() (list []attack) {
	if c.Iface != "" {
		list = append(list, c.multicastAttacks()...)
	}
	if len(c.Gossip) > 0 {
		list = append(list, c.gossipAttacks()...)
	}
	if len(c.Links) > 0 {
		list = append(list, c.linkAttacks()...)
	}
	return slices.DeleteFunc(list, func(a attack) bool {
		return slices.ContainsFunc(c.Without, func(part string) bool { return strings.Contains(a.name, part) })
	})
}

// Variable returns NAME=VALUE for the environment of the process that shall make the flood.
func (c Config) Variable() (string, error) {
	text, err := json.Marshal(c)
	if err != nil {
		return "", fmt.Errorf("describe the flood: %w", err)
	}
	return Environment + "=" + string(text), nil
}

// reportMark begins the line that holds the report.
const reportMark = "flood report: "

// ReadReport finds the report in what the process of a flood printed.
func ReadReport(output string) (Report, error) {
	for line := range strings.Lines(output) {
		text, ok := strings.CutPrefix(line, reportMark)
		if !ok {
			continue
		}
		var r Report
		if err := json.Unmarshal([]byte(text), &r); err != nil {
			return nil, fmt.Errorf("report of a flood: %w", err)
		}
		return r, nil
	}
	return nil, fmt.Errorf("the flood left no report, but: %.500s", output)
}

// FromEnvironment runs the flood that [Environment] describes and writes its report to w. It reports whether there
// was one to run.
func FromEnvironment(ctx context.Context, w io.Writer) (ran bool, err error) {
	text := os.Getenv(Environment)
	if text == "" {
		return false, nil
	}
	var c Config
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		return true, fmt.Errorf("%s: %w", Environment, err)
	}
	report, err := Run(ctx, c)
	if err != nil {
		return true, err
	}
	line, err := json.Marshal(report)
	if err == nil {
		_, err = fmt.Fprintf(w, "%s%s\n", reportMark, line)
	}
	return true, err
}

// paced calls do at a rate until ctx is done or do fails.
func paced(ctx context.Context, perSecond int, do func(n int) error) error {
	limit := rate.NewLimiter(rate.Limit(perSecond), perSecond/20+1)
	for n := 0; ; n++ {
		if err := limit.Wait(ctx); err != nil {
			return nil // the time is over
		}
		if err := do(n); err != nil {
			return err
		}
	}
}
