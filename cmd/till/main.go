// Command till is one till of a shop: init, run, invite, join, admit, retire, revoke, status, mesh, and demo, a whole shop on one machine.
//
// What a program may rely on: results go to stdout, everything else to stderr; --json makes both machine readable; the
// exit code is 0 if it was done, 1 if it failed, 2 if the command line was wrong. An error is one line "till: what
// happened", and a line "hint: what to do next" where there is one.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // the time zone of the shop is known on machines without that data, too
)

// version is set by the build.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second Ctrl-C ends the program at once.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], &console{out: os.Stdout, err: os.Stderr, env: os.Getenv, in: os.Stdin, person: isTerminal(os.Stdin)}))
}
