package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"sync"
	"time"

	"github.com/tillmesh/tillmesh/node/client"
)

const shopName = "Café Morgenrot"

// shop is the shop of the demo: its tills and what is between them.
type shop struct {
	tills    []*till
	cloud    *cloud   // nil: none
	sold     []string // numbers of all receipts of the play
	relays   *relays
	launcher *launcher
	report   *reporter
}

// newShop prepares the tills below dir, and the cloud if there is one; nothing is started yet.
func newShop(dir string, o Options, r *reporter) (*shop, error) {
	var hosts []host
	for i := range o.Tills {
		hosts = append(hosts, hostOf(i+1))
	}
	web, err := freeHTTP(o.Tills + 2)
	if err != nil {
		return nil, err
	}
	between, err := openRelays(hosts)
	if err != nil {
		return nil, err
	}
	s := &shop{relays: between, launcher: &launcher{name: "till", program: o.Program, state: filepath.Join(dir, "state"), starts: make(chan start)}, report: r}
	bell := newBell()
	for i, h := range hosts {
		base := filepath.Join(dir, fmt.Sprintf("till%d", i+1))
		s.tills = append(s.tills, &till{
			index: i, name: fmt.Sprintf("Kasse %d", i+1), host: h, http: web[i], bell: bell, data: base, log: base + ".log",
		})
	}
	if o.Cloud == "" {
		return s, nil
	}
	if s.cloud, err = newCloud(dir, o.Cloud, s.launcher, web[o.Tills:]); err != nil {
		return nil, errors.Join(err, between.close())
	}
	return s, nil
}

// setUp founds the shop on the first till, admits the others, and fills it.
func (s *shop) setUp(ctx context.Context) error {
	first := s.tills[0]
	err := s.tell(fmt.Sprintf("%s founds the shop %s and starts", first.name, shopName), func() error {
		_, err := s.launcher.command(ctx, "init", "--data", first.data, "--shop", shopName, "--name", first.name,
			"--country", "DE", "--currency", "EUR", "--json")
		if err != nil {
			return err
		}
		return s.start(ctx, first)
	})
	if err != nil {
		return err
	}
	for _, t := range s.tills[1:] {
		err := s.tell(fmt.Sprintf("%s is invited by %s, joins and starts", t.name, first.name), func() error {
			if err := s.admit(ctx, first, t); err != nil {
				return t.at(err)
			}
			return s.start(ctx, t)
		})
		if err != nil {
			return err
		}
	}
	err = s.tell("every till has found every other", func() error {
		return each(s.tills, func(t *till) error {
			return t.await(ctx, "it is linked with every other till", func(ctx context.Context) (bool, error) {
				linked, err := t.linked(ctx)
				return linked == len(s.tills)-1, err
			})
		})
	})
	if err != nil {
		return err
	}
	if s.cloud != nil {
		if err := s.tell("the cloud starts, with a database of its own", func() error { return s.startCloud(ctx) }); err != nil {
			return err
		}
	}
	return s.fill(ctx)
}

// admit brings a till into the shop with a token of the inviting one.
func (s *shop) admit(ctx context.Context, inviting, t *till) error {
	out, err := s.launcher.command(ctx, "invite", "--http", inviting.url(), "--data", inviting.data, "--json")
	if err != nil {
		return err
	}
	var invitation client.Invitation
	if err := json.Unmarshal(out, &invitation); err != nil {
		return fmt.Errorf("till invite printed what is no invitation: %w", err)
	}
	_, err = s.launcher.command(ctx, "join", "--data", t.data, "--name", t.name, "--token", invitation.Token,
		"--peer", s.links(inviting).String(), "--no-mdns", "--json")
	return err
}

// links returns where the others reach the links of a till: at its relay.
func (s *shop) links(t *till) netip.AddrPort { return netip.AddrPortFrom(t.host.public, s.relays.port) }

// start starts the process of a till and waits until it answers.
func (s *shop) start(ctx context.Context, t *till) (err error) {
	args := []string{"run", "--data", t.data, "--http", t.http.String(), "--no-mdns", "--terminal", "simulated:0",
		"--listen", netip.AddrPortFrom(t.host.own, s.relays.port).String(), "--advertise", s.links(t).String()}
	for _, other := range s.tills {
		if other != t {
			args = append(args, "--peer", s.links(other).String())
		}
	}
	if t.api == nil {
		token, err := client.ReadToken(client.TokenPath(t.data))
		if err != nil {
			return t.at(err)
		}
		if t.api, err = client.New(client.Config{URL: t.url(), Token: token}); err != nil {
			return t.at(err)
		}
	}
	if t.proc, err = s.launcher.spawn(ctx, t.log, args...); err != nil {
		return t.at(err)
	}
	return t.await(ctx, "it answers", func(ctx context.Context) (bool, error) {
		status, err := t.api.Status(ctx)
		t.id, t.prefix = status.Till.ID, status.Till.Prefix
		return err == nil, err
	})
}

