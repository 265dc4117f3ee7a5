//go:build bench

package cloud

import (
	"context"
	"crypto/ed25519"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"runtime"
	"runtime/metrics"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/tillmesh/tillmesh/cloudlink/archive"
	"github.com/tillmesh/tillmesh/cloudlink/archive/archivetest"
	"github.com/tillmesh/tillmesh/cloudlink/archive/completeness"
	"github.com/tillmesh/tillmesh/cloudlink/archive/merkle"
	"github.com/tillmesh/tillmesh/cloudlink/database"
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/node/nodetest/bench/figures"
)

var (
	account = archive.AccountID{9}
	signed  = time.UnixMilli(archivetest.NowMS)
)

// proofFigures measure a log of many leaves: how fast it grows, and the two proofs of it. What the leaves are about does not matter
// for that, so they are versions of articles.
func proofFigures(t *testing.T, table *report) {
	size := sized(t, "BENCH_LEAVES", 200_000, 5000)
	db := open(t)
	logs := merkle.New(db)
	leaf := archive.Leaf{Kind: archive.Version, Shop: crdt.ShopID{7}, Scope: crdt.Catalog, Type: "article", Name: "texts", Day: "2026-09-03"}
	const each = 2048 // in a transaction
	began := time.Now()
	for from := 0; from < size; from += each {
		var list []archive.Entry
		for n := from; n < min(size, from+each); n++ {
			e := archive.Entry{Leaf: leaf, Content: binary.BigEndian.AppendUint32(make([]byte, 0, 64), uint32(n))[:64]}
			e.Leaf.Dot = crdt.Dot{Replica: crdt.ReplicaID{3}, Seq: crdt.NewSeq(1, uint32(n+1))}
			e.Leaf.Digest = archive.DigestOf(nil, e.Content)
			list = append(list, e)
		}
		require.NoError(t, db.Tx(t.Context(), func(tx *database.Tx) error {
			_, err := logs.Append(t.Context(), tx, account, list, signed)
			return err
		}))
	}
	appended := time.Since(began)
	signer, err := archive.NewSigner(archivetest.CloudKey())
	require.NoError(t, err)
	began = time.Now()
	c, err := logs.Checkpoint(t.Context(), account, signed, signer)
	require.NoError(t, err)
	table.add(fmt.Sprintf("log of %d leaves, SQLite: appended / hashed and signed", size), "-",
		fmt.Sprintf("%.0f / %.0f leaves a second", float64(size)/appended.Seconds(), float64(size)/time.Since(began).Seconds()), "-", true)

	public, _ := archivetest.CloudKey().Public().(ed25519.PublicKey)
	verifier, err := archive.NewVerifier(public)
	require.NoError(t, err)
	const asked = 2000
	proved := make([]time.Duration, asked)
	hashes := 0
	for i := range proved {
		at := rand.Int64N(c.Size)
		began := time.Now()
		leaf, proof, err := logs.Prove(t.Context(), account, at, c.Size)
		proved[i] = time.Since(began)
		require.NoError(t, err)
		require.NoError(t, archive.CheckInclusion(c.Checkpoint, at, leaf, proof))
		hashes = max(hashes, len(proof))
	}
	table.add(fmt.Sprintf("  proof that a leaf is in the log of %d: p50 / p99", size), "-", proofText(proved, hashes), "-", true)
	grown := make([]time.Duration, asked)
	hashes = 0
	for i := range grown {
		began := time.Now()
		offer, err := logs.Offer(t.Context(), account, 1+rand.Int64N(c.Size-1), verifier)
		grown[i] = time.Since(began)
		require.NoError(t, err)
		hashes = max(hashes, len(offer.Proof))
	}
	table.add("  proof that it continues an earlier one of any size: p50 / p99", "-", proofText(grown, hashes), "-", true)
}

func proofText(took []time.Duration, hashes int) string {
	return fmt.Sprintf("%s / %s; at most %d bytes", figures.Duration(figures.Percentile(took, 50)), figures.Duration(figures.Percentile(took, 99)), hashes*32)
}

func open(t *testing.T) *database.DB {
	t.Helper()
	db, err := database.Open(t.Context(), database.Options{Dir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

// checkFigure measures the completeness check of an archive: every document, signature, chain and closing. The receipts of two shops are
// made and signed at the same time, 500 to a closing.
func checkFigure(t *testing.T, table *report) {
	size := sized(t, "BENCH_RECEIPTS", 20_000, 1000)
	db := open(t)
	logs := merkle.New(db)
	began := time.Now()
	shops := make([]completeness.Shop, 2)
	var both errgroup.Group
	for i := range shops {
		both.Go(func() error {
			id, err := fill(t, db, logs, byte(i+1), size/len(shops))
			shops[i] = completeness.Shop{ID: id, Books: logs.Books(account, id)}
			return err
		})
	}
	require.NoError(t, both.Wait())
	built := time.Since(began)
	runtime.GC()
	var highest uint64
	began = time.Now()
	r, err := completeness.Check(t.Context(), shops, func(p completeness.Progress) {
		sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
		metrics.Read(sample)
		highest = max(highest, sample[0].Value.Uint64())
		if p.Documents%100_000 == 0 {
			t.Logf("%d documents of a shop after %v", p.Documents, time.Since(began).Round(time.Second))
		}
	})
	took := time.Since(began)
	require.NoError(t, err)
	require.True(t, r.OK(), r.Text())
	documents, closings := r.Documents()
	require.EqualValues(t, size, documents)
	table.add(fmt.Sprintf("check of %d receipts and %d closings in the archive, SQLite", documents, closings), "-",
		fmt.Sprintf("%s: %.0f a second; %s of Go heap (built in %s)", figures.Duration(took), float64(documents)/took.Seconds(),
			figures.Megabytes(int64(highest)), figures.Duration(built)), "-", true)
}

// fill archives so many receipts of a shop of its own, with a closing for each 500.
func fill(t *testing.T, db *database.DB, logs *merkle.Logs, number byte, receipts int) (crdt.ShopID, error) {
	s := archivetest.NewShop(t, number)
	for n := range receipts {
		s.Series.Sell(340, 100, 250)
		if n%500 < 499 && n < receipts-1 {
			continue
		}
		s.Fill() // the receipts before the closing that covers them
		s.Series.Close(nil)
		s.Fill()
		var list []archive.Entry
		for _, c := range s.Commits {
			list = append(list, archive.Entries(s.ID, c)...)
		}
		if err := db.Tx(context.Background(), func(tx *database.Tx) error {
			_, err := logs.Append(context.Background(), tx, account, list, signed)
			return err
		}); err != nil {
			return s.ID, err
		}
		s.Forgotten()
	}
	return s.ID, nil
}
