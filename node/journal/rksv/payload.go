package rksv

import (
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// ErrFormat means that foreign bytes are not what they should be. It is wrapped with what is wrong.
var ErrFormat = errors.New("not as the RKSV says")

// Suites. Trust providers have numbers from 1: R1-AT1 A-Trust, R1-AT2 Globaltrust, R1-AT3 PrimeSign.
const (
	SuiteClosed = "R1-AT0"   // a closed system, without certificates
	SuiteTest   = "R1-AT100" // no provider: the test suite of the reference code
)

// What stands in place of the counter of a receipt that is none: base64 of STO and TRA.
const (
	counterCancellation = "U1RP"
	counterTraining     = "VFJB"
)

// dateLayout is local time, without zone.
const dateLayout = "2006-01-02T15:04:05"

// maxElement is how many bytes cash box, number and certificate may have each.
const maxElement = 200

// Payload is what is signed of a receipt: twelve elements, as they are written.
type Payload struct {
	Suite       string          // R1-AT and a number
	CashBox     string          // Kassen-ID
	Number      string          // Belegnummer
	Date        string          // local time, yyyy-MM-ddTHH:mm:ss
	Amounts     [taxSets]string // with a decimal comma; see Payload.Parse
	Counter     string          // encrypted turnover counter in base64, or STO or TRA
	Certificate string          // Zert-SN
	Previous    string          // Sig-Voriger
}

// String returns the text that is signed.
func (p Payload) String() string {
	elements := []string{"", p.Suite, p.CashBox, p.Number, p.Date}
	elements = append(elements, p.Amounts[:]...)
	return strings.Join(append(elements, p.Counter, p.Certificate, p.Previous), "_")
}

// ParsePayload reads a payload. It looks into all elements but the amounts, see [Payload.Parse]. It returns [ErrFormat].
func ParsePayload(s string) (Payload, error) {
	e := strings.Split(s, "_")
	if len(e) != 13 || e[0] != "" {
		return Payload{}, fmt.Errorf("%w: a payload has 12 elements, each after an underscore", ErrFormat)
	}
	p := Payload{Suite: e[1], CashBox: e[2], Number: e[3], Date: e[4], Amounts: [taxSets]string(e[5:10]), Counter: e[10], Certificate: e[11], Previous: e[12]}
	return p, cmp.Or(
		checkSuite(p.Suite), checkElement("cash box", p.CashBox), checkElement("number", p.Number), checkElement("certificate", p.Certificate),
		checkDate(p.Date), checkCounter(p.Counter), checkChain(p.Previous),
	)
}

// Parse reads the amounts. It returns [ErrFormat].
func (p Payload) Parse() (a Amounts, err error) {
	for i, s := range p.Amounts {
		if a[i], err = parseAmount(s); err != nil {
			return Amounts{}, err
		}
	}
	return a, nil
}

// Cancellation reports whether it is that of a cancellation (STO).
func (p Payload) Cancellation() bool { return p.Counter == counterCancellation }

// Training reports whether it is that of a training receipt (TRA), which does not count.
func (p Payload) Training() bool { return p.Counter == counterTraining }

// Closed reports whether it is that of a closed system.
func (p Payload) Closed() bool { return p.Suite == SuiteClosed }

// counter returns the encrypted counter, nil if there is none.
func (p Payload) counter() []byte {
	if p.Cancellation() || p.Training() {
		return nil
	}
	b, err := decode64(base64.StdEncoding, p.Counter)
	if err != nil {
		return nil
	}
	return b
}

func checkSuite(s string) error {
	digits, ok := strings.CutPrefix(s, "R1-")
	if ok && len(digits) > 2 && len(digits) <= 6 && strings.Trim(digits[:2], "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == "" &&
		strings.Trim(digits[2:], "0123456789") == "" && (digits[2] != '0' || len(digits) == 3) {
		return nil
	}
	return fmt.Errorf("%w: %.40q is not a suite such as R1-AT1", ErrFormat, s)
}

func checkElement(name, s string) error {
	bad := func(r rune) bool { return r < ' ' || r == '_' || r == 0x7f }
	if s == "" || len(s) > maxElement || !utf8.ValidString(s) || strings.ContainsFunc(s, bad) {
		return fmt.Errorf("%w: %.60q is not usable as %s", ErrFormat, s, name)
	}
	return nil
}

func checkDate(s string) error {
	if t, err := time.Parse(dateLayout, s); err != nil || t.Format(dateLayout) != s {
		return fmt.Errorf("%w: %.40q is not a local time as yyyy-MM-ddTHH:mm:ss", ErrFormat, s)
	}
	return nil
}

func checkCounter(s string) error {
	if s == counterCancellation || s == counterTraining {
		return nil
	}
	if b, err := decode64(base64.StdEncoding, s); err != nil || len(b) < MinCounterBytes || len(b) > MaxCounterBytes {
		return fmt.Errorf("%w: %.40q is not a turnover counter of %d to %d bytes", ErrFormat, s, MinCounterBytes, MaxCounterBytes)
	}
	return nil
}

func checkChain(s string) error {
	if b, err := decode64(base64.StdEncoding, s); err != nil || len(b) != chainBytes {
		return fmt.Errorf("%w: %.40q is not a chain value of %d bytes", ErrFormat, s, chainBytes)
	}
	return nil
}

// decode64 reads the one spelling of some bytes in base64: the standard library lets line breaks and odd last bits pass.
func decode64(e *base64.Encoding, s string) ([]byte, error) {
	b, err := e.Strict().DecodeString(s)
	if err != nil || e.EncodeToString(b) != s {
		return nil, fmt.Errorf("%w: %.40q is not base64", ErrFormat, s)
	}
	return b, nil
}
