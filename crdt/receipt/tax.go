package receipt

import (
	"errors"
)

// TaxSplit cuts a gross amount into net and tax at a rate: tax is gross * rate / (100 % + rate), rounded half away
// from zero, and net is the rest, so net + tax is gross exactly. Tax is rounded once per rate and receipt, so gross is
// the sum of all lines at that rate; see [ComputeTotals]. The split of -gross is the exact mirror. It returns
// [ErrOverflow] or [ErrRate] if gross or rate is out of its limits.
func TaxSplit(gross Amount, rate Rate) (net, tax Amount, err error) {
	if err := errors.Join(gross.Check(), rate.Check()); err != nil {
		return 0, 0, err
	}
	tax, err = scale(gross, false, uint64(rate), uint64(MaxRate+rate))
	return gross - tax, tax, err
}
