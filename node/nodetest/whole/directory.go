package whole

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/tillmesh/tillmesh/replication/store/badger"
	"github.com/tillmesh/tillmesh/replication/store/rows"
)

// directory writes what is on the data disk of a till that is off into a directory of this machine, as the program would
// have left it, and returns its path.
func (s *Shop) directory(t *Till) (string, error) {
	dir := filepath.Join(s.files, fmt.Sprintf("%s-%d", t.Name, t.M.Lives()))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	identity, err := json.Marshal(t.newcomer.Identity)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "identity.json"), identity, 0o600)
	}
	if err != nil {
		return "", err
	}
	from, err := t.M.Data().Clone().Open()
	if err != nil {
		return "", err
	}
	to, _, err := badger.Open(badger.Options{Dir: filepath.Join(dir, "store")})
	if err == nil {
		err = errors.Join(copyRows(from, to), to.Close())
	}
	return dir, errors.Join(err, from.Close())
}

// copyRows copies all rows of a store.
func copyRows(from, to rows.Store) error {
	ctx := context.Background()
	for next := []byte(nil); ; {
		list, err := from.Scan(ctx, next, nil, 1000, 500_000)
		if err != nil || len(list) == 0 {
			return err
		}
		batch := make([]rows.Write, len(list))
		for i, row := range list {
			batch[i] = rows.Write{Key: row.Key, Value: row.Value}
		}
		if err := to.Commit(ctx, batch); err != nil {
			return err
		}
		next = rows.Next(list[len(list)-1].Key)
	}
}
