package nodetest_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/node/client"
	"github.com/tillmesh/tillmesh/node/nodetest"
)

// askArgs are the arguments of the command that lets a new till ask for admission by six digits.
func askArgs(till, at *nodetest.Till, more ...string) []string {
	args := append([]string{"join", "--json", "--data", till.Data, "--name", till.Name, "--peer", at.Link().String()}, till.Place.Flags...)
	return append(args, more...)
}

// awaitRequest waits until a new till waits at this one, and returns its request.
func awaitRequest(t *testing.T, at *nodetest.Till) client.JoinRequest {
	t.Helper()
	var found client.JoinRequest
	nodetest.Eventually(t, nodetest.Patience, "a request waits", func() error {
		r, err := at.API().Requests(t.Context())
		if err == nil && len(r.Items) != 1 {
			err = fmt.Errorf("%d requests wait", len(r.Items))
		}
		if err == nil {
			found = r.Items[0]
		}
		return err
	})
	return found
}

// digitsOf returns the digits that a command printed.
func digitsOf(t *testing.T, till *nodetest.Till) string {
	t.Helper()
	var shown struct {
		Digits string `json:"digits"`
	}
	nodetest.Eventually(t, nodetest.Patience, "the digits are shown", func() error {
		for line := range strings.Lines(till.Log()) {
			if strings.Contains(line, `"digits":"`) && json.Unmarshal([]byte(line), &shown) == nil && shown.Digits != "" {
				return nil
			}
		}
		return errNotYet
	})
	return shown.Digits
}

// TestJoinByDigits: a new till shows six digits, the same ones are shown at a till of the shop, and after a yes there it is a
// member; after a no it is not, and three times no close the door.
func TestJoinByDigits(t *testing.T) {
	t.Parallel()
	shop := nodetest.New(t)
	one := shop.Found()
	two := shop.NewTill()
	two.Spawn(askArgs(two, one)...)
	request := awaitRequest(t, one)
	require.Equal(t, digitsOf(t, two), request.Digits)
	require.Equal(t, two.Name, request.Name)

	listed := one.Exec("admit", "--http", one.URL(), "--data", one.Data)
	require.Zero(t, listed.Code, listed.Stderr)
	require.Contains(t, listed.Stdout, "    "+request.Digits+"\n", "the digits stand apart")
	said := one.Exec("admit", "--http", one.URL(), "--data", one.Data, "--yes", strings.ToUpper(request.ID))
	require.Zero(t, said.Code, said.Stderr)
	require.Contains(t, said.Stdout, "admitted: "+two.Name)
	code, err := two.Process().Wait(nodetest.Patience)
	require.NoError(t, err)
	require.Zero(t, code)
	shop.Tills = append(shop.Tills, two)
	two.Start()
	shop.Equal()
	again := one.Exec("admit", "--http", one.URL(), "--data", one.Data, "--yes", request.ID)
	require.Equal(t, 1, again.Code)
	require.Contains(t, again.Stderr, "no such request")

	for n := range 3 {
		three := shop.NewTill()
		three.Spawn(askArgs(three, one)...)
		request := awaitRequest(t, one)
		no := one.Exec("admit", "--http", one.URL(), "--data", one.Data, "--no", request.ID)
		require.Zero(t, no.Code, no.Stderr)
		require.Contains(t, no.Stdout, "refused")
		code, err := three.Process().Wait(nodetest.Patience)
		require.Error(t, err)
		require.Equal(t, 1, code)
		require.Contains(t, three.Log(), "refused at the till of the shop", "try %d", n)
		require.NoDirExists(t, three.Data)
	}
	four := shop.NewTill()
	out := four.Exec(askArgs(four, one)...)
	require.Equal(t, 1, out.Code)
	require.Contains(t, out.Stderr, "three that failed")
	requests, err := one.API().Requests(t.Context())
	require.NoError(t, err)
	require.Greater(t, time.Until(requests.ClosedUntil.Time), 10*time.Minute)
	opened := one.Exec("admit", "--http", one.URL(), "--data", one.Data, "--open")
	require.Zero(t, opened.Code, opened.Stderr)
	four.Spawn(askArgs(four, one)...)
	require.NotEmpty(t, awaitRequest(t, one).Digits)
	mesh, err := one.API().Mesh(t.Context())
	require.NoError(t, err)
	require.Len(t, mesh.Tills, 2, "nobody joined whom no person let in")
}

