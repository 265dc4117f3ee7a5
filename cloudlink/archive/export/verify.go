package export

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"

	"golang.org/x/mod/sumdb/note"

	"github.com/tillmesh/tillmesh/cloudlink/archive"
	"github.com/tillmesh/tillmesh/cloudlink/archive/completeness"
	"github.com/tillmesh/tillmesh/crdt"
)

// VerifyOptions say how to verify.
type VerifyOptions struct {
	// Key is the public key that the cloud is known by; nil: that of the file is taken, and the report says whose it is.
	Key      ed25519.PublicKey
	Progress func(Progress) // called about every 1000 lines; must not block; may be nil
}

// Verify verifies an export of size bytes without any server. Everything that is wrong is in the report; an error is one of reading the
// file, of ctx, or crdt.ErrVersion for an export that is newer than this program. Memory grows by about 64 bytes for each document, and with the
// records of who belongs to the shops.
func Verify(ctx context.Context, f io.ReaderAt, size int64, o VerifyOptions) (*Report, error) {
	v := verifier{f: f, size: size, o: o, r: &Report{}, bad: make(map[string]bool), at: make(map[string]region)}
	if err := v.run(ctx); err != nil {
		return v.r, fmt.Errorf("verify the export: %w", err)
	}
	return v.r, nil
}

type verifier struct {
	f    io.ReaderAt
	size int64
	o    VerifyOptions
	r    *Report

	key note.Verifier     // nil: not known
	bad map[string]bool   // files that are not what the manifest says
	at  map[string]region // where the contents of files lie
}

func (v *verifier) run(ctx context.Context) error {
	msg, err := v.findManifest()
	if err != nil || msg == nil {
		return err
	}
	if err := v.findKey(); err != nil {
		return err
	}
	readable, err := v.readManifest(msg)
	if err != nil || !readable {
		return err
	}
	if whole, err := v.checkFrame(ctx, int64(len(msg))); err != nil || !whole {
		return err
	}
	j := joining{v: v, shops: make(map[crdt.ShopID]*shopBooks)}
	if err := j.run(ctx); err != nil {
		return err
	}
	v.blame()
	for _, name := range listed {
		if v.bad[name] && !v.r.found(name) {
			v.r.find(name, 0, "", "Its contents were changed.")
		}
	}
	if !v.r.Manifest.Whole() {
		return nil
	}
	report, err := completeness.Check(ctx, j.books(), nil)
	if err != nil {
		return err
	}
	v.r.Completeness = &report
	return nil
}

// tailBytes is where the manifest and the directory of the ZIP lie.
const tailBytes = 64 << 10

// findManifest returns the signed note, which is the last file; nil if there is none, which it reports.
func (v *verifier) findManifest() ([]byte, error) {
	tail := make([]byte, min(v.size, tailBytes))
	if n, err := v.f.ReadAt(tail, v.size-int64(len(tail))); n < len(tail) {
		return nil, fmt.Errorf("read the end of the file: %w", err)
	}
	begin := bytes.LastIndex(tail, []byte(manifestBegin))
	if begin < 0 {
		v.r.find(FileManifest, 0, "", "It was changed or is missing, or this is no export. Nothing else can be verified without it.")
		return nil, nil
	}
	msg := tail[begin:]
	// What the ZIP says behind a file begins with these bytes, which no text holds.
	if end := bytes.Index(msg, []byte("PK\x07\x08")); end >= 0 {
		return msg[:end], nil
	}
	if end := bytes.Index(msg, []byte("=\n")); end >= 0 { // the end of the signature
		return msg[:end+2], nil
	}
	v.r.find(FileManifest, 0, "", "It is cut off.")
	return nil, nil
}

