package merkle_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/cloudlink/archive"
	"github.com/tillmesh/tillmesh/cloudlink/archive/archivetest"
	"github.com/tillmesh/tillmesh/cloudlink/archive/completeness"
	"github.com/tillmesh/tillmesh/cloudlink/archive/merkle"
	"github.com/tillmesh/tillmesh/cloudlink/database"
	"github.com/tillmesh/tillmesh/cloudlink/database/databasetest"
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
)

var receipts = flag.Int("receipts", 2000, "how many receipts the archive of a benchmark has")

// batch is how many commits one transaction stores, as when a shop's history arrives for the first time.
const batch = 64

// entriesOf are the leaves of n receipts with a closing for each 500, made as they are needed.
func entriesOf(b testing.TB, n int, take func([]archive.Entry)) crdt.ShopID {
	s := archivetest.NewShop(b, 1)
	for i := range n {
		s.Series.Sell(340, 100, receipt.Amount(250+i%50))
		if i%500 == 499 || i == n-1 {
			s.Fill() // the receipts before the closing that covers them
			s.Series.Close(nil)
			s.Fill()
			for from := 0; from < len(s.Commits); from += batch {
				var out []archive.Entry
				for _, c := range s.Commits[from:min(len(s.Commits), from+batch)] {
					out = append(out, archive.Entries(s.ID, c)...)
				}
				take(out)
			}
			s.Forgotten()
		}
	}
	return s.ID
}

func filled(b testing.TB, db *database.DB, n int) (*merkle.Logs, crdt.ShopID) {
	logs := merkle.New(db)
	id := entriesOf(b, n, func(entries []archive.Entry) {
		require.NoError(b, db.Tx(b.Context(), func(tx *database.Tx) error {
			_, err := logs.Append(b.Context(), tx, account, entries, now)
			return err
		}))
	})
	return logs, id
}

func eachEngine(b *testing.B, run func(b *testing.B, db *database.DB)) {
	for _, e := range databasetest.Engines {
		b.Run(e.Name, func(b *testing.B) { run(b, databasetest.Open(b, e.New(b))) })
	}
}

// BenchmarkAppend appends one receipt in a transaction of its own, 4 in one, and 64.
func BenchmarkAppend(b *testing.B) {
	for _, each := range []int{1, 4, batch} {
		b.Run(fmt.Sprint(each), func(b *testing.B) {
			eachEngine(b, func(b *testing.B, db *database.DB) {
				logs := merkle.New(db)
				var all []archive.Entry
				entriesOf(b, max(500, min(b.N, 20_000)), func(e []archive.Entry) { all = append(all, e...) })
				bytes := 0
				b.ResetTimer()
				began := time.Now()
				for done := 0; done < b.N; done += each {
					from := done % (len(all) - each)
					part := all[from : from+each]
					for i := range part { // another commit, and so another leaf
						part[i].Leaf.Dot.Seq += crdt.NewSeq(1, 0)
						bytes += len(part[i].Content)
					}
					require.NoError(b, db.Tx(b.Context(), func(tx *database.Tx) error {
						_, err := logs.Append(b.Context(), tx, account, part, now)
						return err
					}))
				}
				b.ReportMetric(float64(b.N)/time.Since(began).Seconds(), "leaves/s")
				b.ReportMetric(float64(bytes)/float64(b.N), "B/leaf")
			})
		})
	}
}

// BenchmarkHash hashes what is new, a checkpoint for each 64 leaves, in an archive of some size.
func BenchmarkHash(b *testing.B) {
	eachEngine(b, func(b *testing.B, db *database.DB) {
		logs, _ := filled(b, db, *receipts)
		signer, _ := keys(b)
		began := time.Now()
		_, err := logs.Checkpoint(b.Context(), account, now, signer)
		require.NoError(b, err)
		atOnce := float64(*receipts) / time.Since(began).Seconds()
		var all []archive.Entry
		entriesOf(b, 500, func(e []archive.Entry) { all = append(all, e...) })
		b.ResetTimer()
		for i := range b.N {
			b.StopTimer()
			part := all[:batch]
			for k := range part {
				part[k].Leaf.Dot.Seq = crdt.NewSeq(uint32(100+i), uint32(k+1))
			}
			require.NoError(b, db.Tx(b.Context(), func(tx *database.Tx) error {
				_, err := logs.Append(b.Context(), tx, account, part, now)
				return err
			}))
			b.StartTimer()
			_, err := logs.Checkpoint(b.Context(), account, now, signer)
			require.NoError(b, err)
		}
		b.ReportMetric(atOnce, "leaves/s-at-once")
	})
}

// BenchmarkProof proves a leaf, and the growth since an earlier checkpoint.
func BenchmarkProof(b *testing.B) {
	eachEngine(b, func(b *testing.B, db *database.DB) {
		logs, _ := filled(b, db, *receipts)
		signer, verifier := keys(b)
		c, err := logs.Checkpoint(b.Context(), account, now, signer)
		require.NoError(b, err)
		random := rand.New(rand.NewPCG(1, 2))
		b.Run("leaf", func(b *testing.B) {
			for range b.N {
				i := random.Int64N(c.Size)
				leaf, proof, err := logs.Prove(b.Context(), account, i, c.Size)
				require.NoError(b, err)
				require.NoError(b, archive.CheckInclusion(c.Checkpoint, i, leaf, proof))
			}
		})
		b.Run("growth", func(b *testing.B) {
			for range b.N {
				_, err := logs.Offer(b.Context(), account, 1+random.Int64N(c.Size-1), verifier)
				require.NoError(b, err)
			}
		})
	})
}

// BenchmarkCompleteness checks all documents of an archive, and reads all leaves of it against what was signed.
func BenchmarkCompleteness(b *testing.B) {
	eachEngine(b, func(b *testing.B, db *database.DB) {
		logs, id := filled(b, db, *receipts)
		signer, verifier := keys(b)
		_, err := logs.Checkpoint(b.Context(), account, now, signer)
		require.NoError(b, err)
		run := func(name string, do func(b *testing.B)) {
			b.Run(name, func(b *testing.B) {
				began := time.Now()
				for range b.N {
					do(b)
				}
				b.ReportMetric(float64(*receipts*b.N)/time.Since(began).Seconds(), "receipts/s")
			})
		}
		run("check", func(b *testing.B) {
			r, err := completeness.Check(b.Context(), []completeness.Shop{{ID: id, Books: logs.Books(account, id)}}, nil)
			require.NoError(b, err)
			require.True(b, r.OK(), r.Text())
		})
		run("scrub", func(b *testing.B) {
			r, err := logs.Scrub(b.Context(), account, verifier, nil)
			require.NoError(b, err)
			require.Zero(b, r.Wrong)
		})
		run("review", func(b *testing.B) {
			require.NoError(b, db.Tx(b.Context(), func(tx *database.Tx) error {
				_, err := tx.Exec(b.Context(), `UPDATE archive_trees SET reviewed = 0`)
				return err
			}))
			review(b, logs, account)
		})
	})
}