// fill writes the settings of the shop and the sample assortment on the first till and waits until all have them.
func (s *shop) fill(ctx context.Context) error {
	sample, err := readAssortment()
	if err != nil {
		return err
	}
	api := s.tills[0].api
	articles := 0
	err = s.tell("the sample assortment is on every till", func() error {
		err := api.PutSettings(ctx, client.Settings{Business: &client.Business{
			Name: shopName, Street: "Lindenweg 12", Postcode: "99099", Town: "Musterstadt", Country: "DE",
			TaxNumber: "151/000/00000",
		}})
		if err != nil {
			return s.tills[0].at(err)
		}
		taxes, err := putTaxes(ctx, api)
		if err != nil {
			return s.tills[0].at(err)
		}
		for _, g := range sample.groups() {
			if err := api.PutGroup(ctx, g); err != nil {
				return s.tills[0].at(err)
			}
		}
		list := sample.articles(taxes)
		done, err := api.PutArticles(ctx, list)
		if err != nil {
			return s.tills[0].at(err)
		}
		if len(done.Rejected) > 0 {
			return s.tills[0].at(fmt.Errorf("%d articles were refused, the first one because: %s", len(done.Rejected), done.Rejected[0].Detail))
		}
		articles = len(list)
		return s.awaitEqual(ctx)
	})
	if err != nil {
		return err
	}
	return each(s.tills, func(t *till) error {
		held, err := t.api.AllArticles(ctx, client.List{})
		if err == nil && len(held) != articles {
			err = fmt.Errorf("it shows %d articles, not %d", len(held), articles)
		}
		return t.at(err)
	})
}

// putTaxes makes the two German rates and returns their IDs by rate.
func putTaxes(ctx context.Context, api *client.Client) (map[int64]string, error) {
	ids := make(map[int64]string)
	for i, t := range []struct {
		name string
		rate int64
	}{{"Normalsteuersatz", 1900}, {"Ermäßigter Steuersatz", 700}} {
		ids[t.rate] = taxID(t.name)
		err := api.PutTax(ctx, client.Tax{ID: ids[t.rate], Names: german(t.name),
			Rates: []client.Rate{{From: since, Rate: t.rate, Key: int64(i + 1)}}})
		if err != nil {
			return nil, err
		}
	}
	return ids, nil
}

// awaitEqual waits until all tills hold the same.
func (s *shop) awaitEqual(ctx context.Context) error {
	return s.tills[0].await(ctx, "all tills hold the same", func(ctx context.Context) (bool, error) {
		hashes := make(map[string]bool)
		for _, t := range s.tills {
			status, err := t.api.Status(ctx)
			if err != nil {
				return false, t.at(err)
			}
			if status.StateHash == "" {
				return false, t.at(errors.New("it does not say what it holds"))
			}
			hashes[status.StateHash] = true
		}
		return len(hashes) == 1, nil
	})
}

// linked counts the tills that t has a link with.
func (t *till) linked(ctx context.Context) (n int, err error) {
	status, err := t.api.Status(ctx)
	for _, p := range status.Peers {
		if p.Linked && p.Till != t.id {
			n++
		}
	}
	return n, err
}

// stop ends every till that runs, all at the same time, and then the cloud. One that has to be killed or complains is an error.
func (s *shop) stop() error {
	err := each(s.tills, func(t *till) error {
		if !t.running() {
			return nil
		}
		if err := t.proc.stop(); err != nil {
			return t.at(fmt.Errorf("stop: %w", err))
		}
		return nil
	})
	return errors.Join(err, s.cloud.stop())
}

// places says where the tills are.
func (s *shop) places() []place {
	var all []place
	for _, t := range s.tills {
		all = append(all, place{Name: t.name, URL: t.url(), API: t.url() + "/api", TokenFile: client.TokenPath(t.data)})
	}
	return all
}

// tell does something and reports how long it took; a failure is reported by the caller.
func (s *shop) tell(text string, do func() error) error {
	began := time.Now()
	if err := do(); err != nil {
		return fmt.Errorf("%s: %w", text, err)
	}
	s.report.print(line{Kind: "setup", Text: text, MS: milliseconds(time.Since(began)), OK: true})
	return nil
}

// each does something for all tills at the same time.
func each(tills []*till, do func(*till) error) error {
	errs := make([]error, len(tills))
	var all sync.WaitGroup
	for i, t := range tills {
		all.Go(func() { errs[i] = do(t) })
	}
	all.Wait()
	return errors.Join(errs...)
}
