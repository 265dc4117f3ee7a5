package backup_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"regexp"
	"strconv"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/node/backup"
	"github.com/tillmesh/tillmesh/node/backup/backuptest"
)

// span is where a block lies in a file, as FORMAT.md says, and nothing else is used to find it.
type span struct {
	kind     byte
	from, to int
}

func spans(t testing.TB, file []byte) []span {
	t.Helper()
	var out []span
	for at := 12; at < len(file); {
		end := at + 16 + int(binary.BigEndian.Uint32(file[at+8:])) + 32
		out = append(out, span{file[at], at, end})
		at = end
	}
	require.Equal(t, len(file), out[len(out)-1].to)
	return out
}

func damage(file []byte) error {
	_, err := backup.Verify(context.Background(), bytes.NewReader(file), nil)
	return err
}

var atByte = regexp.MustCompile(`block (\d+).* at byte (\d+)`)

// Every kind of byte of every kind of block, flipped, is found, and the block is named.
func TestEveryFlippedByteIsFound(t *testing.T) {
	random := seeded(t)
	a := golden(t)
	file := bytesOf(t, a.Gate, a.About())
	require.NoError(t, damage(file))
	for at := range 12 {
		broken := bytes.Clone(file)
		broken[at] ^= 1 << random.IntN(8)
		require.Error(t, damage(broken), "byte %d", at)
	}
	kinds := map[byte]bool{}
	for i, s := range spans(t, file) {
		kinds[s.kind] = true
		places := []int{s.to - 32, s.to - 1, s.from + 16}
		for j := range 16 {
			places = append(places, s.from+j)
		}
		for range 4 {
			places = append(places, s.from+random.IntN(s.to-s.from))
		}
		for _, at := range places {
			broken := bytes.Clone(file)
			broken[at] ^= 1 << random.IntN(8)
			err := damage(broken)
			require.ErrorIs(t, err, backup.ErrDamaged, "byte %d", at)
			if m := atByte.FindStringSubmatch(err.Error()); m != nil {
				require.Equal(t, []string{strconv.Itoa(i), strconv.Itoa(s.from)}, m[1:], "%v", err)
			} else {
				require.ErrorIs(t, err, backup.ErrCut, "%v", err) // a length that points behind the end
			}
		}
	}
	require.Len(t, kinds, 7)
}

func TestEveryCutIsFound(t *testing.T) {
	random := seeded(t)
	a := golden(t)
	file := bytesOf(t, a.Gate, a.About())
	cuts := []int{1, 7, 8, 11, 12, len(file) - 1, len(file) - 33}
	for _, s := range spans(t, file) {
		cuts = append(cuts, s.from, s.from+1, s.from+15, s.from+16, s.to-32, s.to-1)
	}
	for range 100 {
		cuts = append(cuts, 1+random.IntN(len(file)-1))
	}
	for _, n := range cuts {
		err := damage(file[:n])
		require.ErrorIs(t, err, backup.ErrCut, "%d of %d", n, len(file))
		require.ErrorIs(t, err, backup.ErrDamaged)
	}
	require.ErrorIs(t, damage(nil), backup.ErrNoBackup)
	require.ErrorIs(t, damage([]byte("PK\x03\x04 something else")), backup.ErrNoBackup)
	require.ErrorIs(t, damage(append(bytes.Clone(file), 0)), backup.ErrDamaged)
	require.ErrorIs(t, damage(append(bytes.Clone(file), file...)), backup.ErrDamaged)
}

// Blocks that are whole, but not those of this file in their order.
func TestBlocksThatDoNotBelong(t *testing.T) {
	a := golden(t)
	file := bytesOf(t, a.Gate, a.About())
	list := spans(t, file)
	build := func(order ...int) []byte {
		out := bytes.Clone(file[:12])
		for _, i := range order {
			out = append(out, file[list[i].from:list[i].to]...)
		}
		return out
	}
	all := make([]int, len(list))
	for i := range all {
		all[i] = i
	}
	for i := range all {
		without := append(append([]int{}, all[:i]...), all[i+1:]...)
		require.ErrorIs(t, damage(build(without...)), backup.ErrDamaged, "without block %d", i)
		twice := append(append([]int{}, all[:i+1]...), all[i:]...)
		require.ErrorIs(t, damage(build(twice...)), backup.ErrDamaged, "block %d twice", i)
		if i > 0 {
			swapped := append([]int{}, all...)
			swapped[i-1], swapped[i] = swapped[i], swapped[i-1]
			require.ErrorIs(t, damage(build(swapped...)), backup.ErrDamaged, "blocks %d and %d swapped", i-1, i)
		}
	}
	// The end of another backup of the same till.
	a.Sell(1)
	other := bytesOf(t, a.Gate, a.About())
	last := spans(t, other)
	joined := append(bytes.Clone(file[:list[len(list)-1].from]), other[last[len(last)-1].from:]...)
	require.ErrorIs(t, damage(joined), backup.ErrDamaged)
}

func TestNewerFormat(t *testing.T) {
	a := backuptest.Found(t, "", 1)
	file := bytesOf(t, a.Gate, a.About())
	file[9] = 2
	require.ErrorIs(t, damage(file), backup.ErrNewer)
}

// A disk that reports an error while it is read is not a damaged backup.
func TestReadErrors(t *testing.T) {
	a := golden(t)
	file := bytesOf(t, a.Gate, a.About())
	broken := errors.New("input/output error")
	for _, n := range []int{0, 5, 12, 20, 300, len(file)} {
		_, err := backup.Verify(t.Context(), io.MultiReader(bytes.NewReader(file[:n]), iotest.ErrReader(broken)), nil)
		require.ErrorIs(t, err, broken, "after %d bytes", n)
		require.NotErrorIs(t, err, backup.ErrDamaged)
	}
	_, err := backup.Verify(t.Context(), iotest.OneByteReader(bytes.NewReader(file)), nil)
	require.NoError(t, err)
}