// letIn says yes to the only request that waits at a till, and waits until the new till has its directory.
func letIn(t *testing.T, at, fresh *nodetest.Till) {
	t.Helper()
	_, err := at.API().Decide(t.Context(), awaitRequest(t, at).ID, true, "")
	require.NoError(t, err)
	nodetest.Eventually(t, nodetest.Patience, "it has a token", func() error {
		_, err := os.Stat(filepath.Join(fresh.Data, "token"))
		return err
	})
}

// TestRunOnAnEmptyDirectoryJoins: a till that is started with nothing asks for admission, shows its digits over HTTP, and after
// a yes joins and sells by itself.
func TestRunOnAnEmptyDirectoryJoins(t *testing.T) {
	t.Parallel()
	shop := nodetest.New(t)
	one := shop.Found()
	coffee := one.PutArticle("Kaffee", 290, one.PutTax(1900))
	two := shop.NewTill()
	two.Spawn(append(two.RunArgs(), "--name", two.Name)...)
	request := awaitRequest(t, one)
	stranger, err := client.New(client.Config{URL: two.URL()})
	require.NoError(t, err)
	defer stranger.Close()
	var status client.Status
	nodetest.Eventually(t, nodetest.Patience, "it waits for a yes", func() error { // the other till may know of the request first
		var err error
		if status, err = stranger.Status(t.Context()); err == nil && (status.Asking == nil || status.Asking.Phase != "waiting") {
			err = fmt.Errorf("%+v", status.Asking)
		}
		return err
	})
	require.Nil(t, status.Shop)
	require.Equal(t, request.Digits, status.Asking.Digits)
	require.Equal(t, request.Till, status.Asking.Till)
	require.Contains(t, two.Log(), request.Digits, "the screen shows them")
	require.Equal(t, "asking", client.CodeOf(stranger.AskToJoin(t.Context(), "", "")))

	letIn(t, one, two)
	shop.Tills = append(shop.Tills, two)
	two.Meet()
	shop.Equal()
	two.Await(coffee)
	two.Sell(coffee)
	two.Restart()
	shop.Equal()
}

// TestRefusedTillAsksAgainWhenTold: after a no a till that waits asks again only when a person says so.
func TestRefusedTillAsksAgainWhenTold(t *testing.T) {
	t.Parallel()
	shop := nodetest.New(t)
	one := shop.Found()
	two := shop.NewTill()
	two.Spawn(append(two.RunArgs(), "--name", two.Name)...)
	request := awaitRequest(t, one)
	_, err := one.API().Decide(t.Context(), request.ID, false, "")
	require.NoError(t, err)
	stranger, err := client.New(client.Config{URL: two.URL()})
	require.NoError(t, err)
	defer stranger.Close()
	nodetest.Eventually(t, nodetest.Patience, "it says that it was refused", func() error {
		status, err := stranger.Status(t.Context())
		if err == nil && (status.Asking.Phase != "failed" || !status.Asking.AgainAt.IsZero()) {
			err = fmt.Errorf("it says %+v", status.Asking)
		}
		return err
	})
	require.NoError(t, stranger.AskToJoin(t.Context(), "", ""))
	second := awaitRequest(t, one)
	require.Equal(t, request.Till, second.Till, "it keeps its device key")
	require.NotEqual(t, request.ID, second.ID)
}

// revoked returns an error unless a till knows another one as revoked and has no link to it.
func seesRevoked(t *testing.T, at, gone *nodetest.Till) error {
	t.Helper()
	mesh, err := at.API().Mesh(t.Context())
	if err != nil {
		return err
	}
	for _, till := range mesh.Tills {
		if till.ID == gone.ID() && (till.State != "revoked" || till.Linked) {
			return fmt.Errorf("%s sees %s as %s, linked: %v", at.Name, gone.Name, till.State, till.Linked)
		}
	}
	return nil
}

