package journal

import (
	"context"
	"fmt"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/codec"
	"github.com/tillmesh/tillmesh/node/journal/rksv"
)

// Chain is where a device that chains its signatures stands. It is stored with the document it is of, as a note that is never
// replicated. The zero value is that of a new chain.
type Chain struct {
	Number  uint64 // of the last document that is on the chain
	Counter int64  // turnover in cents
	Final   bool   // a final receipt was made, nothing follows
	Month   string // that was begun and not ended by a receipt yet, such as "2026-09"
	Last    string // the last receipt, in JWS form
}

// Outage reports whether the last receipt of the chain is unsigned: a collective receipt is wanted.
func (c Chain) Outage() bool {
	if c.Last == "" {
		return false
	}
	last, err := rksv.ParseJWS(c.Last)
	return err == nil && last.Outage()
}

// Due says which special receipt has to be made before anything else is sold in a month, such as "2026-10", and for which
// period; empty if none has. Collective ones are not among them: they are wanted when the device works again.
func (c Chain) Due(month string) (what, period string) {
	switch {
	case c.Last == "":
		return string(rksv.Start), ""
	case c.Final || c.Month == "" || month <= c.Month:
		return "", ""
	case month[:4] != c.Month[:4]:
		return string(rksv.Year), c.Month[:4]
	}
	return string(rksv.Month), c.Month
}

// ReadChain returns where the chain of a series stands.
func ReadChain(ctx context.Context, n Notes, series string) (Chain, error) {
	got, err := n.Notes(ctx, chainNote+series)
	if err != nil {
		return Chain{}, fmt.Errorf("read the signature chain of %s: %w", series, err)
	}
	return ParseChain(got[0])
}

const chainVersion = 1

// Bytes returns the value of a note: [version, number, counter, final, month, last].
func (c Chain) Bytes() []byte {
	b := codec.AppendUint(codec.AppendArray(nil, 6), chainVersion)
	b = codec.AppendBool(codec.AppendInt(codec.AppendUint(b, c.Number), c.Counter), c.Final)
	return codec.AppendString(codec.AppendString(b, c.Month), c.Last)
}

// ParseChain reads what Bytes wrote, and nothing as the zero value. A later version with more members is read, too.
func ParseChain(b []byte) (c Chain, err error) {
	if b == nil {
		return c, nil
	}
	if err := codec.Check(b); err != nil {
		return c, fmt.Errorf("signature chain: %w", err)
	}
	r := codec.NewReader(b)
	more := r.ArrayOf(6)
	if v := r.Uint(); v != chainVersion {
		return c, fmt.Errorf("signature chain: version %d: %w", v, crdt.ErrUpdateNeeded)
	}
	c.Number, c.Counter, c.Final, c.Month, c.Last = r.Uint(), r.Int(), r.Bool(), r.String(), r.String()
	r.Skip(more)
	if len(c.Month) != 0 && len(c.Month) != len("2026-01") {
		r.Fail("month %.20q", c.Month)
	}
	if _, bad := rksv.ParseJWS(c.Last); c.Last != "" && bad != nil {
		r.Fail("%v", bad)
	}
	if err := r.Done(); err != nil {
		return Chain{}, fmt.Errorf("signature chain: %w", err)
	}
	return c, nil
}
