//go:build !linux

package databasetest

import "testing"

// Server is a PostgreSQL of the tests, which run it on Linux only.
type Server struct{}

// Start skips the test.
func Start(t testing.TB, _ ...string) *Server { return newServer(t, nil) }

func newServer(t testing.TB, _ []string) *Server {
	t.Helper()
	lacks(t, "the tests start PostgreSQL on Linux only")
	return nil
}

func (s *Server) remove() error { return nil }

func (s *Server) place() string { return "" }

// DSN is described on Linux, as are the methods below.
func (s *Server) DSN(string) string { return "" }

// Database makes an empty database.
func (s *Server) Database(testing.TB) string { return "" }

// Exec runs a statement.
func (s *Server) Exec(_ testing.TB, _, _ string) {}

// Kill ends the server.
func (s *Server) Kill(testing.TB) {}

// Run starts it again.
func (s *Server) Run(testing.TB) {}
