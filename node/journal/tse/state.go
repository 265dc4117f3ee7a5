package tse

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// File keeps the state of a signer across restarts: some kilobytes, always written as a whole.
type File interface {
	// Load returns what was saved last, nil if nothing ever was.
	Load() ([]byte, error)
	// Save replaces what was saved. It returns when the new state is durable; after a crash either the old or the new
	// one is there whole.
	Save(state []byte) error
}

// ErrState means that the state of a signer cannot be used. Going on without it would give out numbers twice.
var ErrState = errors.New("the state of the security device cannot be used")

// maxOpen is how many transactions the software signer remembers as started. Beyond it the oldest is forgotten, as if
// it had been given up. So the state stays below 16 KiB with clients of 52 characters, as tills have.
const maxOpen = 128

const stateVersion = 1

// state is what the software signer must not forget. See the package comment for its form on disk.
type state struct {
	Version      int    `json:"version"`
	Serial       string `json:"serial"`
	Transactions uint64 `json:"transactions"`
	Signatures   uint64 `json:"signatures"`
	Open         []open `json:"open"` // in the order of their numbers
}

type open struct {
	Transaction uint64 `json:"transaction"`
	Client      string `json:"client"`
}

func loadState(file File, serial string) (state, error) {
	b, err := file.Load()
	if err != nil {
		return state{}, fmt.Errorf("%w: %w", ErrState, err)
	}
	if b == nil {
		return state{Version: stateVersion, Serial: serial, Open: []open{}}, nil
	}
	s, err := parseState(b)
	if err == nil && s.Serial != serial {
		err = fmt.Errorf("%w: it belongs to device %.16s…, the key to %.16s…: put back the key it was made with", ErrState, s.Serial, serial)
	}
	return s, err
}

func parseState(b []byte) (state, error) {
	var version struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(b, &version); err != nil {
		return state{}, fmt.Errorf("%w: %w: restore it from a backup, or begin a new device", ErrState, err)
	}
	if version.Version != stateVersion {
		return state{}, fmt.Errorf("%w: it is of format %d, this program reads %d: update it", ErrState, version.Version, stateVersion)
	}
	var s state
	decoder := json.NewDecoder(bytes.NewReader(b))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&s); err != nil {
		return state{}, fmt.Errorf("%w: %w: restore it from a backup, or begin a new device", ErrState, err)
	}
	last := uint64(0)
	for _, o := range s.Open {
		if o.Transaction <= last || o.Transaction > s.Transactions {
			return state{}, fmt.Errorf("%w: transaction %d is open out of order: restore it from a backup, or begin a new device", ErrState, o.Transaction)
		}
		last = o.Transaction
	}
	return s, nil
}

func (s state) bytes() ([]byte, error) { return json.Marshal(s) }
