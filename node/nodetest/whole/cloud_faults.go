package whole

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"time"

	"github.com/tillmesh/tillmesh/cloudlink/database"
	"github.com/tillmesh/tillmesh/cloudlink/database/backup"
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication/simulation"
	"github.com/tillmesh/tillmesh/replication/store"
	"github.com/tillmesh/tillmesh/replication/store/sql"
)

// maybeCloud gives some shops a cloud, by a chance of its own: the others stay as they were before there were any.
func (s *Shop) maybeCloud() {
	chance := cloudChance(s.W.Seed())
	if s.W.Err() != nil || chance.IntN(100) >= cloudShare {
		return
	}
	s.W.Count("cloud")
	c := s.AddCloud(1 + chance.IntN(4)/3)
	c.Couple(s.Tills[0])
	s.W.RunFor(time.Duration(chance.IntN(6)) * time.Second)
}

func cloudChance(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0x63_6c_6f_75_64)) }

// cloudy reports whether the shop of a seed has a cloud.
func cloudy(seed uint64) bool { return cloudChance(seed).IntN(100) < cloudShare }

// cloudShare is how many of a hundred shops have a cloud.
const cloudShare = 30

// cloudFault is something that goes wrong at the cloud or on the way to it, for a while.
type cloudFault struct {
	weight int
	happen func(c *Cloud, v *server, t *Till, length time.Duration)
}

var cloudFaults = []cloudFault{
	{20, func(c *Cloud, _ *server, t *Till, length time.Duration) { c.cut([]*Till{t}, length) }},
	{15, func(c *Cloud, _ *server, _ *Till, length time.Duration) { c.cut(c.shop.Tills, length) }},
	{20, func(c *Cloud, _ *server, _ *Till, _ time.Duration) { c.cut(c.shop.Tills, time.Millisecond) }}, // all connections end
	{15, func(c *Cloud, _ *server, _ *Till, _ time.Duration) { c.drops += 1 + c.rand.IntN(4) }},
	{10, func(c *Cloud, _ *server, t *Till, _ time.Duration) {
		c.slow(t, time.Duration(c.rand.IntN(1500))*time.Millisecond)
	}},
	{10, func(c *Cloud, v *server, t *Till, length time.Duration) {
		for _, pair := range [][2]*simulation.Machine{{t.M, v.machine}, {v.machine, t.M}} {
			if c.rand.IntN(2) == 0 {
				c.shop.W.Stall(pair[0], pair[1], length)
			}
		}
	}},
	{15, func(_ *Cloud, v *server, _ *Till, length time.Duration) { v.kill(); v.startIn(length) }},
	{10, func(_ *Cloud, v *server, _ *Till, length time.Duration) { v.stop(); v.startIn(length) }},
	{8, func(c *Cloud, _ *server, _ *Till, length time.Duration) {
		c.shop.W.Count("cloud full")
		c.full = true
		c.shop.W.At(length, func() { c.full = false })
	}},
	{8, func(c *Cloud, _ *server, _ *Till, _ time.Duration) {
		c.shop.W.Count("cloud clock jumps")
		c.ahead = time.Duration(c.rand.IntN(2*26*60)-26*60) * time.Minute
	}},
	{12, func(_ *Cloud, v *server, _ *Till, length time.Duration) { v.hang(length) }},
	{8, func(c *Cloud, _ *server, _ *Till, length time.Duration) { c.regress(length) }},
}

// trouble lets things go wrong within a time.
func (c *Cloud) trouble(length time.Duration) {
	if c == nil {
		return
	}
	total := 0
	for _, f := range cloudFaults {
		total += f.weight
	}
	for range c.rand.IntN(7) {
		c.shop.W.At(time.Duration(c.rand.Int64N(int64(length))), func() {
			n, last := c.rand.IntN(total), time.Duration(c.rand.Int64N(int64(length/2)))
			v, t := c.servers[c.rand.IntN(len(c.servers))], c.shop.Tills[c.rand.IntN(len(c.shop.Tills))]
			for _, f := range cloudFaults {
				if n -= f.weight; n < 0 {
					f.happen(c, v, t, last)
					return
				}
			}
		})
	}
}

// reach are pairs that a broken network of the shop does not part: each till has its own way to the cloud.
func (c *Cloud) reach() (groups [][]*simulation.Machine) {
	if c == nil {
		return nil
	}
	for _, v := range c.servers {
		for _, t := range c.shop.Tills {
			groups = append(groups, []*simulation.Machine{v.machine, t.M})
		}
	}
	return groups
}

// cut takes the internet from tills for a while.
func (c *Cloud) cut(tills []*Till, length time.Duration) {
	for _, v := range c.servers {
		for _, t := range tills {
			c.shop.W.Cut(v.machine, t.M, length)
		}
	}
}

// join gives it back.
func (c *Cloud) join(tills []*Till) {
	for _, v := range c.servers {
		for _, t := range tills {
			c.shop.W.Join(v.machine, t.M)
		}
	}
}

func (c *Cloud) slow(t *Till, latency time.Duration) {
	for _, v := range c.servers {
		c.shop.W.Slow(v.machine, t.M, latency)
	}
}

