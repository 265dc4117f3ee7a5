package simulation

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

const day = 24 * time.Hour

var longUnits = []struct {
	letter string
	length time.Duration
}{{"y", 365 * day}, {"w", 7 * day}, {"d", day}}

// ParseTime reads a length of time, such as 90s, 1h30m, 3d, 2w, 1y or -26h. A moment before the beginning does not exist.
func ParseTime(s string) (time.Duration, error) {
	sign := time.Duration(1)
	body := s
	if rest, minus := strings.CutPrefix(s, "-"); minus {
		sign, body = -1, rest
	}
	var total time.Duration
	for _, u := range longUnits {
		number, rest, found := strings.Cut(body, u.letter)
		if !found {
			continue
		}
		n, err := strconv.ParseUint(number, 10, 31)
		if err != nil || time.Duration(n) > Forever/u.length {
			return 0, fmt.Errorf("%q is no length of time, such as 90s, 1h30m, 3d or 1y", s)
		}
		total, body = total+time.Duration(n)*u.length, rest
	}
	if body != "" || total == 0 {
		d, err := time.ParseDuration(body)
		if err != nil || d < 0 {
			return 0, fmt.Errorf("%q is no length of time, such as 90s, 1h30m, 3d or 1y", s)
		}
		total += d
	}
	return sign * total, nil
}

// FormatTime writes a length of time so that ParseTime reads the same.
func FormatTime(d time.Duration) string {
	if d >= day {
		days := d / day
		if rest := d % day; rest > 0 {
			return fmt.Sprintf("%dd%v", days, rest)
		}
		return fmt.Sprintf("%dd", days)
	}
	return d.String()
}
