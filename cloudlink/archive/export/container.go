package export

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"
)

// The ZIP holds its files one after the other as they are (method 0), each with a data descriptor, all of the same time: so its bytes follow
// from its contents.

// entry returns the header of a file in the ZIP.
func entry(name string) *zip.FileHeader {
	return &zip.FileHeader{Name: name, Method: zip.Store, Modified: time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)}
}

// region is a part of the ZIP.
type region struct {
	first, end int64  // bytes
	file       string // whose contents it is, or whose header
	frame      bool   // not contents, but what the ZIP says about them
}

// comparer compares what is written to it with a file, byte by byte.
type comparer struct {
	f     io.ReaderAt
	at    int64
	wrong []int64 // where they differ; bounded
	buf   []byte
}

// maxWrong bounds how many places are kept.
const maxWrong = 64

// Write is a method of io.Writer.
func (c *comparer) Write(p []byte) (int, error) {
	for done := 0; done < len(p); {
		part := p[done:min(len(p), done+cap(c.buf))]
		have, err := c.f.ReadAt(c.buf[:len(part)], c.at)
		if err != nil && !errors.Is(err, io.EOF) {
			return done, fmt.Errorf("read the export at byte %d: %w", c.at, err)
		}
		if have == len(part) && bytes.Equal(c.buf[:have], part) {
			have = 0 // nothing to look at
		} else if have < len(part) {
			c.note(c.at + int64(have))
		}
		for i := range have {
			if c.buf[i] != part[i] {
				c.note(c.at + int64(i))
			}
		}
		done, c.at = done+len(part), c.at+int64(len(part))
	}
	return len(p), nil
}

func (c *comparer) note(at int64) {
	if len(c.wrong) < maxWrong {
		c.wrong = append(c.wrong, at)
	}
}

// frame writes the ZIP anew around the contents of a file of size bytes, whose sizes the manifest names, and returns where which contents lie. It
// calls take with all contents in their order, and returns the places where the frame is not what it should be.
func frame(f io.ReaderAt, size int64, files []File, take func(File, []byte) error) (regions []region, wrong []int64, err error) {
	c := &comparer{f: f, buf: make([]byte, 64<<10)}
	z := zip.NewWriter(c)
	buf := make([]byte, 64<<10)
	end := int64(0)
	for _, file := range files {
		w, err := z.CreateHeader(entry(file.Name))
		if err == nil {
			err = z.Flush()
		}
		if err != nil {
			return nil, nil, fmt.Errorf("write the ZIP anew: %w", err)
		}
		begin := c.at
		regions = append(regions, region{end, begin, file.Name, true}, region{begin, begin + file.Size, file.Name, false})
		end = begin + file.Size
		if end > size {
			return regions, append(c.wrong, size), nil // it is cut off
		}
		for left := file.Size; left > 0; {
			part := buf[:min(left, int64(len(buf)))]
			if n, err := f.ReadAt(part, end-left); n < len(part) {
				return nil, nil, fmt.Errorf("read the export at byte %d: %w", end-left, err)
			}
			left -= int64(len(part))
			if err := take(file, part); err != nil {
				return nil, nil, err
			}
			if _, err := w.Write(part); err != nil {
				return nil, nil, fmt.Errorf("compare %s: %w", file.Name, err)
			}
		}
	}
	if err := z.Close(); err != nil {
		return nil, nil, fmt.Errorf("compare the directory of the ZIP: %w", err)
	}
	regions = append(regions, region{end, max(c.at, size), "", true})
	if c.at < size {
		c.note(c.at)
	}
	return regions, c.wrong, nil
}

// descriptorBytes is how long what follows the contents of a file in the ZIP at least is.
const descriptorBytes = 16

// name says what lies at a place of the file.
func name(regions []region, at int64) (file, text string) {
	for i, r := range regions {
		if at < r.first || at >= r.end && i < len(regions)-1 {
			continue
		}
		switch {
		case !r.frame:
			return r.file, "contents of " + r.file
		case i > 0 && at < r.first+descriptorBytes:
			return regions[i-1].file, "what the ZIP says behind " + regions[i-1].file
		case r.file == "":
			return "", "the directory at the end of the ZIP"
		}
		return r.file, "what the ZIP says before " + r.file
	}
	return "", "the file"
}
