package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/node"
	"github.com/tillmesh/tillmesh/node/client"
	"github.com/tillmesh/tillmesh/node/pairing"
)

func TestRequestsAreShownDigitsFirst(t *testing.T) {
	require.Equal(t, "no new till waits here\n", requestsText(client.Requests{}, noon))
	text := requestsText(client.Requests{
		Items:       []client.JoinRequest{{ID: "7z3k", Digits: "048 213", Name: "Garten", Address: "192.0.2.7", Since: before(time.Minute), Replaces: "x"}},
		Replaceable: []client.Replaceable{{Prefix: "K3", Name: "Kasse 3", State: "active"}},
	}, noon)
	require.Equal(t, `
    048 213

request 7z3k, asked 1 min ago from 192.0.2.7 by a machine that calls itself
  Garten
it wants to take the place of a till that this shop does not know
the same digits on its screen: till admit --yes 7z3k
not the same, or not yours:    till admit --no 7z3k

if it takes the place of a till that is gone, say so: till admit --yes ID --replaces ...
  K3  Kasse 3 (active)
`, text)
	require.Contains(t, requestsText(client.Requests{ClosedUntil: before(0)}, noon), "till admit --open")
}

func TestDeparturesSayWhatMayBeLost(t *testing.T) {
	d := client.Departed{Name: "Kasse 5", Prefix: "K5", Series: []client.SeriesEnd{{Prefix: "K5", LastNumber: "K5-000050", N: 50}, {Prefix: "K5b"}}}
	d.State, d.At, d.By = "revoked", before(0), "Kasse 1"
	text := departedText(d, noon)
	require.Contains(t, text, "Kasse 5 (K5) is revoked, since ")
	require.Contains(t, text, "up to K5-000050\nno receipt K5b-… is held here\nwhat it sold after that, if anything, only it holds\n")
	d.EqualAt = before(2 * time.Hour)
	require.Contains(t, departedText(d, noon), "last held the same 2 h ago")
	d.Equal, d.State, d.Again = true, "retired", true
	require.Contains(t, departedText(d, noon), "is retired already")
	require.Contains(t, departedText(d, noon), "nothing is lost")
}

func TestTheDigitsAreComparedOnATerminal(t *testing.T) {
	for typed, joins := range map[string]bool{"y\n": true, " YES \n": true, "ja\n": true, "n\n": false, "\n": false, "": false, "048 213\n": false} {
		var out bytes.Buffer
		c := &console{err: &out, in: strings.NewReader(typed), person: true}
		err := c.compare(t.Context(), pairing.Digits(48213), true)
		require.Contains(t, out.String(), "\n    048 213\n")
		require.Contains(t, out.String(), "[y/N]")
		require.Equal(t, joins, err == nil, "%q", typed)
		if !joins {
			require.ErrorIs(t, err, errOtherDigits)
		}
		require.NoError(t, c.compare(t.Context(), 1, false), "--yes")
		c.person = false
		require.NoError(t, c.compare(t.Context(), 1, true), "without a terminal nobody is asked")
	}
}

func TestAWaitingTillSaysHowFarItIs(t *testing.T) {
	line, text := waitingText(node.WaitingState{Phase: node.PhaseWaiting, Digits: 7}, "d")
	require.Equal(t, "000 007", line.Digits)
	require.Contains(t, text, "\n    000 007\n")
	_, text = waitingText(node.WaitingState{Phase: node.PhaseChoose}, "d")
	require.Contains(t, text, "--shop ID")
	line, text = waitingText(node.WaitingState{Phase: node.PhaseFailed, Err: errors.New("One.\nTwo")}, "d")
	require.Equal(t, "One; Two", line.Problem)
	require.Contains(t, text, "start it again")
	_, text = waitingText(node.WaitingState{Phase: node.PhaseFailed, Err: errors.New("x"), Again: noon}, "d")
	require.Contains(t, text, "asking again at")
}

func TestMembersUsage(t *testing.T) {
	for args, want := range map[string]string{
		"admit --yes a --no b --data x":                           "--yes and --no can't be used together",
		"admit --replaces K3 --data x":                            "--replaces goes with --yes",
		"revoke --data x":                                         "expected \"<till>\"",
		"join --data x --name y --replaces K3 --peer 127.0.0.1:1": "--replaces \"K3\" is no ID of a till",
		"join --data x --name y --shop K3":                        "--shop \"K3\" is no ID of a shop",
	} {
		got := till(t, strings.Fields(args)...)
		require.Equal(t, exitUsage, got.code, args)
		require.Contains(t, got.err, want, args)
	}
}
