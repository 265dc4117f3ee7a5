package export

import (
	"bufio"
	"errors"
	"io"

	"github.com/tillmesh/tillmesh/crdt"
)

// maxLine is how long a line may be: the largest item in base64 and once more for reading.
const maxLine = 8 * crdt.MaxLoneItem

var errLong = errors.New("the line is too long")

// lines reads the lines of a file in the ZIP.
type lines struct {
	r      *bufio.Reader
	number int64 // of the last line, from 1
	at     int64 // where it begins in the ZIP
	next   int64 // where the next one begins
	line   []byte
	held   bool // the line was put back
}

func (v *verifier) lines(name string) *lines {
	at := v.at[name]
	return &lines{r: bufio.NewReaderSize(io.NewSectionReader(v.f, at.first, at.end-at.first), 64<<10), at: at.first, next: at.first}
}

// read returns the next line with its line feed, valid until the next call; io.EOF at the end. What is beyond maxLine is passed over and
// reported as errLong.
func (l *lines) read() ([]byte, error) {
	if l.held {
		l.held = false
		return l.line, nil
	}
	l.line, l.at = l.line[:0], l.next
	long := false
	for {
		part, err := l.r.ReadSlice('\n')
		l.next += int64(len(part))
		if long = long || len(l.line)+len(part) > maxLine; !long {
			l.line = append(l.line, part...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF) && l.next == l.at:
			return nil, io.EOF
		case err != nil && !errors.Is(err, io.EOF):
			return nil, err
		}
		l.number++
		if long {
			return nil, errLong
		}
		return l.line, nil
	}
}

// back puts the last line back.
func (l *lines) back() { l.held = true }
