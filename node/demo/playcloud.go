package demo

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// cloudSteps are what the play shows of the cloud; none without one. The export comes last, see export.
func (s *shop) cloudSteps() []step {
	if s.cloud == nil {
		return nil
	}
	return []step{
		{"the shop is coupled with a cloud", s.coupleShop},
		{"a receipt goes to the archive", s.archiveOne},
		{"the till that forwards dies", s.killForwarder},
		{"the internet is cut", s.cutInternet},
	}
}

// coupleShop couples the shop at the first till and waits until every till knows that all receipts so far are in the archive.
func (s *shop) coupleShop(ctx context.Context) (string, error) {
	first := s.tills[0]
	if err := s.cloud.couple(ctx, first); err != nil {
		return "", err
	}
	began := time.Now()
	err := s.archived(ctx, s.tills, s.sold...)
	return fmt.Sprintf("%s couples the shop with %s: %s in the archive after %s ms",
		first.name, accountName, are(len(s.sold), "receipt"), milliseconds(time.Since(began))), err
}

// archiveOne sells on the last till and waits until the till that forwards knows that the receipt is in the archive, and then all others.
func (s *shop) archiveOne(ctx context.Context) (string, error) {
	last := s.tills[len(s.tills)-1]
	number, err := last.sell(ctx, dearer)
	if err != nil {
		return "", err
	}
	began := time.Now()
	s.sold = append(s.sold, number)
	err = last.await(ctx, "a till knows that the receipt is in the archive", func(ctx context.Context) (bool, error) {
		for _, t := range s.tills {
			r, err := t.api.Receipt(ctx, number)
			if err == nil && r.Copies.Archived {
				return true, nil
			}
		}
		return false, s.cloud.ended()
	})
	if err != nil {
		return "", err
	}
	there := time.Since(began)
	err = s.archived(ctx, s.tills, number)
	return fmt.Sprintf("%s sells %s: it is in the archive after %s ms, every till knows after %s ms",
		last.name, number, milliseconds(there), milliseconds(time.Since(began))), err
}

// killForwarder kills the till that forwards, sells on another one, and starts it again.
func (s *shop) killForwarder(ctx context.Context) (string, error) {
	dead, _, err := s.forwarder(ctx, s.tills, "")
	if err != nil {
		return "", err
	}
	var others []*till
	for _, t := range s.tills {
		if t != dead {
			others = append(others, t)
		}
	}
	killed := time.Now()
	if err := dead.proc.kill(); err != nil {
		return "", dead.at(err)
	}
	next, how, err := s.forwarder(ctx, others, dead.id)
	if err != nil {
		return "", err
	}
	took := time.Since(killed)
	seller := others[len(others)-1]
	number, err := seller.sell(ctx, dearer)
	if err != nil {
		return "", err
	}
	s.sold = append(s.sold, number)
	if err := s.archived(ctx, others, number); err != nil {
		return "", err
	}
	if err := s.start(ctx, dead); err != nil {
		return "", err
	}
	return fmt.Sprintf("%s is killed: %s forwards %s ms later (%s), %s is archived; %s comes back",
		dead.name, next.name, milliseconds(took), how, number, dead.name), s.archived(ctx, []*till{dead}, number)
}

// cutInternet cuts all tills off from the cloud, sells meanwhile, and waits until everything has arrived.
func (s *shop) cutInternet(ctx context.Context) (string, error) {
	up, _, err := s.forwarder(ctx, s.tills, "")
	if err != nil {
		return "", err
	}
	s.cloud.internet.cut()
	defer s.cloud.internet.mend()
	sold := make([]string, len(s.tills))
	err = each(s.tills, func(t *till) (err error) {
		sold[t.index], err = t.sell(ctx, dearer)
		return err
	})
	if err != nil {
		return "", err
	}
	s.sold = append(s.sold, sold...)
	err = up.await(ctx, "a till says why the cloud cannot be reached", func(ctx context.Context) (bool, error) {
		for _, t := range s.tills {
			state, err := t.api.Cloud(ctx)
			if err != nil {
				return false, t.at(err)
			}
			if state.State == "stuck" && state.Text != "" && state.Advice != "" {
				return true, nil
			}
		}
		return false, nil
	})
	if err != nil {
		return "", err
	}
	for _, number := range sold {
		r, err := up.api.Receipt(ctx, number)
		if err == nil && r.Copies.Archived {
			return "", up.at(fmt.Errorf("it says that %s is in the archive while the internet is cut", number))
		}
	}
	s.cloud.internet.mend()
	mended := time.Now()
	err = s.archived(ctx, s.tills, sold...)
	return fmt.Sprintf("the internet is cut: all tills sell on; %s in the archive %s ms after it is back",
		are(len(sold), "receipt"), milliseconds(time.Since(mended))), err
}

// export writes an export and has it checked.
func (s *shop) export(ctx context.Context) (string, error) {
	made, found, err := s.cloud.proven(ctx, filepath.Join(filepath.Dir(s.cloud.data), "export.zip"))
	return fmt.Sprintf("\"cloud verify\" confirms an export: %d records, %d documents, %d KB; all as signed, nothing is missing",
		made.Leaves, found.Documents, (made.Bytes+1023)/1024), err
}

// archived waits until tills know that these receipts are in the archive.
func (s *shop) archived(ctx context.Context, tills []*till, numbers ...string) error {
	return each(tills, func(t *till) error {
		missing := slices.Clone(numbers)
		return t.await(ctx, "it knows that the receipts are in the archive", func(ctx context.Context) (bool, error) {
			if err := s.cloud.ended(); err != nil {
				return false, err
			}
			for len(missing) > 0 {
				r, err := t.api.Receipt(ctx, missing[0])
				if err != nil || !r.Copies.Archived {
					return false, errors.Join(err, fmt.Errorf("it does not know that of %s", strings.Join(missing, ", ")))
				}
				missing = missing[1:]
			}
			return true, nil
		})
	})
}

// forwarder waits until one of the tills holds the lease of the cloud, which is not that of the ID not. how says by what it learned
// that it is its turn.
func (s *shop) forwarder(ctx context.Context, tills []*till, not string) (up *till, how string, err error) {
	err = tills[0].await(ctx, "a till forwards", func(ctx context.Context) (bool, error) {
		if err := s.cloud.ended(); err != nil {
			return false, err
		}
		for _, t := range tills {
			state, err := t.api.Cloud(ctx)
			if err != nil {
				return false, t.at(err)
			}
			if state.Connected && state.Term > 0 && t.id != not {
				up = t
				if state.Uplink != nil {
					how = state.Uplink.Detector
				}
				return true, nil
			}
		}
		return false, nil
	})
	return up, how, err
}
