package nodetest_test

import (
	"errors"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/node/client"
	"github.com/tillmesh/tillmesh/node/nodetest"
)

// Limits of tills on a small disk, and its size in megabytes.
const smallDisk = 160

var smallLimits = []string{"--disk-warn", "70MB", "--disk-no-new-tabs", "50MB", "--disk-close", "25MB", "--ballast", "8MB"}

// joinOn lets a new till join whose data lie on a small disk.
func joinOn(t *testing.T, s *nodetest.Shop, by *nodetest.Till, mount string) *nodetest.Till {
	t.Helper()
	till := s.NewTill()
	till.Data = filepath.Join(mount, "till")
	out := till.Exec(till.JoinArgs(by, s.Invite(by))...)
	require.Zero(t, out.Code, "till join: %s", out.Stderr)
	till.Place.Flags = append(till.Place.Flags, smallLimits...)
	till.Start()
	s.Tills = append(s.Tills, till)
	return till
}

// refusedWith requires a refusal with a code and returns its text.
func refusedWith(t *testing.T, err error, code string) string {
	t.Helper()
	p, ok := errors.AsType[*client.Problem](err)
	require.True(t, ok, "want a refusal, have %v", err)
	require.Equal(t, code, p.Code, p.Detail)
	require.Equal(t, http.StatusInsufficientStorage, p.Status)
	require.NotEmpty(t, p.Advice)
	return p.Detail
}

// TestFullDisk: the disk of one till fills up. It refuses before money is taken, says why, stays there to be asked, and
// goes on by itself when there is room, while the other till sells all the time.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	mount, ok := nodetest.SmallDisk(t, smallDisk)
	if !ok {
		t.SkipNow()
	}
	s := nodetest.New(t)
	k1 := s.Found()
	tea := k1.PutArticle("Assam", 310, k1.PutTax(1900))
	k2 := joinOn(t, s, k1, mount)
	s.Equal()
	k2.Sell(tea)
	level := func(want string) client.Status {
		t.Helper()
		var status client.Status
		nodetest.Eventually(t, nodetest.Patience, "the disk is "+want, func() (err error) {
			if status, err = k2.API().Status(t.Context()); err == nil && status.Disk.Level != want {
				err = errors.New("it is " + status.Disk.Level + ": " + status.Disk.Text)
			}
			return err
		})
		return status
	}
	level("fine")
	open := k2.OpenTab("Tisch 1")
	k2.Add(open.ID, tea)
	late := k2.OpenTab("Tisch 2")
	k2.Add(late.ID, tea)

	some := nodetest.FillDisk(t, mount, 40)
	require.Contains(t, level("no-new-tabs").Disk.Text, "new ones cannot be started")
	_, err := k2.API().OpenTab(t.Context(), client.NewTab{Name: "Tisch 3"})
	require.Contains(t, refusedWith(t, err, "disk-full"), "nothing was booked")
	require.Equal(t, "K2-000002", k2.Finish(open.ID).Number, "an open tab is finished")
	// What does not belong to sales waits with the others; sales come.
	later := k1.PutArticle("Darjeeling", 410, k1.PutTax(700))
	other := k1.OpenTab("Garten")
	k1.Add(other.ID, tea)
	k2.AwaitTab(other.ID, 1)
	_, err = k2.API().Article(t.Context(), later)
	require.Equal(t, "not-found", client.CodeOf(err), "%v", err)

	rest := nodetest.FillDisk(t, mount, 2)
	_, err = k2.API().CloseTab(t.Context(), late.ID, client.Close{Payments: []client.Payment{{Type: "Bar", Amount: 310}}})
	require.Contains(t, refusedWith(t, err, "disk-full"), "the disk of this till is full")
	status := level("closed")
	nodetest.Eventually(t, nodetest.Patience, "the store is closed", func() (err error) {
		if status, err = k2.API().Status(t.Context()); err == nil && status.Halted == nil {
			err = errNotYet
		}
		return err
	})
	require.Equal(t, "disk-full", status.Halted.Code)
	require.Contains(t, status.Halted.Text, "does not sell until there is room")
	require.Contains(t, status.Halted.Hint, "goes on by itself")
	require.Equal(t, http.StatusServiceUnavailable, k2.Call(http.MethodGet, "/healthz", nil).Status)
	_, err = k2.API().Tab(t.Context(), late.ID)
	refusedWith(t, err, "disk-full")
	out := k2.Exec("status", "--http", k2.URL(), "--data", k2.Data)
	require.Zero(t, out.Code, out.Stderr)
	require.Contains(t, out.Stdout, "K2 does not sell")
	k1.Sell(tea)

	// A start on the full disk ends up the same, and nothing is broken by it.
	k2.Kill()
	k2.Spawn(k2.RunArgs()...)
	nodetest.Eventually(t, nodetest.Patience, "it says so after a start, too", func() error {
		status, err := k2.API().Status(t.Context())
		if err == nil && status.Halted == nil {
			err = errNotYet
		}
		return err
	})

	rest()
	some()
	nodetest.Eventually(t, nodetest.Patience, "it goes on by itself", func() error {
		status, err := k2.API().Status(t.Context())
		if err == nil && (status.Halted != nil || status.Disk.Level != "fine") {
			err = errNotYet
		}
		return err
	})
	s.Equal()
	require.Equal(t, "K2-000003", k2.Finish(late.ID).Number)
	k2.Await(later)
	s.Equal()
	for _, till := range s.Tills {
		receipts, err := till.API().AllReceipts(t.Context(), client.List{})
		require.NoError(t, err)
		require.Len(t, receipts, 4)
		requireNumbers(t, receipts)
	}
	require.True(t, k2.Running())
	require.Equal(t, 2, strings.Count(k2.Log(), "the till halted"), k2.Log())
}
