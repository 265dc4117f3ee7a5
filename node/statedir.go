package node

import (
	"errors"
	"path/filepath"
	"runtime"
)

// DefaultStateDir returns where a till keeps what it knows of its machine, outside of the data directory, so that a copy
// of that directory is noticed: TILLMESH_STATE if it is set, /var/lib/tillmesh for root, else the user's own place for
// such things. env reads the environment, uid is the effective user's number (-1 where there is none).
func DefaultStateDir(env func(string) string, uid int) (string, error) {
	return stateDir(env, uid, runtime.GOOS)
}

func stateDir(env func(string) string, uid int, system string) (string, error) {
	dir, sub := "", "tillmesh"
	switch {
	case env("TILLMESH_STATE") != "":
		dir, sub = env("TILLMESH_STATE"), ""
	case system == "windows":
		dir = or(env("LocalAppData"), env("ProgramData"))
	case uid == 0:
		dir = "/var/lib"
	case filepath.IsAbs(env("XDG_STATE_HOME")):
		dir = env("XDG_STATE_HOME")
	case env("HOME") != "" && system == "darwin":
		dir, sub = env("HOME"), filepath.Join("Library", "Application Support", sub)
	case env("HOME") != "":
		dir, sub = env("HOME"), filepath.Join(".local", "state", sub)
	}
	if dir == "" {
		return "", hint(errors.New("there is no place to keep what this till knows of its machine"),
			"name a directory outside of the data directory in the environment variable TILLMESH_STATE")
	}
	return filepath.Join(dir, sub), nil
}
