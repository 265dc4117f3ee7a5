package dataset

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// fileSum is what the control totals say about one file.
type fileSum struct {
	Bytes          int    `json:"bytes"`
	SHA256         string `json:"sha256"`
	UnpackedBytes  int    `json:"unpacked_bytes"`
	UnpackedSHA256 string `json:"unpacked_sha256"`
}

// requireFiles shows that a difference in the totals is ours and not another file's.
func requireFiles(t *testing.T, dir Dir, files map[string]fileSum) {
	t.Helper()
	require.NotEmpty(t, files)
	for path, want := range files {
		raw, err := os.ReadFile(filepath.Join(string(dir), filepath.FromSlash(path)))
		require.NoError(t, err)
		got := fileSum{Bytes: len(raw), SHA256: hexSum(raw)}
		if strings.HasSuffix(path, ".gz") {
			unzip, err := gzip.NewReader(bytes.NewReader(raw))
			require.NoError(t, err, path)
			unpacked, err := io.ReadAll(unzip)
			require.NoError(t, err, path)
			got.UnpackedBytes, got.UnpackedSHA256 = len(unpacked), hexSum(unpacked)
		}
		require.Equal(t, want, got, path)
	}
}

func hexSum(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func TestRealDataPizzaMatchesItsControlTotals(t *testing.T) {
	dir := Require(t)
	var more struct {
		Heads     int                `json:"order_heads"`
		Priced    int                `json:"priced_articles"`
		Types     int                `json:"pizza_types"`
		NeverSold int                `json:"articles_never_sold"`
		Files     map[string]fileSum `json:"files"`
	}
	require.NoError(t, control(dir, NamePizza, &more))
	requireFiles(t, dir, more.Files)

	articles, orders, err := Pizza(dir)
	require.NoError(t, err)
	requireControl(t, dir, NamePizza, orders)
	require.Len(t, orders, more.Heads)
	require.Len(t, articles, more.Priced)

	sold := soldPrices(orders)
	types, neverSold := make(map[string]bool), 0
	for _, a := range articles {
		key := a.Key[:strings.LastIndexByte(a.Key, '_')] // the size comes last
		types[key] = true
		require.NotContains(t, a.Name, "\uFFFD")
		if sold[a.Key] == nil {
			neverSold++
		}
	}
	require.Len(t, types, more.Types)
	require.Equal(t, more.NeverSold, neverSold)
}

func TestRealDataTakeawayMatchesItsControlTotals(t *testing.T) {
	dir := Require(t)
	var more struct {
		SeveralPrices int                `json:"items_sold_at_more_than_one_price"`
		Files         map[string]fileSum `json:"files"`
	}
	require.NoError(t, control(dir, NameTakeaway, &more))
	requireFiles(t, dir, more.Files)

	articles, orders, err := Takeaway(dir)
	require.NoError(t, err)
	requireControl(t, dir, NameTakeaway, orders)

	list := make(map[string]int64)
	for _, a := range articles {
		list[a.Key] = a.UnitMinor
	}
	several := 0
	for key, prices := range soldPrices(orders) {
		require.Contains(t, list, key)
		if len(prices) > 1 {
			several++
		}
	}
	require.Equal(t, more.SeveralPrices, several)

	// What the description of the set counts as odd must still be there: a loader that tidies up would hide it.
	odd := oddities(orders)
	require.Equal(t, 97, odd.duplicates, "exact duplicate lines inside an order")
	require.Equal(t, 89, odd.earlier, "orders earlier than the one before")
	require.Equal(t, 30, odd.afterMidnight, "orders between midnight and 8 h")
	offList := 0
	for _, o := range orders {
		for _, l := range o.Lines {
			if l.UnitMinor != list[l.Article] {
				offList++
			}
		}
	}
	require.Equal(t, 967, offList, "lines sold at another price than the list shows")
}

func requireControl(t *testing.T, dir Dir, name string, orders []Order) {
	t.Helper()
	want, err := Control(dir, name)
	require.NoError(t, err)
	got, err := SumOf(orders)
	require.NoError(t, err)
	require.Equal(t, want, got)
}

// soldPrices returns, per article sold, how many lines were sold at which price.
func soldPrices(orders []Order) map[string]map[int64]int {
	sold := make(map[string]map[int64]int)
	for _, o := range orders {
		for _, l := range o.Lines {
			if sold[l.Article] == nil {
				sold[l.Article] = make(map[int64]int)
			}
			sold[l.Article][l.UnitMinor]++
		}
	}
	return sold
}

// odd counts what a set holds that a tidy one would not.
type odd struct{ duplicates, earlier, afterMidnight int }

func oddities(orders []Order) odd {
	var found odd
	before := ""
	for _, o := range orders {
		moment := o.Date + " " + o.Time
		if moment < before {
			found.earlier++
		}
		before = moment
		if o.Time < "08:00:00" {
			found.afterMidnight++
		}
		seen := make(map[Line]bool)
		for _, l := range o.Lines {
			if seen[l] {
				found.duplicates++
			}
			seen[l] = true
		}
	}
	return found
}

func TestOpenTakesOnlyAFolderWithControlTotals(t *testing.T) {
	t.Setenv(EnvDir, t.TempDir())
	_, ok := Open()
	require.False(t, ok)

	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, marker), []byte(`{"pizza":{"lines":3}}`), 0o600))
	t.Setenv(EnvDir, dir)
	got, ok := Open()
	require.True(t, ok)
	require.Equal(t, Dir(dir), got)

	sum, err := Control(got, NamePizza)
	require.NoError(t, err)
	require.Equal(t, Sum{Lines: 3}, sum)
	_, err = Control(got, NameTakeaway)
	require.ErrorContains(t, err, `"takeaway"`)
}

