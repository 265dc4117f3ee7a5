package databasetest

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// socket is the name of the server's socket in its directory.
const socket = ".s.PGSQL.5432"

// Line leads to a server and breaks when it is told to.
type Line struct {
	dir    string
	to     string
	listen net.Listener
	all    sync.WaitGroup

	mu      sync.Mutex
	word    []byte // ends the connection of the client that says it
	arrives bool   // and the server hears it
	open    map[net.Conn]bool
}

// Cut makes a line to a server for one test.
func Cut(t testing.TB, s *Server) *Line {
	t.Helper()
	dir, err := os.MkdirTemp("", "tillmesh-line-")
	require.NoError(t, err)
	l := &Line{dir: dir, to: filepath.Join(s.place(), socket), open: make(map[net.Conn]bool)}
	l.listen, err = net.Listen("unix", filepath.Join(dir, socket))
	require.NoError(t, err)
	l.all.Go(l.accept)
	t.Cleanup(func() {
		require.NoError(t, l.listen.Close())
		l.mu.Lock()
		for conn := range l.open {
			_ = conn.Close()
		}
		l.mu.Unlock()
		l.all.Wait()
		require.NoError(t, os.RemoveAll(dir))
	})
	return l
}

// DSN returns the address of a database by its name, over this line.
func (l *Line) DSN(name string) string {
	return "postgres://" + user + "@/" + name + "?host=" + url.QueryEscape(l.dir)
}

// BreakAt ends the connection of every client that says a word from now on, before the server hears it or, if arrives is
// set, after; no answer gets through. An empty word ends that.
func (l *Line) BreakAt(word string, arrives bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.word, l.arrives = []byte(word), arrives
}

func (l *Line) accept() {
	for {
		client, err := l.listen.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("unix", l.to)
		if err != nil {
			_ = client.Close()
			continue
		}
		l.mu.Lock()
		l.open[client], l.open[server] = true, true
		l.mu.Unlock()
		deaf := make(chan struct{})
		l.all.Go(func() { l.ask(client, server, deaf) })
		l.all.Go(func() { l.answer(client, server, deaf) })
	}
}

// ask carries what the client says.
func (l *Line) ask(client, server net.Conn, deaf chan struct{}) {
	buffer := make([]byte, 1<<16)
	for {
		n, err := client.Read(buffer)
		l.mu.Lock()
		breaks, arrives := len(l.word) > 0 && bytes.Contains(buffer[:n], l.word), l.arrives
		l.mu.Unlock()
		if breaks {
			close(deaf)
			if !arrives {
				_ = server.Close()
			}
		}
		if !breaks || arrives {
			if _, err := server.Write(buffer[:n]); err != nil {
				_ = client.Close()
				return
			}
		}
		if breaks {
			return
		}
		if err != nil {
			_ = server.Close()
			return
		}
	}
}

// answer carries what the server says, until the line is to break; then it waits for the next answer and ends both sides.
func (l *Line) answer(client, server net.Conn, deaf chan struct{}) {
	buffer := make([]byte, 1<<16)
	for {
		n, err := server.Read(buffer)
		select {
		case <-deaf:
			err = errors.Join(err, io.EOF)
		default:
			if _, failed := client.Write(buffer[:n]); failed != nil {
				err = errors.Join(err, failed)
			}
		}
		if err != nil {
			_, _ = client.Close(), server.Close()
			return
		}
	}
}
