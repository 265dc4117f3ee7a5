package nodetest_test

import (
	"encoding/json"
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/node/client"
	"github.com/tillmesh/tillmesh/node/nodetest"
)

// listed is what "till recover --json" prints.
type listed struct {
	Found client.Found     `json:"found"`
	Taken *client.Recovery `json:"taken"`
}

func recoverAt(t *testing.T, till *nodetest.Till, dir string, more ...string) listed {
	t.Helper()
	out := till.Exec(append([]string{"recover", dir, "--http", till.URL(), "--data", till.Data, "--json"}, more...)...)
	require.Zero(t, out.Code, "till recover: %s", out.Stderr)
	var l listed
	require.NoError(t, json.Unmarshal([]byte(out.Stdout), &l), out.Stdout)
	return l
}

// TestTheReceiptsOfAFoundTill is the end of scenario 7: a till sells on with no network and is gone, is revoked, and is
// found again. Its four receipts are listed, taken after a yes, and marked at all tills.
func TestTheReceiptsOfAFoundTill(t *testing.T) {
	t.Parallel()
	for _, revoked := range []bool{true, false} {
		t.Run(fmt.Sprintf("revoked=%v", revoked), func(t *testing.T) {
			t.Parallel()
			shop := nodetest.Open(t, 3)
			one, two, five := shop.Tills[0], shop.Tills[1], shop.Tills[2]
			coffee := one.PutArticle("Kaffee", 290, one.PutTax(1900))
			five.Await(coffee)
			for range 5 {
				five.Sell(coffee)
			}
			shop.Equal()
			one.Stop()
			two.Stop()
			var lost []client.Receipt
			for range 4 {
				lost = append(lost, five.Sell(coffee))
			}
			five.Kill()
			shop.Tills = []*nodetest.Till{one, two}
			one.Start()
			two.Start()
			shop.Agree(one, two)
			if revoked {
				_, err := one.API().Revoke(t.Context(), five.ID(), "gestohlen")
				require.NoError(t, err)
				shop.Agree(one, two)
			}

			list := recoverAt(t, one, five.Data)
			require.Nil(t, list.Taken, "nobody said yes")
			require.Equal(t, five.ID(), list.Found.Till)
			require.Equal(t, map[bool]string{true: "revoked", false: "active"}[revoked], list.Found.State)
			require.Empty(t, list.Found.Refused)
			require.Len(t, list.Found.Receipts, 4)
			for i, r := range list.Found.Receipts {
				require.Equal(t, lost[i].Number, r.Number)
				require.EqualValues(t, 290, r.Gross)
				_, err := one.API().Receipt(t.Context(), r.Number)
				require.Equal(t, "not-found", client.CodeOf(err), "looking takes nothing")
			}
			require.Equal(t, []client.FoundSum{{Currency: "EUR", Receipts: 4, Gross: 1160}}, list.Found.Sums)

			taken := recoverAt(t, one, five.Data, "--yes", "--by", "Jule")
			require.NotNil(t, taken.Taken)
			require.EqualValues(t, 4, taken.Taken.Receipts)
			require.Equal(t, []string{lost[0].Number + " to " + lost[3].Number}, taken.Taken.Numbers)
			shop.Agree(one, two)
			for _, at := range shop.Tills {
				for _, r := range lost {
					var got struct {
						client.Receipt
						TakenOver *client.Recovery `json:"taken_over"`
						Revoked   string           `json:"revoked"`
					}
					at.Must("GET", "/api/v1/receipts/"+r.Number, nil, &got)
					require.Equal(t, r.Canonical, got.Canonical, "verbatim")
					require.True(t, got.Verified)
					require.NotNil(t, got.TakenOver, "marked at %s", at.Name)
					require.Equal(t, "Jule", got.TakenOver.By)
					require.Equal(t, one.ID(), got.TakenOver.ByTill)
					require.Equal(t, revoked, got.Revoked != "")
				}
				marks, err := at.API().Recoveries(t.Context())
				require.NoError(t, err)
				require.Len(t, marks, 1)
				require.Len(t, numbersAt(t, at), 9)
			}
			require.Zero(t, recoverAt(t, one, five.Data, "--yes").Found.Commits, "nothing is left to take")
			same, err := one.API().TakeOver(t.Context(), five.Data, list.Found.ID, "somebody else")
			require.NoError(t, err, "the same again is the same")
			require.Equal(t, "Jule", same.By)
			one.Kill()
			one.Start()
			require.Len(t, numbersAt(t, one), 9)
			one.Sell(coffee)
			shop.Agree(one, two)
		})
	}
}

// TestWhatIsNoFoundTill is refused with words that say what to do.
func TestWhatIsNoFoundTill(t *testing.T) {
	t.Parallel()
	shop, other := nodetest.New(t), nodetest.New(t)
	one, stranger := shop.Found(), other.Found()
	stranger.Sell(stranger.PutArticle("Tee", 250, stranger.PutTax(1900)))
	stranger.Kill()
	empty := shop.Data("empty")
	require.NoError(t, os.Mkdir(empty, 0o700))
	for dir, code := range map[string]string{one.Data: "found-own", empty: "nothing-found", stranger.Data: "found-other", "till1": "path"} {
		_, err := one.API().Scan(t.Context(), dir)
		require.Equal(t, code, client.CodeOf(err), "%s: %v", dir, err)
	}
	stranger.Start()
	two := shop.Join(one)
	_, err := one.API().Scan(t.Context(), two.Data)
	require.Equal(t, "found-in-use", client.CodeOf(err))
	_, err = one.API().TakeOver(t.Context(), two.Data, "zz", "")
	require.Equal(t, "invalid", client.CodeOf(err))
	_, err = one.API().Recoveries(t.Context())
	require.NoError(t, err)
}
