package server

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/cloudlink/server/watch"
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/crdt/receipt/loss"
)

// noticed is a shop with a silent till, one that is there, a gap, and one that is too young to be one.
func noticed(now time.Time) ShopStatus {
	one, two := crdt.TillID{1}, crdt.TillID{2}
	return ShopStatus{
		Now: now, OldestProgram: "v1.2.3", Forwards: one, Pending: 4, SaidAt: now.Add(-time.Second),
		Tills: []TillStatus{
			{Till: one, Name: "Theke", Prefix: "K1", State: "active", Connected: true, Heard: now, ToldBy: one, Program: "v1.2.3"},
			{Till: two, Name: "Garten", Prefix: "K2", State: "active", Silent: true, Heard: now.Add(-25 * time.Hour), ToldBy: one},
			{Till: crdt.TillID{3}, Name: "Zelt", Prefix: "K3", State: "active", Silent: true},
		},
		Gaps: []GapStatus{
			{Gap: watch.Gap{Run: loss.Run{First: 3, Last: 4}, Type: receipt.TypeReceipt, Till: two, Series: "K2", Noticed: now.Add(-time.Hour)}, Named: true, At: []string{"Theke"}, Asked: 2},
			{Gap: watch.Gap{Run: loss.Run{First: 7, Last: 7}, Type: receipt.TypeClosing, Till: two, Series: "K2", Noticed: now.Add(-time.Hour)}, Named: true},
			{Gap: watch.Gap{Run: loss.Run{First: 9, Last: 9}, Type: receipt.TypeReceipt, Till: one, Series: "K1", Noticed: now.Add(time.Second)}},
		},
	}
}

func TestTheStatusNamesSilentTillsAndGaps(t *testing.T) {
	b := small(t)
	token := b.owner("anna@shop.example")
	m := founder(t, 1)
	b.couple(token, m)
	path := "/api/v1/shops/" + m.shop.String() + "/status"
	b.fake.status = noticed(b.now())
	got := b.ok(200, "GET", path, token, "")
	require.Equal(t, false, got["silent"])
	require.Equal(t, "v1.2.3", got.text("oldest_program"))
	require.Equal(t, crdt.TillID{1}.String(), got.text("forwards"))
	require.EqualValues(t, 4, got["pending"])
	require.Empty(t, got.text("complete_at"))

	tills := got.list("tills")
	require.Len(t, tills, 3)
	for i, want := range []struct {
		silent bool
		age    int64
		told   string
	}{{false, 0, crdt.TillID{1}.String()}, {true, 25 * 3600, crdt.TillID{1}.String()}, {true, -1, ""}} {
		require.Equal(t, want.silent, tills[i]["silent"])
		require.EqualValues(t, want.age, tills[i]["age_seconds"])
		require.Equal(t, want.told, tills[i].text("told_by"))
	}
	gaps := got.list("gaps")
	require.Len(t, gaps, 3)
	require.EqualValues(t, 3, gaps[0]["first"])
	require.EqualValues(t, 4, gaps[0]["last"])
	require.EqualValues(t, 3600, gaps[0]["age_seconds"])
	require.Equal(t, []any{"Theke"}, gaps[0]["at"])
	require.EqualValues(t, 2, gaps[0]["asked"])
	require.Equal(t, receipt.TypeClosing, gaps[1].text("kind"))
	require.Equal(t, []any{}, gaps[1]["at"])
	require.Equal(t, false, gaps[2]["settled"])
	require.EqualValues(t, 0, gaps[2]["age_seconds"], "a clock that was set back")

	heard := b.now().Add(-25 * time.Hour).Format("2006-01-02T15:04:05.000Z07:00")
	since := b.now().Add(-time.Hour).Format("2006-01-02T15:04:05.000Z07:00")
	const lost = ", by no till of the shop. What it sold after that is nowhere else: switch it on, or ask for the statement of what is lost with it."
	require.Equal(t, []any{
		"Garten was not heard since " + heard + lost, "Zelt was not heard since ever" + lost,
		"2 numbers from K2-000003 on are missing in the archive since " + since + ".", "K2 Z 7 is missing in the archive since " + since + ".",
	}, got["problems"])

	b.fake.status = ShopStatus{Now: b.now(), Silent: true}
	got = b.ok(200, "GET", path, token, "")
	require.Equal(t, []any{"No till of this shop was heard for a day. If it is open, look at its internet connection."}, got["problems"])
	require.Equal(t, []any{}, got["tills"])
	require.Equal(t, []any{}, got["gaps"])
}

func TestTheStatementOfALossOverHTTP(t *testing.T) {
	b := small(t)
	token := b.owner("anna@shop.example")
	m := founder(t, 1)
	b.couple(token, m)
	root := "/api/v1/shops/" + m.shop.String() + "/tills/"
	w := b.do("GET", root+m.id.String()+"/loss", token, "")
	require.Equal(t, 200, w.Code, w.Body.String())
	signed, err := loss.Parse(w.Body.Bytes())
	require.NoError(t, err)
	s, err := loss.Verify(signed, crdt.TillID{})
	require.NoError(t, err, "the answer is as it was signed")
	require.Equal(t, m.shop.String(), s.Shop.ID)
	require.Equal(t, m.id.String(), s.Till.ID)
	require.NotEmpty(t, signed.Statement)

	b.refused(404, "not-found", "GET", root+crdt.TillID{9}.String()+"/loss", token, "")
	b.refused(422, "invalid", "GET", root+"K1/loss", token, "")
	b.refused(422, "invalid", "GET", root+strings.Repeat("!", 52)+"/loss", token, "")
}

// Others see nothing of a shop, and keys need the right; nothing of that reaches what is behind the ports.
func TestWhoMaySeeWhatWasNoticed(t *testing.T) {
	b := small(t)
	anna, bela := b.owner("anna@shop.example"), b.owner("bela@shop.example")
	m := founder(t, 1)
	b.couple(anna, m)
	root := "/api/v1/shops/" + m.shop.String()
	key := func(right string) string {
		return b.ok(201, "POST", "/api/v1/keys", anna, `{"name":"x","rights":["`+right+`"]}`).text("token")
	}
	reads, archives := key("read"), key("archive")
	b.fake.calls = nil
	for _, path := range []string{"/status", "/tills/" + m.id.String() + "/loss", "/completeness", "/completeness?progress=true"} {
		b.refused(404, "unknown-shop", "GET", root+path, bela, "")
		b.refused(403, "right-missing", "GET", root+path, archives, "")
		b.refused(401, "unauthorized", "GET", root+path, "", "")
	}
	b.refused(403, "right-missing", "GET", root+"/completeness?progress=true", reads, "")
	require.Empty(t, b.fake.calls)
	b.ok(200, "GET", root+"/status", reads, "")
	b.ok(200, "GET", root+"/tills/"+m.id.String()+"/loss", reads, "")
	require.Equal(t, []string{fmt.Sprint("ShopStatus", m.shop), fmt.Sprint("Loss", m.shop, m.id)}, b.fake.calls)
}

// The server that holds the shop knows which tills it speaks with: it answers.
func TestWhatWasNoticedIsAskedWhereTheShopIs(t *testing.T) {
	m := founder(t, 1)
	b := small(t, func(o *Options) {
		o.Seats = seats{m.shop, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })}
	})
	token := b.owner("anna@shop.example")
	b.couple(token, m)
	for _, path := range []string{"/status", "/tills/" + m.id.String() + "/loss"} {
		require.Equal(t, http.StatusTeapot, b.do("GET", "/api/v1/shops/"+m.shop.String()+path, token, "").Code)
	}
	require.Empty(t, b.fake.calls)
}
