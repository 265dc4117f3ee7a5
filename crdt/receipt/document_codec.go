package receipt

import "errors"

// visitor walks the fields of a document's parts. Each part lists its fields once (document_fields.go), in canonical
// order of their JSON names, so that the encoder writes and the decoder reads them in one pass, both merging in the
// fields that are not known. A field that is not needed is left out when it is empty, and the decoder refuses it when
// it is there and empty: each document has one encoding.
type visitor interface {
	// decoding tells the decoder from the encoder, failed whether there was an error.
	decoding() bool
	failed() bool
	// open starts the object of a part, close ends it. unknown is where the part keeps fields that are not known.
	open(unknown *Object)
	close()
	// field moves to a field of the open object. present says whether there is something to write. The field's value is
	// visited next if the result is true. After an error it always is false.
	field(name string, present, need bool) bool
	// openList starts the list of a field; n is its length for the encoder, the result its length. item moves to each.
	openList(n int) int
	item(i int)
	closeList()
	// The values of a field or an item.
	text(s *string)
	integer(n *int64)
	truth(b *bool)
	object(o *Object)
	// refuse reports that the field just visited is not usable.
	refuse(err error)
}

var errEmptyField = errors.New("it is empty, so it must be left out")

// optional visits a field that is left out when it is empty, required one that is always there.
const (
	optional = false
	required = true
)

func text(v visitor, name string, s *string, need bool) {
	if v.field(name, *s != "", need) {
		v.text(s)
		if !need && *s == "" {
			v.refuse(errEmptyField)
		}
	}
}

func truth(v visitor, name string, b *bool, need bool) {
	if v.field(name, *b, need) {
		v.truth(b)
		if !need && !*b {
			v.refuse(errEmptyField)
		}
	}
}

func number[T ~int64](v visitor, name string, p *T, need bool) {
	if v.field(name, *p != 0, need) {
		n := int64(*p)
		v.integer(&n)
		*p = T(n)
		if !need && n == 0 {
			v.refuse(errEmptyField)
		}
	}
}

// numberOrNone visits an optional number whose zero has a meaning of its own.
func numberOrNone[T ~int64](v visitor, name string, p **T) {
	if v.field(name, *p != nil, optional) {
		if *p == nil {
			*p = new(T)
		}
		n := int64(**p)
		v.integer(&n)
		**p = T(n)
	}
}

// identifier is any of the fixed-size IDs with one text form.
type identifier interface {
	comparable
	String() string
}

func id[T identifier](v visitor, name string, p *T, parse func(string) (T, error), need bool) {
	var zero T
	if !v.field(name, *p != zero, need) {
		return
	}
	if !v.decoding() {
		s := (*p).String()
		v.text(&s)
		return
	}
	var s string
	v.text(&s)
	got, err := parse(s)
	if err == nil && !need && got == zero {
		err = errEmptyField
	}
	if err != nil {
		v.refuse(err)
		return
	}
	*p = got
}

// identifierItem visits an ID that is an item of a list.
func identifierItem[T identifier](v visitor, p *T, parse func(string) (T, error)) {
	var s string
	if !v.decoding() {
		s = (*p).String()
	}
	v.text(&s)
	if v.decoding() {
		got, err := parse(s)
		if err != nil {
			v.refuse(err)
			return
		}
		*p = got
	}
}

func digestOrNone(v visitor, name string, p **Digest) {
	if !v.field(name, *p != nil, optional) {
		return
	}
	var s string
	if *p != nil {
		s = (*p).String()
	}
	v.text(&s)
	if v.decoding() {
		d, err := ParseDigest(s)
		if err != nil {
			v.refuse(err)
			return
		}
		*p = &d
	}
}

// record is a part of a document with fields of its own.
type record[T any] interface {
	*T
	fields(v visitor)
}

func part[T any, P record[T]](v visitor, name string, p *T) {
	if v.field(name, true, required) {
		P(p).fields(v)
	}
}

func partOrNone[T any, P record[T]](v visitor, name string, p **T) {
	if v.field(name, *p != nil, optional) {
		if *p == nil {
			*p = new(T)
		}
		P(*p).fields(v)
	}
}

func list[T any, P record[T]](v visitor, name string, p *[]T, need bool) {
	each(v, name, p, need, func(item *T) { P(item).fields(v) })
}

// each visits a list whose items visit visits.
func each[T any](v visitor, name string, p *[]T, need bool, visit func(*T)) {
	if !v.field(name, len(*p) > 0, need) {
		return
	}
	n := v.openList(len(*p))
	if n == 0 && !need {
		v.refuse(errEmptyField)
	}
	for i := 0; i < n && !v.failed(); i++ {
		if v.decoding() { // grown item by item: the length alone is no reason to take memory
			var none T
			*p = append(*p, none)
		}
		v.item(i)
		visit(&(*p)[i])
	}
	v.closeList()
}