// gossipKeys returns what a till has on its disk.
func gossipKeys(t *testing.T, till *nodetest.Till) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(till.Data, "gossip.keys"))
	if os.IsNotExist(err) {
		return ""
	}
	require.NoError(t, err)
	return string(b)
}

// awaitOneKey waits until these tills have the same keys on disk, others than the one given.
func awaitOneKey(t *testing.T, before string, tills ...*nodetest.Till) {
	t.Helper()
	nodetest.Eventually(t, nodetest.Patience, "the tills have the same fresh key", func() error {
		first := gossipKeys(t, tills[0])
		if first == before {
			return errNotYet
		}
		for _, till := range tills {
			if gossipKeys(t, till) != first {
				return fmt.Errorf("%s has other keys than %s", till.Name, tills[0].Name)
			}
		}
		return nil
	})
}

// gossips waits until each of these tills sees all others alive, by gossip alone.
func gossips(t *testing.T, tills ...*nodetest.Till) {
	t.Helper()
	nodetest.Eventually(t, nodetest.Patience, "they see each other alive", func() error {
		for _, at := range tills {
			mesh, err := at.API().Mesh(t.Context())
			if err != nil {
				return err
			}
			for _, other := range tills {
				for _, seen := range mesh.Tills {
					if seen.ID == other.ID() && !seen.Alive {
						return fmt.Errorf("%s does not see %s", at.Name, other.Name)
					}
				}
			}
		}
		return nil
	})
}

// TestRevokedTillIsCutOff: whoever hears of a revocation ends the link at once and speaks with a fresh key; the revoked till
// says so itself and sells no more, and what it sold stays, marked.
func TestRevokedTillIsCutOff(t *testing.T) {
	t.Parallel()
	shop := nodetest.Open(t, 3)
	one, two, lost := shop.Tills[0], shop.Tills[1], shop.Tills[2]
	coffee := one.PutArticle("Kaffee", 290, one.PutTax(1900))
	lost.Await(coffee)
	sold := lost.Sell(coffee)
	shop.Equal()

	out := one.Exec("revoke", "k3", "--reason", "stolen", "--http", one.URL(), "--data", one.Data)
	begin := time.Now()
	require.Zero(t, out.Code, out.Stderr)
	require.Contains(t, out.Stdout, "up to "+sold.Number)
	for _, till := range []*nodetest.Till{one, two} {
		require.NoError(t, nodetest.Await(t.Context(), 10*time.Second-time.Since(begin), func() error { return seesRevoked(t, till, lost) }))
	}
	t.Logf("links ended after %v", time.Since(begin).Round(time.Millisecond))
	awaitOneKey(t, "", one, two)
	require.Empty(t, gossipKeys(t, lost), "the revoked till never gets it")
	gossips(t, one, two)

	nodetest.Eventually(t, nodetest.Patience, "the revoked till heard of it", func() error {
		status, err := lost.API().Status(t.Context())
		if err == nil && status.Removed == nil {
			err = errNotYet
		}
		if err == nil {
			require.Equal(t, "revoked", status.Removed.State)
			require.Equal(t, one.Name, status.Removed.By)
			require.Equal(t, "stolen", status.Removed.Reason)
		}
		return err
	})
	_, err := lost.API().OpenTab(t.Context(), client.NewTab{})
	require.Equal(t, "till-removed", client.CodeOf(err), "%v", err)
	held, err := lost.API().Receipt(t.Context(), sold.Number)
	require.NoError(t, err, "it still shows what it has")
	require.True(t, held.Verified)
	for _, till := range []*nodetest.Till{one, two} {
		r, err := till.API().Receipt(t.Context(), sold.Number)
		require.NoError(t, err)
		require.True(t, r.Verified, "it stays valid")
		require.False(t, r.Revoked.IsZero(), "and is marked at %s", till.Name)
		list, err := till.API().AllReceipts(t.Context(), client.List{})
		require.NoError(t, err)
		require.Len(t, list, 1)
		require.False(t, list[0].Revoked.IsZero())
	}
	// It comes back, and nobody talks to it.
	lost.Restart()
	awaitCounter(t, one, "refused_removed")
	later := one.PutArticle("Tee", 250, one.PutTax(700))
	two.Await(later)
	require.NoError(t, seesRevoked(t, one, lost))
	_, err = lost.API().Article(t.Context(), later)
	require.Equal(t, "not-found", client.CodeOf(err), "it gets nothing new")

	again := two.Exec("revoke", "K3", "--http", two.URL(), "--data", two.Data)
	require.Zero(t, again.Code)
	require.Contains(t, again.Stdout, "already")
	unknown := two.Exec("revoke", "K9", "--http", two.URL(), "--data", two.Data)
	require.Equal(t, 1, unknown.Code)
	require.Contains(t, unknown.Stderr, `no till of the shop is called "K9"`)

	// A till that joins now gets the fresh key with its admission.
	shop.Tills = []*nodetest.Till{one, two}
	four := shop.Join(two)
	require.Equal(t, gossipKeys(t, one), gossipKeys(t, four))
	gossips(t, one, two, four)
}

