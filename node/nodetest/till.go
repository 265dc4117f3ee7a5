package nodetest

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/node/client"
)

// Till is one till of a shop, running or not.
type Till struct {
	Name  string
	Data  string // its directory
	State string // where it keeps what it knows of its machine
	Place Place
	// Forgetful keeps --peer away from a start: the till has to find the others with what it remembers.
	Forgetful bool

	shop    *Shop
	log     string
	process *Process // nil before the first start
	api     *client.Client
	http    *http.Transport // of api and Send
	token   string
	id      string
}

// API returns the client of the till; it stays the same over restarts and may be used from any goroutine.
func (till *Till) API() *client.Client {
	till.shop.t.Helper()
	if till.api == nil {
		till.shop.t.Fatalf("%s was never started", till.Name)
	}
	return till.api
}

// ID returns the till's ID.
func (till *Till) ID() string { return till.id }

// URL returns the root of its HTTP interface, as programs at its place see it.
func (till *Till) URL() string { return "http://" + till.Place.HTTP.String() }

// Running reports whether its process runs.
func (till *Till) Running() bool { return till.process != nil && till.process.Running() }

// Process returns the process that was started last.
func (till *Till) Process() *Process { return till.process }

// Exec runs a command of the program at the till's place to its end.
func (till *Till) Exec(args ...string) Output {
	till.shop.t.Helper()
	return till.ExecFor(commandTime, args...)
}

// ExecFor is Exec for a command that may take so long.
func (till *Till) ExecFor(within time.Duration, args ...string) Output {
	till.shop.t.Helper()
	ctx, cancel := context.WithTimeout(till.shop.t.Context(), within)
	defer cancel()
	out, err := till.shop.launcher.run(ctx, till.command(args))
	require.NoError(till.shop.t, err, "till %s", strings.Join(args, " "))
	return out
}

func (till *Till) command(args []string) []string {
	return slices.Concat(till.Place.Enter, []string{"env", "TILLMESH_STATE=" + till.State, till.shop.program}, args)
}

// JoinArgs are the arguments of the command that lets this till join by a token of another one.
func (till *Till) JoinArgs(by *Till, token string) []string {
	args := append([]string{"join", "--data", till.Data, "--name", till.Name, "--token", token}, till.Place.Flags...)
	if by.Place.Link != nil {
		args = append(args, "--peer", by.Place.Link().String())
	}
	return args
}

// RunArgs are the arguments of the command that runs this till.
func (till *Till) RunArgs() []string {
	args := []string{"run", "--data", till.Data, "--http", till.Place.HTTP.String(), "--listen", till.Place.Listen}
	args = append(args, till.Place.Flags...)
	for _, other := range till.shop.Tills {
		if other != till && other.Place.Link != nil && !till.Forgetful {
			args = append(args, "--peer", other.Place.Link().String())
		}
	}
	return args
}

// Start starts the till again and waits until it answers. It returns how long that took.
func (till *Till) Start() time.Duration {
	till.shop.t.Helper()
	return till.start()
}

func (till *Till) start() time.Duration {
	t := till.shop.t
	t.Helper()
	require.False(t, till.Running(), "%s runs already", till.Name)
	begin := time.Now()
	till.Spawn(till.RunArgs()...)
	till.Meet()
	return time.Since(begin)
}

// Meet waits until the till answers as a till of a shop: after a start, or after a directory got its till while run
// waited for it.
func (till *Till) Meet() {
	t := till.shop.t
	t.Helper()
	till.connect()
	Eventually(t, startTime, till.Name+" answers", func() error {
		if !till.Running() {
			return ended(till)
		}
		status, err := till.api.Status(t.Context())
		if err == nil && status.Shop == nil {
			err = errNoShop
		}
		till.id = status.Till.ID
		return err
	})
}

var errNoShop = errors.New("it belongs to no shop")

// Spawn starts the program with these arguments at the till's place and does not wait. What it prints is in the log.
func (till *Till) Spawn(args ...string) {
	till.shop.t.Helper()
	process, err := till.shop.launcher.spawn(till.log, till.command(args))
	require.NoError(till.shop.t, err)
	till.process = process
}

func (till *Till) connect() {
	if till.api != nil {
		return
	}
	t := till.shop.t
	var err error
	till.token, err = client.ReadToken(client.TokenPath(till.Data))
	require.NoError(t, err)
	till.api, err = client.New(client.Config{URL: till.URL(), Token: till.token, Transport: till.http})
	require.NoError(t, err)
}

// Kill ends the till as a power cut does.
func (till *Till) Kill() {
	till.shop.t.Helper()
	require.NoError(till.shop.t, till.process.Kill())
}

// Stop ends the till as a service manager does; it must end by itself with exit code 0.
func (till *Till) Stop() {
	till.shop.t.Helper()
	require.NoError(till.shop.t, till.process.Stop(stopTime), "stop %s", till.Name)
}

// Restart stops the till and starts it again.
func (till *Till) Restart() {
	till.shop.t.Helper()
	till.Stop()
	till.start()
}

// Log returns what the till printed since it was made.
func (till *Till) Log() string {
	till.shop.t.Helper()
	b, err := os.ReadFile(till.log)
	if os.IsNotExist(err) {
		return ""
	}
	require.NoError(till.shop.t, err)
	return string(b)
}

// Link returns where other tills reach this one.
func (till *Till) Link() netip.AddrPort { return till.Place.Link() }

// logTail is how many lines of a log are shown with a failed test.
const logTail = 60

// judge fails the test if the till printed a data race or a panic, and shows the end of the log of a failed test.
func (till *Till) judge() { judgeLog(till.shop.t, till.Name, till.Log()) }

func judgeLog(t testing.TB, name, log string) {
	for _, sign := range []string{"WARNING: DATA RACE", "\npanic: ", "\nfatal error: "} {
		if i := strings.Index(log, sign); i >= 0 {
			t.Errorf("%s printed:\n%.4000s", name, log[i:])
		}
	}
	if t.Failed() && log != "" {
		lines := strings.Split(strings.TrimRight(log, "\n"), "\n")
		t.Logf("the end of the log of %s:\n%s", name, strings.Join(lines[max(0, len(lines)-logTail):], "\n"))
	}
}
