package wire_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
)

// This file reads frames by what PROTOCOL.md says and nothing else: it imports no package of this module. If it cannot
// read a golden frame, the document is wrong or the frame is.

const goldenDir = "../../testdata/wire/v1"

// document is what the reader knows from PROTOCOL.md.
type document struct {
	types    map[string]string // definition of each named type
	sections map[int]section   // by kind
	steps    map[int]section   // bodies of Audit, by step
}

type section struct {
	name   string
	list   bool // the body is a list of elements with these fields
	fields []field
}

type field struct{ name, kind, limit string }

// missing is the limit of a field that the first programs did not have.
const missing = "may be missing"

var (
	heading  = regexp.MustCompile(`^## (\d+) (\w+)$`)
	step     = regexp.MustCompile(`^### Step (\d+) (\w+)$`)
	fieldRow = regexp.MustCompile(`^\| (each\.)?(\d+) \| ([^|]+) \| ` + "`([^`]+)`" + ` \|[^|]*\| ?([^|]*?) ?\|$`)
	typeRow  = regexp.MustCompile("^\\| `(\\w+)` \\| `([^`]+)` \\|")
	atMost   = regexp.MustCompile(`^at most (\d+) bytes$`)
	fixed    = regexp.MustCompile(`^bytes\[(\d+)\]$`)
)

func readDocument(t *testing.T) document {
	text, err := os.ReadFile("PROTOCOL.md")
	require.NoError(t, err)
	doc := document{types: make(map[string]string), sections: make(map[int]section), steps: make(map[int]section)}
	kind, into := 0, doc.sections
	for line := range strings.Lines(string(text)) {
		line = strings.TrimRight(line, "\n")
		if strings.HasPrefix(line, "## ") {
			kind, into = 0, doc.sections
		}
		if m := step.FindStringSubmatch(line); m != nil {
			kind, err = strconv.Atoi(m[1])
			require.NoError(t, err)
			into = doc.steps
			require.NotContains(t, into, kind, "two steps with one number")
			into[kind] = section{name: m[2]}
			continue
		}
		if m := heading.FindStringSubmatch(line); m != nil {
			kind, err = strconv.Atoi(m[1])
			require.NoError(t, err)
			require.NotContains(t, doc.sections, kind, "two sections with one number")
			doc.sections[kind] = section{name: m[2]}
			continue
		}
		if m := fieldRow.FindStringSubmatch(line); m != nil && kind != 0 {
			s := into[kind]
			list := m[1] != ""
			require.True(t, len(s.fields) == 0 || s.list == list, "%s mixes positions", s.name)
			require.Equal(t, strconv.Itoa(len(s.fields)), m[2], "positions of %s are not 0, 1, 2, ...", s.name)
			require.True(t, m[5] == "" || m[5] == missing || atMost.MatchString(m[5]), "limit %q of %s cannot be read", m[5], s.name)
			s.list, s.fields = list, append(s.fields, field{strings.TrimSpace(m[3]), m[4], m[5]})
			into[kind] = s
		} else if m := typeRow.FindStringSubmatch(line); m != nil && kind == 0 {
			doc.types[m[1]] = m[2]
		} else if strings.HasPrefix(line, "| ") && kind != 0 && !strings.HasPrefix(line, "| Position |") {
			require.Regexp(t, "^\\| (Code|`[a-z-]+`) \\|", line, "a row in section %d that cannot be read", kind)
		}
	}
	return doc
}

// value is one msgpack value, with the bytes it was read from.
type value struct {
	kind     string // uint, int (below zero), bool, bytes, text, array, nil
	number   uint64
	contents []byte
	elements []value
	raw      []byte
}

var errShort = errors.New("value is cut off")

