package shop_test

import (
	"encoding/hex"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/shop"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const goldenDir = "../../testdata/documents/v1/shop"

type editable interface {
	Check() error
	Edit(old []byte) ([]byte, error)
}

func into[T any](parse func([]byte) (T, error)) func([]byte) (any, error) {
	return func(raw []byte) (any, error) { return parse(raw) }
}

// registers holds every register, with defaults and with everything in it, and another value to write over it.
var registers = []struct {
	file         string
	value, other editable
	parse        func([]byte) (any, error)
}{
	{"till.name", shop.TillName{Name: "Theke"}, shop.TillName{Name: "Garten"}, into(shop.ParseTillName)},
	{"till.mode", shop.ModeIndividual, shop.ModeArchive, into(shop.ParseMode)},
	{"settings.business", shop.Business{Name: "Café Süd", Street: "Hauptstr. 1", Postcode: "50667", Town: "Köln", Country: "AT",
		TaxNumber: "12/345/67890", VATID: "ATU12345678"}, shop.Business{Country: "DE"}, into(shop.ParseBusiness)},
	{"settings.business.default", shop.Business{Country: "DE"}, shop.Business{Country: "AT"}, into(shop.ParseBusiness)},
	{"settings.money", shop.Money{Currency: "CHF"}, shop.Money{Currency: "EUR"}, into(shop.ParseMoney)},
	{"settings.money.default", shop.Money{Currency: "EUR"}, shop.Money{Currency: "PLN"}, into(shop.ParseMoney)},
	{"settings.day", shop.Day{Zone: "Europe/Vienna", CutOff: 0}, shop.Day{Zone: "Europe/Berlin", CutOff: 240}, into(shop.ParseDay)},
	{"settings.day.default", shop.Day{Zone: "Europe/Berlin", CutOff: 240}, shop.Day{Zone: "UTC", CutOff: 1}, into(shop.ParseDay)},
	{"settings.print", shop.PrintRule{Copies: 2, Seconds: 30}, shop.PrintRule{Seconds: 10}, into(shop.ParsePrintRule)},
	{"settings.print.default", shop.PrintRule{Seconds: 10}, shop.PrintRule{Copies: 3, Seconds: 1}, into(shop.ParsePrintRule)},
	{"settings.shop", shop.Shop{Name: "Süd"}, shop.Shop{}, into(shop.ParseShop)},
}

// items returns one of each item, signed with the keys of the test.
func items(t testing.TB) map[string]crdt.Piece {
	f, a := newDevice(1), newDevice(2)
	s, first := founded(t, f)
	replacing, err := shop.Admission{PublicKey: a.public(), Name: "Kasse 2", Prefix: "K2", By: f.id, MS: 1_780_000_000_000,
		Replaces: newDevice(3).id}.Sign(s, f.key)
	require.NoError(t, err)
	known, err := shop.Recovery{PublicKey: newDevice(9).public(), By: f.id, MS: 1_780_000_000_000}.Sign(s, f.key)
	require.NoError(t, err)
	prefix, err := shop.NewRoster(s).RecoveryPrefix(a.public())
	require.NoError(t, err)
	taken, err := takeover(f, a).Sign(s, f.key)
	require.NoError(t, err)
	bond := coupling(f, 0)
	coupled, err := bond.Sign(s, f.key)
	require.NoError(t, err)
	uncoupled, err := shop.Uncoupling{Coupling: bond.ObjectID(), By: a.id, MS: 1_780_000_000_000, Reason: "Test"}.Sign(s, a.key)
	require.NoError(t, err)
	return map[string]crdt.Piece{
		"coupling": coupled, "uncoupling": uncoupled, "seat": seat(t, s, 0), "seat.second": seat(t, s, 1),
		"takeover": taken,
		"recovery": known, "admission.recovered": admission(t, s, newDevice(9), a, prefix, 1_780_000_000_000),
		"admission.founder": first, "admission": admission(t, s, f, a, "K2", 1_780_000_000_000), "admission.replaces": replacing,
		"lineage": lineage(t, s, a, 0, "K2", 1_780_000_000_000), "lineage.second": lineage(t, s, a, 1, "K2b", 1_780_000_000_000),
		"retirement": departure(t, s, f, a, false, 1_780_000_000_000), "revocation": departure(t, s, f, a, true, 1_780_000_000_000),
	}
}

func golden(t *testing.T, file string, raw []byte) {
	t.Helper()
	path := filepath.Join(goldenDir, file+".hex")
	if *update {
		require.NoError(t, os.MkdirAll(goldenDir, 0o755))
		require.NoError(t, os.WriteFile(path, []byte(hex.EncodeToString(raw)+"\n"), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, strings.TrimSpace(string(want)), hex.EncodeToString(raw), file)
}

func TestGolden(t *testing.T) {
	files := make(map[string]bool)
	for _, g := range registers {
		require.NoError(t, g.value.Check())
		raw, err := g.value.Edit(nil)
		require.NoError(t, err)
		golden(t, g.file, raw)
		back, err := g.parse(raw)
		require.NoError(t, err)
		require.Equal(t, g.value, back)
		files[g.file+".hex"] = true
	}
	for name, p := range items(t) {
		golden(t, name, p.Raw)
		files[name+".hex"] = true
	}
	dir, err := os.ReadDir(goldenDir)
	require.NoError(t, err)
	for _, f := range dir {
		require.True(t, files[f.Name()], "%s belongs to no sample", f.Name())
	}
}

func TestItemsReadBack(t *testing.T) {
	f, a := newDevice(1), newDevice(2)
	got := items(t)
	first, err := shop.ParseAdmission(got["admission.founder"].Raw)
	require.NoError(t, err)
	want, _ := shop.Found(f.public(), nonce, "Kasse 1", 1000)
	require.Equal(t, want, first)
	second, err := shop.ParseAdmission(got["admission.replaces"].Raw)
	require.NoError(t, err)
	require.Equal(t, shop.Admission{PublicKey: a.public(), Name: "Kasse 2", Prefix: "K2", By: f.id, MS: 1_780_000_000_000,
		Replaces: newDevice(3).id}, second)
	l, err := shop.ParseLineage(got["lineage.second"].Raw)
	require.NoError(t, err)
	require.Equal(t, shop.Lineage{Till: a.id, Replica: a.replica(1), Predecessor: a.replica(0), Prefix: "K2b", MS: 1_780_000_000_000,
		Last: []shop.ScopeSeq{{Scope: crdt.Shop, Seq: 7}, {Scope: crdt.Sales, Seq: crdt.NewSeq(3, 9)}}}, l)
	k, err := shop.ParseRecovery(got["recovery"].Raw)
	require.NoError(t, err)
	require.Equal(t, shop.Recovery{PublicKey: newDevice(9).public(), By: f.id, MS: 1_780_000_000_000}, k)
	o, err := shop.ParseTakeover(got["takeover"].Raw)
	require.NoError(t, err)
	require.Equal(t, takeover(f, a), o)
	c, err := shop.ParseCoupling(got["coupling"].Raw)
	require.NoError(t, err)
	require.Equal(t, coupling(f, 0), c)
	u, err := shop.ParseUncoupling(got["uncoupling"].Raw)
	require.NoError(t, err)
	require.Equal(t, shop.Uncoupling{Coupling: c.ObjectID(), By: a.id, MS: 1_780_000_000_000, Reason: "Test"}, u)
	z, err := shop.ParseSeat(got["seat.second"].Raw)
	require.NoError(t, err)
	require.Equal(t, shop.Seat{Cloud: cloudDevice.id, Replica: cloudDevice.replica(1), Predecessor: cloudDevice.replica(0), MS: 1_780_000_000_001}, z)
	d, err := shop.ParseDeparture(true, got["revocation"].Raw)
	require.NoError(t, err)
	require.Equal(t, shop.Departure{Revoked: true, Till: a.id, By: f.id, MS: 1_780_000_000_000, Reason: "Test"}, d)
}

// FuzzItem holds that foreign items are refused or known without harm, and never taken without a signature.
func FuzzItem(f *testing.F) {
	s, _ := founded(f, newDevice(1))
	all := items(f)
	for _, p := range all {
		f.Add(p.Type, p.Raw)
	}
	founder := all["admission.founder"]
	f.Fuzz(func(t *testing.T, typ string, raw []byte) {
		r := shop.NewRoster(s)
		require.NoError(t, r.AddItem(founder.Type, founder.Object, founder.Raw))
		var id crdt.ObjectID
		switch typ {
		case shop.TypeAdmission:
			a, err := shop.ParseAdmission(raw)
			if err != nil {
				return
			}
			id = shop.AdmissionID(a.Till())
		case shop.TypeLineage:
			l, err := shop.ParseLineage(raw)
			if err != nil {
				return
			}
			id = l.ObjectID()
		case shop.TypeRecovery:
			k, err := shop.ParseRecovery(raw)
			if err != nil {
				return
			}
			id = k.ObjectID()
		case shop.TypeTakeover:
			o, err := shop.ParseTakeover(raw)
			if err != nil {
				return
			}
			id = o.ObjectID()
		case shop.TypeCoupling:
			c, err := shop.ParseCoupling(raw)
			if err != nil {
				return
			}
			id = c.ObjectID()
		case shop.TypeUncoupling:
			u, err := shop.ParseUncoupling(raw)
			if err != nil {
				return
			}
			id = u.ObjectID()
		case shop.TypeSeat:
			z, err := shop.ParseSeat(raw)
			if err != nil {
				return
			}
			id = z.ObjectID()
		case shop.TypeRetirement, shop.TypeRevocation:
			d, err := shop.ParseDeparture(typ == shop.TypeRevocation, raw)
			if err != nil {
				return
			}
			id = d.ObjectID()
		}
		known := false
		for _, p := range all {
			known = known || p.Type == typ && string(p.Raw) == string(raw)
		}
		require.NoError(t, r.AddItem(typ, id, raw))
		require.True(t, known || len(r.Tills()) == 1 && r.Active(newDevice(1).id) && len(r.RecoveryKeys())+len(r.Takeovers())+len(r.Couplings()) == 0,
			"an item nobody signed was taken")
	})
}
