package main

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// unseen has a terminal give every key at once and show none, until restore is called. Ctrl-C still ends the program.
func unseen(f *os.File) (restore func() error, err error) {
	fd := int(f.Fd())
	was, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return nil, fmt.Errorf("the terminal cannot be kept from showing a password: %w", err)
	}
	now := *was
	now.Lflag &^= unix.ECHO | unix.ICANON
	now.Cc[unix.VMIN], now.Cc[unix.VTIME] = 1, 0
	if err := unix.IoctlSetTermios(fd, unix.TCSETS, &now); err != nil {
		return nil, fmt.Errorf("the terminal cannot be kept from showing a password: %w", err)
	}
	return func() error { return unix.IoctlSetTermios(fd, unix.TCSETS, was) }, nil
}