// walk reads one value in its shortest form and returns what follows it.
func walk(b []byte) (v value, rest []byte, err error) {
	if len(b) == 0 {
		return v, nil, errShort
	}
	whole, c := b, b[0]
	b = b[1:]
	// number reads a big endian number of n bytes that must not be below least, or a shorter form would do.
	number := func(n int, least uint64) (x uint64) {
		if len(b) < n {
			err = errShort
			return 0
		}
		for _, d := range b[:n] {
			x = x<<8 | uint64(d)
		}
		b = b[n:]
		if x < least {
			err = fmt.Errorf("%#x %d is not in its shortest form", c, x)
		}
		return x
	}
	size := uint64(0)
	switch {
	case c <= 0x7f:
		v.kind, v.number = "uint", uint64(c)
	case c >= 0xcc && c <= 0xcf:
		v.kind, v.number = "uint", number(1<<(c-0xcc), []uint64{1 << 7, 1 << 8, 1 << 16, 1 << 32}[c-0xcc])
	case c >= 0xd0 && c <= 0xd3:
		v.kind, v.number = "int", number(1<<(c-0xd0), 0)
	case c >= 0xe0:
		v.kind = "int"
	case c == 0xc0:
		v.kind = "nil"
	case c == 0xc2 || c == 0xc3:
		v.kind, v.number = "bool", uint64(c-0xc2)
	case c >= 0xa0 && c <= 0xbf:
		v.kind, size = "text", uint64(c-0xa0)
	case c >= 0xd9 && c <= 0xdb:
		v.kind, size = "text", number(1<<(c-0xd9), []uint64{32, 1 << 8, 1 << 16}[c-0xd9])
	case c >= 0xc4 && c <= 0xc6:
		v.kind, size = "bytes", number(1<<(c-0xc4), []uint64{0, 1 << 8, 1 << 16}[c-0xc4])
	case c >= 0x90 && c <= 0x9f:
		v.kind, size = "array", uint64(c-0x90)
	case c == 0xdc || c == 0xdd:
		v.kind, size = "array", number(2<<(c-0xdc), []uint64{16, 1 << 16}[c-0xdc])
	default:
		err = fmt.Errorf("code %#x is not used by this protocol", c)
	}
	if err != nil {
		return v, nil, err
	}
	if v.kind == "array" {
		for range size {
			var e value
			if e, b, err = walk(b); err != nil {
				return v, nil, err
			}
			v.elements = append(v.elements, e)
		}
	} else {
		if uint64(len(b)) < size {
			return v, nil, errShort
		}
		v.contents, b = b[:size], b[size:]
	}
	v.raw = whole[:len(whole)-len(b)]
	return v, b, nil
}

// check says what is wrong with a value that should be of a type. more allows for elements of a newer program.
func (d document) check(v value, kind string, more bool) error {
	if one, other, both := strings.Cut(kind, " or "); both {
		if d.check(v, one, more) == nil {
			return nil
		}
		return d.check(v, other, more)
	}
	if of, ok := strings.CutPrefix(kind, "array of "); ok {
		if v.kind != "array" {
			return fmt.Errorf("%s instead of an array", v.kind)
		}
		for i, e := range v.elements {
			if err := d.check(e, of, more); err != nil {
				return fmt.Errorf("element %d: %w", i, err)
			}
		}
		return nil
	}
	if strings.HasPrefix(kind, "(") {
		return d.checkFields(v, strings.Split(strings.Trim(kind, "()"), ", "), more)
	}
	if m := fixed.FindStringSubmatch(kind); m != nil {
		if v.kind != "bytes" || strconv.Itoa(len(v.contents)) != m[1] {
			return fmt.Errorf("%d %s instead of %s", len(v.contents), v.kind, kind)
		}
		return nil
	}
	is, known := d.types[kind]
	switch {
	case !known:
		return fmt.Errorf("type %q is not in the document", kind)
	case is != kind:
		if err := d.check(v, is, more); err != nil {
			return err
		}
		return checkRules(v, kind)
	case v.kind == kind, kind == "int" && v.kind == "uint" && v.number < 1<<63:
		return nil
	}
	return fmt.Errorf("%s instead of %s", v.kind, kind)
}

func (d document) checkFields(v value, kinds []string, more bool) error {
	if v.kind != "array" || len(v.elements) < len(kinds) || len(v.elements) > len(kinds) && !more {
		return fmt.Errorf("%s of %d elements, want an array of %d", v.kind, len(v.elements), len(kinds))
	}
	for i, k := range kinds {
		if err := d.check(v.elements[i], k, more); err != nil {
			return fmt.Errorf("position %d: %w", i, err)
		}
	}
	return nil
}

