package printer

import (
	"errors"
	"fmt"
	"os"
)

// File is a printer that is a file: what is printed goes to its end.
type File struct{ Path string }

// Print writes a text and returns when it is on the disk. After an error some of it may be there, as on paper.
func (f File) Print(text string) (err error) {
	out, err := os.OpenFile(f.Path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("print: %w", err)
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	if _, err := out.WriteString(text + "\f"); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	if err := out.Sync(); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}
