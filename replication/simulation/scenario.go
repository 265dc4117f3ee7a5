package simulation

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A scenario is a text of statements, one per line, that says what happens in a world and what has to be true. Empty lines
// and what stands behind "#" say nothing.
//
//	at 10s cut K1 K2 5m      at a time since the scenario began; the world runs until then
//	K3 sells 5               a subject, then the verb
//	after 2h join K1 K2      that long after the statement before
//	expect equal K1 K2 K3    a verb like any other
//
// Which verbs there are is up to the caller, see [Verbs]. Lengths of time are written as Go writes them, and with d, w and
// y for days, weeks and years: 90s, 1h30m, 3d, 2y. Groups of names are written "K1,K2|K3".

// ErrScenario is wrapped by errors about the text of a scenario, as opposed to what happened in it.
var ErrScenario = errors.New("the scenario cannot be read")

// Verbs are what statements may say, by verb. T is what the statements work on.
type Verbs[T any] map[string]Verb[T]

// Verb is one thing that can be said.
type Verb[T any] struct {
	// Params are the kinds of the words that follow: word, int or time; "[int]" may be missing, "word..." stands for any
	// number of words and comes last. "subject" in front means that the statement begins with a name, then the verb.
	Params string
	// Help says in a few words what it does.
	Help string
	// Do is called when the statement's turn has come.
	Do func(on T, a Args) error
}

// Args are the words of a statement. The kinds were checked when it was read, so the methods do not fail for words that
// Params promises.
type Args struct {
	Subject string
	Words   []string
}

// Len returns the number of words.
func (a Args) Len() int { return len(a.Words) }

// Word returns the n-th word, "" if it is missing.
func (a Args) Word(n int) string {
	if n >= len(a.Words) {
		return ""
	}
	return a.Words[n]
}

// Int returns the n-th word as a number, otherwise if it is missing.
func (a Args) Int(n, otherwise int) int {
	if v, err := strconv.Atoi(a.Word(n)); err == nil {
		return v
	}
	return otherwise
}

// Time returns the n-th word as a length of time, otherwise if it is missing.
func (a Args) Time(n int, otherwise time.Duration) time.Duration {
	if v, err := ParseTime(a.Word(n)); err == nil {
		return v
	}
	return otherwise
}

// Scenario is a text that was read.
type Scenario[T any] struct {
	Name       string
	Statements []Statement
	verbs      Verbs[T]
}

// Statement is one line.
type Statement struct {
	Line  int
	At    time.Duration // when, from the beginning, or after the one before
	Timed Timing
	Verb  string
	Args  Args
}

// Timing says what the time of a statement means.
type Timing uint8

// The timings.
const (
	Next    Timing = iota // at once
	AtTime                // At counts from the beginning
	AfterIt               // At counts from the statement before
)

// String returns the statement as it is written.
func (s Statement) String() string {
	var words []string
	switch s.Timed {
	case AtTime:
		words = append(words, "at", FormatTime(s.At))
	case AfterIt:
		words = append(words, "after", FormatTime(s.At))
	case Next:
	}
	if s.Args.Subject != "" {
		words = append(words, s.Args.Subject)
	}
	return strings.Join(append(append(words, s.Verb), s.Args.Words...), " ")
}

// String returns the text.
func (s *Scenario[T]) String() string {
	var b strings.Builder
	for _, st := range s.Statements {
		b.WriteString(st.String())
		b.WriteByte('\n')
	}
	return b.String()
}

// ParseScenario reads a text. The error names every line that cannot be read, and what was expected.
func ParseScenario[T any](name, text string, verbs Verbs[T]) (*Scenario[T], error) {
	s := &Scenario[T]{Name: name, verbs: verbs}
	var errs []error
	var last time.Duration
	for n, line := range strings.Split(text, "\n") {
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		st, err := s.statement(words)
		if err == nil && st.Timed == AtTime {
			if st.At < last {
				err = fmt.Errorf("it goes back in time, the statement before is at %s", FormatTime(last))
			}
			last = st.At
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s:%d: %w: %w", name, n+1, ErrScenario, err))
			continue
		}
		st.Line = n + 1
		s.Statements = append(s.Statements, st)
	}
	return s, errors.Join(errs...)
}

