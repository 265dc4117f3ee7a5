package node

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/node/journal"
	"github.com/tillmesh/tillmesh/node/journal/rksv"
	"github.com/tillmesh/tillmesh/node/journal/rksv/es256"
	"github.com/tillmesh/tillmesh/node/journal/tse"
	"github.com/tillmesh/tillmesh/node/verify"
	"github.com/tillmesh/tillmesh/replication/store/highwater"
)

// dirSigner is where the software signers of a till are, in its data directory: keys and counters, by number series, for the
// owner's eyes only. It is never replicated and in no backup: what is restored signs under a new series with new keys.
const dirSigner = "signer"

const signerVersion = 1

// signerFile is what is kept of a software signer. Its name says which series it is for.
type signerFile struct {
	Version     int    `json:"version"`
	Kind        string `json:"kind"`                  // one of the kinds of journal
	Key         []byte `json:"key"`                   // private key on P-256, raw
	AES         []byte `json:"aes,omitempty"`         // RKSV: of the turnover counter
	Certificate string `json:"certificate,omitempty"` // RKSV: Zert-SN
}

// SoftwareSigners makes signing devices without hardware, with keys in a data directory: a TSE for Germany, which is no
// certified one and says so, and a signature unit of a closed system for Austria.
func SoftwareSigners(data string, env Environment) Signers {
	s := softwareSigners{filepath.Join(data, dirSigner), env.orReal()}
	return func(f SignerFor) (journal.Device, error) {
		switch f.Country {
		case "DE":
			return s.german(f)
		case "AT":
			return s.austrian(f)
		}
		return nil, nil
	}
}

type softwareSigners struct {
	dir string
	env Environment
}

func (s softwareSigners) german(f SignerFor) (journal.Device, error) {
	file, key, err := s.open(f, journal.KindTSE)
	if err != nil {
		return nil, err
	}
	device, err := tse.NewSoftware(tse.Config{Key: key, Now: s.env.Now, File: counterFile(file + ".state")})
	if err != nil {
		return nil, fmt.Errorf("open the software TSE in %s: %w", s.dir, err)
	}
	return journal.NewTSE(device, f.Serial), nil
}

func (s softwareSigners) austrian(f SignerFor) (journal.Device, error) {
	path, key, err := s.open(f, journal.KindRKSV)
	if err != nil {
		return nil, err
	}
	kept, err := readSigner(path)
	if err != nil {
		return nil, err
	}
	unit, err := rksv.NewSoftwareUnit(key, kept.Certificate)
	if err != nil {
		return nil, err
	}
	public, err := x509.MarshalPKIXPublicKey(unit.Public())
	if err != nil {
		return nil, fmt.Errorf("public key of the signature unit: %w", err)
	}
	return journal.NewRKSV(rksv.Config{CashBox: f.Series, Suite: rksv.SuiteClosed, Key: rksv.AESKey(kept.AES), Unit: unit},
		base64.StdEncoding.EncodeToString(public))
}

// open returns the key of a series and the file it is in. It is drawn when the series is new.
func (s softwareSigners) open(f SignerFor, kind string) (path string, key *ecdsa.PrivateKey, err error) {
	path = filepath.Join(s.dir, kind+"-"+f.Series+".json")
	kept, err := readSigner(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && (f.New || kind == journal.KindTSE):
		if kept, err = s.draw(f, kind); err == nil {
			err = writeSigner(path, kept)
		}
	case errors.Is(err, fs.ErrNotExist):
		err = hint(fmt.Errorf("the keys of series %s are lost: %w", f.Series, err),
			"put back "+path+"; without it the receipts of this series cannot go on, and the till has to be replaced by a new one")
	case err == nil && kept.Kind != kind:
		err = fmt.Errorf("%s holds keys of kind %.20q", path, kept.Kind)
	}
	if err != nil {
		return path, nil, err
	}
	key, err = ecdsa.ParseRawPrivateKey(elliptic.P256(), kept.Key)
	if err != nil {
		return path, nil, fmt.Errorf("%s holds no usable key: %w", path, err)
	}
	return path, key, nil
}

