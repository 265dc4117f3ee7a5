package export

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/tillmesh/tillmesh/cloudlink/archive"
	"github.com/tillmesh/tillmesh/crdt"
)

// content compares a leaf with its content. line is that of the leaf.
func (j *joining) content(index int64, l archive.Leaf, line int64) error {
	r, file := j.v.r, fileOf(l.Kind)
	in := j.contents[file]
	for {
		text, err := in.read()
		if errors.Is(err, io.EOF) {
			j.without(l, file, in.number)
			return nil
		}
		var c content
		if err == nil {
			c, err = readContent(text)
		}
		switch {
		case err != nil && !foreign(err):
			return err
		case err == nil && c.index != index && j.v.bad[file] && (archive.DigestOf(c.salt, c.raw) == l.Digest || !bytes.Equal(writeContent(l.Kind, c), text)):
			// Its index was changed, or the line so much that it cannot be found in it.
			err = fmt.Errorf("%w: it has another index", errLine)
		case err == nil && c.index > index:
			in.back()
			j.without(l, file, in.number)
			return nil
		case err == nil && c.index < index:
			if !j.v.bad[FileLeaves] { // else it belongs to a leaf that was reported
				r.find(file, in.number, "", "This record is not in the list of records.")
			}
			continue
		}
		if err == nil {
			err = check(l, c, text)
		}
		switch {
		case err == nil:
			return j.take(l, c, in)
		case j.v.bad[FileLeaves] && !j.v.bad[file]:
			r.find(FileLeaves, line, archive.NameOf(l), "This record was changed.")
		default:
			r.find(file, in.number, archive.NameOf(l), "This record was changed: %s.", clip(err.Error()))
		}
		return nil
	}
}

// without takes a leaf whose content is not in the file.
func (j *joining) without(l archive.Leaf, file string, line int64) {
	if l.Scope.Kind == crdt.KindCustomers {
		j.v.r.Erased++
		return
	}
	j.v.r.find(file, line, archive.NameOf(l), "Behind this line the content of %s is missing.", archive.NameOf(l))
}

// take keeps what is needed of a content later.
func (j *joining) take(l archive.Leaf, c content, in *lines) error {
	s := j.shops[l.Shop]
	if s == nil {
		s = newShopBooks(j.v.f, l.Shop)
		j.shops[l.Shop] = s
	}
	if l.Kind.Document() {
		j.v.r.Documents++
	}
	s.take(l, c, in.at, in.next-in.at)
	return nil
}

// end looks at what is left of the files.
func (j *joining) end() error {
	for _, name := range []string{FileDocuments, FileMasterData, FileNotes} {
		if err := j.left(j.contents[name], name); err != nil {
			return err
		}
	}
	return j.left(j.proofs, FileProofs)
}

func (j *joining) left(in *lines, name string) error {
	for n := 0; ; n++ {
		_, err := in.read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil && !foreign(err) {
			return err
		}
		if !j.broken && n < maxFindings {
			j.v.r.find(name, in.number, "", "This record is not in the list of records.")
		}
	}
}
