package catalog

import (
	"fmt"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/document"
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
	f := rules.Parse(raw)
	return document.Checked(f, "codes", Codes{Barcodes: f.Texts("b", "barcodes", MaxBarcodes), PLU: f.Text("p")})
}

// Edit writes the value over the register value shown (nil if there is none) and keeps fields it does not know.
func (c Codes) Edit(old []byte) ([]byte, error) {
	return rules.Edit(old, func(rec *crdt.Record) {
		document.SetTexts(rec, "b", c.Barcodes)
		rec.SetString("p", c.PLU)
	})
}

// checkCode refuses codes that are not digits and ASCII letters. Check digits are not verified: shops print their own.
func checkCode(what, s string) error {
	if s == "" || len(s) > MaxCode {
		return fmt.Errorf("%w: %s has %d characters, 1 to %d", ErrInvalid, what, len(s), MaxCode)
	}
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return fmt.Errorf("%w: %s %q has something other than digits and letters", ErrInvalid, what, s)
		}
	}
	return nil
}
