//go:build !linux

package main

import (
	"errors"
	"os"
)

// unseen is not known here: a password is not typed where everybody sees it.
func unseen(*os.File) (restore func() error, err error) {
	return nil, errors.New("this program cannot keep the terminal of this system from showing a password")
}
