package wire

import (
	"encoding/binary"
	"fmt"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/codec"
)

// The commits of a scope fall into buckets by a hash of their dots, and each bucket into leaves.
const (
	AuditBuckets = 256
	AuditLeaves  = 64 // of one bucket

	// MaxAuditEntries is how many commits one audit names in a message; more are compared in the next round.
	MaxAuditEntries = 20_000
)

const auditVersion = 1

// AuditStep tells the bodies of Audit apart. Numbers are part of the protocol.
type AuditStep uint64

// The steps; PROTOCOL.md says who sends which, and what the fields of AuditBody mean in each.
const (
	AuditCompare AuditStep = 1 // Context, Total, Again
	AuditVerdict AuditStep = 2 // Code
	AuditSums    AuditStep = 3 // Context, Sums
	AuditParts   AuditStep = 4 // Context, Parts
	AuditEntries AuditStep = 5 // Context, Leaves, Entries, More
	AuditOffer   AuditStep = 6 // Commits, Wants, Last
	AuditGive    AuditStep = 7 // Commits, Last
)

// AuditCode is what a verdict says.
type AuditCode uint64

// The verdicts. Unknown ones are taken as AuditLater.
const (
	AuditEqual AuditCode = 1 // the sums are the same
	AuditApart AuditCode = 2 // the contexts are not: try again when they are
	AuditLater AuditCode = 3 // not now
)

// AuditBody is the body of an Audit. A step uses only some of the fields.
type AuditBody struct {
	Step    AuditStep
	ID      uint64 // chosen by the till that asked, the same in every message of one comparison
	Context [16]byte
	Total   crdt.Digest
	Again   bool
	Code    AuditCode
	Sums    []crdt.Digest // AuditBuckets of them
	Parts   []AuditPart
	Leaves  []int // numbers of the leaves that Entries lists: bucket * AuditLeaves + leaf
	Entries []AuditEntry
	More    bool
	Commits [][]byte
	Wants   []crdt.Dot
	Last    bool
}

// AuditPart is the sums of a bucket's leaves.
type AuditPart struct {
	Bucket int
	Sums   []crdt.Digest // AuditLeaves of them
}

// AuditEntry is what a till holds live of one commit.
type AuditEntry struct {
	Dot crdt.Dot
	Tag [16]byte    // first half of the commit's hash
	Sum crdt.Digest // of the marks of its live pieces
}

const (
	digestSize = 16
	dotSize    = 16 + 8
	entrySize  = dotSize + 16 + digestSize
)

// Append appends the bytes of the body.
func (a *AuditBody) Append(b []byte) []byte {
	head := func(n int) {
		b = codec.AppendUint(codec.AppendUint(codec.AppendUint(codec.AppendArray(b, 3+n), auditVersion), uint64(a.Step)), a.ID)
	}
	switch a.Step {
	case AuditCompare:
		head(3)
		b = codec.AppendBytes(codec.AppendBytes(b, a.Context[:]), appendDigest(nil, a.Total))
		b = codec.AppendBool(b, a.Again)
	case AuditVerdict:
		head(1)
		b = codec.AppendUint(b, uint64(a.Code))
	case AuditSums:
		head(2)
		b = codec.AppendBytes(codec.AppendBytes(b, a.Context[:]), appendDigests(a.Sums))
	case AuditParts:
		head(2)
		b = codec.AppendArray(codec.AppendBytes(b, a.Context[:]), len(a.Parts))
		for _, p := range a.Parts {
			b = codec.AppendUint(codec.AppendArray(b, 2), uint64(p.Bucket))
			b = codec.AppendBytes(b, appendDigests(p.Sums))
		}
	case AuditEntries:
		head(4)
		b = codec.AppendArray(codec.AppendBytes(b, a.Context[:]), len(a.Leaves))
		for _, n := range a.Leaves {
			b = codec.AppendUint(b, uint64(n))
		}
		list := make([]byte, 0, entrySize*len(a.Entries))
		for _, e := range a.Entries {
			list = appendDigest(append(appendDot(list, e.Dot), e.Tag[:]...), e.Sum)
		}
		b = codec.AppendBool(codec.AppendBytes(b, list), a.More)
	case AuditGive:
		head(2)
		b = codec.AppendBool(appendList(b, a.Commits), a.Last)
	case AuditOffer:
		head(3)
		b = appendList(b, a.Commits)
		list := make([]byte, 0, dotSize*len(a.Wants))
		for _, d := range a.Wants {
			list = appendDot(list, d)
		}
		b = codec.AppendBool(codec.AppendBytes(b, list), a.Last)
	}
	return b
}

