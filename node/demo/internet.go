package demo

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
)

// internet is the way from the tills to the cloud: connections to its own address end at the target, until it is cut.
type internet struct {
	listener *net.TCPListener
	target   netip.AddrPort

	mu    sync.Mutex
	off   bool
	conns map[net.Conn]bool // both ends of what is carried now
}

// openInternet listens at an address. Serve it with run.
func openInternet(at, target netip.AddrPort) (*internet, error) {
	l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(at))
	if err != nil {
		return nil, fmt.Errorf("way to the cloud: %w", err)
	}
	return &internet{listener: l, target: target, conns: make(map[net.Conn]bool)}, nil
}

// url is where the tills find the cloud.
func (i *internet) url() string { return "http://" + i.listener.Addr().String() }

// cut ends what is carried, and everything that comes later at once.
func (i *internet) cut() {
	i.mu.Lock()
	i.off = true
	var all []net.Conn
	for c := range i.conns {
		all = append(all, c)
	}
	i.mu.Unlock()
	for _, c := range all {
		reset(c)
	}
}

// mend ends a cut.
func (i *internet) mend() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.off = false
}

// run carries until ctx is done and returns when every goroutine has ended.
func (i *internet) run(ctx context.Context) error {
	var tasks sync.WaitGroup
	tasks.Go(func() { accept(ctx, i.listener, &tasks, func(conn *net.TCPConn) { i.carry(ctx, conn) }) })
	<-ctx.Done()
	err := i.listener.Close()
	i.cut()
	tasks.Wait()
	return err
}

// carry copies one connection both ways to its end.
func (i *internet) carry(ctx context.Context, in *net.TCPConn) {
	if !i.enter(in) {
		reset(in)
		return
	}
	defer i.leave(in)
	dialer := net.Dialer{Timeout: relayDial}
	conn, err := dialer.DialContext(ctx, "tcp", i.target.String())
	if err != nil {
		reset(in) // the cloud is down; the till tries again
		return
	}
	out, ok := conn.(*net.TCPConn)
	if !ok || !i.enter(out) {
		reset(conn)
		reset(in)
		return
	}
	defer i.leave(out)
	var back sync.WaitGroup
	back.Go(func() { pipe(in, out) })
	pipe(out, in)
	back.Wait()
	hangUp(in)
	hangUp(out)
}

// enter notes a connection unless the way is cut.
func (i *internet) enter(c net.Conn) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.off {
		return false
	}
	i.conns[c] = true
	return true
}

func (i *internet) leave(c net.Conn) {
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.conns, c)
}
