package client

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// TokenFile is the name of the token file in the data directory of a till.
const TokenFile = "token"

// maxToken bounds a token file; a token is one line of hexadecimal digits.
const maxToken = 4096

// ErrNoToken means that there is no token file: the directory belongs to no till, or to one that never ran.
var ErrNoToken = errors.New("no token there")

// TokenPath returns the token file of the till with this data directory.
func TokenPath(data string) string { return filepath.Join(data, TokenFile) }

// ReadToken reads a token file. A file that is not there gives [ErrNoToken].
func ReadToken(path string) (token string, err error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read the token from %s: %w", path, ErrNoToken)
	}
	if err != nil {
		return "", fmt.Errorf("read the token: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	b, err := io.ReadAll(io.LimitReader(f, maxToken+1))
	if err != nil {
		return "", fmt.Errorf("read the token: %w", err)
	}
	token = strings.TrimSpace(string(b))
	if token == "" || len(b) > maxToken || strings.ContainsAny(token, " \t\r\n") {
		return "", fmt.Errorf("read the token from %s: this is no token file", path)
	}
	return token, nil
}
