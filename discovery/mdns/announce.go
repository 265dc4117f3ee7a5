package mdns

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/discovery"
)

// What may be put into an announcement. The library reports nothing when it cannot encode one, the till just stays
// invisible, so this is checked before.
const (
	maxText       = 400 // bytes of all TXT strings, each with its length byte
	maxTextString = 255
	maxIPs        = 16
)

var (
	instancePattern = regexp.MustCompile(`^[a-z0-9-]{1,40}$`)
	versionPattern  = regexp.MustCompile(`^[0-9A-Za-z.+_-]{0,64}$`)
)

// announcement is one till in the form the network wants.
type announcement struct {
	instance string // and host
	port     uint16
	ips      []string
	text     []string
}

// Announce implements [discovery.Finder]. It runs one server at a time and replaces it when an interface in use or its
// addresses change. A server is shut down 4 seconds after its start at the earliest, so Announce may return that late.
func (f *Finder) Announce(ctx context.Context, self discovery.Self) error {
	if err := check(self); err != nil {
		return fmt.Errorf("announce this till: %w", err)
	}
	f.addSelf(self.Till, 1)
	defer f.addSelf(self.Till, -1)
	defer f.count(func(s *Stats) { s.AnnounceError = "" })
	for ctx.Err() == nil {
		if err := f.announceOnce(ctx, self); err != nil {
			f.announceFailed(err)
			pause(ctx, f.opts.Poll)
		}
	}
	return nil
}

// announceOnce announces until the network changes or ctx is done.
func (f *Finder) announceOnce(ctx context.Context, self discovery.Self) error {
	on, err := f.inUse()
	f.count(func(s *Stats) { s.Interfaces = names(on) })
	if err != nil {
		return err
	}
	stop, err := f.opts.network.announce(describe(self, on), netInterfaces(on))
	if err != nil {
		return err
	}
	started := time.Now()
	f.count(func(s *Stats) { s.Announcements++; s.Announcing = true; s.AnnounceError = "" })
	f.untilChanged(ctx, fingerprint(on), f.announceFailed)
	// Not cut short by ctx: see minServerLife.
	pause(context.WithoutCancel(ctx), minServerLife-time.Since(started))
	f.count(func(s *Stats) { s.Announcing = false })
	stop()
	return nil
}

func check(self discovery.Self) error {
	if self.Till.IsZero() || self.Shop.IsZero() {
		return errors.New("till and shop must be known")
	}
	if self.Port == 0 {
		return errors.New("the link port must not be 0")
	}
	if !versionPattern.MatchString(self.Version) {
		return fmt.Errorf("version %q has more than 64 characters or others than letters, digits and .+_-", self.Version)
	}
	if name := instance(self.Till); !instancePattern.MatchString(name) {
		return fmt.Errorf("instance name %q is not usable", name)
	}
	size := 0
	for _, s := range text(self) {
		if len(s) > maxTextString {
			return fmt.Errorf("%d bytes in one TXT string, at most %d are possible", len(s), maxTextString)
		}
		size += len(s) + 1
	}
	if size > maxText {
		return fmt.Errorf("%d bytes of TXT, at most %d are possible", size, maxText)
	}
	return nil
}

func instance(till crdt.TillID) string { return "till-" + till.String()[:20] }

func text(self discovery.Self) []string {
	t := []string{
		"v=1",
		"t=" + self.Till.String(),
		"s=" + self.Shop.String(),
		"p=" + strconv.Itoa(int(self.Port)),
	}
	if self.Version != "" {
		t = append(t, "r="+self.Version)
	}
	return t
}

func describe(self discovery.Self, on []discovery.Interface) announcement {
	addrs := self.Addrs
	if len(addrs) == 0 {
		for _, i := range on {
			addrs = append(addrs, announced(i)...)
		}
	}
	a := announcement{instance: instance(self.Till), port: self.Port, text: text(self)}
	for _, ip := range addrs[:min(len(addrs), maxIPs)] {
		a.ips = append(a.ips, ip.Unmap().WithZone("").String())
	}
	return a
}

// announced returns the first IPv4 and the first routable IPv6 address of an interface, or, if it has neither, its
// link-local one, which is harder to dial.
func announced(i discovery.Interface) []netip.Addr {
	var v4, v6, local []netip.Addr
	for _, p := range i.Prefixes {
		switch a := p.Addr(); {
		case a.IsLinkLocalUnicast():
			local = append(local, a)
		case a.Is4():
			v4 = append(v4, a)
		default:
			v6 = append(v6, a)
		}
	}
	out := append(v4[:min(len(v4), 1)], v6[:min(len(v6), 1)]...)
	if len(out) == 0 {
		out = local[:min(len(local), 1)]
	}
	return out
}

// field returns the value of key in TXT strings; the first one counts.
func field(text []string, key string) string {
	for _, s := range text {
		if v, ok := strings.CutPrefix(s, key+"="); ok {
			return v
		}
	}
	return ""
}
