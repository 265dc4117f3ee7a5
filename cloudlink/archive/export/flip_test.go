package export_test

import (
	"archive/zip"
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/cloudlink/archive/archivetest"
	"github.com/tillmesh/tillmesh/cloudlink/archive/export"
	"github.com/tillmesh/tillmesh/crdt/receipt"
)

// envFull, set to 1, has every byte flipped and not only some.
const envFull = "TILLMESH_FULL"

// Whatever byte is flipped: it is found, and the file is named, and the document if it is in one.
func TestEveryFlippedByteIsFoundAndNamed(t *testing.T) {
	// Others each time.
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	for name, o := range map[string]export.Options{"everything": {}, "a shop": {Shop: archivetest.NewShop(t, 1).ID}} {
		t.Run(name, func(t *testing.T) {
			e := open(t, write(t, archived(t, sqlite(t), odd(t), archivetest.Day(t, 2, 2)), o))
			for at := range len(e.raw) {
				file, begin := e.at(at)
				rare := file != "" && file != export.FileManifest && file != export.FileCheckpoints && file != export.FileKeys
				if rare && random.IntN(100) > 0 || random.IntN(12) > 0 {
					continue
				}
				e.flip(t, at, 1<<random.IntN(8), file, begin)
			}
			require.True(t, verify(t, e.raw).OK(), "all were flipped back")
		})
	}
}

// TestEachByteOfAnExportIsFoundAndNamed is the same for each byte of an export that is as small as one with everything in it can be.
func TestEachByteOfAnExportIsFoundAndNamed(t *testing.T) {
	if os.Getenv(envFull) != "1" {
		t.Skipf("some ten thousand verifications take half a minute: set %s=1", envFull)
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	raw := write(t, archived(t, sqlite(t), least(t), archivetest.NewShop(t, 2)), export.Options{Shop: archivetest.NewShop(t, 1).ID})
	e := open(t, raw)
	flipped := make(map[string]int)
	for at := range raw {
		file, _ := e.at(at)
		flipped[file]++
	}
	for _, name := range []string{"", export.FileReadme, export.FileKeys, export.FileLeaves, export.FileDocuments, export.FileMasterData, export.FileNotes,
		export.FileProofs, export.FileCheckpoints, export.FileManifest} {
		require.Positive(t, flipped[name], "the export has something in each of its files: %q", name)
	}
	t.Logf("%d bytes: %v", len(raw), flipped)
	const parts = 4
	for i := range parts {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(seed, uint64(i)))
			e := open(t, bytes.Clone(raw))
			for at := i * len(raw) / parts; at < (i+1)*len(raw)/parts; at++ {
				file, begin := e.at(at)
				e.flip(t, at, 1<<random.IntN(8), file, begin)
			}
			require.True(t, verify(t, e.raw).OK(), "all were flipped back")
		})
	}
}

// least returns a shop with one receipt, another one with its number, a closing, two versions of an article and a customer.
func least(t *testing.T) *archivetest.Shop {
	s := archivetest.Day(t, 1, 1)
	fork := s.Books.Sold[0]
	s.Series.Resigned(&fork, func(d *receipt.Document) { d.User = "Mallory" })
	s.Books.Sold = append(s.Books.Sold, fork)
	s.Fill()
	return s
}

// opened is an export whose places are known.
type opened struct {
	raw   []byte
	files []contents
}

type contents struct {
	name       string
	begin, end int
}

func open(t *testing.T, raw []byte) *opened {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(raw), int64(len(raw)))
	require.NoError(t, err)
	e := &opened{raw: raw}
	for _, f := range z.File {
		at, err := f.DataOffset()
		require.NoError(t, err)
		e.files = append(e.files, contents{f.Name, int(at), int(at) + int(f.UncompressedSize64)})
	}
	return e
}

// at returns in which file a byte is and where that begins; no name: it is of the frame.
func (e *opened) at(at int) (name string, begin int) {
	for _, f := range e.files {
		if at >= f.begin && at < f.end {
			return f.name, f.begin
		}
	}
	return "", 0
}

// flip flips bits of a byte, checks what a verification says of it, and flips them back.
func (e *opened) flip(t *testing.T, at int, mask byte, file string, begin int) {
	t.Helper()
	e.raw[at] ^= mask
	r := verify(t, e.raw)
	e.raw[at] ^= mask
	if r.OK() || len(r.Findings) == 0 {
		t.Fatalf("byte %d, mask %x: nothing was found", at, mask)
	}
	if file == "" {
		return
	}
	for _, f := range r.Findings {
		if f.File != file {
			t.Fatalf("byte %d, mask %x: it is of %s, and nothing else is to blame: %v", at, mask, file, r.Findings)
		}
	}
	if file == export.FileDocuments {
		line := bytes.Count(e.raw[begin:at], []byte("\n")) + 1
		require.True(t, strings.HasPrefix(r.Findings[0].Document, "K1") || e.raw[at] == '\n', "byte %d, mask %x: %v", at, mask, r.Findings)
		require.InDelta(t, line, r.Findings[0].Line, 1, "byte %d, mask %x", at, mask)
	}
}