// TestHalfTheShopOff is scenario 14: K5 is revoked on K1 while K2 to K4 are off; K2 and K3 come back without K1 and meet K5; then
// K1 returns.
func TestHalfTheShopOff(t *testing.T) {
	t.Parallel()
	shop := nodetest.Open(t, 5)
	one, two, three, four, five := shop.Tills[0], shop.Tills[1], shop.Tills[2], shop.Tills[3], shop.Tills[4]
	coffee := one.PutArticle("Kaffee", 290, one.PutTax(1900))
	five.Await(coffee)
	before := five.Sell(coffee)
	shop.Equal()
	for _, till := range []*nodetest.Till{two, three, four, five} {
		till.Stop()
	}
	revoked, err := one.API().Revoke(t.Context(), "K5", "stolen")
	require.NoError(t, err)
	require.Equal(t, before.Number, revoked.Series[0].LastNumber)
	require.False(t, revoked.Linked)
	one.Stop()
	fresh := gossipKeys(t, one)
	require.NotEmpty(t, fresh)

	two.Start()
	three.Start()
	five.Start()
	shop.Agree(two, three, five)
	after := five.Sell(coffee)
	shop.Agree(two, three, five)
	one.Start()
	begin := time.Now()
	for _, till := range []*nodetest.Till{two, three} {
		require.NoError(t, nodetest.Await(t.Context(), nodetest.Patience, func() error { return seesRevoked(t, till, five) }))
	}
	t.Logf("K2 and K3 ended their links %v after K1 was back", time.Since(begin).Round(time.Millisecond))
	four.Start()
	shop.Tills = []*nodetest.Till{one, two, three, four}
	shop.Equal()
	awaitOneKey(t, "", one, two, three, four)
	require.Empty(t, gossipKeys(t, five))
	gossips(t, one, two, three, four)
	for _, till := range shop.Tills {
		for _, number := range []string{before.Number, after.Number} {
			r, err := till.API().Receipt(t.Context(), number)
			require.NoError(t, err, "%s has %s", till.Name, number)
			require.True(t, r.Verified)
			require.False(t, r.Revoked.IsZero())
		}
		require.NoError(t, nodetest.Await(t.Context(), nodetest.Patience, func() error { return seesRevoked(t, till, five) }))
	}
}

// TestRetiredTillHandsOver: a till that is retired while it is away brings what it sold, and sells no more.
func TestRetiredTillHandsOver(t *testing.T) {
	t.Parallel()
	shop := nodetest.Open(t, 2)
	one, old := shop.Tills[0], shop.Tills[1]
	coffee := one.PutArticle("Kaffee", 290, one.PutTax(1900))
	old.Await(coffee)
	shop.Equal()
	one.Stop()
	sold := old.Sell(coffee)
	old.Kill()
	one.Start()
	retired, err := one.API().Retire(t.Context(), old.Name, "")
	require.NoError(t, err)
	require.Equal(t, "retired", retired.State)
	old.Start()
	nodetest.Eventually(t, nodetest.Patience, "its receipt is handed over", func() error {
		_, err := one.API().Receipt(t.Context(), sold.Number)
		return err
	})
	nodetest.Eventually(t, nodetest.Patience, "it heard that it is retired", func() error {
		status, err := old.API().Status(t.Context())
		if err == nil && status.Removed == nil {
			err = errNotYet
		}
		return err
	})
	_, err = old.API().OpenTab(t.Context(), client.NewTab{})
	require.Equal(t, "till-removed", client.CodeOf(err), "%v", err)
	_, err = one.API().Retire(t.Context(), one.Name, "")
	require.Equal(t, "last-till", client.CodeOf(err), "%v", err)
}

