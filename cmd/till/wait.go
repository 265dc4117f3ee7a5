package main

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"os"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/node"
	"github.com/tillmesh/tillmesh/node/api"
)

// wait lists the shops on the network, as they change, and asks the only one, or the one that was named, for admission by six
// digits, until the directory belongs to a shop: through that, or "till init" or "till join" in another window. Meanwhile the
// HTTP interface says how far it is. nil without ctx being done means that there is a shop now.
func (r *runCommand) wait(ctx context.Context, c *console, d *door, log *slog.Logger) error {
	want, err := parseShop(r.Shop)
	if err != nil {
		return err
	}
	name := r.Name
	if name == "" {
		if name, err = os.Hostname(); err != nil || name == "" {
			name = "New till"
		}
	}
	// What cannot be printed any more is no reason to stop: nobody looks, and the HTTP interface says it too.
	told := ""
	waiter, err := node.NewWaiter(node.JoinOptions{
		Data: r.Data, StateDir: r.State, Name: name, Peers: r.Peer, Iface: r.Iface, NoMDNS: r.NoMDNS, Version: version, Log: log, Shop: want,
	}, func(s node.WaitingState) {
		result, text := waitingText(s, r.Data)
		if text == told {
			return
		}
		told = text
		if err := c.print(result, text); err != nil {
			log.Debug("the state was not printed", "error", err)
		}
	})
	if err != nil {
		return err
	}
	d.show(api.NoShop(api.Options{Version: version, Log: log, Hosts: r.Host}, waiter.State, waiter.Ask))
	return waiter.Run(ctx)
}

func parseShop(id string) (crdt.ShopID, error) {
	if id == "" {
		return crdt.ShopID{}, nil
	}
	shop, err := crdt.ParseShopID(id)
	if err != nil {
		return shop, usage(fmt.Errorf("--shop %q is no ID of a shop: %w", id, err), `"till status" at a till of the shop shows it`)
	}
	return shop, nil
}

// waitingLine is what a till prints while it belongs to no shop.
type waitingLine struct {
	Found   []foundShop `json:"found"`
	Phase   string      `json:"phase"`
	Digits  string      `json:"digits,omitempty"`
	Problem string      `json:"problem,omitempty"`
}

type foundShop struct {
	ID    string `json:"shop_id"`
	Tills int    `json:"tills"`
}

func waitingText(s node.WaitingState, data string) (waitingLine, string) {
	out := waitingLine{Found: []foundShop{}, Phase: s.Phase}
	text := ""
	for _, shop := range s.Found {
		out.Found = append(out.Found, foundShop{shop.ID.String(), len(shop.Tills)})
		text += fmt.Sprintf("found on the network: shop %s with %s\n", shop.ID, count(len(shop.Tills), "till"))
	}
	switch s.Phase {
	case node.PhaseSearching:
		if text == "" {
			text = "no shop was found on the network yet\n"
		}
		text += fmt.Sprintf("%s belongs to no shop: run \"till join --data %s\" with a token of one, or \"till init\" to found one\n", data, data)
	case node.PhaseChoose:
		text += fmt.Sprintf("%s belongs to no shop, and there are several: say which one to ask with --shop ID\n", data)
	case node.PhaseAsking:
		text += "asking to join\n"
	case node.PhaseWaiting:
		out.Digits = s.Digits.String()
		text = digitsText(out.Digits)
	case node.PhaseFailed:
		out.Problem = oneLine(s.Err.Error())
		text = "not joined: " + out.Problem + "\n"
		if !s.Again.IsZero() {
			text += fmt.Sprintf("asking again at %s\n", s.Again.Local().Format("15:04:05"))
		} else {
			text += "start it again to ask once more\n"
		}
	}
	return out, text
}

// digitsText shows digits and what to do with them.
func digitsText(digits string) string {
	return fmt.Sprintf("\n    %s\n\nA till of the shop shows this request (till admit). If it shows the same digits, say yes there.\n", cmp.Or(digits, "--- ---"))
}
