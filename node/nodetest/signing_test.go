package nodetest_test

import (
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/node/client"
	"github.com/tillmesh/tillmesh/node/journal/rksv"
	"github.com/tillmesh/tillmesh/node/journal/tse"
	"github.com/tillmesh/tillmesh/node/nodetest"
)

// TestSigningDevicesSurviveKills: a till is killed again and again while it sells. No transaction of its TSE is on two receipts,
// and when the shop moves to Austria the log that the command line writes is a chain without a gap.
func TestSigningDevicesSurviveKills(t *testing.T) {
	t.Parallel()
	till := nodetest.New(t).Found()
	article := till.PutArticle("Espresso", 250, till.PutTax(2000))
	seen := make(map[uint64]bool)
	rounds := 3
	if os.Getenv(nodetest.EnvFull) == "1" {
		rounds = 20
	}
	sell := func() client.Receipt {
		r, err := till.API().Receipt(t.Context(), till.Sell(article).Number)
		require.NoError(t, err)
		require.NotNil(t, r.Signing)
		require.Empty(t, r.Signing.Print)
		return r
	}
	for range rounds {
		for range 3 {
			r := sell()
			require.Equal(t, tse.Notice, r.Signing.Notice)
			said, err := tse.ParseQR(r.Signing.QR)
			require.NoError(t, err)
			require.NoError(t, tse.Verify(said))
			require.False(t, seen[said.Transaction], "transaction %d is on two receipts", said.Transaction)
			seen[said.Transaction] = true
		}
		till.Kill()
		till.Start()
	}
	out := till.Exec("signing", "--http", till.URL(), "--data", till.Data)
	require.Zero(t, out.Code, out.Stderr)
	require.Contains(t, out.Stdout, tse.Notice)

	settings, err := till.API().Settings(t.Context())
	require.NoError(t, err)
	settings.Business.Country = "AT"
	require.NoError(t, till.API().PutSettings(t.Context(), settings))
	for range rounds {
		sell()
		sell()
		till.Kill()
		till.Start()
	}
	out = till.Exec("signing", "check", "--user", "Anna", "--http", till.URL(), "--data", till.Data)
	require.Zero(t, out.Code, out.Stderr)
	file := filepath.Join(t.TempDir(), "dep7.json")
	out = till.Exec("signing", "dep", file, "--http", till.URL(), "--data", till.Data)
	require.Zero(t, out.Code, out.Stderr)
	log, err := os.Open(file)
	require.NoError(t, err)
	defer func() { require.NoError(t, log.Close()) }()
	v, err := rksv.Verify(rksv.NewReader(log), unitKeys(t, till), func(p rksv.Problem) { t.Error(p) })
	require.NoError(t, err)
	require.Equal(t, 1+2*rounds+1, v.Summary().Receipts, "the start receipt, the sales, and the one that was asked for")
}

// unitKeys reads the keys of an Austrian till from its data directory.
func unitKeys(t *testing.T, till *nodetest.Till) rksv.Keys {
	t.Helper()
	state, err := till.API().Signing(t.Context())
	require.NoError(t, err)
	raw, err := base64.StdEncoding.DecodeString(state.PublicKey)
	require.NoError(t, err)
	parsed, err := x509.ParsePKIXPublicKey(raw)
	require.NoError(t, err)
	key, ok := parsed.(*ecdsa.PublicKey)
	require.True(t, ok)
	b, err := os.ReadFile(filepath.Join(till.Data, "signer", "rksv-K1.json"))
	require.NoError(t, err)
	var kept struct {
		AES []byte `json:"aes"`
	}
	require.NoError(t, json.Unmarshal(b, &kept))
	return rksv.Keys{AES: rksv.AESKey(kept.AES), Units: map[string]*ecdsa.PublicKey{state.Serial: key}}
}
