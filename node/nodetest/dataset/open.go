package dataset

import (
	"os"
	"path/filepath"
	"testing"
)

// Environment variables that say where the sets are and whether they may be missing.
const (
	// EnvDir names the folder of the sets. Unset means ../shared/data beside the module.
	EnvDir = "TILLMESH_DATA"
	// EnvRequired, set to 1, makes [Require] fail where it would skip.
	EnvRequired = "TILLMESH_DATA_REQUIRED"
)

// marker is the file that tells a folder with the sets from any other.
const marker = "control_totals.json"

// Dir is the folder that holds the sets.
type Dir string

// Open finds the folder of the sets: the one [EnvDir] names, else ../shared/data beside the module that the working
// directory belongs to. It reports false if there is none with control totals in it.
func Open() (Dir, bool) {
	dir := os.Getenv(EnvDir)
	if dir == "" {
		root, ok := moduleRoot()
		if !ok {
			return "", false
		}
		dir = filepath.Join(root, "..", "shared", "data")
	}
	info, err := os.Stat(filepath.Join(dir, marker))
	if err != nil || !info.Mode().IsRegular() {
		return "", false
	}
	return Dir(dir), true
}

// Require returns the folder of the sets, or skips the test with the words "data absent". It fails instead if
// [EnvRequired] is 1, or if [EnvDir] names a folder that does not hold them: whoever names one expects it to be used.
func Require(t testing.TB) Dir {
	t.Helper()
	dir, ok := Open()
	if ok {
		return dir
	}
	if named := os.Getenv(EnvDir); named != "" {
		t.Fatalf("data absent: no %s in the folder that %s names: %s", marker, EnvDir, named)
	}
	if os.Getenv(EnvRequired) == "1" {
		t.Fatalf("data absent: set %s to the folder that holds %s", EnvDir, marker)
	}
	t.Skipf("data absent: no sets beside the module and %s is not set", EnvDir)
	return ""
}

// moduleRoot returns the nearest folder above the working directory that holds a go.mod.
func moduleRoot() (string, bool) {
	dir, err := os.Getwd()
	if err != nil {
		return "", false
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, true
		}
		above := filepath.Dir(dir)
		if above == dir {
			return "", false
		}
		dir = above
	}
}
