package export

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/tillmesh/tillmesh/cloudlink/archive"
	"github.com/tillmesh/tillmesh/crdt"
)

// Each line of a file is one JSON object, written by this package alone. To verify a line it is read, written anew and compared: so there
// is one way to write it, and every byte counts.

var errLine = errors.New("the line is not as it was written")

// leafLine is a line of leaves.jsonl.
type leafLine struct {
	Day     string `json:"day"`
	Digest  string `json:"digest"`
	Hash    string `json:"hash,omitempty"`
	Index   int64  `json:"index"`
	Kind    string `json:"kind"`
	Name    string `json:"name,omitempty"`
	Number  int64  `json:"number,omitempty"`
	Object  string `json:"object"`
	Owner   string `json:"owner,omitempty"`
	Piece   int    `json:"piece"`
	Record  string `json:"record"` // the leaf's hash in the tree
	Replica string `json:"replica"`
	Scope   int    `json:"scope"`
	Seq     string `json:"seq"`
	Shop    string `json:"shop"`
	Sum     string `json:"sum"` // of index and leaf: a changed line is found without the tree
	Type    string `json:"type"`
}

var kinds = []archive.Kind{archive.Receipt, archive.Opening, archive.Closing, archive.Version, archive.Item, archive.Note}

// writeLeaf returns the line of a leaf.
func writeLeaf(index int64, l archive.Leaf) ([]byte, error) {
	record := archive.RecordHash(l.Bytes())
	x := leafLine{Day: l.Day, Digest: hex.EncodeToString(l.Digest[:]), Index: index, Kind: l.Kind.String(), Name: l.Name, Number: l.Number, Object: l.Object.String(),
		Piece: l.Piece, Record: hex.EncodeToString(record[:]), Replica: l.Dot.Replica.String(), Scope: int(l.Scope.Kind), Seq: strconv.FormatUint(uint64(l.Dot.Seq), 10),
		Shop: l.Shop.String(), Sum: leafSum(index, record), Type: l.Type}
	if l.Kind.Document() {
		x.Hash = hex.EncodeToString(l.Hash[:])
	}
	if !l.Scope.Owner.IsZero() {
		x.Owner = l.Scope.Owner.String()
	}
	return marshal(x)
}

// leafSum returns 16 hexadecimal digits.
func leafSum(index int64, record tlog.Hash) string {
	sum := sha256.Sum256(append(binary.BigEndian.AppendUint64([]byte("tillmesh export leaf\x00"), uint64(index)), record[:]...))
	return hex.EncodeToString(sum[:8])
}

func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("write a line: %w", err)
	}
	return b.Bytes(), nil // with the line feed
}

// readLeaf reads a line of leaves.jsonl.
func readLeaf(line []byte) (index int64, l archive.Leaf, err error) {
	var x leafLine
	if err := json.Unmarshal(line, &x); err != nil {
		return 0, l, fmt.Errorf("%w: %w", errLine, err)
	}
	for _, k := range kinds {
		if k.String() == x.Kind {
			l.Kind = k
		}
	}
	seq, err := strconv.ParseUint(x.Seq, 10, 64)
	errs := []error{err, into(l.Digest[:], x.Digest)}
	if x.Hash != "" {
		errs = append(errs, into(l.Hash[:], x.Hash))
	}
	parse := func(text string, into interface{ UnmarshalText([]byte) error }) {
		errs = append(errs, into.UnmarshalText([]byte(text)))
	}
	parse(x.Object, &l.Object)
	parse(x.Replica, &l.Dot.Replica)
	parse(x.Shop, &l.Shop)
	if x.Owner != "" {
		parse(x.Owner, &l.Scope.Owner)
	}
	if x.Scope < 1 || x.Scope > 127 {
		errs = append(errs, fmt.Errorf("%w: scope %d", errLine, x.Scope))
	}
	l.Day, l.Name, l.Number, l.Piece, l.Type, l.Scope.Kind, l.Dot.Seq = x.Day, x.Name, x.Number, x.Piece, x.Type, crdt.ScopeKind(x.Scope), crdt.Seq(seq)
	if err := errors.Join(append(errs, l.Check())...); err != nil {
		return x.Index, l, fmt.Errorf("%w: %w", errLine, err)
	}
	again, err := writeLeaf(x.Index, l)
	if err == nil && !bytes.Equal(again, line) {
		err = errLine
	}
	return x.Index, l, err
}

func into(b []byte, text string) error {
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) != len(b) {
		return fmt.Errorf("%w: %d hexadecimal digits", errLine, len(text))
	}
	copy(b, raw)
	return nil
}

// gapLine is a line of proofs.jsonl: the hashes of the subtrees that leaves first to end-1, which are not in the file, consist of.
type gapLine struct {
	End    int64    `json:"end"`
	First  int64    `json:"first"`
	Hashes []string `json:"hashes"`
}

func writeGap(first, end int64, hashes []tlog.Hash) ([]byte, error) {
	x := gapLine{First: first, End: end}
	for _, h := range hashes {
		x.Hashes = append(x.Hashes, hex.EncodeToString(h[:]))
	}
	return marshal(x)
}

func readGap(line []byte) (x gapLine, hashes []tlog.Hash, err error) {
	if err := json.Unmarshal(line, &x); err != nil {
		return x, nil, fmt.Errorf("%w: %w", errLine, err)
	}
	for _, text := range x.Hashes {
		var h tlog.Hash
		if err := into(h[:], text); err != nil {
			return x, nil, err
		}
		hashes = append(hashes, h)
	}
	again, err := writeGap(x.First, x.End, hashes)
	if err == nil && (!bytes.Equal(again, line) || x.First < 0 || x.End <= x.First || len(hashes) != len(archive.Cover(x.First, x.End))) {
		err = errLine
	}
	return x, hashes, err
}

// noteLine is a line of checkpoints.jsonl.
type noteLine struct {
	Note string `json:"note"`
}

func writeNote(msg []byte) ([]byte, error) { return marshal(noteLine{string(msg)}) }

func readNote(line []byte) ([]byte, error) {
	var x noteLine
	if err := json.Unmarshal(line, &x); err != nil {
		return nil, fmt.Errorf("%w: %w", errLine, err)
	}
	again, err := writeNote([]byte(x.Note))
	if err == nil && !bytes.Equal(again, line) {
		err = errLine
	}
	return []byte(x.Note), err
}

// clip shortens what came from a file for a person to read.
func clip(s string) string {
	if len(s) > 80 {
		return strings.ToValidUTF8(s[:80], "?") + "…"
	}
	return s
}
