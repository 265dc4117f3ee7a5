//go:build !linux

package highwater

import "os"

func syncData(f *os.File) error { return f.Sync() }
