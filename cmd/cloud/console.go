package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// console is where a command prints and looks for its environment.
type console struct {
	out, err io.Writer
	env      func(string) string
	json     bool
}

// print prints the result of a command: as JSON if asked to, else as text.
func (c *console) print(result any, text string) error {
	if !c.json {
		_, err := io.WriteString(c.out, text)
		return err
	}
	enc := json.NewEncoder(c.out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(result); err != nil {
		return fmt.Errorf("print the result: %w", err)
	}
	return nil
}

// failure is an error as JSON.
type failure struct {
	Error string `json:"error"`
	Hint  string `json:"hint,omitempty"`
}

// fail tells an error and returns the exit code for it.
func (c *console) fail(err error) int {
	f := failure{Error: oneLine(err.Error())}
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
		text := "cloud: " + f.Error + "\n"
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

// oneLine is a text without line breaks.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