func TestLoadersNameTheFileAndLineOfWhatTheyRefuse(t *testing.T) {
	write := func(t *testing.T, files map[string]string) Dir {
		dir := t.TempDir()
		for path, content := range files {
			full := filepath.Join(dir, path)
			require.NoError(t, os.MkdirAll(filepath.Dir(full), 0o700))
			data := []byte(content)
			if strings.HasSuffix(path, ".gz") {
				var packed bytes.Buffer
				zip := gzip.NewWriter(&packed)
				_, err := zip.Write(data)
				require.NoError(t, err)
				require.NoError(t, zip.Close())
				data = packed.Bytes()
			}
			require.NoError(t, os.WriteFile(full, data, 0o600))
		}
		return Dir(dir)
	}
	good := map[string]string{
		takeawayPricesTable.path: "\uFEFFItem Name,Product Price\nKlops,4.5\n",
		takeawayLinesTable.path: "Order Number,Order Date,Item Name,Quantity,Product Price,Total products\r\n" +
			"12,03/08/2019 20:25,Klops,2,4.55,9\r\n7,02/08/2019 23:10,Klops,1,4.5,1",
	}
	_, orders, err := Takeaway(write(t, good))
	require.NoError(t, err)
	require.Equal(t, []Order{
		{Number: 7, Date: "2019-08-02", Time: "23:10:00", Lines: []Line{{"Klops", 1000, 450}}},
		{Number: 12, Date: "2019-08-03", Time: "20:25:00", Lines: []Line{{"Klops", 2000, 455}}},
	}, orders)

	for _, bad := range []struct{ old, broken, want string }{
		{"4.55", "4.555", "line 2: price"},
		{"Klops,2", "Klops,2.5", "line 2: quantity"},
		{"02/08/2019 23:10", "31/02/2019 23:10", "line 3: order 7: date"},
		{"02/08/2019 23:10", "02/08/2019 24:10", "line 3: order 7: time"},
		{"\r\n7,", "\r\n12,", "line 3: order 12 is at 2019-08-03"},
		{"\r\n7,", "\r\n7,7,", "wrong number of fields"},
		{"Item Name,Quantity", "Quantity,Item Name", "the columns are"},
	} {
		broken := map[string]string{
			takeawayPricesTable.path: good[takeawayPricesTable.path],
			takeawayLinesTable.path:  strings.Replace(good[takeawayLinesTable.path], bad.old, bad.broken, 1),
		}
		_, _, err := Takeaway(write(t, broken))
		require.ErrorContains(t, err, bad.want)
		require.ErrorContains(t, err, takeawayLinesTable.path)
	}

	_, _, err = Pizza(write(t, map[string]string{}))
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestMinorUnitsAreExactOrRefused(t *testing.T) {
	for s, want := range map[string]int64{
		"0": 0, "12": 1200, "0.5": 50, "12.75": 1275, "-3.95": -395, "-0.05": -5, "92233720368547758.07": 1<<63 - 1,
	} {
		got, err := minorUnits(s)
		require.NoError(t, err, s)
		require.Equal(t, want, got, s)
	}
	for _, s := range []string{"", "-", ".5", "5.", "1.234", "1,5", "+1", "1e2", "--1", "1.-5", "92233720368547758.08", "NaN"} {
		_, err := minorUnits(s)
		require.Error(t, err, s)
	}
}

// civil reports whether s is a date or time of the given layout.
func civil(layout, s string) bool {
	_, err := time.Parse(layout, s)
	return err == nil
}