// awaitReplaceable waits until a till offers the place of another one that is gone.
func awaitReplaceable(t *testing.T, at, gone *nodetest.Till) {
	t.Helper()
	nodetest.Eventually(t, nodetest.Patience, "it is offered as one that is gone", func() error {
		offered, err := at.API().Requests(t.Context())
		if err != nil {
			return err
		}
		for _, r := range offered.Replaceable {
			if r.Name == gone.Name {
				return nil
			}
		}
		return fmt.Errorf("offered are %v", offered.Replaceable)
	})
}

// TestReplacedTill: a new till takes the place of one whose directory was lost, as the person who lets it in says.
func TestReplacedTill(t *testing.T) {
	t.Parallel()
	shop := nodetest.Open(t, 2)
	one, old := shop.Tills[0], shop.Tills[1]
	coffee := one.PutArticle("Kaffee", 290, one.PutTax(1900))
	fresh := shop.NewTill()
	fresh.Spawn(askArgs(fresh, one)...)
	request := awaitRequest(t, one)
	busy := one.Exec("admit", "--http", one.URL(), "--data", one.Data, "--yes", request.ID, "--replaces", old.Name)
	require.Equal(t, 1, busy.Code)
	require.Contains(t, busy.Stderr, "is working now")
	old.Kill()
	require.NoError(t, os.RemoveAll(old.Data))
	awaitReplaceable(t, one, old)
	require.Contains(t, one.Exec("admit", "--http", one.URL(), "--data", one.Data).Stdout, "K2  "+old.Name)
	done := one.Exec("admit", "--http", one.URL(), "--data", one.Data, "--yes", request.ID, "--replaces", "K2")
	require.Zero(t, done.Code, done.Stderr)
	_, err := fresh.Process().Wait(nodetest.Patience)
	require.NoError(t, err)
	shop.Tills = []*nodetest.Till{one, fresh}
	fresh.Start()
	shop.Equal()
	fresh.Await(coffee)
	mesh, err := one.API().Mesh(t.Context())
	require.NoError(t, err)
	states := map[string]string{}
	for _, till := range mesh.Tills {
		states[till.Prefix] = till.State
	}
	require.Equal(t, map[string]string{"K1": "active", "K2": "retired", "K3": "active"}, states)
}

// TestReplacesOnTheCommandLine: the new till itself says whose place it takes.
func TestReplacesOnTheCommandLine(t *testing.T) {
	t.Parallel()
	shop := nodetest.Open(t, 2)
	one, old := shop.Tills[0], shop.Tills[1]
	fresh := shop.NewTill()
	require.Equal(t, 2, fresh.Exec(append(fresh.JoinArgs(one, shop.Invite(one)), "--replaces", "K2")...).Code)
	token := shop.Invite(one)
	inUse := fresh.Exec(append(fresh.JoinArgs(one, token), "--replaces", old.ID())...)
	require.Equal(t, 1, inUse.Code)
	require.Contains(t, inUse.Stderr, "is working now")
	old.Kill()
	awaitReplaceable(t, one, old)
	out := fresh.Exec(append(fresh.JoinArgs(one, token), "--replaces", old.ID())...)
	require.Zero(t, out.Code, out.Stderr)
	shop.Tills = []*nodetest.Till{one, fresh}
	fresh.Start()
	shop.Equal()
	mesh, err := one.API().Mesh(t.Context())
	require.NoError(t, err)
	require.Equal(t, "retired", mesh.Tills[1].State)
}
