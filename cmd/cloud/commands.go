package main

import (
	"context"
	"errors"
	"fmt"
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

	Serve   serveCommand   `cmd:"" help:"Run the cloud until it is told to stop."`
	Verify  verifyCommand  `cmd:"" help:"Check an export or a loss statement without any server, and name each byte and document that does not hold."`
	Export  exportCommand  `cmd:"" help:"Write everything that the archive holds of an account into one file with proofs."`
	Check   checkCommand   `cmd:"" help:"Compare the archive of an account with what was signed, and check its receipts and closings."`
	Loss    lossCommand    `cmd:"" help:"Say what is lost with a till, signed."`
	Backup  backupCommand  `cmd:"" help:"Write the whole database into one file and read it back."`
	Restore restoreCommand `cmd:"" help:"Make the cloud of a backup in an empty place. Without one: check the backup and show what it holds."`
	Admin   adminCommands  `cmd:"" help:"Look up accounts, shops, tills, servers and legal holds."`
}

// databaseFlags say where the data is.
type databaseFlags struct {
	Data string `name:"data" placeholder:"DIR" help:"Data directory: with it alone the database is a file in it."`
	DB   string `name:"db" env:"CLOUD_DB" placeholder:"DSN" help:"A PostgreSQL-wire database, such as postgres://user:password@host/name. Rather set CLOUD_DB: others see command lines."`
}

// check refuses what names no database.
func (f databaseFlags) check() error {
	if f.Data == "" && f.DB == "" {
		return usage(errors.New("no database was named"), "give --data DIR, or --db DSN for PostgreSQL")
	}
	return nil
}

// run runs one command line and returns the exit code.
func run(ctx context.Context, args []string, c *console) int {
	// Known before the rest is, so that what is wrong with the rest is told in the form that was asked for.
	c.json = slices.Contains(args, "--json")
	var cmd commands
	exited := -1
	parser, err := kong.New(&cmd, kong.Name("cloud"), kong.Description("Keeps the archive of shops and gives their owners a remote back-office."),
		kong.Vars{"version": version}, kong.Writers(c.out, c.err), kong.Exit(func(code int) { exited = code }), kong.UsageOnError(),
		kong.BindTo(ctx, (*context.Context)(nil)), kong.Bind(c))
	if err != nil {
		return c.fail(err)
	}
	parsed, err := parser.Parse(args)
	if exited >= 0 {
		return exited // --help or --version
	}
	c.json = c.json || cmd.JSON
	if err != nil {
		if strings.HasPrefix(err.Error(), "expected one of") { // the library would list some of them
			err = errors.New("no command was named")
		}
		return c.fail(usage(err, `"cloud --help" lists the commands, "cloud COMMAND --help" what one takes`))
	}
	if err := parsed.Run(); err != nil {
		return c.fail(err)
	}
	return exitDone
}

// advice is an error that says what to do next.
type advice struct {
	error
	hint string
}

// Hint says what to do next.
func (a *advice) Hint() string  { return a.hint }
func (a *advice) Unwrap() error { return a.error }

// usageError means that the command line was wrong.
type usageError struct {
	err  error
	hint string
}

func usage(err error, hint string) error { return &usageError{err, hint} }

func (u *usageError) Error() string { return u.err.Error() }

// Hint says what to do next.
func (u *usageError) Hint() string  { return u.hint }
func (u *usageError) Unwrap() error { return u.err }

var errNoPlainHTTP = fmt.Errorf("passwords and receipts must not travel unprotected")
