package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"
)

// passwordVariable holds the password of an account, for programs.
const passwordVariable = "TILL_CLOUD_PASSWORD"

// errNoPassword means that none was typed.
var errNoPassword = errors.New("no password was given")

// maxSecret bounds what is typed, in runes.
const maxSecret = 1024

// typed is what somebody types, read once for all questions of a command.
type typed struct {
	c  *console
	in *bufio.Reader
}

func (c *console) typed() *typed { return &typed{c, bufio.NewReader(c.in)} }

// line asks for one line, until ctx is done.
func (t *typed) line(ctx context.Context, question string) (string, error) {
	if err := t.say(question); err != nil {
		return "", err
	}
	return await(ctx, func() (string, error) {
		line, err := t.in.ReadString('\n')
		if errors.Is(err, io.EOF) {
			err = nil // an end without an answer is an empty one
		}
		return strings.TrimRight(line, "\r\n"), err
	})
}

// await returns what read gives, or why ctx is done. Nothing ends a read from a terminal: it is left behind then, and ends with the
// program.
func await(ctx context.Context, read func() (string, error)) (string, error) {
	type result struct {
		text string
		err  error
	}
	got := make(chan result, 1)
	go func() {
		text, err := read()
		got <- result{text, err}
	}()
	select {
	case <-ctx.Done():
		return "", context.Cause(ctx)
	case r := <-got:
		return r.text, r.err
	}
}

// say shows what is no result.
func (t *typed) say(text string) error {
	if _, err := io.WriteString(t.c.err, text); err != nil {
		return fmt.Errorf("show a question: %w", err)
	}
	return nil
}

// secret asks for a password: from the environment, without echo from a terminal, else a line of the input. live is called with what
// was typed so far and returns what to show beside the question; nil shows nothing.
func (t *typed) secret(ctx context.Context, question string, live func(sofar string) string) (string, error) {
	if given := t.c.env(passwordVariable); given != "" {
		return given, nil
	}
	file, ok := t.c.in.(*os.File)
	if !t.c.person || !ok {
		line, err := t.line(ctx, "")
		if err == nil && line == "" {
			err = &advice{errNoPassword, "write it to the input, or set " + passwordVariable}
		}
		return line, err
	}
	restore, err := unseen(file)
	if err != nil {
		return "", &advice{err, "write the password to the input of the program, or set " + passwordVariable}
	}
	password, err := await(ctx, func() (string, error) { return t.keys(question, live) })
	err = errors.Join(err, restore(), t.say("\n"))
	if err == nil && password == "" {
		err = errNoPassword
	}
	return password, err
}

// keys reads a line key by key and shows the question and what live says of it, never the keys.
func (t *typed) keys(question string, live func(string) string) (string, error) {
	var sofar []rune
	for {
		shown := "\r\x1b[K" + question
		if live != nil {
			shown += live(string(sofar)) + " "
		}
		if err := t.say(shown); err != nil {
			return "", err
		}
		r, _, err := t.in.ReadRune()
		switch {
		case errors.Is(err, io.EOF), r == '\n', r == '\r', r == 4: // Ctrl-D
			return string(sofar), nil
		case err != nil:
			return "", err
		case r == 0x7f, r == '\b':
			sofar = sofar[:max(0, len(sofar)-1)]
		case r == 0x15: // Ctrl-U
			sofar = sofar[:0]
		case unicode.IsControl(r):
		case len(sofar) < maxSecret:
			sofar = append(sofar, r)
		}
	}
}
