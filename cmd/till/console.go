package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/tillmesh/tillmesh/node/client"
)

// console is where a command prints and looks for its environment.
type console struct {
	out, err io.Writer
	env      func(string) string
	json     bool
	in       io.Reader // what a person types, if there is one
	person   bool      // in and out are a terminal
}

// usageError means that the command line was wrong.
type usageError struct {
	err  error
	hint string
}

func usage(err error, hint string) error { return &usageError{err, hint} }

func (u *usageError) Error() string { return u.err.Error() }
func (u *usageError) Hint() string  { return u.hint }
func (u *usageError) Unwrap() error { return u.err }

// print prints the result of a command: as JSON if asked to, else as text.
func (c *console) print(result any, text string) error {
	if c.json {
		enc := json.NewEncoder(c.out)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(result); err != nil {
			return fmt.Errorf("print the result: %w", err)
		}
		return nil
	}
	if _, err := io.WriteString(c.out, text); err != nil {
		return fmt.Errorf("print the result: %w", err)
	}
	return nil
}

// failure is an error as JSON.
type failure struct {
	Error string `json:"error"`
	Hint  string `json:"hint,omitempty"`
	Code  string `json:"code,omitempty"` // of the till's answer, see the HTTP interface
}

// fail tells an error and returns the exit code for it.
func (c *console) fail(err error) int {
	f := failure{Error: oneLine(err.Error()), Code: client.CodeOf(err)}
	type hinter interface {
		error
		Hint() string
	}
	if h, ok := errors.AsType[hinter](err); ok {
		f.Hint = oneLine(h.Hint())
	}
	var told error
	if c.json {
		enc := json.NewEncoder(c.err)
		enc.SetEscapeHTML(false)
		told = enc.Encode(f)
	} else {
		text := "till: " + f.Error + "\n"
		if f.Hint != "" {
			text += "hint: " + f.Hint + "\n"
		}
		_, told = io.WriteString(c.err, text)
	}
	if _, wrong := errors.AsType[*usageError](err); wrong && told == nil {
		return exitUsage
	}
	return exitFailed
}

// oneLine makes one line without a final period of what may be several.
func oneLine(s string) string {
	var parts []string
	for line := range strings.Lines(s) {
		if line = strings.TrimRight(strings.TrimSpace(line), "."); line != "" {
			parts = append(parts, line)
		}
	}
	return strings.Join(parts, "; ")
}
