package export

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/tillmesh/tillmesh/cloudlink/archive"
	"github.com/tillmesh/tillmesh/crdt"
)

// Manifest says what was asked for and what the files are. It is a signed note, the last file of the ZIP.
type Manifest struct {
	Account        archive.AccountID
	Shop           crdt.ShopID // zero: all shops of the account
	FromDay, ToDay string      // YYYY-MM-DD, both included; empty: without an end
	Leaves         int64       // in this file
	Size           int64       // leaves of the archive at the checkpoint that the file is of
	Root           tlog.Hash
	Files          []File
}

// File is a file of the export.
type File struct {
	Name string
	Size int64 // bytes
	Sum  [32]byte
}

// Whole reports whether everything of the account or shop is in the file, whatever its day.
func (m *Manifest) Whole() bool { return m.FromDay == "" && m.ToDay == "" }

// manifestBegin is the first line of every manifest.
const manifestBegin = "tillmesh export "

func orStar(s string) string {
	if s == "" {
		return "*"
	}
	return s
}

func (m *Manifest) text() string {
	shop := "*"
	if !m.Shop.IsZero() {
		shop = m.Shop.String()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s%d\naccount %s\nshop %s\ndays %s %s\nleaves %d of %d\nroot %s\n", manifestBegin, Version, m.Account, shop, orStar(m.FromDay), orStar(m.ToDay),
		m.Leaves, m.Size, base64.StdEncoding.EncodeToString(m.Root[:]))
	for _, f := range m.Files {
		fmt.Fprintf(&b, "file %x %d %s\n", f.Sum, f.Size, f.Name)
	}
	return b.String()
}

var errManifest = errors.New("the manifest is not as it was written")

// parseManifest reads the text of a manifest.
func parseManifest(text string) (m Manifest, err error) {
	lines := strings.Split(text, "\n")
	if len(lines) != 6+len(listed)+1 {
		return m, fmt.Errorf("%w: it has %d lines", errManifest, len(lines))
	}
	if version, err := strconv.Atoi(strings.TrimPrefix(lines[0], manifestBegin)); err == nil && version > Version {
		return m, fmt.Errorf("export of version %d: %w", version, crdt.ErrVersion)
	}
	field := func(i int, name string, n int) []string {
		parts := strings.Split(lines[i], " ")
		if len(parts) != n+1 || parts[0] != name {
			err = errors.Join(err, fmt.Errorf("%w: line %d", errManifest, i+1))
			return make([]string, n)
		}
		for i := range parts {
			if parts[i] == "*" {
				parts[i] = ""
			}
		}
		return parts[1:]
	}
	number := func(s string) int64 {
		n, bad := strconv.ParseInt(s, 10, 64)
		if bad != nil || n < 0 || n > maxFile {
			err = errors.Join(err, fmt.Errorf("%w: number %.40q", errManifest, s))
		}
		return n
	}
	fail := func(bad error) { err = errors.Join(err, bad) }
	fail(m.Account.UnmarshalText([]byte(field(1, "account", 1)[0])))
	if shop := field(2, "shop", 1)[0]; shop != "" {
		fail(m.Shop.UnmarshalText([]byte(shop)))
	}
	days := field(3, "days", 2)
	m.FromDay, m.ToDay = days[0], days[1]
	leaves := field(4, "leaves", 3)
	m.Leaves, m.Size = number(leaves[0]), number(leaves[2])
	var bad error
	m.Root, bad = tlog.ParseHash(field(5, "root", 1)[0])
	fail(bad)
	for i, name := range listed {
		parts := field(6+i, "file", 3)
		f := File{Name: parts[2], Size: number(parts[1])}
		sum, bad := hex.DecodeString(parts[0])
		if bad != nil || len(sum) != len(f.Sum) || f.Name != name {
			fail(fmt.Errorf("%w: line %d", errManifest, 7+i))
		}
		copy(f.Sum[:], sum)
		m.Files = append(m.Files, f)
	}
	if err == nil && m.text() != text {
		err = errManifest
	}
	return m, err
}

// maxFile bounds the sizes that a manifest may name, so that sums of them do not overflow.
const maxFile = 1 << 50
