package demo

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/tillmesh/tillmesh/node/client"
)

// agree checks that all tills hold the same state and the same receipts, numbered without a gap.
func (s *shop) agree(ctx context.Context) (string, error) {
	if err := s.awaitEqual(ctx); err != nil {
		return "", err
	}
	var all []map[string]string
	for _, t := range s.tills {
		hashes, err := t.receipts(ctx)
		if err != nil {
			return "", t.at(err)
		}
		all = append(all, hashes)
	}
	if len(all[0]) != len(s.sold) {
		return "", s.tills[0].at(fmt.Errorf("it holds %d receipts, not %d", len(all[0]), len(s.sold)))
	}
	for i, hashes := range all {
		if !maps.Equal(hashes, all[0]) {
			return "", s.tills[i].at(fmt.Errorf("its receipts differ from those of %s: %v, not %v", s.tills[0].name, hashes, all[0]))
		}
	}
	return fmt.Sprintf("all tills hold the same %d receipts with the same hashes; no till's numbers have a gap", len(s.sold)), nil
}

// receipts returns the hashes of all receipts of a till by number and checks their signatures and numbers.
func (t *till) receipts(ctx context.Context) (map[string]string, error) {
	list, err := t.api.AllReceipts(ctx, client.List{})
	if err != nil {
		return nil, err
	}
	if err := gapFree(list); err != nil {
		return nil, err
	}
	hashes := make(map[string]string)
	for _, e := range list {
		r, err := t.api.Receipt(ctx, e.ID)
		if err != nil {
			return nil, fmt.Errorf("receipt %s: %w", e.Number, err)
		}
		if !r.Verified || r.Hash == "" || r.Number != e.Number {
			return nil, fmt.Errorf("receipt %s does not prove true", e.Number)
		}
		hashes[e.Number] = r.Hash
	}
	if len(hashes) != len(list) {
		return nil, fmt.Errorf("%d receipts share %d numbers", len(list), len(hashes))
	}
	return hashes, nil
}

// gapFree checks that the numbers of every series are 1, 2, 3 and so on.
func gapFree(list []client.ReceiptEntry) error {
	numbers := make(map[string][]int64)
	for _, e := range list {
		numbers[e.Series] = append(numbers[e.Series], e.N)
	}
	for _, series := range slices.Sorted(maps.Keys(numbers)) {
		slices.Sort(numbers[series])
		for i, n := range numbers[series] {
			if n != int64(i+1) {
				return fmt.Errorf("series %s has number %d where %d should be", series, n, i+1)
			}
		}
	}
	return nil
}
