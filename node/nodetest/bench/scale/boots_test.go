//go:build bench

package scale

import (
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/node/nodetest/bench/figures"
)

// bootRows measure the context of a shop whose tills are started again and again, each start with one change: what it is
// with starts joined after audits, and what it would be without, of the very same commits.
func bootRows(t *testing.T, table *report) {
	const tills, auditEvery = 10, 10
	boots := sized(500, 20) // 5,000 in all
	if given := os.Getenv("BOOTS"); given != "" {
		var err error
		boots, err = strconv.Atoi(given)
		require.NoError(t, err)
	}
	p := plot{name: "context", title: fmt.Sprintf("Context of %d tills that start again and again", tills), x: "starts of each till",
		y: "kB", curves: []curve{{label: "starts joined"}, {label: "never joined"}}}
	s := newStepped(t, tills)
	most, began := 0, time.Now()
	var early, late time.Duration
	for b := 1; b <= boots; b++ {
		round := time.Now()
		for _, d := range s.nodes {
			d.restart()
			s.run()
			d.write()
		}
		if took := time.Since(round); b <= boots/10 {
			early += took
		} else if b > boots-boots/10 {
			late += took
		}
		most = max(most, s.contextSize())
		if b%auditEvery == 0 || b == boots {
			s.audit()
		}
		if b == 1 || b%max(1, boots/10) == 0 {
			p.add(0, float64(b), float64(s.contextSize())/1e3)
			p.add(1, float64(b), float64(len(s.unjoined.Append(nil)))/1e3)
		}
	}
	each := time.Since(began) / time.Duration(boots*tills)
	s.requireEqual()
	part := time.Duration(max(1, boots/10) * tills)
	table.add(fmt.Sprintf("context after %d starts of each of %d tills, audited every %d starts", boots, tills, auditEvery),
		fmt.Sprintf("%d B, at most %d B between audits", s.contextSize(), most),
		fmt.Sprintf("%d B if starts were never joined", len(s.unjoined.Append(nil))))
	table.add("  one start: ten tills compare states and take one change",
		fmt.Sprintf("%s in all; %s in the first tenth, %s in the last", figures.Duration(each), figures.Duration(early/part), figures.Duration(late/part)),
		"the same from first to last")
	p.draw(t)
}
