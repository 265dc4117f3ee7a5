package archive

import (
	"fmt"
	"time"
)

// RetentionYears is how many full years a leaf is kept after the end of the year it belongs to (fiscal.md §2).
const RetentionYears = 10

// KeepUntil returns the last day on which a leaf has to be kept: ten years after the end of the year of its day or of the day it was
// archived, whichever is later. So a till whose clock is wrong shortens nothing. Both are YYYY-MM-DD.
func KeepUntil(day, archived string) (string, error) {
	year := 0
	for _, d := range []string{day, archived} {
		t, err := time.Parse(time.DateOnly, d)
		if err != nil {
			return "", fmt.Errorf("%w: day %.20q is not YYYY-MM-DD", ErrLeaf, d)
		}
		year = max(year, t.Year())
	}
	return fmt.Sprintf("%04d-12-31", year+RetentionYears), nil
}

// RetainedFrom returns the first day whose leaves still have to be kept today: leaves whose day and whose day of archiving both lie before
// it could be deleted, unless somebody holds them. today is YYYY-MM-DD.
func RetainedFrom(today string) (string, error) {
	t, err := time.Parse(time.DateOnly, today)
	if err != nil {
		return "", fmt.Errorf("%w: day %.20q is not YYYY-MM-DD", ErrLeaf, today)
	}
	return fmt.Sprintf("%04d-01-01", max(t.Year()-RetentionYears, 0)), nil
}
