//go:build bench

package bench

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	bdgr "github.com/dgraph-io/badger/v4"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/node/nodetest/bench/figures"
)

const lineSpeed = 2_000_000 // bytes per second of the slow link

// catalogue returns so many records of a bare log and their size.
func catalogue(t *testing.T, articles int) (records [][]byte, size int64) {
	t.Helper()
	for n := range articles {
		b, err := productAt(n).record()
		require.NoError(t, err)
		records = append(records, b)
		size += int64(len(b))
	}
	return records, size
}

// zstdSize is what the records take as one compressed stream.
func zstdSize(t *testing.T, records [][]byte) int64 {
	t.Helper()
	var n counter
	z, err := zstd.NewWriter(&n, zstd.WithEncoderConcurrency(1))
	require.NoError(t, err)
	for _, b := range records {
		_, err := z.Write(b)
		require.NoError(t, err)
	}
	require.NoError(t, z.Close())
	return int64(n)
}

type counter int64

func (c *counter) Write(b []byte) (int, error) {
	*c += counter(len(b))
	return len(b), nil
}

// fillFloor writes records under numbers.
func fillFloor(db *bdgr.DB, records [][]byte) error {
	w := db.NewWriteBatch()
	defer w.Cancel()
	for n, b := range records {
		if err := w.Set(binary.BigEndian.AppendUint64([]byte{'c'}, uint64(n)), b); err != nil {
			return err
		}
	}
	return w.Flush()
}

// sendAll sends every row of a store and ends the connection.
func sendAll(db *bdgr.DB, c net.Conn) error {
	w := bufio.NewWriterSize(c, 256<<10)
	err := db.View(func(txn *bdgr.Txn) error {
		it := txn.NewIterator(bdgr.IteratorOptions{})
		defer it.Close()
		var head []byte
		for it.Rewind(); it.Valid(); it.Next() {
			err := it.Item().Value(func(v []byte) error {
				head = append(binary.AppendUvarint(head[:0], uint64(len(v))), it.Item().Key()...)
				if _, err := w.Write(head); err != nil {
					return err
				}
				_, err := w.Write(v)
				return err
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	return errors.Join(err, w.Flush(), c.Close())
}

// takeAll writes what sendAll sent and returns how many rows came.
func takeAll(db *bdgr.DB, c net.Conn) (rows int, err error) {
	r := bufio.NewReaderSize(c, 256<<10)
	w := db.NewWriteBatch()
	defer w.Cancel()
	for {
		size, err := binary.ReadUvarint(r)
		if errors.Is(err, io.EOF) {
			return rows, w.Flush()
		}
		if err != nil {
			return rows, err
		}
		key, value := make([]byte, 9), make([]byte, size)
		if _, err := io.ReadFull(r, key); err != nil {
			return rows, err
		}
		if _, err := io.ReadFull(r, value); err != nil {
			return rows, err
		}
		if err := w.Set(key, value); err != nil {
			return rows, err
		}
		rows++
	}
}

// joinFigures measure an empty till that takes a catalogue over.
func joinFigures(t *testing.T, table *report) {
	articles := sized(100_000, 3000)
	records, raw := catalogue(t, articles)
	packed := zstdSize(t, records)
	full := openFloor(t)
	require.NoError(t, fillFloor(full, records))
	s := newShop(t, 2, 0)
	s.tills[0].stock(0, articles)

	var floor, ours []time.Duration
	var floorBytes, ourBytes []int64
	for range sized(5, 2) {
		side("floor", func() {
			var out atomic.Int64
			empty := openFloor(t)
			a, b := tlsPair(t, &out)
			began := time.Now()
			sent := make(chan error, 1)
			go func() { sent <- sendAll(full, a) }()
			rows, err := takeAll(empty, b)
			floor, floorBytes = append(floor, time.Since(began)), append(floorBytes, out.Load())
			require.NoError(t, errors.Join(<-sent, err))
			require.NoError(t, b.Close())
			require.Equal(t, articles, rows)
			require.NoError(t, empty.Close())
		})
		s.tills[1].start()
		side("ours", func() {
			s.meet()
			took, bytes := s.join()
			ours, ourBytes = append(ours, took), append(ourBytes, bytes)
		})
		s.part()
		s.tills[1].stop()
	}
	f, o := figures.Median(floor), figures.Median(ours)
	table.add(figure{fmt.Sprintf("cold join: %d articles (%d-byte records) to an empty till, equal digest", articles, raw/int64(articles)),
		fmt.Sprintf("%s, %s", figures.Duration(f), figures.Megabytes(figures.Median(floorBytes))),
		fmt.Sprintf("%s, %s, %s", figures.Duration(o), figures.Times(o, f), figures.Megabytes(figures.Median(ourBytes))), "<= 2x the time", o <= 2*f})

	s.tills[0].stop()
	s = newShop(t, 2)
	s.wire = func(c net.Conn) net.Conn { return &slowConn{Conn: c, perSecond: lineSpeed} }
	s.tills[0].start()
	s.tills[0].stock(0, articles)
	s.tills[1].start()
	s.meet()
	took, bytes := s.join()
	table.add(figure{fmt.Sprintf("  the same over a link of %s/s", figures.Megabytes(lineSpeed)),
		fmt.Sprintf("raw %s, zstd %s", figures.Megabytes(raw), figures.Megabytes(packed)),
		fmt.Sprintf("%s, %s, %s", figures.Megabytes(bytes), figures.Times(bytes, packed), figures.Duration(took)), "<= 1.3x zstd", bytes*10 <= packed*13})
	require.NoError(t, full.Close())
}

// join waits until the tills are equal and returns how long that took from the first session on, and the bytes sent.
func (s *shop) join() (took time.Duration, bytes int64) {
	s.t.Helper()
	require.True(s.t, await(time.Millisecond, func() bool { return s.upAt.Load() != nil && s.equal() }), "the tills become equal")
	return time.Since(*s.upAt.Load()), s.sent()
}
