package dataset

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// The sets of sales that have control totals and a loader here.
const (
	NamePizza    = "pizza"
	NameTakeaway = "takeaway"
)

// Control returns the totals that the set of this name ([NamePizza], [NameTakeaway]) must add up to, as stated beside
// the sets. They were computed by another program than this one.
func Control(dir Dir, name string) (Sum, error) {
	var sum Sum
	if err := control(dir, name, &sum); err != nil {
		return Sum{}, err
	}
	return sum, nil
}

// control decodes what the control totals say about one set.
func control(dir Dir, name string, into any) error {
	raw, err := os.ReadFile(filepath.Join(string(dir), marker))
	if err != nil {
		return fmt.Errorf("read control totals: %w", err)
	}
	var sets map[string]json.RawMessage
	if err := json.Unmarshal(raw, &sets); err != nil {
		return fmt.Errorf("read control totals %s: %w", marker, err)
	}
	set, ok := sets[name]
	if !ok {
		return fmt.Errorf("read control totals %s: no set is called %q", marker, name)
	}
	if err := json.Unmarshal(set, into); err != nil {
		return fmt.Errorf("read control totals %s of %s: %w", marker, name, err)
	}
	return nil
}
