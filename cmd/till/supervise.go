package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/tillmesh/tillmesh/node"
	"github.com/tillmesh/tillmesh/node/api"
	"github.com/tillmesh/tillmesh/node/client"
)

const (
	// A till that was open for less than steadyTime before it halted again is opened after a pause, which doubles.
	steadyTime            = 30 * time.Second
	firstPause, lastPause = time.Second, 30 * time.Second
)

// supervisor keeps a till open as long as its program runs: a till that halts, such as for want of room on the disk, is
// opened again through the same start as ever once the cause is gone. What cannot be mended ends the program.
type supervisor struct {
	open    func(ctx context.Context) (*node.Machine, error)
	noShop  func(ctx context.Context) error // returns nil when the directory belongs to a shop
	show    func(*node.Machine) error       // puts a till behind the door
	halted  func(*node.Halt)                // puts one that halted there
	log     *slog.Logger
	pause   time.Duration
	between func(ctx context.Context, d time.Duration) // waits
}

// run runs the till until ctx is done or it cannot go on.
func (s *supervisor) run(ctx context.Context) error {
	for {
		began := time.Now()
		err := s.once(ctx)
		if ctx.Err() != nil {
			return unless(err, context.Canceled)
		}
		halt, ok := errors.AsType[*node.Halt](err)
		switch {
		case errors.Is(err, node.ErrNoShop):
			if err := s.noShop(ctx); err != nil || ctx.Err() != nil {
				return err
			}
			continue
		case !ok:
			return err
		}
		s.log.Error("the till halted", "kind", halt.Kind, "error", halt, "next", halt.Next)
		s.halted(halt)
		if err := s.mend(ctx, halt, time.Since(began)); err != nil || ctx.Err() != nil {
			return unless(err, context.Canceled)
		}
		s.log.Info("the till is opened again", "kind", halt.Kind)
	}
}

// once opens the till and runs it to its end.
func (s *supervisor) once(ctx context.Context) error {
	till, err := s.open(ctx)
	if err != nil {
		return err
	}
	if err := s.show(till); err != nil {
		return errors.Join(err, till.Close())
	}
	return till.Run(ctx)
}

// mend waits until the till may be opened again.
func (s *supervisor) mend(ctx context.Context, h *node.Halt, ran time.Duration) error {
	if h.Mend == nil {
		<-ctx.Done()
		return nil
	}
	if err := h.Mend(ctx); err != nil {
		return err
	}
	if ran >= steadyTime {
		s.pause = 0
		return nil
	}
	s.pause = min(max(2*s.pause, firstPause), lastPause)
	s.between(ctx, s.pause)
	return nil
}

func unless(err, not error) error {
	if errors.Is(err, not) {
		return nil
	}
	return err
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// supervisor returns what runs the till of a command behind a door.
func (r *runCommand) supervisor(c *console, at string, d *door, log *slog.Logger, card *cardTerminal) *supervisor {
	options := api.Options{Version: version, Log: log, Hosts: r.Host}
	told := false
	return &supervisor{
		log: log, between: sleep,
		open:   func(ctx context.Context) (*node.Machine, error) { return r.open(ctx, log, card) },
		noShop: func(ctx context.Context) error { return r.wait(ctx, c, d, log) },
		show: func(till *node.Machine) error {
			handler, err := api.New(till.Till, options)
			if err != nil {
				return err
			}
			d.show(handler)
			if told {
				return nil
			}
			told = true
			place := struct {
				URL       string `json:"url"`
				API       string `json:"api"`
				TokenFile string `json:"token_file"`
			}{at, at + "/api", client.TokenPath(r.Data)}
			return c.print(place, fmt.Sprintf("till runs at %s, its token is in %s\n", place.API, place.TokenFile))
		},
		halted: func(h *node.Halt) { d.show(api.Halted(options, h)) },
	}
}