// checkRules checks what the section about values says in words.
func checkRules(v value, kind string) error {
	switch kind {
	case "runs":
		if len(v.elements) == 0 || len(v.elements)%2 != 0 {
			return fmt.Errorf("runs of %d numbers", len(v.elements))
		}
		at := uint64(0)
		for i, e := range v.elements {
			if e.number == 0 && i > 0 || at+e.number < at {
				return fmt.Errorf("number %d of the runs is 0 or too large", i)
			}
			at += e.number
		}
	case "context":
		for i := range v.elements[min(1, len(v.elements)):] {
			if bytes.Compare(v.elements[i].elements[0].contents, v.elements[i+1].elements[0].contents) >= 0 {
				return fmt.Errorf("replica %d is not sorted", i+1)
			}
		}
	case "scope":
		if v.kind == "uint" && (v.number < 1 || v.number > 127) || v.kind == "bytes" && v.contents[0] <= 0x80 {
			return errors.New("a scope out of range")
		}
	}
	return nil
}

// readHex reads a golden file: hex digits, white space, and comments from # to the end of the line.
func readHex(path string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var digits strings.Builder
	for line := range strings.Lines(string(text)) {
		line, _, _ = strings.Cut(line, "#")
		digits.WriteString(strings.Join(strings.Fields(line), ""))
	}
	return hex.DecodeString(digits.String())
}

// readFrame takes a frame apart as the section about frames says.
func readFrame(b []byte) (kind int, body value, err error) {
	if len(b) < 6 || uint64(binary.BigEndian.Uint32(b)) != uint64(len(b)-4) {
		return 0, body, fmt.Errorf("the length of %d bytes is wrong", len(b))
	}
	kind, flags, packed := int(b[4]), b[5], b[6:]
	switch flags {
	case 0:
	case 1:
		z, err := zstd.NewReader(nil)
		if err != nil {
			return 0, body, err
		}
		defer z.Close()
		if packed, err = z.DecodeAll(packed, nil); err != nil {
			return 0, body, err
		}
	case 2: // the first frame of a stream
		z, err := zstd.NewReader(bytes.NewReader(packed[4:]), zstd.WithDecoderConcurrency(1))
		if err != nil {
			return 0, body, err
		}
		defer z.Close()
		packed = make([]byte, binary.BigEndian.Uint32(packed))
		if _, err = io.ReadFull(z, packed); err != nil {
			return 0, body, err
		}
	default:
		return 0, body, fmt.Errorf("flags %#x", flags)
	}
	body, rest, err := walk(packed)
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("%d bytes after the body", len(rest))
	}
	return kind, body, err
}

func (d document) checkBody(kind int, body value, more bool) error {
	if err := d.checkSection(d.sections[kind], body, more); err != nil || d.sections[kind].name != "Audit" {
		return err
	}
	packed := body.elements[1].contents
	if len(packed) == 0 {
		return nil
	}
	inner, rest, err := walk(packed)
	if err != nil || len(rest) > 0 || len(inner.elements) < 3 {
		return fmt.Errorf("an audit body that cannot be read, %d bytes left: %w", len(rest), err)
	}
	s, known := d.steps[int(inner.elements[1].number)]
	if !known || inner.elements[0].number != 1 {
		return fmt.Errorf("audit step %d of version %d is not in the document", inner.elements[1].number, inner.elements[0].number)
	}
	return d.checkSection(s, inner, more)
}

func (d document) checkSection(s section, body value, more bool) error {
	kinds := make([]string, 0, len(s.fields))
	for _, f := range s.fields {
		kinds = append(kinds, f.kind)
	}
	elements := []value{body}
	if s.list {
		if body.kind != "array" {
			return fmt.Errorf("%s instead of a list", body.kind)
		}
		elements = body.elements
	}
	for i, e := range elements {
		here := kinds
		for n := len(here); e.kind == "array" && len(e.elements) < n && s.fields[n-1].limit == missing; n-- {
			here = here[:n-1]
		}
		if err := d.checkFields(e, here, more); err != nil {
			return fmt.Errorf("%s, element %d: %w", s.name, i, err)
		}
		for j, f := range s.fields[:len(here)] {
			if m := atMost.FindStringSubmatch(f.limit); m != nil {
				if limit, err := strconv.Atoi(m[1]); err != nil || len(e.elements[j].contents) > limit {
					return fmt.Errorf("%s.%s has %d bytes, %s", s.name, f.name, len(e.elements[j].contents), f.limit)
				}
			}
		}
	}
	return nil
}