// findKey reads the key of the cloud. The files before it and it itself have always the same size.
func (v *verifier) findKey() error {
	var out counter
	out.w = io.Discard
	keys, err := writeKeys(make(ed25519.PublicKey, ed25519.PublicKeySize))
	if err != nil {
		return err
	}
	z := zip.NewWriter(&out)
	w, err := z.CreateHeader(entry(FileReadme))
	if err == nil {
		_, err = w.Write([]byte(readme))
	}
	if err == nil {
		_, err = z.CreateHeader(entry(FileKeys))
	}
	if err == nil {
		err = z.Flush()
	}
	if err != nil {
		return fmt.Errorf("find the key: %w", err)
	}
	text := make([]byte, len(keys))
	if n, err := v.f.ReadAt(text, out.n); n < len(text) && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read the key: %w", err)
	}
	key, bad := readKeys(text)
	if bad != nil {
		v.r.find(FileKeys, 1, "", "The key was changed. Without it signatures cannot be verified; name the key of the cloud to do so.")
		key = v.o.Key
	}
	switch {
	case v.o.Key == nil && bad != nil:
		return nil
	case v.o.Key != nil && !bytes.Equal(key, v.o.Key):
		v.r.find(FileKeys, 1, "", "The file was signed by the cloud %s and not by %s, which was expected.", crdt.TillIDOf(key), crdt.TillIDOf(v.o.Key))
		key = v.o.Key
	}
	v.r.Cloud, v.r.Expected = crdt.TillIDOf(key).String(), v.o.Key != nil
	v.key, err = archive.NewVerifier(key)
	return err
}

// readManifest reads the manifest; false if it says nothing that can be relied on.
func (v *verifier) readManifest(msg []byte) (bool, error) {
	text := string(msg)
	if at := bytes.LastIndex(msg, []byte("\n\n")); at >= 0 {
		text = string(msg[:at+1])
	}
	m, err := parseManifest(text)
	if v.key != nil {
		_, bad := archive.OpenNote(msg, v.key)
		if bad == nil && errors.Is(err, crdt.ErrVersion) {
			return false, err
		}
		err = errors.Join(bad, err)
	}
	if err != nil {
		v.r.find(FileManifest, 0, "", "It was changed: %s. Nothing else can be verified without it.", clip(err.Error()))
		return false, nil
	}
	v.r.Manifest = m
	return true, nil
}

// checkFrame compares the ZIP itself and the sums of its files with the manifest; false if contents are not where they should be.
func (v *verifier) checkFrame(ctx context.Context, manifestSize int64) (bool, error) {
	files := append(slices.Clone(v.r.Manifest.Files), File{Name: FileManifest, Size: manifestSize})
	sums := make(map[string]hash.Hash)
	for _, f := range files {
		sums[f.Name] = sha256.New()
	}
	regions, wrong, err := frame(v.f, v.size, files, func(f File, part []byte) error {
		sums[f.Name].Write(part)
		return ctx.Err()
	})
	if err != nil {
		return false, err
	}
	for _, r := range regions {
		if !r.frame {
			v.at[r.file] = r
		}
	}
	spoiled := false
	for _, f := range v.r.Manifest.Files {
		v.bad[f.Name] = [32]byte(sums[f.Name].Sum(nil)) != f.Sum
		spoiled = spoiled || v.bad[f.Name]
	}
	said := make(map[string]bool)
	for _, at := range wrong {
		file, text := name(regions, at)
		// A changed content changes the checksums that the ZIP has of it, behind it and in the directory: those are no further places.
		if said[text] || v.bad[file] || spoiled && file == "" && at < v.size {
			continue
		}
		said[text] = true
		if at == v.size {
			text = "the file is cut off: " + text
		}
		v.r.find(file, 0, "", "Byte %d was changed: %s.", at, text)
		v.r.Findings[len(v.r.Findings)-1].frame = true
	}
	end := regions[len(regions)-1].end
	return len(v.at) == len(files) && end <= v.size, nil
}

// blame drops what was found in files that are as they were signed, if others are not: it follows from those.
func (v *verifier) blame() {
	spoiled := false
	for _, bad := range v.bad {
		spoiled = spoiled || bad
	}
	if !spoiled {
		return
	}
	before := len(v.r.Findings)
	v.r.Findings = slices.DeleteFunc(v.r.Findings, func(f Finding) bool {
		bad, listed := v.bad[f.File]
		return listed && !bad && !f.frame && f.File != FileKeys
	})
	v.r.Wrong -= int64(before - len(v.r.Findings))
}
