package rksv

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Entry is one receipt of a log.
type Entry struct {
	Group       int // from 0
	JWS         string
	Certificate []byte // DER, of the group; nil if it has none. The reader keeps it: do not change it
}

// Reader reads a log in bounded memory, whatever its size. Members it does not know are skipped. The certificate of a group
// must stand before its receipts. The first error sticks.
type Reader struct {
	json  *json.Decoder
	limit *limitedInput
	group int
	entry Entry // certificate of the group
	read  bool  // receipts of the group
	place place
	err   error
}

// place is where a reader stands.
type place int

const (
	atStart      place = iota
	beforeGroups       // in the object of the log
	inGroups           // in the array of groups
	inGroup            // in the object of one group
	inReceipts         // in the array of its receipts
	atEnd
)

// Limits of a log, in bytes of one value with the space before it, and in levels.
const (
	maxValue = 64 << 10
	maxDepth = 16
)

// NewReader returns a reader of one log.
func NewReader(r io.Reader) *Reader {
	limit := &limitedInput{in: r}
	return &Reader{json: json.NewDecoder(limit), limit: limit, group: -1}
}

// Next returns the next receipt, [io.EOF] after the last one, or an error that wraps [ErrFormat] if the log is not one.
// What is no receipt is returned as it is: to judge it is the [Verifier]'s.
func (r *Reader) Next() (Entry, error) {
	for r.err == nil {
		text, ok := r.step()
		if ok && r.err == nil {
			e := r.entry
			e.Group, e.JWS = r.group, text
			return e, nil
		}
	}
	return Entry{}, r.err
}

// step reads one value and what belongs to it. It returns the receipt if that was one.
func (r *Reader) step() (string, bool) {
	switch r.place {
	case atStart:
		r.want(json.Delim('{'))
		r.place = beforeGroups
	case beforeGroups:
		r.member(map[string]func(){depGroups: func() { r.want(json.Delim('[')); r.place = inGroups }}, func() {
			r.fail("there is no member %q", depGroups)
		})
	case inGroups:
		switch t := r.token(); t {
		case json.Delim('{'):
			r.group++
			r.entry, r.read, r.place = Entry{}, false, inGroup
		case json.Delim(']'):
			r.place = atEnd
		default:
			r.fail("a group of receipts is %v", t)
		}
	case inGroup:
		r.member(map[string]func(){
			depCertificate: r.certificate,
			depReceipts:    func() { r.want(json.Delim('[')); r.place = inReceipts },
		}, func() { r.place = inGroups })
	case inReceipts:
		switch t := r.token().(type) {
		case string:
			r.read = true
			return t, true
		case json.Delim:
			if t == ']' {
				r.place = inGroup
				return "", false
			}
			r.fail("a receipt is no text")
		default:
			r.fail("a receipt is no text")
		}
	case atEnd:
		r.rest()
	}
	return "", false
}

// member reads a name and its value, or calls end at the end of the object.
func (r *Reader) member(known map[string]func(), end func()) {
	switch t := r.token().(type) {
	case string:
		if read, ok := known[t]; ok {
			read()
		} else {
			r.skip()
		}
	case json.Delim:
		end()
	}
}

func (r *Reader) certificate() {
	s, ok := r.token().(string)
	if !ok {
		r.fail("%s is no text", depCertificate)
		return
	}
	if s == "" {
		return
	}
	der, err := base64.StdEncoding.DecodeString(strings.TrimSpace(s))
	if err != nil {
		r.fail("%s is not base64", depCertificate)
		return
	}
	if r.read {
		r.fail("%s stands behind the receipts it belongs to", depCertificate)
	}
	r.entry.Certificate = der
}

// rest reads what follows the groups.
func (r *Reader) rest() {
	ended := false
	r.member(map[string]func(){depGroups: func() { r.fail("%q is there twice", depGroups) }}, func() { ended = true })
	if !ended || r.err != nil {
		return
	}
	r.limit.left = maxValue
	switch _, err := r.json.Token(); {
	case r.limit.err != nil:
		r.err = fmt.Errorf("read the log: %w", r.limit.err)
	case errors.Is(err, io.EOF):
		r.err = io.EOF
	default:
		r.fail("something follows the log")
	}
}

// skip reads one value of any kind.
func (r *Reader) skip() {
	for depth := 0; r.err == nil; {
		switch r.token() {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth > maxDepth {
			r.fail("more than %d levels", maxDepth)
		}
		if depth == 0 {
			return
		}
	}
}

func (r *Reader) want(d json.Delim) {
	if t := r.token(); r.err == nil && t != d {
		r.fail("%v where %v belongs", t, d)
	}
}

func (r *Reader) token() json.Token {
	if r.err != nil {
		return nil
	}
	r.limit.left = maxValue
	t, err := r.json.Token()
	switch {
	case err == nil:
		return t
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		r.fail("it ends in the middle")
	case r.limit.err != nil:
		r.err = fmt.Errorf("read the log: %w", r.limit.err)
	case errors.Is(err, errTooLong):
		r.fail("a value is longer than %d bytes", maxValue)
	default:
		r.fail("%v", err)
	}
	return nil
}

func (r *Reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: log, group %d: %s", ErrFormat, r.group+1, fmt.Sprintf(format, args...))
	}
}

var errTooLong = errors.New("value too long")

// limitedInput hands out at most left bytes until it is given more.
type limitedInput struct {
	in   io.Reader
	left int
	err  error // of in, but for the end
}

func (l *limitedInput) Read(b []byte) (int, error) {
	if l.left <= 0 {
		return 0, errTooLong
	}
	n, err := l.in.Read(b[:min(len(b), l.left)])
	l.left -= n
	if err != nil && !errors.Is(err, io.EOF) {
		l.err = err
	}
	return n, err
}
