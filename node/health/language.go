package health

import (
	"fmt"
	"strings"
	"time"
)

// Language is one of those that findings are written in.
type Language int

// The languages. Others are not known; a page that wants one takes English.
const (
	English Language = iota
	German
	Russian
)

// words are the small words of a language.
type words struct {
	and, none                 string
	second, minute, hour, day string
}

var smallWords = [...]words{
	English: {" and ", "somewhere", "s", "min", "h", "days"},
	German:  {" und ", "irgendwo", "s", "min", "Std.", "Tage"},
	Russian: {" и ", "где-то", "с", "мин", "ч", "дн."},
}

// text is what a code says in one language. {names} in braces are filled in, see [Finding.fill].
type text struct{ title, do string }

// fill puts the values of a finding into a text.
func (f Finding) fill(s string, l Language) string {
	w, v := smallWords[l], f.Values
	where := or(v.Where, w.none)
	return strings.NewReplacer(
		"{tills}", together(f.Tills, w.and), "{port}", decimal(uint64(v.Port)), "{gossip}", decimal(uint64(v.Port)+1),
		"{where}", where, "{span}", spanText(v.Span, w), "{bytes}", bytesText(v.Bytes, l), "{count}", decimal(v.Count),
		"{via}", v.Via, "{program}", v.Program,
	).Replace(s)
}

func together(list []string, and string) string {
	if len(list) < 2 {
		return strings.Join(list, "")
	}
	return strings.Join(list[:len(list)-1], ", ") + and + list[len(list)-1]
}

// spanText writes a duration: seconds below two minutes, minutes below two hours, hours below two days, then days.
func spanText(d time.Duration, w words) string {
	switch d = d.Round(time.Second); {
	case d < 2*time.Minute:
		return fmt.Sprintf("%d %s", d/time.Second, w.second)
	case d < 2*time.Hour:
		return fmt.Sprintf("%d %s", d.Round(time.Minute)/time.Minute, w.minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d %s", d.Round(time.Hour)/time.Hour, w.hour)
	}
	return fmt.Sprintf("%d %s", d.Round(24*time.Hour)/(24*time.Hour), w.day)
}

func bytesText(b uint64, l Language) string {
	units, point := [...]string{"KB", "MB", "GB"}, "."
	if l != English {
		point = ","
	}
	if l == Russian {
		units = [...]string{"КБ", "МБ", "ГБ"}
	}
	switch {
	case b >= 1<<30:
		return fmt.Sprintf("%d%s%d %s", b>>30, point, b%(1<<30)*10>>30, units[2])
	case b >= 1<<20:
		return fmt.Sprintf("%d %s", b>>20, units[1])
	}
	return fmt.Sprintf("%d %s", b>>10, units[0])
}