func goldenFiles(t *testing.T) []string {
	files, err := filepath.Glob(filepath.Join(goldenDir, "*.hex"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	return files
}

func TestProtocolReadsEveryGoldenFrame(t *testing.T) {
	doc := readDocument(t)
	for _, path := range goldenFiles(t) {
		name := filepath.Base(path)
		frame, err := readHex(path)
		require.NoError(t, err, name)
		kind, body, err := readFrame(frame)
		require.NoError(t, err, name)
		newer := strings.Contains(name, "newer") // frames of a program that does not exist yet
		if _, known := doc.sections[kind]; !known && newer {
			continue
		}
		require.Contains(t, doc.sections, kind, name)
		require.NoError(t, doc.checkBody(kind, body, newer), name)
		if newer {
			require.Error(t, doc.checkBody(kind, body, false), "%s has nothing new", name)
		}
	}
}

// The hashes in the golden frames are the ones that the document describes.
func TestProtocolHashes(t *testing.T) {
	body := func(file string) value {
		frame, err := readHex(filepath.Join(goldenDir, file))
		require.NoError(t, err)
		_, v, err := readFrame(frame)
		require.NoError(t, err)
		return v
	}
	sum := func(b []byte) []byte { h := sha256.Sum256(b); return h[:16] }

	full := body("03-context-full.hex")
	require.Equal(t, sum(full.elements[2].raw), full.elements[3].contents, "hash of a context")

	var state []byte
	for _, s := range body("02-scopes.hex").elements {
		if scope := s.elements[0]; scope.kind == "uint" {
			state = append(state, byte(scope.number))
		} else {
			state = append(state, scope.contents...)
		}
		state = append(append(state, s.elements[1].contents...), s.elements[2].contents...)
	}
	require.Equal(t, sum(state), body("01-hello.hex").elements[7].contents, "state hash")
}

// A kind without a section, without a table or without a golden frame is not part of the protocol.
func TestProtocolHasEveryKind(t *testing.T) {
	doc := readDocument(t)
	framed := make(map[int]bool)
	for _, path := range goldenFiles(t) {
		frame, err := readHex(path)
		require.NoError(t, err)
		kind, _, err := readFrame(frame)
		require.NoError(t, err)
		framed[kind] = true
	}
	kinds := kindsInSource(t)
	require.NotEmpty(t, kinds)
	for number, name := range kinds {
		require.Equal(t, name, doc.sections[number].name, "kind %d has no section `## %d %s`", number, number, name)
		require.NotEmpty(t, doc.sections[number].fields, "the section of %s has no table", name)
		require.True(t, framed[number], "there is no golden frame of %s", name)
	}
	require.Len(t, doc.sections, len(kinds), "a section for a kind that does not exist")
}

// kindsInSource finds the constants of type Kind in message.go.
func kindsInSource(t *testing.T) map[int]string {
	file, err := parser.ParseFile(token.NewFileSet(), "message.go", nil, 0)
	require.NoError(t, err)
	kinds := make(map[int]string)
	for _, decl := range file.Decls {
		group, ok := decl.(*ast.GenDecl)
		if !ok || group.Tok != token.CONST {
			continue
		}
		for _, spec := range group.Specs {
			spec := spec.(*ast.ValueSpec)
			for i, ident := range spec.Names {
				name, isKind := strings.CutPrefix(ident.Name, "Kind")
				if !isKind {
					continue
				}
				require.Greater(t, len(spec.Values), i, "%s has no number of its own", ident.Name)
				literal, ok := spec.Values[i].(*ast.BasicLit)
				require.True(t, ok, "the number of %s is not written out", ident.Name)
				number, err := strconv.Atoi(literal.Value)
				require.NoError(t, err, ident.Name)
				require.NotContains(t, kinds, number, "two kinds with one number")
				kinds[number] = name
			}
		}
	}
	return kinds
}

// The reader above must stay independent, or it would agree with any mistake of the code.
func TestProtocolReaderIsIndependent(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "protocol_test.go", nil, parser.ImportsOnly)
	require.NoError(t, err)
	for _, i := range file.Imports {
		require.NotContains(t, i.Path.Value, "tillmesh", "protocol_test.go must share no code with the module")
	}
}
