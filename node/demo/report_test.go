package demo

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/node/client"
)

func TestReportForPeopleAndPrograms(t *testing.T) {
	told := line{Kind: "step", Step: 3, Name: "a till dies", Text: "Kasse 1 is killed", MS: milliseconds(12_345 * time.Microsecond), OK: true}
	var people, programs bytes.Buffer
	(&reporter{out: &people}).print(told)
	require.Regexp(t, `^3  Kasse 1 is killed +12\.3 ms\n$`, people.String())
	(&reporter{out: &programs, json: true}).print(told)
	require.JSONEq(t, `{"kind":"step","step":3,"name":"a till dies","text":"Kasse 1 is killed","ms":12.3,"ok":true}`, programs.String())

	people.Reset()
	(&reporter{out: &people}).print(line{Kind: "step", Step: 4, Text: "x", Error: "a\nb", Logs: map[string][]string{"Kasse 2": {"last words"}}})
	require.Equal(t, "4  x\n   FAILED: a\n   b\n   the end of the log of Kasse 2:\n   | last words\n", people.String())
}

type gone struct{}

func (gone) Write([]byte) (int, error) { return 0, errors.New("nobody reads") }

func TestAReaderThatWentAwayIsAnError(t *testing.T) {
	r := &reporter{out: gone{}}
	require.NoError(t, r.failed())
	r.print(line{Text: "x"})
	require.ErrorContains(t, r.failed(), "nobody reads")
}

func TestWords(t *testing.T) {
	require.Equal(t, json.Number("0.1"), milliseconds(96*time.Microsecond))
	require.Equal(t, json.Number("1500.0"), milliseconds(1500*time.Millisecond))
	require.Equal(t, "3,05 €", euros(305))
	require.Equal(t, "A, B and C", names([]*till{{name: "A"}, {name: "B"}, {name: "C"}}))
	require.Equal(t, "A", names([]*till{{name: "A"}}))
}

func TestGaps(t *testing.T) {
	entry := func(series string, n int64) client.ReceiptEntry { return client.ReceiptEntry{Series: series, N: n} }
	require.NoError(t, gapFree(nil))
	require.NoError(t, gapFree([]client.ReceiptEntry{entry("K2", 2), entry("K1", 1), entry("K2", 1)}))
	require.ErrorContains(t, gapFree([]client.ReceiptEntry{entry("K2", 3), entry("K2", 1)}), "K2 has number 3 where 2 should be")
	require.Error(t, gapFree([]client.ReceiptEntry{entry("K2", 1), entry("K2", 1)}))
	require.Error(t, gapFree([]client.ReceiptEntry{entry("K2", 0)}))
}