// DecodeAudit reads the body of an Audit. An empty body, a newer version or an unknown step gives nil without an error:
// it is passed over. Errors wrap [ErrFrame]. Commits share the bytes.
func DecodeAudit(body []byte) (*AuditBody, error) {
	if len(body) == 0 {
		return nil, nil
	}
	if err := codec.Check(body); err != nil {
		return nil, fmt.Errorf("%w: audit: %w", ErrFrame, err)
	}
	r := codec.NewReader(body)
	more := r.ArrayOf(3)
	if version := r.Uint(); r.Err() == nil && version != auditVersion {
		return nil, nil
	}
	a := &AuditBody{Step: AuditStep(r.Uint()), ID: r.Uint()}
	if r.Err() == nil && (a.Step < AuditCompare || a.Step > AuditGive) {
		return nil, nil
	}
	a.read(r, more)
	if err := r.Done(); err != nil {
		return nil, fmt.Errorf("%w: audit: %w", ErrFrame, err)
	}
	return a, nil
}

func (a *AuditBody) read(r *codec.Reader, n int) {
	fields := [...]int{AuditCompare: 3, AuditVerdict: 1, AuditSums: 2, AuditParts: 2, AuditEntries: 4, AuditOffer: 3, AuditGive: 2}
	if r.Err() != nil {
		return
	}
	more := n - fields[a.Step]
	if more < 0 {
		r.Fail("step %d with %d fields", a.Step, n)
		return
	}
	if a.Step != AuditVerdict && a.Step < AuditOffer {
		r.Fixed(a.Context[:])
	}
	switch a.Step {
	case AuditCompare:
		var d [digestSize]byte
		r.Fixed(d[:])
		a.Total, a.Again = digest(d), r.Bool()
	case AuditVerdict:
		a.Code = AuditCode(r.Uint())
	case AuditSums:
		a.Sums = readDigests(r, AuditBuckets)
	case AuditParts:
		a.readParts(r)
	case AuditEntries:
		a.readEntries(r)
	case AuditGive:
		a.Commits, a.Last = readList(r), r.Bool()
	case AuditOffer:
		a.Commits = readList(r)
		list := chunks(r, dotSize)
		for ; len(list) > 0 && r.Err() == nil; list = list[dotSize:] {
			a.Wants = append(a.Wants, readDot(list))
		}
		a.Last = r.Bool()
	}
	r.Skip(more)
}

func (a *AuditBody) readParts(r *codec.Reader) {
	n := r.Array()
	if n > AuditBuckets {
		r.Fail("%d buckets, at most %d", n, AuditBuckets)
		return
	}
	last := -1
	for range n {
		more := r.ArrayOf(2)
		p := AuditPart{Bucket: number(r, last, AuditBuckets)}
		p.Sums = readDigests(r, AuditLeaves)
		r.Skip(more)
		if r.Err() != nil {
			return
		}
		a.Parts, last = append(a.Parts, p), p.Bucket
	}
}

func (a *AuditBody) readEntries(r *codec.Reader) {
	n := r.Array()
	if n > AuditBuckets*AuditLeaves {
		r.Fail("%d leaves, at most %d", n, AuditBuckets*AuditLeaves)
		return
	}
	last := -1
	for range n {
		leaf := number(r, last, AuditBuckets*AuditLeaves)
		if r.Err() != nil {
			return
		}
		a.Leaves, last = append(a.Leaves, leaf), leaf
	}
	list := chunks(r, entrySize)
	if r.Err() != nil {
		return
	}
	for ; len(list) > 0; list = list[entrySize:] {
		e := AuditEntry{Dot: readDot(list), Tag: [16]byte(list[dotSize:])}
		e.Sum = digest([digestSize]byte(list[dotSize+16:]))
		a.Entries = append(a.Entries, e)
	}
	a.More = r.Bool()
}

// number reads a number of a list that rises.
func number(r *codec.Reader, last, end int) int {
	n := r.Uint()
	if n >= uint64(end) || int(n) <= last {
		r.Fail("number %d after %d, below %d", n, last, end)
		return 0
	}
	return int(n)
}

// chunks reads bytes that are entries of one size side by side.
func chunks(r *codec.Reader, size int) []byte {
	list := r.Bytes()
	if len(list)%size != 0 || len(list)/size > MaxAuditEntries {
		r.Fail("%d bytes of entries of %d bytes, at most %d entries", len(list), size, MaxAuditEntries)
		return nil
	}
	return list
}

func appendDigests(list []crdt.Digest) []byte {
	b := make([]byte, 0, digestSize*len(list))
	for _, d := range list {
		b = appendDigest(b, d)
	}
	return b
}

func readDigests(r *codec.Reader, n int) []crdt.Digest {
	b := r.Bytes()
	if len(b) != n*digestSize {
		r.Fail("%d bytes instead of %d sums", len(b), n)
		return nil
	}
	list := make([]crdt.Digest, n)
	for i := range list {
		list[i] = digest([digestSize]byte(b[i*digestSize:]))
	}
	return list
}

func appendDot(b []byte, d crdt.Dot) []byte {
	return binary.BigEndian.AppendUint64(append(b, d.Replica[:]...), uint64(d.Seq))
}

func readDot(b []byte) crdt.Dot {
	return crdt.Dot{Replica: crdt.ReplicaID(b[:16]), Seq: crdt.Seq(binary.BigEndian.Uint64(b[16:]))}
}
