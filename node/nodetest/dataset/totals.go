package dataset

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ErrLine is wrapped by every error about a line that the totals cannot take.
var ErrLine = errors.New("line not counted")

// Sum is what a set of sold lines adds up to. Two sets are the same sales exactly if their sums are equal (==).
type Sum struct {
	Receipts       int    `json:"receipts"`
	Lines          int    `json:"lines"`
	Articles       int    `json:"articles"`
	Pieces         int64  `json:"quantity"` // whole pieces, signed
	Minor          int64  `json:"cents"`    // amounts of the lines in minor units, signed
	Days           int    `json:"days"`
	FirstDay       string `json:"first_day"` // 2006-01-02, empty without lines
	LastDay        string `json:"last_day"`
	NegativePieces int    `json:"lines_negative_quantity"`
	ZeroPrices     int    `json:"lines_zero_price"`
	NegativeMinor  int    `json:"lines_negative_amount"`
	PerDay         string `json:"per_day_sha256"` // of the text that [Totals.PerDay] returns, in hex
	PerReceipt     string `json:"per_receipt_sha256"`
	PerArticle     string `json:"per_article_sha256"`
}

// Totals adds up sold lines in any order. The zero value is empty. It is not safe for concurrent use.
type Totals struct {
	all      tally
	days     map[string]tally
	receipts map[string]tally
	articles map[string]tally
	onDay    map[string]map[string]bool // day -> receipts with a line on it

	negativePieces, zeroPrices, negativeMinor int
}

// tally is what one day, receipt or article adds up to.
type tally struct {
	lines         int
	pieces, minor int64
}

func (t tally) plus(pieces, minor int64) (tally, bool) {
	p, okPieces := plus(t.pieces, pieces)
	m, okMinor := plus(t.minor, minor)
	return tally{lines: t.lines + 1, pieces: p, minor: m}, okPieces && okMinor
}

// Add counts one sold line: the number of its order, the civil date (2006-01-02) it was sold on, the key of the
// article, the quantity in thousandths and the price of one piece in minor units. The control totals know whole pieces
// only. A line that is refused, with [ErrLine], leaves the totals as they were.
func (t *Totals) Add(order int, date, article string, quantity, unitMinor int64) error {
	refuse := func(format string, args ...any) error {
		return fmt.Errorf("order %d, article %q: %w: "+format, append([]any{order, article, ErrLine}, args...)...)
	}
	if _, err := time.Parse(time.DateOnly, date); err != nil {
		return refuse("date %q is not like 2006-01-02", date)
	}
	if quantity%Piece != 0 {
		return refuse("%d thousandths are no whole pieces", quantity)
	}
	pieces := quantity / Piece
	minor, ok := times(pieces, unitMinor)
	if !ok {
		return refuse("%d pieces at %d overflow", pieces, unitMinor)
	}
	receipt := strconv.Itoa(order)
	all, okAll := t.all.plus(pieces, minor)
	day, okDay := t.days[date].plus(pieces, minor)
	rec, okRec := t.receipts[receipt].plus(pieces, minor)
	art, okArt := t.articles[article].plus(pieces, minor)
	if !okAll || !okDay || !okRec || !okArt {
		return refuse("the sum overflows")
	}

	if t.days == nil {
		t.days, t.receipts, t.articles = make(map[string]tally), make(map[string]tally), make(map[string]tally)
		t.onDay = make(map[string]map[string]bool)
	}
	if t.onDay[date] == nil {
		t.onDay[date] = make(map[string]bool)
	}
	t.all, t.days[date], t.receipts[receipt], t.articles[article] = all, day, rec, art
	t.onDay[date][receipt] = true
	if pieces < 0 {
		t.negativePieces++
	}
	if unitMinor == 0 {
		t.zeroPrices++
	}
	if minor < 0 {
		t.negativeMinor++
	}
	return nil
}

// Sum returns what was added so far.
func (t *Totals) Sum() Sum {
	days := slices.Sorted(maps.Keys(t.days))
	sum := Sum{
		Receipts:       len(t.receipts),
		Lines:          t.all.lines,
		Articles:       len(t.articles),
		Pieces:         t.all.pieces,
		Minor:          t.all.minor,
		Days:           len(days),
		NegativePieces: t.negativePieces,
		ZeroPrices:     t.zeroPrices,
		NegativeMinor:  t.negativeMinor,
		PerDay:         hash(t.PerDay()),
		PerReceipt:     hash(t.PerReceipt()),
		PerArticle:     hash(t.PerArticle()),
	}
	if len(days) > 0 {
		sum.FirstDay, sum.LastDay = days[0], days[len(days)-1]
	}
	return sum
}

// PerDay returns one line per day, sorted bytewise: "2006-01-02;receipts;lines;pieces;minor units". A receipt counts on
// every day that one of its lines is on.
func (t *Totals) PerDay() string {
	return text(t.days, func(day string) string { return fmt.Sprintf("%s;%d", day, len(t.onDay[day])) })
}

// PerReceipt returns one line per order, sorted bytewise: "number;lines;pieces;minor units".
func (t *Totals) PerReceipt() string {
	return text(t.receipts, func(receipt string) string { return receipt })
}

// PerArticle returns one line per article, sorted bytewise: "key;lines;pieces;minor units".
func (t *Totals) PerArticle() string {
	return text(t.articles, func(article string) string { return article })
}

func text(table map[string]tally, head func(key string) string) string {
	var b strings.Builder
	for _, key := range slices.Sorted(maps.Keys(table)) {
		t := table[key]
		fmt.Fprintf(&b, "%s;%d;%d;%d\n", head(key), t.lines, t.pieces, t.minor)
	}
	return b.String()
}

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
