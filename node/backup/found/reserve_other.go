//go:build !unix

package found

// reserve does nothing where a lock cannot be asked for.
func reserve(string) (func() error, error) { return func() error { return nil }, nil }