func (s softwareSigners) draw(f SignerFor, kind string) (signerFile, error) {
	key, err := es256.NewKey(s.env.Random)
	if err != nil {
		return signerFile{}, err
	}
	raw, err := key.Bytes()
	if err != nil {
		return signerFile{}, fmt.Errorf("draw a key: %w", err)
	}
	out := signerFile{Version: signerVersion, Kind: kind, Key: raw}
	if kind != journal.KindRKSV {
		return out, nil
	}
	aes, err := rksv.NewAESKey(s.env.Random)
	out.AES, out.Certificate = aes[:], closedCertificate(f)
	return out, err
}

// closedCertificate names the key of a series as a closed system does: by the company and the key.
func closedCertificate(f SignerFor) string {
	clean := func(s string) string {
		return strings.Map(func(r rune) rune {
			if r == '_' || r == '-' || r <= ' ' || r > '~' {
				return -1
			}
			return r
		}, s)
	}
	switch vat, tax := clean(f.Business.VATID), clean(f.Business.TaxNumber); {
	case vat != "":
		return "U:" + vat + "-" + f.Series
	case tax != "":
		return "S:" + tax + "-" + f.Series
	}
	return "S:unbekannt-" + f.Series
}

// rksvKeys finds the keys of the signature units whose files are in a data directory. What cannot be read counts as not known.
func rksvKeys(data string) func(verify.Series) (rksv.Keys, bool) {
	return func(s verify.Series) (rksv.Keys, bool) {
		kept, err := readSigner(filepath.Join(data, dirSigner, journal.KindRKSV+"-"+s.Prefix+".json"))
		if err != nil || kept.Kind != journal.KindRKSV {
			return rksv.Keys{}, false
		}
		key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), kept.Key)
		if err != nil {
			return rksv.Keys{}, false
		}
		return rksv.Keys{AES: rksv.AESKey(kept.AES), Units: map[string]*ecdsa.PublicKey{kept.Certificate: &key.PublicKey}}, true
	}
}

func readSigner(path string) (f signerFile, err error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return f, fmt.Errorf("read the keys of the signing device: %w", err)
	}
	if err := json.Unmarshal(b, &f); err != nil {
		return f, fmt.Errorf("read %s: %w", path, err)
	}
	if f.Version != signerVersion {
		return f, fmt.Errorf("read %s: version %d: %w", path, f.Version, crdt.ErrUpdateNeeded)
	}
	if len(f.AES) != 0 && len(f.AES) != len(rksv.AESKey{}) || f.Kind == journal.KindRKSV && len(f.AES) == 0 {
		return f, fmt.Errorf("read %s: a key of %d bytes", path, len(f.AES))
	}
	return f, nil
}

// writeSigner makes the keys durable, before anything is signed with them.
func writeSigner(path string, f signerFile) error {
	b, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return fmt.Errorf("write the keys of the signing device: %w", err)
	}
	dir := filepath.Dir(path)
	if err := os.Mkdir(dir, 0o700); err == nil {
		err = syncDir(filepath.Dir(dir))
		if err != nil {
			return err
		}
	} else if !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("write the keys of the signing device: %w", err)
	}
	return replaceFile(path, append(b, '\n'))
}

// counterFile is the state of a software TSE. It is written once for all who wait, before they get their answer: one overwrite
// in place and one fdatasync.
type counterFile string

// Load implements [tse.File].
func (c counterFile) Load() ([]byte, error) {
	f, state, err := highwater.Open(string(c))
	if errors.Is(err, highwater.ErrMissing) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", c, err)
	}
	return state, f.Close()
}

// Save implements [tse.File].
func (c counterFile) Save(state []byte) error {
	f, _, err := highwater.Open(string(c))
	switch {
	case errors.Is(err, highwater.ErrMissing):
		if f, err = highwater.Create(string(c), state); err != nil {
			return fmt.Errorf("write %s: %w", c, err)
		}
		return f.Close()
	case err != nil:
		return fmt.Errorf("write %s: %w", c, err)
	}
	if err := errors.Join(f.Write(state), f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", c, err)
	}
	return nil
}
