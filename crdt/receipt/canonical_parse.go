package receipt

import (
	"bytes"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// ParseCanonical reads exactly one value from bytes that are its canonical form (see [Value]) and nothing else:
// whatever it accepts, [AppendCanonical] writes back byte for byte. Everything else is refused with [ErrCanonical],
// which names the place: spaces, members out of order or twice, an escape that is not needed or not the shortest,
// text that is not UTF-8, fractions, exponents, integers beyond [MaxInteger], more than [MaxDepth] levels or
// [MaxDocumentBytes]. The result shares no memory with b.
func ParseCanonical(b []byte) (Value, error) {
	if len(b) > MaxDocumentBytes {
		return nil, errTooLarge(len(b))
	}
	p := parser{in: b}
	v, err := p.value(0)
	if err == nil && p.at < len(b) {
		err = p.fail("something follows the value")
	}
	if err != nil {
		return nil, err
	}
	return v, nil
}

// parser reads in from position at.
type parser struct {
	in []byte
	at int
}

func (p *parser) fail(format string, args ...any) error {
	return fmt.Errorf("%w: at byte %d: %s", ErrCanonical, p.at, fmt.Sprintf(format, args...))
}

// peek returns the next byte, or zero at the end; a zero byte is allowed nowhere.
func (p *parser) peek() byte {
	if p.at < len(p.in) {
		return p.in[p.at]
	}
	return 0
}

func (p *parser) take(c byte) bool {
	if p.peek() != c {
		return false
	}
	p.at++
	return true
}

func (p *parser) value(depth int) (Value, error) {
	switch c := p.peek(); {
	case c == '{' || c == '[':
		if depth == MaxDepth {
			return nil, p.fail("more than %d levels", MaxDepth)
		}
		p.at++
		if c == '{' {
			return p.object(depth + 1)
		}
		return p.array(depth + 1)
	case c == '"':
		s, err := p.text()
		return String(s), err
	case c == '-' || c >= '0' && c <= '9':
		return p.integer()
	}
	for _, literal := range []struct {
		text  string
		value Value
	}{{"true", Bool(true)}, {"false", Bool(false)}, {"null", Null{}}} {
		if bytes.HasPrefix(p.in[p.at:], []byte(literal.text)) {
			p.at += len(literal.text)
			return literal.value, nil
		}
	}
	return nil, p.fail("a value is expected")
}

func (p *parser) object(depth int) (Value, error) {
	o := Object{}
	if p.take('}') {
		return o, nil
	}
	for {
		if p.peek() != '"' {
			return nil, p.fail("a name in quotes is expected")
		}
		start := p.at
		name, err := p.text()
		if err != nil {
			return nil, err
		}
		if n := len(o); n > 0 && compareNames(o[n-1].Name, name) >= 0 {
			p.at = start
			return nil, p.fail("name %q does not belong after %q", clip(name), clip(o[n-1].Name))
		}
		if !p.take(':') {
			return nil, p.fail("a colon is expected")
		}
		v, err := p.value(depth)
		if err != nil {
			return nil, err
		}
		o = append(o, Member{name, v})
		if p.take('}') {
			return o, nil
		}
		if !p.take(',') {
			return nil, p.fail("a comma or the end of the object is expected")
		}
	}
}

func (p *parser) array(depth int) (Value, error) {
	a := Array{}
	if p.take(']') {
		return a, nil
	}
	for {
		v, err := p.value(depth)
		if err != nil {
			return nil, err
		}
		a = append(a, v)
		if p.take(']') {
			return a, nil
		}
		if !p.take(',') {
			return nil, p.fail("a comma or the end of the array is expected")
		}
	}
}

func (p *parser) integer() (Value, error) {
	start := p.at
	negative := p.take('-')
	digits := p.at
	for c := p.peek(); c >= '0' && c <= '9'; c = p.peek() {
		p.at++
	}
	text := string(p.in[digits:p.at])
	n, err := strconv.ParseInt(text, 10, 64)
	switch c := p.peek(); {
	case c == '.' || c == 'e' || c == 'E':
		return nil, p.fail("only whole numbers in plain digits are allowed")
	case err != nil || n > MaxInteger:
		p.at = start
		return nil, p.fail("a whole number up to 2^53 - 1 is expected")
	case text[0] == '0' && (len(text) > 1 || negative):
		p.at = start
		return nil, p.fail("a number has a zero in front")
	}
	if negative {
		n = -n
	}
	return Int(n), nil
}

// text reads a string from its opening to its closing quote.
func (p *parser) text() (string, error) {
	p.at++
	var unescaped []byte
	copied := p.at
	for {
		switch c := p.peek(); {
		case p.at == len(p.in):
			return "", p.fail("a text does not end")
		case c == '"':
			if unescaped == nil {
				unescaped = p.in[copied:p.at]
			} else {
				unescaped = append(unescaped, p.in[copied:p.at]...)
			}
			if !utf8.Valid(unescaped) {
				return "", p.fail("a text that is not UTF-8 ends")
			}
			p.at++
			return string(unescaped), nil
		case c < 0x20:
			return "", p.fail("control character %#02x in a text", c)
		case c == '\\':
			unescaped = append(unescaped, p.in[copied:p.at]...)
			r, err := p.escape()
			if err != nil {
				return "", err
			}
			unescaped = append(unescaped, r)
			copied = p.at
		default:
			p.at++
		}
	}
}

// escape reads one escape. Only those the canonical form uses are known.
func (p *parser) escape() (byte, error) {
	rest := p.in[p.at+1:]
	if len(rest) > 0 && (rest[0] == '"' || rest[0] == '\\') {
		p.at += 2
		return rest[0], nil
	}
	for c := range shortEscapes {
		if short := shortEscapes[c]; short != 0 && len(rest) > 0 && rest[0] == short {
			p.at += 2
			return byte(c), nil
		}
	}
	if len(rest) >= 5 && string(rest[:3]) == "u00" {
		high, low := bytes.IndexByte([]byte(lowerHex[:2]), rest[3]), bytes.IndexByte([]byte(lowerHex), rest[4])
		if c := high<<4 | low; high >= 0 && low >= 0 && shortEscapes[c] == 0 {
			p.at += 6
			return byte(c), nil
		}
	}
	return 0, p.fail("an escape that is unknown, not needed or not the shortest")
}
