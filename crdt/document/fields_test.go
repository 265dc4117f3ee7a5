package document_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/codec"
	"github.com/tillmesh/tillmesh/crdt/document"
)

var (
	errRules = errors.New("against the rules")
	rules    = document.Rules{Schema: 1, Invalid: errRules}
)

// record returns the bytes of a record.
func record(set func(*crdt.Record)) []byte {
	var rec crdt.Record
	set(&rec)
	return rec.Bytes()
}

func TestFieldsAreRead(t *testing.T) {
	object, till := crdt.ObjectID{1, 2}, crdt.TillID{3, 4}
	f := rules.Parse(record(func(rec *crdt.Record) {
		rec.SetString("t", "tea")
		rec.SetInt("i", -3)
		rec.SetUint("u", 7)
		rec.SetBool("b", true)
		rec.SetObject("o", object)
		rec.SetTill("d", till)
		rec.SetBinary("y", []byte{5, 6})
		document.SetTexts(rec, "x", []string{"a", "b"})
		document.SetTexts(rec, "z", nil)
	}))
	require.Equal(t, "tea", f.Text("t"))
	require.Equal(t, int64(-3), f.Int("i"))
	require.Equal(t, uint64(7), f.Uint("u"))
	require.True(t, f.Bool("b"))
	require.Equal(t, object, f.Object("o"))
	require.Equal(t, till, f.Till("d"))
	require.Equal(t, []byte{5, 6}, f.Binary("y"))
	require.Equal(t, []string{"a", "b"}, f.Texts("x", "notes", 2))
	require.Equal(t, codec.AppendInt(nil, -3), f.Raw("i"))
	rec := f.Record()
	require.Equal(t, 8, rec.Len(), "no texts are no field")

	require.Empty(t, f.Text("absent"))
	require.Nil(t, f.Raw("absent"))
	require.Nil(t, f.Texts("absent", "notes", 2))
	f.Nested("absent", func(*codec.Reader) { t.Error("nothing is there to read") })
	require.NoError(t, f.Err())
}

func TestTheFirstProblemSticks(t *testing.T) {
	raw := record(func(rec *crdt.Record) {
		rec.SetString("t", "tea")
		rec.SetInt("i", 1)
		document.SetTexts(rec, "x", []string{"a", "b"})
	})
	second := errors.New("second")
	tests := map[string]func(*document.Fields){
		`"t"`:                   func(f *document.Fields) { f.Int("t") },
		`"i"`:                   func(f *document.Fields) { f.Texts("i", "notes", 9) },
		"2 notes, at most 1":    func(f *document.Fields) { f.Texts("x", "notes", 1) },
		`"x"`:                   func(f *document.Fields) { f.Nested("x", func(r *codec.Reader) { r.Array() }) },
		"something of our own":  func(f *document.Fields) { f.Fail(errors.New("something of our own")) },
		errRules.Error() + "!!": func(f *document.Fields) { f.Fail(errors.New(errRules.Error() + "!!")) },
	}
	for want, read := range tests {
		t.Run(want, func(t *testing.T) {
			f := rules.Parse(raw)
			read(f)
			require.ErrorContains(t, f.Err(), want)
			first := f.Err()
			f.Fail(second)
			require.Equal(t, first, f.Err())
			require.Empty(t, f.Text("t"))
			require.Nil(t, f.Raw("i"))
			require.Nil(t, f.Texts("x", "notes", 2))
			_, err := document.Checked(f, "drink", drink{Name: "tea"})
			require.ErrorIs(t, err, first)
			require.ErrorContains(t, err, "drink: ")
		})
	}
}

func TestWhatIsNoRecordIsRefused(t *testing.T) {
	require.ErrorIs(t, rules.Parse([]byte("no record")).Err(), codec.ErrMalformed)
	newer := record(func(rec *crdt.Record) { rec.RequireReader(2) })
	require.ErrorIs(t, rules.Parse(newer).Err(), crdt.ErrUpdateNeeded)
	require.NoError(t, document.Rules{Schema: 2}.Parse(newer).Err())
}

func TestCheckedReturnsNothingThatIsAgainstTheRules(t *testing.T) {
	f := rules.Parse(record(func(rec *crdt.Record) { rec.SetString("n", "tea") }))
	v, err := document.Checked(f, "drink", drink{Name: f.Text("n")})
	require.NoError(t, err)
	require.Equal(t, drink{Name: "tea"}, v)

	f = rules.Parse(record(func(rec *crdt.Record) { rec.SetString("n", "te\ta") }))
	v, err = document.Checked(f, "drink", drink{Name: f.Text("n")})
	require.ErrorIs(t, err, errRules)
	require.ErrorContains(t, err, "drink: ")
	require.Zero(t, v)
}

func TestEditKeepsWhatItDoesNotKnow(t *testing.T) {
	old := record(func(rec *crdt.Record) {
		rec.SetString("n", "tea")
		rec.SetString("later", "kept")
	})
	raw, err := drink{Name: "coffee"}.Edit(old)
	require.NoError(t, err)
	f := rules.Parse(raw)
	require.Equal(t, "coffee", f.Text("n"))
	require.Equal(t, "kept", f.Text("later"))
	require.NoError(t, f.Err())

	_, err = drink{Name: "coffee"}.Edit(record(func(rec *crdt.Record) { rec.RequireReader(2) }))
	require.ErrorIs(t, err, crdt.ErrUpdateNeeded)
	fresh, err := drink{Name: "coffee"}.Edit(nil)
	require.NoError(t, err)
	replaced, err := drink{Name: "coffee"}.Edit([]byte("no record"))
	require.NoError(t, err)
	require.Equal(t, fresh, replaced)
}

func TestChecks(t *testing.T) {
	const most = document.MaxUnixMillis
	tests := []struct {
		name string
		err  error
		want string // in the error, empty if there is none
	}{
		{"text", rules.CheckText("name", "Grüße", 5), ""},
		{"long text", rules.CheckText("name", "Grüße!", 5), "name has 6 characters, at most 5"},
		{"no UTF-8", rules.CheckText("name", "\xff", 5), "name is not valid UTF-8"},
		{"control character", rules.CheckText("name", "a\nb", 5), "control character U+000A"},
		{"capitals", rules.CheckCapitals("currency", "CHF", "EUR"), ""},
		{"small letters", rules.CheckCapitals("currency", "chf", "EUR"), `currency "chf" is not a code such as EUR`},
		{"too few", rules.CheckCapitals("currency", "CH", "EUR"), `currency "CH"`},
		{"too many", rules.CheckCapitals("country", strings.Repeat("A", 40), "DE"), `country "` + strings.Repeat("A", 20) + `" is`},
		{"low", rules.CheckRange("rate", 0, 0, 9), ""},
		{"high", rules.CheckRange("rate", 9, 0, 9), ""},
		{"too low", rules.CheckRange("rate", -1, 0, 9), "rate is -1, 0 to 9"},
		{"too high", rules.CheckRange("rate", 10, 0, 9), "rate is 10, 0 to 9"},
		{"1970", rules.CheckMS("time", 0), ""},
		{"latest time", rules.CheckMS("time", most), ""},
		{"before 1970", rules.CheckMS("time", -1), "time is -1 ms"},
		{"after the latest", rules.CheckMS("time", most+1), "time is 281474976710657 ms"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if test.want == "" {
				require.NoError(t, test.err)
				return
			}
			require.ErrorIs(t, test.err, errRules)
			require.ErrorContains(t, test.err, test.want)
		})
	}
}
