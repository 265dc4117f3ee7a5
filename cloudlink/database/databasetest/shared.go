package databasetest

import (
	"os"
	"sync"
	"testing"
)

// user owns the databases of a test server; everybody on this machine's socket is let in without a password, but for
// those that a test makes under the name of Locked.
const (
	user   = "tillmesh"
	Locked = "locked"
)

// shared is the server of this test program.
var shared once

type once struct {
	sync.Mutex
	server *Server
}

func (o *once) get(t testing.TB) *Server {
	t.Helper()
	o.Lock()
	defer o.Unlock()
	if o.server == nil {
		o.server = newServer(t, nil)
	}
	return o.server
}

func (o *once) stop() error {
	o.Lock()
	defer o.Unlock()
	if o.server == nil {
		return nil
	}
	err := o.server.remove()
	o.server = nil
	return err
}

func lacks(t testing.TB, what string) {
	t.Helper()
	if os.Getenv(EnvRequire) == "1" {
		t.Fatalf("%s=1, but %s", EnvRequire, what)
	}
	t.Skip("not tested here: " + what)
}
