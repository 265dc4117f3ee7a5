package node

import (
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/tillmesh/tillmesh/crdt"
)

// The files of a data directory. It is made whole under another name and put in place by one rename, so a directory
// that has identity.json has everything.
const (
	fileIdentity  = "identity.json" // shop, till, shop key: secret
	fileKey       = "device.key"    // private device key, hex: secret, never in a backup
	fileToken     = "token"         // for the HTTP API of this till
	fileHighWater = "highwater"
	filePeers     = "peers.json"
	fileKeys      = "gossip.keys" // gossip keys, see gossipkeys.go: secret, never in a backup; absent while nobody was revoked
	fileFounder   = "founder.key" // founder secret, see foundersecret.go: secret, in backups, on no link; absent at most tills
	dirStore      = "store"
)

// ErrNoShop means that a directory belongs to no shop yet.
var ErrNoShop = hint(errors.New("this directory belongs to no shop yet"),
	`found a shop with "till init", or join one with "till join"`)

// ErrHoldsData means that a directory holds something already.
var ErrHoldsData = hint(errors.New("the directory already holds data"),
	"nothing was changed; name an empty directory with --data, or move the old one aside first if its receipts are on other tills")

// hinted is an error that says what to do next.
type hinted struct {
	error
	next string
}

func (h hinted) Hint() string  { return h.next }
func (h hinted) Unwrap() error { return h.error }

func hint(err error, next string) error { return hinted{err, next} }

// Identity says which till of which shop this is. It is what identity.json holds.
type Identity struct {
	Version int            `json:"version"`
	Shop    crdt.ShopID    `json:"shop"`
	Till    crdt.TillID    `json:"till"`
	Prefix  string         `json:"prefix"`   // of receipt numbers at admission
	ShopKey string         `json:"shop_key"` // of the gossip of this shop, hex
	Mode    string         `json:"mode"`
	Replica crdt.ReplicaID `json:"replica"`
}

// checkEmpty reports whether a till may be made in dir: it does not exist or is empty.
func checkEmpty(dir string) error {
	if dir == "" {
		return hint(errors.New("no data directory was named"), "name one with --data")
	}
	list, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("look into data directory: %w", err)
	case len(list) > 0:
		return fmt.Errorf("%s: %w", dir, ErrHoldsData)
	}
	return nil
}

// build makes a data directory: fill writes into a directory beside it, which takes its place when all of it is on disk.
func build(dir string, fill func(tmp string) error) error {
	d, err := makeDir(dir)
	if err != nil {
		return err
	}
	if err := d.put(fill); err != nil {
		return errors.Join(err, d.discard())
	}
	return nil
}

// newDir is a data directory that is being made beside the place where it will be.
type newDir struct{ dir, tmp string }

func makeDir(dir string) (*newDir, error) {
	d := &newDir{dir: filepath.Clean(dir)}
	d.tmp = d.dir + ".new"
	// What an attempt left that was cut off never became a till.
	if err := d.discard(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(d.tmp, 0o700); err != nil {
		return nil, fmt.Errorf("make data directory: %w", err)
	}
	return d, nil
}

// put completes the directory and puts it in its place.
func (d *newDir) put(fill func(tmp string) error) error {
	if err := fill(d.tmp); err != nil {
		return err
	}
	if err := syncDir(d.tmp); err != nil {
		return err
	}
	if err := os.Remove(d.dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("put data directory in place: %w", err)
	}
	if err := os.Rename(d.tmp, d.dir); err != nil {
		return fmt.Errorf("put data directory in place: %w", err)
	}
	return syncDir(filepath.Dir(d.dir))
}

// discard removes a directory that was not put in its place.
func (d *newDir) discard() error {
	if err := os.RemoveAll(d.tmp); err != nil {
		return fmt.Errorf("remove the rest of an earlier attempt: %w", err)
	}
	return nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync %s: %w", dir, err)
	}
	return errors.Join(d.Sync(), d.Close())
}

// writeFile writes a small file that only its owner may read, durably.
func writeFile(path string, content []byte) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	_, err = f.Write(content)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	return nil
}

func writeIdentity(dir string, id Identity, key ed25519.PrivateKey, random io.Reader) error {
	id.Version = 1
	b, err := json.MarshalIndent(id, "", "  ")
	if err != nil {
		return fmt.Errorf("write identity: %w", err)
	}
	var token [32]byte
	if _, err := io.ReadFull(random, token[:]); err != nil {
		return fmt.Errorf("make token: %w", err)
	}
	return errors.Join(
		writeFile(filepath.Join(dir, fileKey), []byte(hex.EncodeToString(key.Seed())+"\n")),
		writeFile(filepath.Join(dir, fileToken), []byte(hex.EncodeToString(token[:])+"\n")),
		writeFile(filepath.Join(dir, fileIdentity), append(b, '\n')),
	)
}

// BelongsToShop reports whether a directory holds the data of a till.
func BelongsToShop(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, fileIdentity))
	return err == nil
}

// readIdentity reads what writeIdentity wrote; ErrNoShop if the directory is empty or missing.
func readIdentity(dir string) (id Identity, key ed25519.PrivateKey, token string, err error) {
	b, err := os.ReadFile(filepath.Join(dir, fileIdentity))
	if errors.Is(err, fs.ErrNotExist) {
		if checkEmpty(dir) == nil {
			return id, nil, "", fmt.Errorf("%s: %w", dir, ErrNoShop)
		}
		return id, nil, "", hint(fmt.Errorf("%s holds files but no %s: it is not the data of a till", dir, fileIdentity),
			"check the path after --data")
	}
	if err != nil {
		return id, nil, "", fmt.Errorf("read identity: %w", err)
	}
	if err := json.Unmarshal(b, &id); err != nil {
		return id, nil, "", fmt.Errorf("read identity in %s: %w", dir, err)
	}
	if id.Version != 1 {
		return id, nil, "", fmt.Errorf("identity of version %d: %w", id.Version, crdt.ErrVersion)
	}
	seed, err := readHex(filepath.Join(dir, fileKey), ed25519.SeedSize)
	if err != nil {
		return id, nil, "", err
	}
	key = ed25519.NewKeyFromSeed(seed)
	if crdt.TillIDOf(key.Public().(ed25519.PublicKey)) != id.Till {
		return id, nil, "", fmt.Errorf("%s: the device key belongs to another till than identity.json", dir)
	}
	t, err := os.ReadFile(filepath.Join(dir, fileToken))
	if err != nil {
		return id, nil, "", fmt.Errorf("read token: %w", err)
	}
	return id, key, strings.TrimSpace(string(t)), nil
}

func readHex(path string, size int) ([]byte, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", filepath.Base(path), err)
	}
	raw, err := hex.DecodeString(strings.TrimSpace(string(b)))
	if err != nil || len(raw) != size {
		return nil, fmt.Errorf("read %s: not %d bytes in hex", filepath.Base(path), size)
	}
	return raw, nil
}
