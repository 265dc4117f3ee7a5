package loss

import (
	"fmt"
	"time"
)

// Check says what a statement contradicts itself in, wrapping [ErrStatement]: ranges that overlap, counts that do not add up.
func (s Statement) Check() error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%w: "+format, append([]any{ErrStatement}, args...)...)
	}
	if s.Version != Version || s.Kind != Kind {
		return bad("version %d, kind %.20q", s.Version, s.Kind)
	}
	if _, err := time.Parse(time.RFC3339, s.Made); err != nil {
		return bad("when it was made cannot be read")
	}
	if s.Till.ID == "" || s.Shop.ID == "" || s.By.ID == "" {
		return bad("till, shop or signer is not named")
	}
	for _, x := range s.Series {
		if err := x.check(len(s.Holders)); err != nil {
			return bad("series %.20q: %v", x.Series, err)
		}
	}
	return nil
}

// check walks the ranges: known and missing ones together are all numbers up to the last, or up to where they are only counted.
func (x Series) check(holders int) error {
	end := x.Last
	if x.Beyond > 0 {
		end = x.Beyond - 1
	}
	var known, missing int64
	for _, m := range x.Missing {
		if err := m.Device.check(); err != nil {
			return err
		}
	}
	k, m, next := x.Known, x.Missing, int64(1)
	for len(k) > 0 || len(m) > 0 {
		var r Run
		var at []int64
		if len(k) > 0 && (len(m) == 0 || k[0].First < m[0].First) {
			r, at, k = k[0].Run, k[0].At, k[1:]
			known += r.Numbers()
		} else {
			r, at, m = m[0].Run, m[0].At, m[1:]
			missing += r.Numbers()
		}
		if r.First != next || r.Last < r.First {
			return fmt.Errorf("the ranges do not follow each other at number %d", next)
		}
		for _, i := range at {
			if i < 0 || i >= int64(holders) {
				return fmt.Errorf("there is no holder %d", i)
			}
		}
		next = r.Last + 1
	}
	switch {
	case next != end+1:
		return fmt.Errorf("the ranges end at number %d, not at %d", next-1, end)
	case x.Beyond == 0 && (known != x.KnownNumbers || missing != x.MissingNumbers), known > x.KnownNumbers, missing > x.MissingNumbers,
		x.KnownNumbers+x.MissingNumbers != x.Last:
		return fmt.Errorf("%d known and %d missing numbers are said, %d and %d are listed, up to %d", x.KnownNumbers, x.MissingNumbers, known, missing, x.Last)
	case x.Tail.From != x.Last+1 || x.LastKnown > x.Last:
		return fmt.Errorf("the tail begins at %d, the last number is %d", x.Tail.From, x.Last)
	}
	return nil
}
