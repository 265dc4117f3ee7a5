package shop_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/codec"
	"github.com/tillmesh/tillmesh/crdt/shop"
)

func TestEditKeepsUnknownFields(t *testing.T) {
	for _, g := range registers {
		raw, err := g.value.Edit(nil)
		require.NoError(t, err)
		rec, err := crdt.ParseRecord(raw, shop.Schema)
		require.NoError(t, err)
		rec.SetRaw("zz", codec.AppendString(nil, "new"))
		after, err := g.other.Edit(rec.Bytes())
		require.NoError(t, err)
		back, err := g.parse(after)
		require.NoError(t, err)
		require.Equal(t, g.other, back, g.file)
		rec, err = crdt.ParseRecord(after, shop.Schema)
		require.NoError(t, err)
		v, err := rec.String("zz")
		require.NoError(t, err)
		require.Equal(t, "new", v, g.file)

		rec.RequireReader(shop.Schema + 1)
		_, err = g.other.Edit(rec.Bytes())
		require.ErrorIs(t, err, crdt.ErrUpdateNeeded)
		_, err = g.parse(rec.Bytes())
		require.ErrorIs(t, err, crdt.ErrUpdateNeeded)
	}
}

// apply merges commits into one object.
func apply(id crdt.ObjectID, commits ...*crdt.Commit) *crdt.Object {
	obj := new(crdt.Object)
	for _, c := range commits {
		for i := range c.Pieces {
			if c.Pieces[i].Object == id {
				obj.Apply(c.Origin(), i, &c.Pieces[i])
			}
		}
	}
	return obj
}

func TestSettings(t *testing.T) {
	defaults, err := shop.ViewSettings(new(crdt.Object))
	require.NoError(t, err)
	require.Equal(t, shop.Settings{Business: shop.Business{Country: "DE"}, Money: shop.Money{Currency: "EUR"},
		Day: shop.Day{Zone: "Europe/Berlin", CutOff: 240}, Print: shop.PrintRule{Seconds: 10}}, defaults)
	pieces, err := shop.EditSettings(nil, shop.SettingsEdit{Business: &defaults.Business, Money: &defaults.Money, Day: &defaults.Day,
		Shop: &defaults.Shop, Print: &defaults.Print})
	require.NoError(t, err)
	require.Empty(t, pieces, "defaults are never written")

	id := shop.SettingsObject()
	changed := defaults
	changed.Day.CutOff = 0
	changed.Shop.Name = "Süd"
	pieces, err = shop.EditSettings(nil, shop.SettingsEdit{Business: &changed.Business, Day: &changed.Day, Shop: &changed.Shop})
	require.NoError(t, err)
	require.Len(t, pieces, 2)
	first := commit(t, crdt.ReplicaID{1}, 1, pieces...)
	obj := apply(id, first)
	got, err := shop.ViewSettings(obj)
	require.NoError(t, err)
	require.Equal(t, changed, got)

	name := func(replica byte, to string) *crdt.Commit {
		pieces, err := shop.EditSettings(obj, shop.SettingsEdit{Shop: &shop.Shop{Name: to}})
		require.NoError(t, err)
		require.Len(t, pieces, 1)
		return commit(t, crdt.ReplicaID{replica}, 2, pieces...)
	}
	north, south := name(2, "Nord"), name(3, "Ost")
	both := apply(id, south, first, north)
	got, err = shop.ViewSettings(both)
	require.NoError(t, err)
	require.Len(t, got.Conflicts, 1)
	require.Equal(t, "shop", got.Conflicts[0].Register)
	require.Equal(t, []any{shop.Shop{Name: "Ost"}, shop.Shop{Name: "Nord"}},
		[]any{got.Conflicts[0].Values[0].Value, got.Conflicts[0].Values[1].Value})
	require.Equal(t, south.Dot, got.Conflicts[0].Values[0].Dot)
	pieces, err = shop.EditSettings(both, shop.SettingsEdit{Shop: &shop.Shop{Name: "Ost"}, Resolve: []string{"shop"}})
	require.NoError(t, err)
	got, err = shop.ViewSettings(apply(id, south, first, north, commit(t, crdt.ReplicaID{2}, 3, pieces...)))
	require.NoError(t, err)
	require.Empty(t, got.Conflicts)
	require.Equal(t, "Ost", got.Shop.Name)
}

