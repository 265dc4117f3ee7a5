package discovery

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
)

// Limits of [Remembered].
const (
	MaxRememberedTills     = 64
	MaxRememberedAddresses = 8 // per till
	maxRememberedFile      = 1 << 20
	rememberedVersion      = 1

	// refreshAfter keeps a healthy shop from writing the file again and again only to move its times.
	refreshAfter = time.Hour
)

// ErrDamaged is wrapped by what [LoadRemembered] reports about a file it could not read and moved aside.
var ErrDamaged = errors.New("the file of remembered tills is damaged")

// Remembered keeps the addresses under which links to other tills worked, in a small file, so that a till finds its
// shop again where multicast does not work. It is safe for concurrent use.
type Remembered struct {
	path   string
	saving sync.Mutex // held while the file is written; taken before mu

	mu struct {
		sync.Mutex
		tills map[crdt.TillID]*rememberedTill
		dirty bool
	}
}

// rememberedFile is the JSON form, version 1. Times are RFC 3339.
type rememberedFile struct {
	Version int               `json:"version"`
	Tills   []*rememberedTill `json:"tills"`
}

type rememberedTill struct {
	Till        crdt.TillID      `json:"till"`
	Addresses   []netip.AddrPort `json:"addresses"` // the last one that worked comes first
	LastSuccess time.Time        `json:"last_success"`
}

// LoadRemembered reads the file at path. The result is always usable; a missing file is an empty one.
//
// An error is for the log, not a reason to stop: a file that is damaged or of another version was moved aside to
// path + ".damaged" (the error wraps [ErrDamaged]), or the file could not be read at all.
func LoadRemembered(path string) (*Remembered, error) {
	r := &Remembered{path: path}
	r.mu.tills = map[crdt.TillID]*rememberedTill{}
	content, err := readFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err != nil && !errors.Is(err, ErrDamaged) {
		return r, fmt.Errorf("remembered tills: %w; starting without them", err)
	}
	var tills []*rememberedTill
	if err == nil {
		tills, err = parseRemembered(content)
	}
	if err != nil {
		aside := path + ".damaged"
		if moveErr := os.Rename(path, aside); moveErr != nil {
			return r, fmt.Errorf("%s: %w; starting without it, but it could not be moved aside: %w", path, err, moveErr)
		}
		return r, fmt.Errorf("%s: %w; starting without it, it is kept as %s", path, err, aside)
	}
	for _, t := range tills {
		r.mu.tills[t.Till] = t
	}
	r.trimLocked()
	return r, nil
}

func readFile(path string) (content []byte, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	content, err = io.ReadAll(io.LimitReader(f, maxRememberedFile+1))
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	if len(content) > maxRememberedFile {
		return nil, fmt.Errorf("%w: larger than %d bytes", ErrDamaged, maxRememberedFile)
	}
	return content, nil
}

func parseRemembered(content []byte) ([]*rememberedTill, error) {
	var file rememberedFile
	if err := json.Unmarshal(content, &file); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if file.Version != rememberedVersion {
		return nil, fmt.Errorf("%w: version %d, this program reads %d", ErrDamaged, file.Version, rememberedVersion)
	}
	for _, t := range file.Tills {
		if t == nil || t.Till.IsZero() {
			return nil, fmt.Errorf("%w: an entry without a till", ErrDamaged)
		}
		for _, a := range t.Addresses {
			if !a.IsValid() || a.Port() == 0 {
				return nil, fmt.Errorf("%w: till %s has an invalid address", ErrDamaged, t.Till.Short())
			}
		}
		t.Addresses = t.Addresses[:min(len(t.Addresses), MaxRememberedAddresses)]
	}
	return file.Tills, nil
}

// Success records that a link to the till worked at addr. Above the limits the till unheard of for the longest time,
// and the address that worked the longest time ago, are forgotten. Call [Remembered.Save] to keep it.
func (r *Remembered) Success(till crdt.TillID, addr netip.AddrPort, now time.Time) {
	if till.IsZero() || !addr.IsValid() || addr.Port() == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.mu.tills[till]
	if t == nil {
		t = &rememberedTill{Till: till}
		r.mu.tills[till] = t
	}
	addr = netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())
	if len(t.Addresses) == 0 || t.Addresses[0] != addr {
		rest := slices.DeleteFunc(t.Addresses, func(a netip.AddrPort) bool { return a == addr })
		t.Addresses = append([]netip.AddrPort{addr}, rest[:min(len(rest), MaxRememberedAddresses-1)]...)
		r.mu.dirty = true
	}
	if d := now.Sub(t.LastSuccess); d >= refreshAfter || d <= -refreshAfter {
		r.mu.dirty = true
	}
	// Without its monotonic part, which means nothing after a restart.
	t.LastSuccess = now.Round(0).UTC()
	r.trimLocked()
}

// Forget removes a till, for one that was retired or revoked.
func (r *Remembered) Forget(till crdt.TillID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, known := r.mu.tills[till]; known {
		delete(r.mu.tills, till)
		r.mu.dirty = true
	}
}

func (r *Remembered) trimLocked() {
	for len(r.mu.tills) > MaxRememberedTills {
		oldest := slices.MinFunc(r.listLocked(), func(a, b *rememberedTill) int {
			return cmp.Or(a.LastSuccess.Compare(b.LastSuccess), slices.Compare(a.Till[:], b.Till[:]))
		})
		delete(r.mu.tills, oldest.Till)
		r.mu.dirty = true
	}
}

// listLocked returns the tills by ID, so that the same state is always the same file.
func (r *Remembered) listLocked() []*rememberedTill {
	list := make([]*rememberedTill, 0, len(r.mu.tills))
	for _, t := range r.mu.tills {
		list = append(list, t)
	}
	slices.SortFunc(list, func(a, b *rememberedTill) int { return slices.Compare(a.Till[:], b.Till[:]) })
	return list
}

// Candidates returns what is remembered, by till ID, for [Table.Add].
func (r *Remembered) Candidates() []Candidate {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []Candidate
	for _, t := range r.listLocked() {
		out = append(out, Candidate{
			Till: t.Till, Addrs: slices.Clone(t.Addresses), Source: SourceRemembered, SeenAt: t.LastSuccess,
		})
	}
	return out
}

// Save writes the file if something worth writing changed: a till or an address, or a time by more than an hour. The
// old file stays whole until the new one is on the disk. After an error the next Save tries again.
func (r *Remembered) Save() error {
	r.saving.Lock()
	defer r.saving.Unlock()
	r.mu.Lock()
	if !r.mu.dirty {
		r.mu.Unlock()
		return nil
	}
	content, err := json.MarshalIndent(rememberedFile{Version: rememberedVersion, Tills: r.listLocked()}, "", "  ")
	r.mu.dirty = false
	r.mu.Unlock()
	if err == nil {
		err = replaceFile(r.path, append(content, '\n'))
	}
	if err != nil {
		r.mu.Lock()
		r.mu.dirty = true
		r.mu.Unlock()
		return fmt.Errorf("save remembered tills: %w", err)
	}
	return nil
}

// replaceFile puts content at path so that after a power cut there is either the old file or the new one.
func replaceFile(path string, content []byte) error {
	temp := path + ".tmp"
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	if err := os.Rename(temp, path); err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
