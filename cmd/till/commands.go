package main

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// Exit codes.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

// commands is the command line.
type commands struct {
	JSON    bool             `name:"json" help:"Print results and errors as JSON."`
	Version kong.VersionFlag `help:"Print the version of the program."`

	Init   initCommand   `cmd:"" help:"Found a shop; this is its first till."`
	Run    runCommand    `cmd:"" help:"Run the till of a data directory until it is told to stop."`
	Invite inviteCommand `cmd:"" help:"Make a token that lets one more till join within 15 minutes."`
	Join   joinCommand   `cmd:"" help:"Make this a till of a shop that exists."`
	Status statusCommand `cmd:"" help:"Show how a running till is."`
	Mesh   meshCommand   `cmd:"" help:"Show the tills of the shop and how they are reached."`
	Demo   demoCommand   `cmd:"" help:"Start a whole shop on this machine and watch it work."`
}

// run reads the command line, does what it says and returns the exit code.
func run(ctx context.Context, args []string, c *console) int {
	// Known before the rest is, so that what is wrong with the rest is told in the form that was asked for.
	c.json = slices.Contains(args, "--json")
	var cmd commands
	parser, err := kong.New(&cmd,
		kong.Name("till"),
		kong.Description("A till that works together with the other tills of its shop, without a server."),
		kong.Vars{"version": version},
		kong.Writers(c.out, c.err),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(c),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
	)
	if err != nil {
		return c.fail(err)
	}
	parsed, err := parser.Parse(args)
	if err != nil {
		if strings.HasPrefix(err.Error(), "expected one of") { // the library would list some of them
			err = errors.New("no command was named")
		}
		return c.fail(usage(err, `"till --help" lists the commands, "till COMMAND --help" what one takes`))
	}
	c.json = cmd.JSON
	if err := parsed.Run(); err != nil {
		return c.fail(err)
	}
	return exitDone
}
