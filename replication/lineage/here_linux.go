package lineage

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// machineHere reads what systemd, or D-Bus without it, calls this installation.
func machineHere() (Machine, error) {
	for _, path := range []string{"/etc/machine-id", "/var/lib/dbus/machine-id"} {
		name, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return Machine{}, err
		}
		if m := MachineOf(name); m != (Machine{}) {
			return m, nil
		}
	}
	return Machine{}, nil
}

// nodeOf returns inode number and time of birth. File systems use inode numbers again, and a directory that is put back in
// the place of another often gets its number; its time of birth differs. The device number is left out: it may change
// with every start of the machine.
func nodeOf(path string) ([]byte, error) {
	var st unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, path, unix.AT_STATX_SYNC_AS_STAT, unix.STATX_INO|unix.STATX_BTIME, &st)
	if err != nil {
		return nil, &os.PathError{Op: "statx", Path: path, Err: err}
	}
	node := binary.BigEndian.AppendUint64(nil, st.Ino)
	if st.Mask&unix.STATX_BTIME != 0 {
		node = binary.BigEndian.AppendUint64(node, uint64(st.Btime.Sec))
		node = binary.BigEndian.AppendUint32(node, st.Btime.Nsec)
	}
	return node, nil
}
