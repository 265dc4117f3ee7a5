package rksv_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/node/journal/rksv"
	"github.com/tillmesh/tillmesh/node/journal/rksv/rksvtest"
)

// envRequired, set to 1, makes the tests fail where the official data is absent. They skip otherwise.
const envRequired = "TILLMESH_DATA_REQUIRED"

// officialDir is where the data of the reference code lies, beside the module.
func officialDir(t *testing.T, set string) string {
	t.Helper()
	dir := filepath.Join("..", "..", "..", "..", "shared", "fiscal", "rksv", set)
	if _, err := os.Stat(filepath.Join(dir, "dep-export.json")); err != nil {
		if os.Getenv(envRequired) == "1" {
			t.Fatalf("data absent: %v", err)
		}
		t.Skipf("data absent: %v", err)
	}
	return dir
}

func load(t *testing.T, dir, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	require.NoError(t, err)
	return b
}

// official reads a set: its keys, and its receipts in JWS form.
func official(t *testing.T, set string) (dir string, keys rksv.Keys, receipts []string) {
	t.Helper()
	dir = officialDir(t, set)
	keys, err := rksv.ParseKeys(load(t, dir, "cryptographicMaterialContainer.json"))
	require.NoError(t, err)
	log := rksv.NewReader(bytes.NewReader(load(t, dir, "dep-export.json")))
	for {
		e, err := log.Next()
		if err != nil {
			require.ErrorContains(t, err, "EOF")
			return dir, keys, receipts
		}
		receipts = append(receipts, e.JWS)
	}
}

func TestRealDataLogsVerify(t *testing.T) {
	for set, want := range map[string]rksv.Summary{
		"valid-open-8byte":   {Receipts: 81},
		"valid-closed-5byte": {Receipts: 85},
	} {
		t.Run(set, func(t *testing.T) {
			dir := officialDir(t, set)
			keys, err := rksv.ParseKeys(load(t, dir, "cryptographicMaterialContainer.json"))
			require.NoError(t, err)
			log := rksv.NewReader(bytes.NewReader(load(t, dir, "dep-export.json")))
			v, err := rksv.Verify(log, keys, func(p rksv.Problem) { t.Error(p) })
			require.NoError(t, err)
			got := v.Summary()
			require.Equal(t, want.Receipts, got.Receipts)
			require.Zero(t, got.Problems)
			require.Positive(t, got.Unsigned)
			require.Positive(t, got.Nulls)
			require.Positive(t, got.Cancellations)
			require.Positive(t, got.Trainings)
			require.Equal(t, "CASHBOX-DEMO-1", got.CashBox)
			state, ok := v.State()
			require.True(t, ok)
			require.Equal(t, scenario(t, dir).turnover(t), state.Counter)
		})
	}
}

func TestRealDataBrokenLogsAreRefused(t *testing.T) {
	for set, want := range map[string]string{
		"invalid-chain":            "V3 CASHBOX-DEMO-1-Receipt-ID-2",
		"invalid-turnover-counter": "V4 CASHBOX-DEMO-1-Receipt-ID-3",
	} {
		t.Run(set, func(t *testing.T) {
			_, keys, receipts := official(t, set)
			problems, _ := verify(keys, receipts)
			require.Equal(t, []string{want}, rules(problems))
		})
	}
}

func TestRealDataCodes(t *testing.T) {
	for _, set := range []string{"valid-open-8byte", "valid-closed-5byte"} {
		t.Run(set, func(t *testing.T) {
			dir, _, receipts := official(t, set)
			var qr, ocr []string
			require.NoError(t, json.Unmarshal(load(t, dir, "qr-code-rep.json"), &qr))
			require.NoError(t, json.Unmarshal(load(t, dir, "ocr-code-rep.json"), &ocr))
			require.Len(t, qr, len(receipts))
			require.Len(t, ocr, len(receipts))
			for i, text := range receipts {
				j, err := rksv.ParseJWS(text)
				require.NoError(t, err)
				require.Equal(t, qr[i], j.QR())
				got, err := j.OCR()
				require.NoError(t, err)
				require.Equal(t, ocr[i], got)
			}
		})
	}
}

