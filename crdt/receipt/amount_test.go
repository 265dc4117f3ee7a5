package receipt_test

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt/receipt"
)

// seeded returns a generator whose seed is printed when the test fails.
func seeded(t *testing.T) *rand.Rand {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// upTo returns a number between -limit and limit, small ones and the limits themselves more often than by chance.
func upTo(r *rand.Rand, limit int64) int64 {
	n := limit
	switch r.IntN(4) {
	case 0:
		n = min(limit, 20)
	case 1:
		n = min(limit, 100_000)
	case 2:
		return []int64{limit, -limit, limit - 1, 1 - limit}[r.IntN(4)]
	}
	return r.Int64N(2*n+1) - n
}

// exact returns num / den rounded half away from zero, computed with fractions of any size.
func exact(num, den *big.Int) *big.Int {
	q, rest := new(big.Int).QuoRem(new(big.Int).Abs(num), den, new(big.Int))
	if rest.Lsh(rest, 1).Cmp(den) >= 0 {
		q.Add(q, big.NewInt(1))
	}
	if num.Sign() < 0 {
		q.Neg(q)
	}
	return q
}

func product(a, b int64) *big.Int { return new(big.Int).Mul(big.NewInt(a), big.NewInt(b)) }

func TestMulByHand(t *testing.T) {
	for _, c := range []struct {
		price    receipt.Amount
		quantity receipt.Quantity
		want     receipt.Amount
	}{
		{250, 1000, 250},
		{250, 2000, 500},
		{199, 350, 70},   // 69.65
		{1, 500, 1},      // half goes away from zero
		{1, 499, 0},      // below half
		{-1, 500, -1},    // mirrored
		{1, -500, -1},    // mirrored
		{-1, -500, 1},    // twice mirrored
		{3, 1500, 5},     // 4.5
		{0, 1000, 0},     // free
		{1299, 333, 433}, // 432.567
	} {
		got, err := c.price.Mul(c.quantity)
		require.NoError(t, err)
		require.Equal(t, c.want, got, "%d x %d", c.price, c.quantity)
	}
}

func TestArithmeticIsExact(t *testing.T) {
	r := seeded(t)
	limit := big.NewInt(int64(receipt.MaxAmount))
	for range 10_000 {
		a, b := upTo(r, int64(receipt.MaxAmount)), upTo(r, int64(receipt.MaxAmount))
		q, rate := upTo(r, int64(receipt.MaxQuantity)), r.Int64N(int64(receipt.MaxRate)+1)
		for _, c := range []struct {
			name string
			want *big.Int
			got  func() (receipt.Amount, error)
		}{
			{"add", new(big.Int).Add(big.NewInt(a), big.NewInt(b)), func() (receipt.Amount, error) { return receipt.Amount(a).Add(receipt.Amount(b)) }},
			{"mul", exact(product(a, q), big.NewInt(1000)), func() (receipt.Amount, error) { return receipt.Amount(a).Mul(receipt.Quantity(q)) }},
			{"percent", exact(product(a, rate), big.NewInt(10_000)), func() (receipt.Amount, error) { return receipt.Amount(a).Percent(receipt.Rate(rate)) }},
		} {
			got, err := c.got()
			if new(big.Int).Abs(c.want).Cmp(limit) > 0 {
				require.ErrorIs(t, err, receipt.ErrOverflow, "%s %d %d %d", c.name, a, b, q)
				continue
			}
			require.NoError(t, err)
			require.Equal(t, c.want.Int64(), int64(got), "%s %d %d %d %d", c.name, a, b, q, rate)
		}
	}
}

func TestArithmeticRefusesWhatIsBeyondTheLimits(t *testing.T) {
	for _, a := range []receipt.Amount{receipt.MaxAmount + 1, -receipt.MaxAmount - 1, math.MaxInt64, math.MinInt64} {
		_, err := a.Add(0)
		require.ErrorIs(t, err, receipt.ErrOverflow)
		_, err = receipt.Amount(0).Add(a)
		require.ErrorIs(t, err, receipt.ErrOverflow)
		_, err = a.Mul(1)
		require.ErrorIs(t, err, receipt.ErrOverflow)
		_, err = a.Percent(1)
		require.ErrorIs(t, err, receipt.ErrOverflow)
		_, _, err = receipt.TaxSplit(a, 1900)
		require.ErrorIs(t, err, receipt.ErrOverflow)
		_, err = receipt.Shares(a, []receipt.Amount{1})
		require.ErrorIs(t, err, receipt.ErrOverflow)
		_, err = receipt.Shares(1, []receipt.Amount{1, a})
		require.ErrorIs(t, err, receipt.ErrOverflow)
	}
	for _, q := range []receipt.Quantity{receipt.MaxQuantity + 1, -receipt.MaxQuantity - 1, math.MaxInt64, math.MinInt64} {
		_, err := receipt.Amount(1).Mul(q)
		require.ErrorIs(t, err, receipt.ErrOverflow)
	}
	for _, r := range []receipt.Rate{-1, receipt.MaxRate + 1, math.MaxInt64, math.MinInt64} {
		_, err := receipt.Amount(1).Percent(r)
		require.ErrorIs(t, err, receipt.ErrRate)
		_, _, err = receipt.TaxSplit(1, r)
		require.ErrorIs(t, err, receipt.ErrRate)
	}
	// The product is 2^64 - 1: rounding it up carries into the upper half.
	_, err := receipt.Amount(65537 * 6700417).Mul(3 * 5 * 17 * 257 * 641)
	require.ErrorIs(t, err, receipt.ErrOverflow)
	_, err = receipt.Shares(1, nil)
	require.ErrorIs(t, err, receipt.ErrShares)
	_, err = receipt.Shares(1, make([]receipt.Amount, 1<<20+1))
	require.ErrorIs(t, err, receipt.ErrOverflow)
}

func TestTaxSplitByHand(t *testing.T) {
	for _, c := range []struct {
		gross    receipt.Amount
		rate     receipt.Rate
		net, tax receipt.Amount
	}{
		{11900, 1900, 10000, 1900},
		{10700, 700, 10000, 700},
		{100, 1900, 84, 16},
		{-100, 1900, -84, -16},
		{3, 10_000, 1, 2}, // 1.5 goes away from zero
		{999, 0, 999, 0},
		{0, 1900, 0, 0},
		{1234567, 490, 1176899, 57668},
	} {
		net, tax, err := receipt.TaxSplit(c.gross, c.rate)
		require.NoError(t, err)
		require.Equal(t, []receipt.Amount{c.net, c.tax}, []receipt.Amount{net, tax}, "%d at %d", c.gross, c.rate)
	}
}

func TestTaxSplitIsExact(t *testing.T) {
	r := seeded(t)
	for range 10_000 {
		gross, rate := upTo(r, int64(receipt.MaxAmount)), r.Int64N(int64(receipt.MaxRate)+1)
		net, tax, err := receipt.TaxSplit(receipt.Amount(gross), receipt.Rate(rate))
		require.NoError(t, err)
		require.Equal(t, exact(product(gross, rate), big.NewInt(10_000+rate)).Int64(), int64(tax), "%d at %d", gross, rate)
		require.EqualValues(t, gross, net+tax)
	}
}

func TestSharesByHand(t *testing.T) {
	type amounts = []receipt.Amount
	for _, c := range []struct {
		name    string
		total   receipt.Amount
		weights amounts
		want    amounts
	}{
		{"thirds, the tie goes to the first", 100, amounts{1, 1, 1}, amounts{34, 33, 33}},
		{"two left over", 101, amounts{1, 1, 1}, amounts{34, 34, 33}},
		{"largest remainder wins", 10, amounts{333, 333, 334}, amounts{3, 3, 4}},
		{"mirror of total", -100, amounts{1, 1, 1}, amounts{-34, -33, -33}},
		{"mirror of weights", 100, amounts{-1, -1, -1}, amounts{34, 33, 33}},
		{"a weight of zero gets nothing", 5, amounts{0, 3, 0}, amounts{0, 5, 0}},
		{"a return gets nothing", -80, amounts{1000, -200}, amounts{-80, 0}},
		{"a refund with a sale in it", 80, amounts{-1000, 200}, amounts{80, 0}},
		{"weights that cancel count by magnitude", 10, amounts{7, -7}, amounts{5, 5}},
		{"all zero: equal parts", 10, amounts{0, 0, 0}, amounts{4, 3, 3}},
		{"nothing to share", 0, amounts{1, 2}, amounts{0, 0}},
		{"nothing over nothing", 0, amounts{}, amounts{}},
		{"all of it", 1000, amounts{300, 700}, amounts{300, 700}},
		{"more than the weights", 2001, amounts{300, 700}, amounts{600, 1401}},
		{"limits", receipt.MaxAmount, amounts{receipt.MaxAmount, receipt.MaxAmount}, amounts{receipt.MaxAmount / 2, receipt.MaxAmount / 2}},
	} {
		got, err := receipt.Shares(c.total, c.weights)
		require.NoError(t, err, c.name)
		require.Equal(t, c.want, got, c.name)
	}
}

func TestSharesOfEqualWeightsGoToTheFirst(t *testing.T) {
	r := seeded(t)
	for range 100 {
		weights := make([]receipt.Amount, 300)
		for i := range weights {
			weights[i] = receipt.Amount(1 + r.IntN(5))
		}
		parts, err := receipt.Shares(receipt.Amount(r.IntN(2_000)), weights)
		require.NoError(t, err)
		last := map[receipt.Amount]receipt.Amount{}
		for i, w := range weights {
			if before, seen := last[w]; seen {
				require.LessOrEqual(t, parts[i], before, "part %d of weight %d", i, w)
			}
			last[w] = parts[i]
		}
	}
}

func TestSharesProperties(t *testing.T) {
	r := seeded(t)
	for range 10_000 {
		total := receipt.Amount(upTo(r, int64(receipt.MaxAmount)))
		weights, turned := make([]receipt.Amount, 1+r.IntN(12)), make([]receipt.Amount, 0, 12)
		var sum, same int64
		for i := range weights {
			weights[i] = receipt.Amount(upTo(r, []int64{1, 30, 10_000, int64(receipt.MaxAmount)}[r.IntN(4)]))
			turned = append(turned, -weights[i])
			sum += int64(weights[i])
		}
		parts, err := receipt.Shares(total, weights)
		require.NoError(t, err)
		for _, w := range weights {
			if sum != 0 && (w > 0) == (sum > 0) {
				same += int64(w)
			}
		}
		var got receipt.Amount
		for i, part := range parts {
			got += part
			require.False(t, total >= 0 && part < 0 || total <= 0 && part > 0, "sign of %d in %d over %d", part, total, weights)
			if sum == 0 {
				continue
			}
			if weights[i] == 0 || (weights[i] > 0) != (sum > 0) {
				require.Zero(t, part, "%d over %d", total, weights)
				continue
			}
			// Each part is its exact share, rounded down or up: |part * same - total * weight| < |same|.
			off := new(big.Int).Sub(product(int64(part), same), product(int64(total), int64(weights[i])))
			require.Negative(t, off.CmpAbs(big.NewInt(same)), "part %d of %d over %d", i, total, weights)
		}
		require.Equal(t, total, got, "%d over %d", total, weights)

		again, err := receipt.Shares(total, turned)
		require.NoError(t, err)
		require.Equal(t, parts, again)
		mirror, err := receipt.Shares(-total, weights)
		require.NoError(t, err)
		for i := range mirror {
			require.Equal(t, -parts[i], mirror[i])
		}
	}
}
