package catalog_test

import (
	"encoding/hex"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/catalog"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const goldenDir = "../../testdata/documents/v1/catalog"

// id returns an object ID of one repeated byte.
func id(b byte) (o crdt.ObjectID) {
	for i := range o {
		o[i] = b
	}
	return o
}

type editable interface {
	Check() error
	Edit(old []byte) ([]byte, error)
}

func into[T any](parse func([]byte) (T, error)) func([]byte) (any, error) {
	return func(raw []byte) (any, error) { return parse(raw) }
}

// samples hold every register, once with little and once with everything in it.
var samples = []struct {
	file  string
	value editable
	parse func([]byte) (any, error)
}{
	{"article.names", catalog.Named("Espresso doppio"), into(catalog.ParseNames)},
	{"article.names.full", catalog.Names{Name: map[string]string{"de": "Käsekuchen", "en": "Cheesecake", "pt-BR": "Torta"},
		Receipt: map[string]string{"de": "Käsek."}}, into(catalog.ParseNames)},
	{"article.codes", catalog.Codes{Barcodes: []string{"4006381333931"}}, into(catalog.ParseCodes)},
	{"article.codes.full", catalog.Codes{Barcodes: []string{"4006381333931", "20012345", "AB12"}, PLU: "17"}, into(catalog.ParseCodes)},
	{"article.place", catalog.Place{Group: id(0xaa)}, into(catalog.ParsePlace)},
	{"article.place.full", catalog.Place{Group: id(0xaa), Sort: -3, Colour: "#00ff7f", Picture: crdt.Hash{1, 2, 3}},
		into(catalog.ParsePlace)},
	{"article.price", catalog.Price{Amount: 290, Currency: "EUR", Tax: id(0xbb)}, into(catalog.ParsePrice)},
	{"article.price.full", catalog.Price{Amount: -25, Currency: "CHF", Tax: id(0xbb), TaxAway: id(0xcc), Unit: "kg",
		Decimals: true, Open: true}, into(catalog.ParsePrice)},
	{"article.price.withdrawn", catalog.Price{Withdrawn: true}, into(catalog.ParsePrice)},
	{"article.deposit", catalog.Deposit{Article: id(0xdd)}, into(catalog.ParseDeposit)},
	{"article.life", catalog.Life{Archived: true, SinceMS: 1_780_000_000_000}, into(catalog.ParseLife)},
	{"group.names", catalog.Named("Heißgetränke"), into(catalog.ParseNames)},
	{"group.place", catalog.GroupPlace{Parent: id(0xaa), Sort: 2, Colour: "#a0b1c2"}, into(catalog.ParseGroupPlace)},
	{"group.life", catalog.Life{Archived: true, SinceMS: 1_780_000_000_000}, into(catalog.ParseLife)},
	{"tax.names", catalog.Named("MwSt normal"), into(catalog.ParseNames)},
	{"tax.rate", catalog.Rate{BasisPoints: 1900, FiscalKey: 1}, into(catalog.ParseRate)},
	{"tax.rate.full", catalog.Rate{BasisPoints: 490, FiscalKey: 1001, Set: "Besonders"}, into(catalog.ParseRate)},
	{"tax.rate.zero", catalog.Rate{}, into(catalog.ParseRate)},
	{"tax.life", catalog.Life{Archived: true, SinceMS: 1_780_000_000_000}, into(catalog.ParseLife)},
}

func TestGolden(t *testing.T) {
	want := make(map[string]bool)
	for _, s := range samples {
		t.Run(s.file, func(t *testing.T) {
			require.NoError(t, s.value.Check())
			raw, err := s.value.Edit(nil)
			require.NoError(t, err)
			path := filepath.Join(goldenDir, s.file+".hex")
			if *update {
				require.NoError(t, os.MkdirAll(goldenDir, 0o755))
				require.NoError(t, os.WriteFile(path, []byte(hex.EncodeToString(raw)+"\n"), 0o644))
			}
			golden, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, strings.TrimSpace(string(golden)), hex.EncodeToString(raw))
			back, err := s.parse(raw)
			require.NoError(t, err)
			require.Equal(t, s.value, back)
		})
		want[s.file+".hex"] = true
	}
	files, err := os.ReadDir(goldenDir)
	require.NoError(t, err)
	for _, f := range files {
		require.True(t, want[f.Name()], "%s belongs to no sample", f.Name())
	}
}

func TestSmallArticleIsSmall(t *testing.T) {
	size := 0
	for _, v := range []editable{
		catalog.Named("Espresso doppio"),
		catalog.Codes{Barcodes: []string{"4006381333931"}},
		catalog.Price{Amount: 290, Currency: "EUR", Tax: id(1)},
	} {
		raw, err := v.Edit(nil)
		require.NoError(t, err)
		size += len(raw)
	}
	require.LessOrEqual(t, size, 100)
	t.Logf("names, codes and price together: %d bytes", size)
}