// dropped ends all connections right after a commit, before anybody hears of it, if that was asked for.
func (c *Cloud) dropped() {
	if c.drops > 0 && c.rand.IntN(3) == 0 {
		c.drops--
		c.shop.W.Count("answer lost after a commit")
		c.cut(c.shop.Tills, time.Millisecond)
	}
}

// startIn starts the process after a while.
func (v *server) startIn(in time.Duration) {
	v.cloud.shop.W.At(in, func() {
		if !v.cloud.down {
			v.cloud.start(v)
		}
	})
}

// hang lets the process no longer say that it lives, and answer no new call, for a while: others may take its seat, and it goes on
// writing as if it had it.
func (v *server) hang(length time.Duration) {
	if !v.up() || len(v.cloud.servers) < 2 {
		return
	}
	w, id := v.cloud.shop.W, v.seats.ID()
	w.Count("cloud server hangs")
	v.mute = true
	w.At(5*time.Second, func() {
		if v.mute {
			v.cloud.silence(id)
		}
	})
	w.At(5*time.Second+length, func() { v.mute = false })
}

// mend ends all faults of the cloud.
func (c *Cloud) mend() {
	if c == nil {
		return
	}
	c.full, c.ahead, c.drops = false, 0, 0
	for _, v := range c.servers {
		v.mute = false
		if !c.down {
			c.start(v)
		}
	}
	for _, t := range c.shop.Tills {
		if t.life != nil && t.life.uplink != nil {
			t.life.uplink.Sync() // somebody at the till says so: else it may wait for a minute
		}
	}
	c.shop.soon()
}

// all are the machines of the shop that have to be equal at rest.
func (s *Shop) all() []*simulation.Machine {
	out := Machines(s.present()...)
	if c := s.Cloud; c != nil && c.coupled && !c.down && c.at() != nil && c.reachable() {
		out = append(out, c.at())
	}
	return out
}

// await waits until the cloud has what the tills have.
func (c *Cloud) await() {
	if c == nil || !c.coupled || c.down || !c.reachable() || c.shop.W.Err() != nil {
		return
	}
	w := c.shop.W
	if !w.RunUntil(simulation.Patience, func() bool { return c.at() != nil && w.Equal(c.shop.all()...) }) && w.Err() == nil {
		var text string
		for _, t := range c.shop.present() {
			if t.life != nil && t.life.uplink != nil {
				st := t.life.uplink.Status()
				text += fmt.Sprintf("; %s is %s (%s, %v)", t.Name, st.State, st.Cause, st.Err)
			}
		}
		w.Fail("the cloud does not get what the tills have%s", text)
		return
	}
	c.relapsed = false
}

// regress makes a backup and puts it back after a while.
func (c *Cloud) regress(after time.Duration) {
	saved, err := c.backup()
	if err != nil {
		c.shop.W.Fail("a backup of the cloud: %v", err)
		return
	}
	c.shop.W.At(after, func() {
		if c.shop.W.Elapsed() >= c.shop.closing { // all faults are over
			return
		}
		if err := c.restore(saved); err != nil {
			c.shop.W.Fail("a backup of the cloud is not restored: %v", err)
		}
	})
}

// cloudBackup is a backup of the cloud.
type cloudBackup struct {
	bytes  []byte
	report backup.Report
}

func (c *Cloud) backup() (cloudBackup, error) {
	var out bytes.Buffer
	report, err := backup.Write(context.Background(), &out, c.db, backup.About{Program: version, Now: c.now()})
	return cloudBackup{out.Bytes(), report}, err
}

// restore puts a backup in place of what there is.
func (c *Cloud) restore(b cloudBackup) error {
	for _, v := range c.servers {
		v.kill()
	}
	c.shop.turn() // nothing of them is left
	err := c.db.Close()
	c.db, c.restores = nil, c.restores+1
	c.dir = filepath.Join(c.shop.files, fmt.Sprintf("cloud-%d", c.restores))
	if err == nil {
		err = c.place(emptyCloud)
	}
	if err == nil {
		err = backup.Restore(context.Background(), bytes.NewReader(b.bytes), database.Options{Dir: c.dir}, b.report)
	}
	if err == nil {
		err = c.open()
	}
	if err != nil {
		return err
	}
	c.restored, c.relapsed = true, true
	c.leases = leases{holders: make(map[uint64]crdt.TillID)}
	contexts, err := c.held()
	for _, v := range c.servers {
		v.machine.Replaced(contexts)
		v.startIn(time.Duration(c.rand.IntN(3000)) * time.Millisecond)
	}
	return err
}

// held returns what the database holds of the shop.
func (c *Cloud) held() (out map[crdt.Scope]crdt.Context, err error) {
	ctx := context.Background()
	write, read := c.db.Pools()
	shops, err := sql.OpenShops(ctx, sql.Database{Dialect: c.db.Dialect(), Write: write, Read: read})
	if err != nil {
		return nil, err
	}
	st, err := store.Open(ctx, shops.Open(sql.ShopOptions{Shop: c.shopID()}))
	if err == nil {
		out = maps.Clone(st.Contexts())
		err = st.Close()
	}
	return out, errors.Join(err, shops.Close())
}

// online returns the tills that have a connection with the cloud.
func (c *Cloud) online() []*Till {
	return slices.DeleteFunc(slices.Clone(c.shop.Tills), func(t *Till) bool { return t.life == nil || t.life.uplink == nil || !t.life.uplink.Status().Connected })
}
