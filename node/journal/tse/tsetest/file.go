package tsetest

import (
	"errors"
	"slices"
	"sync"
)

// File keeps a state in memory and can be told to fail. The zero value is one that was never saved. It fits
// [tse.File] and every port of that form.
type File struct {
	mu     sync.Mutex
	state  []byte
	broken error
	saves  int
}

// ErrDisk is what a broken file says.
var ErrDisk = errors.New("input/output error")

// Load returns what was saved last.
func (f *File) Load() ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.state), nil
}

// Save replaces what was saved.
func (f *File) Save(state []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.broken != nil {
		return f.broken
	}
	f.state = slices.Clone(state)
	f.saves++
	return nil
}

// Break makes saving fail with ErrDisk, Mend lets it work again.
func (f *File) Break() { f.set(ErrDisk) }

// Mend lets saving work again.
func (f *File) Mend() { f.set(nil) }

func (f *File) set(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.broken = err
}

// Saves returns how often a state was saved.
func (f *File) Saves() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.saves
}
