package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/tillmesh/tillmesh/node/demo"
)

type demoCommand struct {
	Tills int    `default:"3" help:"How many tills the shop has, 3 to 5 (${default})."`
	Once  bool   `help:"End by itself; the exit code says whether every step held."`
	Keep  string `placeholder:"DIR" help:"Keep stores and logs in this directory, which must be empty or missing."`
}

// Run shows the demo.
func (d *demoCommand) Run(ctx context.Context, c *console) error {
	if d.Tills < demo.FewestTills || d.Tills > demo.MostTills {
		return usage(fmt.Errorf("--tills %d is out of range", d.Tills),
			fmt.Sprintf("a demo has %d to %d tills", demo.FewestTills, demo.MostTills))
	}
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find the program itself, which the demo starts for every till: %w", err)
	}
	return demo.Run(ctx, demo.Options{
		Program: program, Cloud: cloudBeside(program), Tills: d.Tills, Once: d.Once, Keep: d.Keep, Out: c.out, JSON: c.json,
	})
}

// cloudBeside is where the program cloud is, if this one was built or installed together with it.
func cloudBeside(program string) string {
	return filepath.Join(filepath.Dir(program), "cloud"+filepath.Ext(program))
}
