package receipt

import (
	"errors"
	"fmt"
	"strconv"
)

// decoder reads a parsed document into its struct. The first error stops it.
type decoder struct {
	value  Value // what is visited next
	frames []decoderFrame
	err    error
}

// decoderFrame is an open object or list.
type decoderFrame struct {
	rest    Object // fields not visited yet
	unknown *Object
	items   Array
	at      string // the field or item that is visited
}

func (d *decoder) decoding() bool { return true }
func (d *decoder) failed() bool   { return d.err != nil }

func (d *decoder) open(unknown *Object) {
	o, ok := d.value.(Object)
	if !ok {
		d.wrongType("an object")
	}
	d.frames = append(d.frames, decoderFrame{rest: o, unknown: unknown})
}

func (d *decoder) close() {
	f := &d.frames[len(d.frames)-1]
	if len(f.rest) > 0 {
		*f.unknown = append(*f.unknown, f.rest...)
	}
	d.frames = d.frames[:len(d.frames)-1]
}

func (d *decoder) field(name string, _, need bool) bool {
	if d.err != nil {
		return false
	}
	f := &d.frames[len(d.frames)-1]
	f.at = name
	for len(f.rest) > 0 && compareNames(f.rest[0].Name, name) < 0 {
		*f.unknown = append(*f.unknown, f.rest[0])
		f.rest = f.rest[1:]
	}
	if len(f.rest) == 0 || f.rest[0].Name != name {
		if need {
			d.refuse(errors.New("it is missing"))
		}
		return false
	}
	d.value, f.rest = f.rest[0].Value, f.rest[1:]
	return true
}

func (d *decoder) openList(int) int {
	a, ok := d.value.(Array)
	if !ok {
		d.wrongType("a list")
	}
	d.frames = append(d.frames, decoderFrame{items: a})
	return len(a)
}

func (d *decoder) item(i int) {
	f := &d.frames[len(d.frames)-1]
	f.at = strconv.Itoa(i)
	d.value = f.items[i]
}

func (d *decoder) closeList() { d.frames = d.frames[:len(d.frames)-1] }

func (d *decoder) text(s *string) {
	got, ok := d.value.(String)
	if !ok {
		d.wrongType("a text")
	}
	*s = string(got)
}

func (d *decoder) integer(n *int64) {
	got, ok := d.value.(Int)
	if !ok {
		d.wrongType("a whole number")
	}
	*n = int64(got)
}

func (d *decoder) truth(b *bool) {
	got, ok := d.value.(Bool)
	if !ok {
		d.wrongType("true or false")
	}
	*b = bool(got)
}

func (d *decoder) object(o *Object) {
	got, ok := d.value.(Object)
	if !ok {
		d.wrongType("an object")
	}
	*o = got
}

func (d *decoder) wrongType(want string) { d.refuse(fmt.Errorf("it is not %s", want)) }

func (d *decoder) refuse(err error) {
	if d.err != nil {
		return
	}
	path := ""
	for _, f := range d.frames {
		path += "/" + f.at
	}
	d.err = fmt.Errorf("%w: field %s: %w", ErrDocument, path, err)
}
