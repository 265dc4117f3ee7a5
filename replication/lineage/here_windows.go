package lineage

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/registry"
)

// machineHere reads what Windows calls this installation.
func machineHere() (Machine, error) {
	key, err := registry.OpenKey(registry.LOCAL_MACHINE, `SOFTWARE\Microsoft\Cryptography`,
		registry.QUERY_VALUE|registry.WOW64_64KEY)
	if errors.Is(err, fs.ErrNotExist) {
		return Machine{}, nil
	}
	if err != nil {
		return Machine{}, err
	}
	name, _, err := key.GetStringValue("MachineGuid")
	if closeErr := key.Close(); err == nil {
		err = closeErr
	}
	if errors.Is(err, fs.ErrNotExist) {
		return Machine{}, nil
	}
	return MachineOf([]byte(name)), err
}

// nodeOf returns the number of the directory in its file system and its time of birth.
func nodeOf(path string) ([]byte, error) {
	name, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return nil, err
	}
	h, err := windows.CreateFile(name, 0, windows.FILE_SHARE_READ|windows.FILE_SHARE_WRITE|windows.FILE_SHARE_DELETE, nil,
		windows.OPEN_EXISTING, windows.FILE_FLAG_BACKUP_SEMANTICS, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	var info windows.ByHandleFileInformation
	err = errors.Join(windows.GetFileInformationByHandle(h, &info), windows.CloseHandle(h))
	if err != nil {
		return nil, &os.PathError{Op: "stat", Path: path, Err: err}
	}
	node := binary.BigEndian.AppendUint64(nil, uint64(info.FileIndexHigh)<<32|uint64(info.FileIndexLow))
	return binary.BigEndian.AppendUint64(node, uint64(info.CreationTime.Nanoseconds())), nil
}