func TestValuesRefused(t *testing.T) {
	for want, v := range map[string]editable{
		"needs a name":         shop.TillName{Name: " "},
		"201 characters":       shop.TillName{Name: strings.Repeat("x", 201)},
		"control character":    shop.Business{Country: "DE", Street: "a\x00"},
		"valid UTF-8":          shop.Shop{Name: "\xff"},
		"mode \"Shared\"":      shop.Mode("Shared"),
		"country \"de\"":       shop.Business{Country: "de"},
		"VAT ID has 41":        shop.Business{Country: "DE", VATID: strings.Repeat("1", 41)},
		"currency \"\"":        shop.Money{},
		"time zone \"\"":       shop.Day{CutOff: 1},
		"time zone \"/etc/x\"": shop.Day{Zone: "/etc/x"},
		"time zone \"../x\"":   shop.Day{Zone: "../x"},
		"is 51":                shop.PrintRule{Copies: 51, Seconds: 1},
		"is 3601":              shop.PrintRule{Seconds: 3601},
		"is 1440":              shop.Day{Zone: "UTC", CutOff: 1440},
	} {
		err := v.Check()
		require.ErrorIs(t, err, shop.ErrInvalid, want)
		require.ErrorContains(t, err, want)
	}
	_, err := shop.EditSettings(nil, shop.SettingsEdit{Money: &shop.Money{Currency: "euro"}})
	require.ErrorIs(t, err, shop.ErrInvalid)
	empty, mode := "", shop.Mode("")
	_, err = shop.EditTill(crdt.TillID{}, nil, shop.TillEdit{Name: &empty, Mode: &mode})
	require.ErrorIs(t, err, shop.ErrInvalid)
	require.False(t, shop.Mode("later").Known())
	require.NoError(t, shop.Mode("later").Check(), "a mode of a newer program is kept")
}

func TestBusinessDay(t *testing.T) {
	// The zone only has to have summer time; its rules are the test's own, so no time zone data is needed.
	winter, summer := time.FixedZone("CET", 3600), time.FixedZone("CEST", 7200)
	d := shop.Day{Zone: "Europe/Berlin", CutOff: 240}
	at := func(zone *time.Location, month time.Month, day, hour, minute int) time.Time {
		return time.Date(2026, month, day, hour, minute, 0, 0, zone)
	}
	for _, c := range []struct {
		local time.Time
		want  string
	}{
		{at(winter, 1, 1, 3, 59), "2025-12-31"}, {at(winter, 1, 1, 4, 0), "2026-01-01"}, {at(winter, 3, 1, 0, 30), "2026-02-28"},
		{at(winter, 3, 29, 1, 59), "2026-03-28"}, {at(summer, 3, 29, 3, 0), "2026-03-28"}, {at(summer, 3, 29, 4, 0), "2026-03-29"},
		{at(summer, 10, 25, 2, 30), "2026-10-24"}, {at(winter, 10, 25, 2, 30), "2026-10-24"}, {at(winter, 10, 25, 4, 0), "2026-10-25"},
	} {
		require.Equal(t, c.want, d.BusinessDay(c.local), "%v", c.local)
	}
	midnight := shop.Day{Zone: "UTC"}
	require.Equal(t, "2026-01-01", midnight.BusinessDay(at(winter, 1, 1, 0, 0)))
	late := shop.Day{Zone: "UTC", CutOff: 1439}
	require.Equal(t, "2025-12-31", late.BusinessDay(at(winter, 1, 1, 23, 58)))
	require.Equal(t, "2026-01-01", late.BusinessDay(at(winter, 1, 1, 23, 59)))
}

