package election_test

import (
	"encoding/hex"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/cloudlink/election"
	"github.com/tillmesh/tillmesh/crdt/codec"
)

var update = flag.Bool("update", false, "write the golden bytes again from the present code")

var goldens = map[string]election.Claim{
	"holder":  {Reach: election.Can, Since: 90 * time.Second, Seen: 1200 * time.Millisecond, Term: 7, Left: 4800 * time.Millisecond},
	"waiting": {Reach: election.Can, Since: 12 * time.Minute, Seen: -1},
	"offline": {Reach: election.Cannot, Since: time.Hour, Seen: time.Hour},
}

func TestGoldenClaims(t *testing.T) {
	for name, claim := range goldens {
		file := filepath.Join("../../testdata/uplink/v1", "claim-"+name+".hex")
		if *update {
			require.NoError(t, os.WriteFile(file, []byte(hex.EncodeToString(claim.Encode())+"\n"), 0o600))
		}
		want, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Equal(t, string(want), hex.EncodeToString(claim.Encode())+"\n", name)
		read, err := election.DecodeClaim(claim.Encode())
		require.NoError(t, err)
		require.Equal(t, claim, read)
	}
}

func TestClaimOfANewerProgram(t *testing.T) {
	b := codec.AppendUint(codec.AppendUint(codec.AppendArray(nil, 7), 1), 9)
	b = codec.AppendNil(codec.AppendUint(b, 5))
	b = codec.AppendString(codec.AppendUint(codec.AppendUint(b, 3), 4), "more")
	read, err := election.DecodeClaim(b)
	require.NoError(t, err)
	require.Equal(t, election.Claim{Since: 5 * time.Millisecond, Seen: -1, Term: 3, Left: 4 * time.Millisecond}, read)
}

func FuzzClaim(f *testing.F) {
	for _, claim := range goldens {
		f.Add(claim.Encode())
	}
	f.Add([]byte{0x96, 2, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		if claim, err := election.DecodeClaim(b); err == nil {
			again, err := election.DecodeClaim(claim.Encode())
			require.NoError(t, err)
			require.Equal(t, claim, again)
			e := waiting()
			e.Heard(start, c, claim)
			require.NotZero(t, e.Decide(start).Uplink)
			require.False(t, e.Next(start).Before(start))
		}
	})
}
