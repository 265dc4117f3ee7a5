package demo

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// textWidth is where the times stand in the printed play.
const textWidth = 112

// line is one thing the demo tells, as JSON.
type line struct {
	// Kind is note, setup, step or up.
	Kind string `json:"kind"`
	// Step is the number of the step, from 1; Name is its stable short name.
	Step int    `json:"step,omitempty"`
	Name string `json:"name,omitempty"`
	Text string `json:"text"`
	// MS is how long it took, milliseconds with one decimal.
	MS    json.Number `json:"ms,omitempty"`
	OK    bool        `json:"ok"`
	Error string      `json:"error,omitempty"`
	// Logs are the last lines of the logs of the tills that matter, by till.
	Logs  map[string][]string `json:"logs,omitempty"`
	Tills []place             `json:"tills,omitempty"`
	Cloud *cloudPlace         `json:"cloud,omitempty"`
}

// place is where to find a till of the demo.
type place struct {
	Name      string `json:"name"`
	URL       string `json:"url"`
	API       string `json:"api"`
	TokenFile string `json:"token_file"`
}

// cloudPlace is where to find the cloud of the demo, and who may sign in there.
type cloudPlace struct {
	URL      string `json:"url"`
	Account  string `json:"account"`
	Password string `json:"password"`
	Data     string `json:"data"`
}

// reporter prints what happens; as JSON lines if asked to. A reader that went away ends the demo with its first error.
type reporter struct {
	json bool

	mu  sync.Mutex
	out io.Writer
	err error
}

func (r *reporter) print(l line) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return
	}
	if r.json {
		enc := json.NewEncoder(r.out)
		enc.SetEscapeHTML(false)
		r.err = enc.Encode(l)
		return
	}
	_, r.err = io.WriteString(r.out, l.human())
}

// failed returns why nothing can be printed any more.
func (r *reporter) failed() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return fmt.Errorf("print what happens: %w", r.err)
	}
	return nil
}

// human is the line for people.
func (l line) human() string {
	var b strings.Builder
	mark := "  "
	if l.Kind == "step" {
		mark = fmt.Sprintf("%-2d", l.Step)
	}
	text := mark + " " + l.Text
	if l.MS != "" {
		text = pad(text, textWidth) + fmt.Sprintf("%9s ms", l.MS)
	}
	b.WriteString(text + "\n")
	if l.Error != "" {
		b.WriteString("   FAILED: " + strings.ReplaceAll(l.Error, "\n", "\n   ") + "\n")
	}
	for till, lines := range l.Logs {
		b.WriteString("   the end of the log of " + till + ":\n")
		for _, s := range lines {
			b.WriteString("   | " + s + "\n")
		}
	}
	for _, t := range l.Tills {
		fmt.Fprintf(&b, "   %s  %s  token in %s\n", t.Name, t.API, t.TokenFile)
	}
	if c := l.Cloud; c != nil {
		fmt.Fprintf(&b, "   the cloud  %s/api  account %s  password %s\n", c.URL, c.Account, c.Password)
	}
	return b.String()
}

func pad(s string, width int) string {
	return s + strings.Repeat(" ", max(1, width-utf8.RuneCountInString(s)))
}

// milliseconds writes a duration with one decimal.
func milliseconds(d time.Duration) json.Number {
	tenths := (d + 50*time.Microsecond) / (100 * time.Microsecond)
	return json.Number(fmt.Sprintf("%d.%d", tenths/10, tenths%10))
}

// euros writes cents for people.
func euros(cents int64) string { return fmt.Sprintf("%d,%02d €", cents/100, cents%100) }

// names lists the names of tills for people: "Kasse 2 and Kasse 3".
func names(tills []*till) string {
	var all []string
	for _, t := range tills {
		all = append(all, t.name)
	}
	if len(all) < 2 {
		return strings.Join(all, "")
	}
	return strings.Join(all[:len(all)-1], ", ") + " and " + all[len(all)-1]
}

// are is a number with its thing and what they do: "1 receipt is", "2 receipts are".
func are(n int, thing string) string {
	if n == 1 {
		return count(n, thing) + " is"
	}
	return count(n, thing) + " are"
}

// count is a number with its thing: "1 till", "2 tills".
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
