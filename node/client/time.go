package client

import (
	"bytes"
	"fmt"
	"time"
)

// Time is an instant that may be missing: "" and null are read as the zero time.
type Time struct{ time.Time }

// UnmarshalJSON reads RFC 3339 text, "" or null.
func (t *Time) UnmarshalJSON(b []byte) error {
	if bytes.Equal(b, []byte("null")) || bytes.Equal(b, []byte(`""`)) {
		t.Time = time.Time{}
		return nil
	}
	if err := t.Time.UnmarshalJSON(b); err != nil {
		return fmt.Errorf("time %.40s: %w", b, err)
	}
	return nil
}

// MarshalJSON writes RFC 3339 text, or "" for the zero time.
func (t Time) MarshalJSON() ([]byte, error) {
	if t.IsZero() {
		return []byte(`""`), nil
	}
	return t.Time.MarshalJSON()
}
