package whole

import (
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/tillmesh/tillmesh/cloudlink"
	"github.com/tillmesh/tillmesh/cloudlink/accept"
	"github.com/tillmesh/tillmesh/cloudlink/greeting"
	"github.com/tillmesh/tillmesh/cloudlink/server/accounts"
	"github.com/tillmesh/tillmesh/cloudlink/server/replicas"
	"github.com/tillmesh/tillmesh/cloudlink/server/seats"
	"github.com/tillmesh/tillmesh/replication/simulation"
)

// server is one process of the cloud, with what it runs of the real one: accounts, replicas, seats. It is the program of its machine,
// which is on while the server has the shop's replica open.
type server struct {
	cloud    *Cloud
	machine  *simulation.Machine
	life     *life // of the process
	accounts *accounts.Accounts
	seats    *seats.Server
	shops    *replicas.Replicas
	replica  *replica // that is open; nil: none
	nonces   *rand.Rand
	mute     bool // it does not say that it lives
	tasks    []task
	working  bool
}

// task is something that a server does. It does one thing at a time: some of it waits for the world under a lock, and whoever waits
// for that lock would do so in a way that no bubble sees.
type task struct {
	life *life
	do   func(ctx context.Context)
	done func()
}

// inTurn does something in the process when its turn has come.
func (v *server) inTurn(do func(ctx context.Context), done func()) {
	v.tasks = append(v.tasks, task{v.life, do, done})
	v.next()
}

func (v *server) next() {
	if v.working || len(v.tasks) == 0 {
		return
	}
	t := v.tasks[0]
	v.tasks = v.tasks[1:]
	v.working = true
	v.cloud.shop.start(t.life, func(ctx context.Context) {
		if ctx.Err() == nil {
			t.do(ctx)
		}
	}, func() {
		v.working = false
		t.done()
		v.next()
	})
}

// random returns a source of chance of its own for a part of the cloud.
func (c *Cloud) random(part uint64) *rand.Rand {
	c.parts++
	var seed [32]byte
	binary.BigEndian.PutUint64(seed[:], c.shop.W.Seed())
	binary.BigEndian.PutUint64(seed[8:], part)
	binary.BigEndian.PutUint64(seed[16:], c.parts)
	return rand.New(rand.NewChaCha8(seed))
}

// start starts the process of a machine.
func (c *Cloud) start(v *server) {
	if v.life != nil && !v.life.over || c.shop.W.Err() != nil {
		return
	}
	s, ctx := c.shop, context.Background()
	v.life = &life{mailbox: new(mailbox), shop: s}
	v.life.ctx, v.life.cancel = context.WithCancel(ctx)
	s.lives = append(s.lives, v.life)
	name := make([]byte, 12)
	v.nonces = c.random(1)
	fill(v.nonces, name)
	v.seats = seats.New(c.db, string(crockford(name)), "http://"+v.machine.Name())
	draws := c.random(2)
	var err error
	v.accounts, err = accounts.New(accounts.Options{DB: c.db, Cloud: c.db.Installation().ID, Hosts: []string{cloudHost}, Now: s.W.Now, Random: reader{c.random(3)}, Hash: cheapHash})
	if err == nil {
		v.shops, err = replicas.New(ctx, replicas.Config{DB: c.db, Seats: v.seats, Logs: c.logs, Accounts: v.accounts, Version: version, Now: c.now,
			Draw: func(b []byte) { fill(draws, b) }, Engine: v.engine})
	}
	if err != nil {
		s.W.Fail("a server of the cloud does not start: %v", err)
		return
	}
	s.W.Trace("%s serves", v.machine.Name())
	v.tend(v.life, 0)
}

// crockford writes bytes as letters.
func crockford(b []byte) []byte {
	for i := range b {
		b[i] = "0123456789abcdefghjkmnpqrstvwxyz"[b[i]%32]
	}
	return b
}

// tend does what a server does every second or two, while this life lasts.
func (v *server) tend(l *life, n int) {
	if l.over {
		return
	}
	v.inTurn(func(ctx context.Context) {
		if !v.mute || n == 0 {
			v.shops.Beat(ctx)
		}
		if n%2 == 1 {
			v.shops.Sign(ctx)
		}
	}, func() {
		v.cloud.look()
		v.cloud.shop.W.At(seats.BeatEvery, func() { v.tend(l, n+1) })
	})
}