// TestDaysThatTheClockIsSet: in a zone with summer time, whatever the end of the day, the business day never goes back, each
// day begins once, and its beginning is where BusinessDay changes.
func TestDaysThatTheClockIsSet(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Skip("no time zones on this machine")
	}
	for _, cutOff := range []int64{0, 1, 119, 120, 150, 179, 180, 240, 1439} {
		d := shop.Day{Zone: "Europe/Berlin", CutOff: cutOff}
		for _, first := range []time.Time{time.Date(2026, 3, 28, 0, 0, 0, 0, zone), time.Date(2026, 10, 24, 0, 0, 0, 0, zone)} {
			last := ""
			for at := first; at.Before(first.Add(72 * time.Hour)); at = at.Add(10 * time.Minute) {
				day := d.BusinessDay(at)
				require.GreaterOrEqual(t, day, last, "cut-off %d at %v", cutOff, at)
				begin, err := d.Begins(day, zone)
				require.NoError(t, err)
				require.False(t, begin.After(at), "%s begins at %v, but is the day of %v (cut-off %d)", day, begin, at, cutOff)
				require.Equal(t, day, d.BusinessDay(begin))
				require.Less(t, d.BusinessDay(begin.Add(-time.Second)), day, "cut-off %d: %v", cutOff, begin)
				last = day
			}
		}
	}
	for _, c := range []struct {
		day    string
		cutOff int64
		want   string
	}{
		{"2026-03-29", 240, "2026-03-29T04:00:00+02:00"}, // the night is an hour shorter
		{"2026-10-25", 240, "2026-10-25T04:00:00+01:00"}, // and an hour longer
		{"2026-03-29", 150, "2026-03-29T03:00:00+02:00"}, // half past two is left out
		{"2026-10-25", 150, "2026-10-25T02:30:00+02:00"}, // and comes twice: the first one counts
		{"2026-07-01", 0, "2026-07-01T00:00:00+02:00"},
	} {
		at, err := shop.Day{CutOff: c.cutOff}.Begins(c.day, zone)
		require.NoError(t, err)
		require.Equal(t, c.want, at.Format(time.RFC3339))
	}
	if cairo, err := time.LoadLocation("Africa/Cairo"); err == nil { // midnight of 2024-04-26 is left out there
		at, err := shop.Day{CutOff: 30}.Begins("2024-04-26", cairo)
		require.NoError(t, err)
		require.Equal(t, "2024-04-26T01:00:00+03:00", at.Format(time.RFC3339))
		require.Equal(t, "2024-04-25", shop.Day{CutOff: 30}.BusinessDay(at.Add(-time.Minute)))
	}
	_, err = shop.Day{}.Begins("29.3.2026", zone)
	require.ErrorIs(t, err, shop.ErrInvalid)
}

func BenchmarkRoster(b *testing.B) {
	f := newDevice(0)
	s, first := founded(b, f)
	all := []crdt.Piece{first}
	for i := range uint64(20) {
		d, prefix := newDevice(i+1), "K"+strconv.Itoa(int(i)+2)
		all = append(all, admission(b, s, f, d, prefix, int64(i)), lineage(b, s, d, 0, prefix, int64(i)))
	}
	b.ReportAllocs()
	for b.Loop() {
		if r := roster(b, s, all...); len(r.Tills()) != 21 {
			b.Fatal(len(r.Tills()))
		}
	}
}

func BenchmarkMayPush(b *testing.B) {
	f := newDevice(0)
	s, first := founded(b, f)
	r := roster(b, s, first, lineage(b, s, f, 0, "K1", 1))
	b.ReportAllocs()
	for b.Loop() {
		if !r.MayPush(f.id, f.replica(0)) {
			b.Fatal("refused")
		}
	}
}
