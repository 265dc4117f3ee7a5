package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"github.com/tillmesh/tillmesh/node"
	"github.com/tillmesh/tillmesh/replication/store/rows"
)

// tryStoreCommand opens a store and closes it again. A till starts it for a store that may end the program that opens it.
type tryStoreCommand struct {
	Dir string `arg:"" help:"Directory of the store."`
}

// verdict is what it prints on its last line.
type storeVerdict struct {
	Damaged bool   `json:"damaged"`
	Problem string `json:"problem,omitempty"`
}

// Run tries a store. Problems are part of the verdict, not errors: whoever started it decides.
func (t *tryStoreCommand) Run(ctx context.Context, c *console) error {
	limitMemory(c.env)
	v := storeVerdict{}
	if err := node.TryStore(ctx, t.Dir, slog.New(slog.DiscardHandler)); err != nil {
		v = storeVerdict{errors.Is(err, rows.ErrCorrupt), err.Error()}
	}
	return json.NewEncoder(c.out).Encode(v)
}

// tryStore runs that command in another process. The error wraps rows.ErrCorrupt if the store is damaged; a process that was
// ended by its store says so by ending.
func tryStore(ctx context.Context, dir string) error {
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find the own program: %w", err)
	}
	cmd := exec.CommandContext(ctx, program, "try-store", dir)
	var out, problem bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problem
	err = cmd.Run()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	var v storeVerdict
	if json.Unmarshal([]byte(lines[len(lines)-1]), &v) == nil {
		if v.Damaged {
			return fmt.Errorf("%w: %s", rows.ErrCorrupt, v.Problem)
		}
		return nil // what else is wrong with it the till meets itself
	}
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok {
		return errors.Join(errors.New("the process that tries the store said nothing"), err)
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		switch status.Signal() {
		case syscall.SIGKILL, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP:
			return fmt.Errorf("the process that tries the store was ended from outside: %w", err)
		}
	}
	return fmt.Errorf("%w: it ends the program that opens it (%w)", rows.ErrCorrupt, err)
}
