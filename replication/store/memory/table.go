package memory

import (
	"bytes"
	"slices"

	"github.com/tillmesh/tillmesh/replication/store/rows"
)

// pageRows is the size at which a page is split: a write copies one page and the list of pages, so
// with 100,000 rows about 500 rows and 400 pages.
const pageRows = 512

// table is a sorted map that never changes: apply makes a new one that shares the pages it did
// not touch. So a reader keeps its moment without a lock, and a crash goes back to an older
// table at no cost. No page is empty.
type table struct{ pages [][]rows.Row }

func compareKey(row rows.Row, key []byte) int { return bytes.Compare(row.Key, key) }

// page returns the index of the page that holds key or would hold it.
func (t *table) page(key []byte) int {
	i, found := slices.BinarySearchFunc(t.pages, key, func(page []rows.Row, key []byte) int {
		return compareKey(page[0], key)
	})
	if !found && i > 0 {
		i--
	}
	return i
}

func (t *table) get(key []byte) (value []byte, found bool) {
	if len(t.pages) == 0 {
		return nil, false
	}
	page := t.pages[t.page(key)]
	i, found := slices.BinarySearchFunc(page, key, compareKey)
	if !found {
		return nil, false
	}
	return page[i].Value, true
}

// from calls yield with all rows from key on until it returns false.
func (t *table) from(key []byte, yield func(rows.Row) bool) {
	if len(t.pages) == 0 {
		return
	}
	first := t.page(key)
	start, _ := slices.BinarySearchFunc(t.pages[first], key, compareKey)
	for _, page := range t.pages[first:] {
		for _, row := range page[start:] {
			if !yield(row) {
				return
			}
		}
		start = 0
	}
}

// apply returns the table with the batch in it.
func (t *table) apply(batch []rows.Write) *table {
	sorted := slices.Clone(batch)
	slices.SortStableFunc(sorted, func(a, b rows.Write) int { return bytes.Compare(a.Key, b.Key) })
	next := &table{pages: make([][]rows.Row, 0, len(t.pages)+1)}
	if len(t.pages) == 0 {
		next.add(merge(nil, sorted))
		return next
	}
	for i, page := range t.pages {
		mine := len(sorted)
		if i+1 < len(t.pages) {
			end := t.pages[i+1][0].Key
			mine, _ = slices.BinarySearchFunc(sorted, end, func(w rows.Write, key []byte) int {
				return bytes.Compare(w.Key, key)
			})
		}
		if mine == 0 {
			next.pages = append(next.pages, page)
			continue
		}
		next.add(merge(page, sorted[:mine]))
		sorted = sorted[mine:]
	}
	return next
}

// merge returns a new page with the writes in it, which are sorted; of one key the last counts.
func merge(page []rows.Row, writes []rows.Write) []rows.Row {
	out := make([]rows.Row, 0, len(page)+len(writes))
	for i, w := range writes {
		if i+1 < len(writes) && bytes.Equal(w.Key, writes[i+1].Key) {
			continue
		}
		n, found := slices.BinarySearchFunc(page, w.Key, compareKey)
		out = append(out, page[:n]...)
		if found {
			n++
		}
		page = page[n:]
		if !w.Delete {
			out = append(out, rows.Row{Key: bytes.Clone(w.Key), Value: own(w.Value)})
		}
	}
	return append(out, page...)
}

// own returns a copy of a value that is never nil: an empty value is a value.
func own(value []byte) []byte { return append([]byte{}, value...) }

func (t *table) add(page []rows.Row) {
	for len(page) > pageRows {
		half := min(len(page)/2, pageRows)
		t.pages = append(t.pages, slices.Clip(page[:half]))
		page = page[half:]
	}
	if len(page) > 0 {
		t.pages = append(t.pages, page)
	}
}
