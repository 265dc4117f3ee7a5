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

	Init     initCommand     `cmd:"" help:"Found a shop; this is its first till."`
	Run      runCommand      `cmd:"" help:"Run the till of a data directory until it is told to stop."`
	Invite   inviteCommand   `cmd:"" help:"Make a token that lets one more till join within 15 minutes."`
	Join     joinCommand     `cmd:"" help:"Make this a till of a shop that exists."`
	Admit    admitCommand    `cmd:"" help:"Show the new tills that wait here with six digits, and let one join or refuse it."`
	Retire   retireCommand   `cmd:"" help:"Take a till out of use; it still hands over what it holds."`
	Revoke   revokeCommand   `cmd:"" help:"Remove a till that is lost or stolen; nothing more is taken from it."`
	Status   statusCommand   `cmd:"" help:"Show how a running till is."`
	Mesh     meshCommand     `cmd:"" help:"Show the tills of the shop and how they are reached."`
	Doctor   doctorCommand   `cmd:"" help:"Find out what is wrong with a till and its network."`
	Backup   backupCommand   `cmd:"" help:"Write everything a running till holds into one file and read it back."`
	Restore  restoreCommand  `cmd:"" help:"Make a new till from a backup; it takes the place of the old one. Without --data: show what it holds."`
	Recover  recoverCommand  `cmd:"" help:"List the receipts of a found till that nobody has, and take them after a yes."`
	Loss     lossCommand     `cmd:"" help:"Say what is lost with a till, signed; or check such a statement."`
	Risk     riskCommand     `cmd:"" help:"Show what would be lost if a till vanished now."`
	Release  releaseCommand  `cmd:"" help:"Let a receipt be printed that waits until it is on enough tills."`
	Payments paymentsCommand `cmd:"" help:"Card payments that are not decided, and what became of one."`
	Verify   verifyCommand   `cmd:"" help:"Check every receipt and closing of a running till, a data directory, a backup or an export."`
	Why      whyCommand      `cmd:"" help:"Show where a receipt is on its way, and what stops it."`
	Explain  explainCommand  `cmd:"" help:"Tell everything that happened to a tab, line, receipt, payment, article or case."`
	Terminal terminalCommand `cmd:"" help:"Be a card terminal that moves no money, for trying things out."`
	Signing  signingCommands `cmd:"" help:"Show how the signing device is doing, have it checked, or write its log."`
	Prints   printsCommand   `cmd:"" help:"Show the receipts that were to be printed and are not known to be."`
	Print    printCommand    `cmd:"" help:"Print a receipt into a file; every print but the first is marked as a copy."`
	Tab      tabCommands     `cmd:"" help:"Work on open tabs: list, claim, move, split, merge, hand over."`
	Cancel   cancelCommand   `cmd:"" help:"Take a whole receipt back with one of this till."`
	Refund   refundCommand   `cmd:"" help:"Take lines of a receipt back, or parts of them."`
	Cash     cashCommand     `cmd:"" help:"Put cash into the drawer or take some out; without more: show what should be in it."`
	Cases    casesCommand    `cmd:"" help:"Show what people have to decide about sales."`
	Resolve  resolveCommand  `cmd:"" help:"Decide a case."`
	Closings closingCommands `cmd:"" help:"List and make closings (Z), show the interim report (X) and the shop's day."`
	Alarms   alarmsCommand   `cmd:"" help:"Show what a person should know about a till, and say that it was seen."`
	Audit    auditCommand    `cmd:"" help:"Compare all data of a till with itself and with the other tills."`
	Cloud    cloudCommands   `cmd:"" help:"The archive on the internet: make an account, couple the shop, see how far it is."`
	Demo     demoCommand     `cmd:"" help:"Start a whole shop on this machine and watch it work."`

	TryStore tryStoreCommand `cmd:"" hidden:""`
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
