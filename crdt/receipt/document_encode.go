package receipt

import (
	"fmt"
	"slices"
	"strconv"
)

// encoder writes a document. The first error stops it.
type encoder struct {
	out    []byte
	frames []encoderFrame
	depth  int // objects and lists that are open
	err    error
}

type encoderFrame struct {
	unknown Object // what is still to be written, in order
	last    string // the last name written or passed
	any     bool   // whether a field was written
}

func (e *encoder) decoding() bool { return false }
func (e *encoder) failed() bool   { return e.err != nil }

func (e *encoder) open(unknown *Object) {
	rest := *unknown
	byName := func(a, b Member) int { return compareNames(a.Name, b.Name) }
	if !slices.IsSortedFunc(rest, byName) {
		rest = slices.Clone(rest)
		slices.SortFunc(rest, byName)
	}
	e.frames = append(e.frames, encoderFrame{unknown: rest})
	e.out = append(e.out, '{')
	e.depth++
}

func (e *encoder) close() {
	f := &e.frames[len(e.frames)-1]
	for len(f.unknown) > 0 && e.err == nil {
		e.writeUnknown(f)
	}
	e.out = append(e.out, '}')
	e.depth--
	e.frames = e.frames[:len(e.frames)-1]
}

func (e *encoder) field(name string, present, need bool) bool {
	f := &e.frames[len(e.frames)-1]
	for e.err == nil && len(f.unknown) > 0 && compareNames(f.unknown[0].Name, name) < 0 {
		e.writeUnknown(f)
	}
	if e.err == nil && len(f.unknown) > 0 && f.unknown[0].Name == name {
		e.err = fmt.Errorf("%w: field %q among the unknown ones", ErrDocument, name)
	}
	if e.err != nil || !present && !need {
		return false
	}
	e.name(f, name)
	return true
}

func (e *encoder) writeUnknown(f *encoderFrame) {
	m := f.unknown[0]
	if f.any && f.last == m.Name {
		e.err = fmt.Errorf("%w: field %q twice", ErrDocument, clip(m.Name))
		return
	}
	f.unknown = f.unknown[1:]
	e.name(f, m.Name)
	e.append(appendValue(e.out, m.Value, e.depth))
}

func (e *encoder) name(f *encoderFrame, name string) {
	if f.any {
		e.out = append(e.out, ',')
	}
	f.any, f.last = true, name
	e.append(appendString(e.out, name))
	e.out = append(e.out, ':')
}

// append takes the result of an append function.
func (e *encoder) append(out []byte, err error) {
	if err != nil {
		if e.err == nil {
			e.err = err
		}
		return
	}
	e.out = out
}

func (e *encoder) openList(n int) int {
	e.out = append(e.out, '[')
	e.depth++
	return n
}

func (e *encoder) item(i int) {
	if i > 0 {
		e.out = append(e.out, ',')
	}
}

func (e *encoder) closeList() {
	e.out = append(e.out, ']')
	e.depth--
}

func (e *encoder) text(s *string)   { e.append(appendString(e.out, *s)) }
func (e *encoder) integer(n *int64) { e.append(appendInt(e.out, *n)) }
func (e *encoder) truth(b *bool)    { e.out = strconv.AppendBool(e.out, *b) }
func (e *encoder) object(o *Object) { e.append(appendObject(e.out, *o, e.depth+1)) }

func (e *encoder) refuse(err error) {
	if e.err == nil {
		e.err = err
	}
}