func (s *Scenario[T]) statement(words []string) (st Statement, err error) {
	if timing := map[string]Timing{"at": AtTime, "after": AfterIt}[words[0]]; timing != Next {
		if len(words) < 3 {
			return st, fmt.Errorf("%q needs a time and a statement", words[0])
		}
		if st.At, err = ParseTime(words[1]); err != nil {
			return st, err
		}
		st.Timed, words = timing, words[2:]
	}
	verb, known := s.verbs[words[0]]
	switch {
	case known && !strings.HasPrefix(verb.Params, "subject"):
		st.Verb, st.Args.Words = words[0], words[1:]
	case len(words) > 1 && strings.HasPrefix(s.verbs[words[1]].Params, "subject"):
		verb = s.verbs[words[1]]
		st.Args.Subject, st.Verb, st.Args.Words = words[0], words[1], words[2:]
	default:
		return st, fmt.Errorf("there is no statement %q", strings.Join(words[:min(2, len(words))], " "))
	}
	if err := check(verb.Params, st.Args.Words); err != nil {
		return st, fmt.Errorf("%w; it is written: %s", err, usage(st.Verb, verb.Params))
	}
	return st, nil
}

func usage(verb, params string) string {
	if rest, ok := strings.CutPrefix(params, "subject"); ok {
		return strings.TrimSpace("NAME " + verb + rest)
	}
	return strings.TrimSpace(verb + " " + params)
}

// check compares words with the kinds they should have.
func check(params string, words []string) error {
	kinds := strings.Fields(strings.TrimPrefix(params, "subject"))
	for i, kind := range kinds {
		if rest, many := strings.CutSuffix(kind, "..."); many {
			for _, word := range words[min(i, len(words)):] {
				if err := checkWord(rest, word); err != nil {
					return err
				}
			}
			return nil
		}
		optional := strings.HasPrefix(kind, "[")
		if i >= len(words) {
			if optional {
				return nil
			}
			return fmt.Errorf("a %s is missing", kind)
		}
		if err := checkWord(strings.Trim(kind, "[]"), words[i]); err != nil {
			return err
		}
	}
	if len(words) > len(kinds) {
		return fmt.Errorf("%q is one word too many", words[len(kinds)])
	}
	return nil
}

func checkWord(kind, word string) error {
	switch kind {
	case "int":
		if _, err := strconv.Atoi(word); err != nil {
			return fmt.Errorf("%q is no number", word)
		}
	case "time":
		_, err := ParseTime(word)
		return err
	}
	return nil
}

// Run lets the statements happen one after another, in the time of the world. It ends at the first one that returns an
// error, which is wrapped with its line, and when a rule of the world is broken.
func (s *Scenario[T]) Run(w *World, on T) error {
	began := w.Now()
	for _, st := range s.Statements {
		switch st.Timed {
		case AtTime:
			w.Run(began.Add(st.At))
		case AfterIt:
			w.RunFor(st.At)
		case Next:
		}
		if w.Err() != nil {
			return w.Err()
		}
		w.Trace("line %d: %s", st.Line, st)
		if err := s.verbs[st.Verb].Do(on, st.Args); err != nil {
			return fmt.Errorf("%s:%d: %s: %w", s.Name, st.Line, st, err)
		}
	}
	return w.Err()
}

// Help lists the verbs as they are written, sorted, a line each.
func (v Verbs[T]) Help() string {
	var b strings.Builder
	for _, verb := range slices.Sorted(maps.Keys(v)) {
		fmt.Fprintf(&b, "%-36s %s\n", usage(verb, v[verb].Params), v[verb].Help)
	}
	return b.String()
}
