package whole

import (
	"context"
	"errors"
	"io"

	"github.com/tillmesh/tillmesh/cloudlink"
	"github.com/tillmesh/tillmesh/cloudlink/accept"
	"github.com/tillmesh/tillmesh/cloudlink/greeting"
	"github.com/tillmesh/tillmesh/replication/engine"
	"github.com/tillmesh/tillmesh/replication/simulation"
)

// The sides of a call.
const (
	tillSide = iota
	cloudSide
)

// call is one call of a till at the cloud, from the first word to the end of the connection. Only the loop changes it.
type call struct {
	life   *life // of the till
	to     cloudlink.Coupling
	at     *server
	line   *simulation.Call // nil until both sides are linked
	over   bool             // the till gave it up, or it was answered in the negative
	answer chan answered    // one slot
	ends   [2]chan error    // one slot each: why that side's end closed
	closed [2]bool
}

type answered struct {
	connection *cloudlink.Connection
	err        error
}

// reply answers the till.
func (c *call) reply(connection *cloudlink.Connection, err error) {
	if c.over {
		return
	}
	if err != nil {
		c.over = true
	}
	c.life.shop.answer(func() { c.answer <- answered{connection, err} })
}

// connect links both sides with each other. The cloud's side was prepared by its admission.
func (c *call) connect(a accept.Admission, w greeting.Welcome) {
	s, world := c.life.shop, c.life.shop.W
	if !c.over && !c.life.over && !c.at.life.over {
		c.line = world.Connect(c.life.till.M, c.at.machine, c.gone)
	}
	if c.line == nil {
		c.at.inTurn(func(context.Context) { a.Left() }, func() {})
		c.reply(nil, &cloudlink.Failure{Cause: cloudlink.ServerDown, Err: errors.New("the connection broke before the welcome")})
		return
	}
	till, cloud := c.life.till.M.Till(), c.at.machine.Till()
	s.start(c.at.life, func(ctx context.Context) {
		_ = a.Serve(ctx, engine.Conn{ReadWriteCloser: c, Peer: till}) // why it ended the till learns, too
	}, func() { c.at.inTurn(func(context.Context) { a.Left() }, func() {}) })
	s.routines[len(s.routines)-1].always = true
	c.reply(&cloudlink.Connection{Conn: engine.Conn{ReadWriteCloser: c, Peer: cloud}, Welcome: w}, nil)
}

// gone is told when one end of the connection closed.
func (c *call) gone(m *simulation.Machine, why string) {
	side := tillSide
	if m == c.at.machine {
		side = cloudSide
	}
	if c.closed[side] {
		return
	}
	c.closed[side] = true
	c.life.shop.answer(func() { c.ends[side] <- errors.New(why) })
}

// hangUp ends the call on one side.
func (c *call) hangUp(side int, why string) {
	if side == tillSide {
		c.over = true
	}
	if c.line == nil {
		return
	}
	m := c.life.till.M
	if side == cloudSide {
		m = c.at.machine
	}
	c.line.HangUp(m, why)
}

// serve waits until an end of the connection closes, and closes it when ctx is done.
func (c *call) serve(ctx context.Context, side int, l *life) error {
	select {
	case err := <-c.ends[side]:
		return err
	case <-ctx.Done():
	}
	l.post("end of a call", func() { c.hangUp(side, "this side hangs up") })
	return <-c.ends[side]
}

// Read is a method of io.Reader; nothing is read: the world carries frames between cores.
func (c *call) Read([]byte) (int, error) { return 0, io.EOF }

// Write is a method of io.Writer, as little.
func (c *call) Write(b []byte) (int, error) { return len(b), nil }

// Close is a method of io.Closer.
func (c *call) Close() error {
	c.life.post("end of a call", func() { c.hangUp(tillSide, "nobody wants the connection any more") })
	return nil
}