// up reports whether the process runs.
func (v *server) up() bool { return v.life != nil && !v.life.over }

// kill ends the process as kill -9 does. What it holds others may have after seats.Silence.
func (v *server) kill() {
	if !v.up() {
		return
	}
	v.cloud.shop.W.Trace("%s is killed", v.machine.Name())
	v.cloud.shop.W.Count("cloud killed")
	v.end()
	id := v.seats.ID()
	v.cloud.shop.W.At(seats.Silence, func() { v.cloud.silence(id) })
}

// end ends the process without a word.
func (v *server) end() {
	if !v.up() {
		return
	}
	v.life.end()
	v.machine.Kill()
}

// stop ends the process in order.
func (v *server) stop() {
	if !v.up() {
		return
	}
	v.cloud.shop.W.Trace("%s stops", v.machine.Name())
	v.inTurn(func(context.Context) { _ = v.shops.Close(context.Background()) }, func() { v.end() }) // what fails, fails as after a kill
}

// called takes a call: the greeting, and who may come in.
func (v *server) called(c *call) {
	c.at = v
	s := v.cloud.shop
	var (
		admission accept.Admission
		welcome   greeting.Welcome
		err       error
	)
	began := s.W.Elapsed()
	l := v.life
	v.inTurn(func(ctx context.Context) { admission, welcome, err = v.greet(ctx, c) }, func() {
		if l.over {
			err = &cloudlink.Failure{Cause: cloudlink.ServerDown, Err: errors.New("the server went away")}
		}
		delay, _ := s.W.Reach(v.machine, c.life.till.M)
		s.W.At(delay, func() {
			if err != nil {
				s.W.Trace("%s does not let %s in: %v", v.machine.Name(), c.life.till.Name, err)
				s.W.Count("call refused")
				c.reply(nil, err)
				return
			}
			s.W.Trace("%s welcomes %s after %v", v.machine.Name(), c.life.till.Name, s.W.Elapsed()-began)
			c.connect(admission, welcome)
		})
	})
}

// greet speaks both parts of the greeting, as packages accept and cloudlink do.
func (v *server) greet(ctx context.Context, c *call) (a accept.Admission, w greeting.Welcome, err error) {
	till := c.life.till
	now := v.cloud.now().UnixMilli()
	var nonce, own greeting.Nonce
	fill(v.nonces, nonce[:])
	fill(v.nonces, own[:])
	g := greeting.Open(v.cloud.db.Installation().Key, nonce, now)
	answering, proof, err := greeting.Answer(g.Challenge(), greeting.Self{Shop: till.newcomer.Identity.Shop, Key: till.M.Key(), Cloud: c.to.Cloud,
		Audience: cloudHost, Program: version, Nonce: own})
	if err != nil {
		return a, w, cloudlink.GreetingFailure(err)
	}
	read, refused := g.Check(proof, 0, func(host string) bool { return host == cloudHost })
	if refused == nil {
		a, err = v.shops.Admit(ctx, accept.Caller{Shop: read.Shop, Till: read.Till(), Program: read.Program, Remote: till.Name})
		if refused = greeting.RefusalOf(err); err != nil && refused == nil {
			if !v.life.over {
				v.life.post("an error", func() { v.cloud.shop.W.Trace("%s cannot let %s in: %v", v.machine.Name(), till.Name, err) })
			}
			refused = greeting.Refuse(greeting.Busy)
		}
	}
	end := g.Welcome
	if refused != nil {
		_, err = answering.End(g.Refuse(refused))
		return a, w, cloudlink.GreetingFailure(err)
	}
	a.Welcome.TimeMS = now
	w, err = answering.End(end(a.Welcome))
	return a, w, err
}

// edit changes master data at the cloud, as its API does.
func (c *Cloud) edit(what string, do func(ctx context.Context, r *replicas.Replicas) error) error {
	v := c.serving()
	if v == nil {
		return errors.New("the cloud does not serve")
	}
	var err error
	over := false
	v.inTurn(func(ctx context.Context) { err = do(ctx, v.shops) }, func() { over = true })
	if !c.shop.W.RunUntil(time.Minute, func() bool { return over }) {
		return errors.Join(errors.New(what+" at the cloud does not end"), c.shop.W.Err())
	}
	return err
}
