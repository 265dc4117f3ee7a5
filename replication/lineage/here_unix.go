//go:build unix && !linux

package lineage

import (
	"encoding/binary"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// machineHere asks the kernel, which has the number of the hardware or of the installation.
func machineHere() (Machine, error) {
	for _, name := range hostNames {
		if id, err := unix.Sysctl(name); err == nil {
			if m := MachineOf([]byte(id)); m != (Machine{}) {
				return m, nil
			}
		}
	}
	return Machine{}, nil
}

var hostNames = []string{"kern.uuid", "kern.hostuuid"} // macOS, FreeBSD

// nodeOf returns the inode number.
func nodeOf(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil, nil
	}
	return binary.BigEndian.AppendUint64(nil, uint64(st.Ino)), nil
}
