package catalog

import (
	"fmt"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/codec"
)

// Codes is the register "codes" of an article: what it is found by at the till.
type Codes struct {
	Barcodes []string // the main one first; digits and ASCII letters, check digits are not verified
	PLU      string   // the short number typed by hand, empty if none
}

// Check says what is wrong with the value, wrapping [ErrInvalid].
func (c Codes) Check() error {
	if len(c.Barcodes) > MaxBarcodes {
		return fmt.Errorf("%w: %d barcodes, at most %d", ErrInvalid, len(c.Barcodes), MaxBarcodes)
	}
	for i, code := range c.Barcodes {
		if err := checkCode("barcode", code); err != nil {
			return err
		}
		for _, before := range c.Barcodes[:i] {
			if before == code {
				return fmt.Errorf("%w: barcode %s twice", ErrInvalid, code)
			}
		}
	}
	if c.PLU != "" {
		return checkCode("PLU", c.PLU)
	}
	return nil
}

// ParseCodes reads a register value.
func ParseCodes(raw []byte) (Codes, error) {
	f := parse(raw)
	c := Codes{PLU: f.text("p")}
	f.nested("b", func(r *codec.Reader) {
		n := r.Array()
		if n > MaxBarcodes {
			r.Fail("%d barcodes, at most %d", n, MaxBarcodes)
			return
		}
		for range n {
			c.Barcodes = append(c.Barcodes, r.String())
		}
	})
	if f.err == nil {
		f.err = c.Check()
	}
	if f.err != nil {
		return Codes{}, fmt.Errorf("codes: %w", f.err)
	}
	return c, nil
}

// Edit writes the value over the register value shown (nil if there is none) and keeps fields it does not know.
func (c Codes) Edit(old []byte) ([]byte, error) {
	return edit(old, func(rec *crdt.Record) {
		var codes []byte
		if len(c.Barcodes) > 0 {
			codes = codec.AppendArray(nil, len(c.Barcodes))
			for _, code := range c.Barcodes {
				codes = codec.AppendString(codes, code)
			}
		}
		rec.SetRaw("b", codes)
		rec.SetString("p", c.PLU)
	})
}