// plan is what the reference till was told to do.
type plan struct {
	CashBox string `json:"cashBoxId"`
	Key     string `json:"base64AesKey"`
	Orders  []struct {
		Damaged bool                   `json:"signatureDeviceDamaged"`
		Number  string                 `json:"receiptIdentifier"`
		Date    string                 `json:"dateToUse"`
		Unit    int                    `json:"usedSignatureDevice"`
		Amounts map[string]json.Number `json:"simplifiedReceipt"`
		Type    string                 `json:"typeOfReceipt"`
	} `json:"cashBoxInstructionList"`
}

func scenario(t *testing.T, dir string) (p plan) {
	t.Helper()
	require.NoError(t, json.Unmarshal(load(t, dir, "scenario.json"), &p))
	return p
}

var kinds = map[string]rksv.Kind{
	"START_BELEG": rksv.Start, "NULL_BELEG": rksv.Check, "STANDARD_BELEG": rksv.Standard, "STORNO_BELEG": rksv.Cancellation,
	"TRAINING_BELEG": rksv.Training,
}

var taxSets = []string{"taxSetNormal", "taxSetErmaessigt1", "taxSetErmaessigt2", "taxSetNull", "taxSetBesonders"}

// amounts reads euros without going through a float.
func amounts(t *testing.T, euros map[string]json.Number) (a rksv.Amounts) {
	t.Helper()
	for i, name := range taxSets {
		whole, rest, _ := strings.Cut(strings.TrimPrefix(string(euros[name]), "-"), ".")
		require.LessOrEqual(t, len(rest), 2)
		cents, err := json.Number(whole + (rest + "00")[:2]).Int64()
		require.NoError(t, err)
		if strings.HasPrefix(string(euros[name]), "-") {
			cents = -cents
		}
		a[i] = receipt.Amount(cents)
	}
	return a
}

func (p plan) turnover(t *testing.T) (sum int64) {
	for _, o := range p.Orders {
		if o.Type != "TRAINING_BELEG" {
			sum += amounts(t, o.Amounts).Sum()
		}
	}
	return sum
}

// TestRealDataScenario does what the reference till was told and gets the same receipts but for Zert-SN, chain value and
// signature, which are new.
func TestRealDataScenario(t *testing.T) {
	for set, box := range map[string]struct {
		suite, certificate string
		counter            int
	}{
		"valid-open-8byte":   {rksv.SuiteTest, certificate, 8},
		"valid-closed-5byte": {rksv.SuiteClosed, "U:ATU12345678-K7", 5},
	} {
		t.Run(set, func(t *testing.T) {
			dir, _, receipts := official(t, set)
			plan := scenario(t, dir)
			key, err := rksv.ParseAESKey(plan.Key)
			require.NoError(t, err)
			inner := unit(t, "scenario", box.certificate)
			signing := rksvtest.Wrap(inner)
			signer, err := rksv.Open(rksv.Config{CashBox: plan.CashBox, Suite: box.suite, Key: key, CounterBytes: box.counter,
				Unit: signing, File: new(memory)})
			require.NoError(t, err)
			require.Len(t, plan.Orders, len(receipts))
			var log []string
			for i, o := range plan.Orders {
				signing.Return()
				if o.Damaged {
					signing.Fail(nil)
				}
				signed, err := signer.Sign(t.Context(), rksv.Receipt{Kind: kinds[o.Type], CashBox: plan.CashBox, Number: o.Number,
					Date: o.Date, Amounts: amounts(t, o.Amounts)})
				require.NoError(t, err, o.Number)
				log = append(log, signed.JWS.Text)
				theirs, err := rksv.ParseJWS(receipts[i])
				require.NoError(t, err)
				require.Equal(t, theirs.Outage(), signed.JWS.Outage(), o.Number)
				mine, want := signed.JWS.Payload, theirs.Payload
				mine.Certificate, mine.Previous = want.Certificate, want.Previous
				require.Equal(t, want, mine, o.Number)
			}
			problems, v := verify(rksv.Keys{AES: key, Units: map[string]*publicKey{box.certificate: inner.Public()}}, log)
			require.Empty(t, problems)
			mine, ok := v.State()
			require.True(t, ok)
			require.Equal(t, signer.State(), mine)
		})
	}
}
