//go:build !unix

package node

// temporary reports whether the system lacks something for a moment, whatever the files are like.
func temporary(error) bool { return false }
