package receipt

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Limits of a canonical document, for writing and for parsing.
const (
	MaxDocumentBytes = 1 << 20   // 1 MiB
	MaxDepth         = 16        // arrays and objects within each other
	MaxInteger       = 1<<53 - 1 // either way: what every JSON reader holds exactly (I-JSON, RFC 7493)
)

// ErrCanonical means that bytes are not the canonical form of a JSON value of this model, or that a value has none.
var ErrCanonical = errors.New("not canonical JSON")

// Value is one JSON value of the model that documents use: [Object], [Array], [String], [Int], [Bool] or [Null].
// There are no fractions and no exponents: money and quantities are integers, so no reader can round them.
//
// The canonical form is that of RFC 8785 (JSON Canonicalization Scheme) for these values: UTF-8 without spaces, the
// members of an object in the order of their names' UTF-16 code units, no name twice, in strings only quote, backslash
// and the control characters below U+0020 escaped, the shortest way, and integers in plain decimal. Integers beyond
// [MaxInteger] are refused: the scheme would write them as rounded doubles.
type Value interface {
	isValue()
}

// Kinds of [Value].
type (
	// Object is a list of members; its order does not matter for writing, a parsed one is in canonical order.
	Object []Member
	// Array is a list of values.
	Array []Value
	// String is a text in valid UTF-8.
	String string
	// Int is an integer within MaxInteger either way.
	Int int64
	// Bool is true or false.
	Bool bool
	// Null is the JSON null.
	Null struct{}
)

// Member is one name and value of an [Object].
type Member struct {
	Name  string
	Value Value
}

func (Object) isValue() {}
func (Array) isValue()  {}
func (String) isValue() {}
func (Int) isValue()    {}
func (Bool) isValue()   {}
func (Null) isValue()   {}

// Get returns the value of the member with this name, or nil.
func (o Object) Get(name string) Value {
	for _, m := range o {
		if m.Name == name {
			return m.Value
		}
	}
	return nil
}

// AppendCanonical appends the canonical form of v to dst. It returns [ErrCanonical] if v has none: text that is not
// UTF-8, a name twice, an integer beyond [MaxInteger], a nil value, or more than [MaxDepth] or [MaxDocumentBytes].
func AppendCanonical(dst []byte, v Value) ([]byte, error) {
	start := len(dst)
	dst, err := appendValue(dst, v, 0)
	if err == nil && len(dst)-start > MaxDocumentBytes {
		err = errTooLarge(len(dst) - start)
	}
	if err != nil {
		return nil, err
	}
	return dst, nil
}

func appendValue(dst []byte, v Value, depth int) ([]byte, error) {
	var err error
	switch v := v.(type) {
	case Object:
		return appendObject(dst, v, depth+1)
	case Array:
		if depth+1 > MaxDepth {
			return nil, errTooDeep()
		}
		dst = append(dst, '[')
		for i, item := range v {
			if i > 0 {
				dst = append(dst, ',')
			}
			if dst, err = appendValue(dst, item, depth+1); err != nil {
				return nil, err
			}
		}
		return append(dst, ']'), nil
	case String:
		return appendString(dst, string(v))
	case Int:
		return appendInt(dst, int64(v))
	case Bool:
		return strconv.AppendBool(dst, bool(v)), nil
	case Null:
		return append(dst, "null"...), nil
	}
	return nil, fmt.Errorf("%w: no value where one belongs", ErrCanonical)
}

func appendObject(dst []byte, o Object, depth int) ([]byte, error) {
	if depth > MaxDepth {
		return nil, errTooDeep()
	}
	byName := func(a, b Member) int { return compareNames(a.Name, b.Name) }
	if !slices.IsSortedFunc(o, byName) {
		o = slices.Clone(o)
		slices.SortFunc(o, byName)
	}
	dst = append(dst, '{')
	var err error
	for i, m := range o {
		if i > 0 {
			if o[i-1].Name == m.Name {
				return nil, fmt.Errorf("%w: name %q twice in one object", ErrCanonical, clip(m.Name))
			}
			dst = append(dst, ',')
		}
		if dst, err = appendString(dst, m.Name); err != nil {
			return nil, err
		}
		dst = append(dst, ':')
		if dst, err = appendValue(dst, m.Value, depth); err != nil {
			return nil, err
		}
	}
	return append(dst, '}'), nil
}

func appendInt(dst []byte, n int64) ([]byte, error) {
	if n > MaxInteger || n < -MaxInteger {
		return nil, fmt.Errorf("%w: integer %d is beyond 2^53 - 1", ErrCanonical, n)
	}
	return strconv.AppendInt(dst, n, 10), nil
}

const lowerHex = "0123456789abcdef"

// shortEscapes maps the control characters that have an escape of two characters to its second one.
var shortEscapes = [0x20]byte{'\b': 'b', '\t': 't', '\n': 'n', '\f': 'f', '\r': 'r'}

func appendString(dst []byte, s string) ([]byte, error) {
	if !utf8.ValidString(s) {
		return nil, fmt.Errorf("%w: text %q is not UTF-8", ErrCanonical, clip(s))
	}
	dst = append(dst, '"')
	copied := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, s[copied:i]...)
		copied = i + 1
		switch {
		case c >= 0x20:
			dst = append(dst, '\\', c)
		case shortEscapes[c] != 0:
			dst = append(dst, '\\', shortEscapes[c])
		default:
			dst = append(dst, '\\', 'u', '0', '0', lowerHex[c>>4], lowerHex[c&15])
		}
	}
	dst = append(dst, s[copied:]...)
	return append(dst, '"'), nil
}

// compareNames orders valid UTF-8 texts by their UTF-16 code units. That differs from the order of the bytes only
// where a character above U+FFFF (whose first unit is from D800 to DBFF) meets one from U+E000 to U+FFFF.
func compareNames(a, b string) int {
	n := min(len(a), len(b))
	i := 0
	for i < n && a[i] == b[i] {
		i++
	}
	if i < n && a[i] >= 0xee && b[i] >= 0xee { // both at or above U+E000; in valid UTF-8 only first bytes get there
		if aboveBMP, belowBMP := a[i] >= 0xf0, b[i] >= 0xf0; aboveBMP != belowBMP {
			if aboveBMP {
				return -1
			}
			return 1
		}
	}
	return strings.Compare(a[i:], b[i:])
}

func errTooDeep() error {
	return fmt.Errorf("%w: more than %d levels", ErrCanonical, MaxDepth)
}

func errTooLarge(n int) error {
	return fmt.Errorf("%w: %d bytes, the limit is %d", ErrCanonical, n, MaxDocumentBytes)
}

// clip shortens a text for an error message.
func clip(s string) string {
	const most = 60
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
