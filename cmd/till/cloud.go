package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tillmesh/tillmesh/node/client"
)

// cloudCommands are about the cloud.
type cloudCommands struct {
	Create   cloudCreateCommand   `cmd:"" help:"Make an account at a cloud."`
	Login    cloudLoginCommand    `cmd:"" help:"Sign in with an account, and couple the shop with it."`
	Couple   cloudCoupleCommand   `cmd:"" help:"Couple the shop by a code that was made at the cloud for this till."`
	Logout   cloudLogoutCommand   `cmd:"" help:"Sign out at this till; the shop stays coupled."`
	Uncouple cloudUncoupleCommand `cmd:"" help:"End the coupling of the shop with a cloud; nothing is deleted."`
	Status   cloudStatusCommand   `cmd:"" help:"Show how the till stands with the cloud."`
	Check    cloudCheckCommand    `cmd:"" help:"Find out how far the way to the cloud goes."`
	Sync     cloudSyncCommand     `cmd:"" help:"Show how far the transfer is; with --now: call the cloud now and wait."`
}

// cloudFlags say which cloud is meant.
type cloudFlags struct {
	askFlags `embed:""`
	Cloud    string `env:"TILL_CLOUD" placeholder:"URL" help:"Address of the cloud such as https://cloud.example; without it: the one that the shop is coupled with."`
}

type cloudCreateCommand struct {
	cloudFlags `embed:""`
	Name       string `arg:"" help:"Name of the account, in the form of a mail address; it need not exist as one."`
	Couple     bool   `help:"Go on and couple this shop with it."`
	Yes        bool   `help:"With --couple: the account and what it may read and write are known and agreed to."`
}

// Help is the longer help.
func (*cloudCreateCommand) Help() string {
	return "The password is asked for, and the rules are shown while it is typed. Programs write it to the input or set " + passwordVariable +
		". Nobody but its owner can read it: write it down and keep it safe."
}

// Run makes an account.
func (cmd *cloudCreateCommand) Run(ctx context.Context, c *console) error {
	till, err := cmd.client(c)
	if err != nil {
		return err
	}
	defer till.Close()
	keys := c.typed()
	password, err := keys.newPassword(ctx, till, cmd.Name)
	if err != nil {
		return err
	}
	login := client.CloudLogin{URL: cmd.Cloud, Name: cmd.Name, Password: password}
	made, err := till.CreateCloudAccount(ctx, login)
	if err != nil {
		return err
	}
	text := fmt.Sprintf("account %s is made; write its password down and keep it safe, nobody else can read it\n", made.Name)
	if !cmd.Couple {
		return c.print(made, text+"next: till cloud login "+made.Name+"\n")
	}
	if err := keys.say(text); err != nil {
		return err
	}
	return keys.couple(ctx, till, login, cmd.Yes)
}

// newPassword asks for a new password, shows the rules while it is typed, and has it typed twice.
func (t *typed) newPassword(ctx context.Context, till *client.Client, name string) (string, error) {
	password, err := t.secret(ctx, "new password: ", func(sofar string) string {
		check, err := till.CheckPassword(ctx, sofar, name)
		if err != nil {
			return "(" + oneLine(err.Error()) + ")"
		}
		return rulesText(check)
	})
	if err != nil {
		return "", err
	}
	check, err := till.CheckPassword(ctx, password, name)
	if err != nil {
		return "", err
	}
	if !check.OK {
		var missing []string
		for _, r := range check.Rules {
			if !r.Met {
				missing = append(missing, r.Text)
			}
		}
		return "", &advice{fmt.Errorf("the password does not keep the rules; it needs %s", strings.Join(missing, ", ")), "choose another one"}
	}
	for _, a := range check.Advice {
		if err := t.say("advice: " + a + "\n"); err != nil {
			return "", err
		}
	}
	if !t.c.person || t.c.env(passwordVariable) != "" {
		return password, nil
	}
	again, err := t.secret(ctx, "once more: ", nil)
	if err == nil && again != password {
		err = errors.New("both times something else was typed; no account was made")
	}
	return password, err
}

// rulesText shows in one line which rules are kept.
func rulesText(check client.PasswordCheck) string {
	var out []string
	for _, r := range check.Rules {
		mark := "-"
		if r.Met {
			mark = "ok"
		}
		out = append(out, r.Code+" "+mark)
	}
	return "[" + strings.Join(out, ", ") + "]"
}

type cloudLoginCommand struct {
	cloudFlags `embed:""`
	Name       string `arg:"" optional:"" help:"Name of the account; without it: who is signed in at this till."`
	Yes        bool   `help:"The account and what it may read and write are known and agreed to."`
}

// Help is the longer help.
func (*cloudLoginCommand) Help() string {
	return "What the account may read and write is shown before anything is coupled. The password is asked for; programs write it to the " +
		"input or set " + passwordVariable + "."
}

// Run signs in and couples.
func (cmd *cloudLoginCommand) Run(ctx context.Context, c *console) error {
	till, err := cmd.client(c)
	if err != nil {
		return err
	}
	defer till.Close()
	keys := c.typed()
	login := client.CloudLogin{URL: cmd.Cloud, Name: cmd.Name}
	if cmd.Name != "" {
		if login.Password, err = keys.secret(ctx, "password: ", nil); err != nil {
			return err
		}
	}
	return keys.couple(ctx, till, login, cmd.Yes)
}

type cloudCoupleCommand struct {
	cloudFlags `embed:""`
	Code       string `arg:"" help:"Code of 8 characters, as the cloud shows it for this till."`
	Yes        bool   `help:"The account and what it may read and write are known and agreed to."`
}

// Run couples by a code.
func (cmd *cloudCoupleCommand) Run(ctx context.Context, c *console) error {
	till, err := cmd.client(c)
	if err != nil {
		return err
	}
	defer till.Close()
	return c.typed().couple(ctx, till, client.CloudLogin{URL: cmd.Cloud, Code: cmd.Code}, cmd.Yes)
}

// errNotConfirmed means that nobody said yes.
var errNotConfirmed = errors.New("nobody confirmed it: nothing is coupled, and this till is signed out")

// couple shows the terms, asks, and couples the shop or refuses.
func (t *typed) couple(ctx context.Context, till *client.Client, login client.CloudLogin, yes bool) error {
	terms, err := till.PrepareCloud(ctx, login)
	if err != nil {
		return err
	}
	if terms.ID == "" {
		return t.c.print(terms, coupledAlreadyText(terms))
	}
	if !t.c.json {
		if err := t.say(termsText(terms)); err != nil {
			return err
		}
	}
	if !yes {
		answer := ""
		if !t.c.json {
			answer, err = t.line(ctx, "type yes to couple the shop: ")
		}
		if err != nil || !strings.EqualFold(strings.TrimSpace(answer), "yes") {
			// Also when ctx is done: whoever signed in shall not stay so.
			err = errors.Join(err, till.RefuseCloud(context.WithoutCancel(ctx), terms.ID))
			if err != nil {
				return err
			}
			return &advice{errNotConfirmed, "type yes, or give --yes once the account and its rights are known"}
		}
	}
	now, err := till.ConfirmCloud(ctx, terms.ID)
	if err != nil {
		return err
	}
	return t.c.print(now, coupledText(now))
}

type cloudLogoutCommand struct {
	askFlags `embed:""`
}

// Run signs out.
func (cmd *cloudLogoutCommand) Run(ctx context.Context, c *console) error {
	till, err := cmd.client(c)
	if err != nil {
		return err
	}
	defer till.Close()
	out, err := till.SignOutOfCloud(ctx)
	if err != nil {
		return err
	}
	text := fmt.Sprintf("%s is signed out; the shop stays coupled (to end that: till cloud uncouple)\n", out.Account)
	if !out.Told {
		text += "the cloud was not reached: the session ends there by itself\n"
	}
	return c.print(out, text)
}

type cloudUncoupleCommand struct {
	askFlags `embed:""`
	Which    string `arg:"" optional:"" help:"Account, address or ID; may be left out if there is one alone."`
	Reason   string `help:"Why, for people."`
}

// Run uncouples.
func (cmd *cloudUncoupleCommand) Run(ctx context.Context, c *console) error {
	till, err := cmd.client(c)
	if err != nil {
		return err
	}
	defer till.Close()
	out, err := till.UncoupleCloud(ctx, cmd.Which, cmd.Reason)
	if err != nil {
		return err
	}
	return c.print(out, fmt.Sprintf("the shop is coupled with %s no more; what is in the archive at %s stays there, and the tills keep what they have\n", out.Account, out.URL))
}

type cloudStatusCommand struct {
	askFlags `embed:""`
}

// Run shows how the till stands with the cloud.
func (cmd *cloudStatusCommand) Run(ctx context.Context, c *console) error {
	till, err := cmd.client(c)
	if err != nil {
		return err
	}
	defer till.Close()
	s, err := till.Cloud(ctx)
	if err != nil {
		return err
	}
	text, err := cloudText(s, time.Now())
	if err != nil {
		return err
	}
	return c.print(s, text)
}

type cloudCheckCommand struct {
	cloudFlags `embed:""`
}

// errCheck means that a step on the way is wrong.
var errCheck = errors.New("the way to the cloud is not free")

// Run finds out how far the way goes.
func (cmd *cloudCheckCommand) Run(ctx context.Context, c *console) error {
	till, err := cmd.client(c)
	if err != nil {
		return err
	}
	defer till.Close()
	look, err := till.CheckCloud(ctx, cmd.Cloud)
	if err != nil {
		return err
	}
	if err := c.print(look, lookText(look)); err != nil || look.OK || len(look.Findings) == 0 {
		return err
	}
	last := look.Findings[len(look.Findings)-1]
	return &advice{fmt.Errorf("%w: %s", errCheck, last.Text), last.Do}
}

type cloudSyncCommand struct {
	askFlags `embed:""`
	Now      bool          `help:"Call the cloud now instead of waiting for the next time, and wait until it has everything."`
	Wait     time.Duration `default:"20s" placeholder:"TIME" help:"With --now: how long to wait at most (${default})."`
}

// errBehind means that the cloud lacks something.
var errBehind = errors.New("the cloud does not have everything yet")

// Run shows how far the transfer is, and hurries it.
func (cmd *cloudSyncCommand) Run(ctx context.Context, c *console) error {
	till, err := cmd.client(c)
	if err != nil {
		return err
	}
	defer till.Close()
	if !cmd.Now {
		s, err := till.Cloud(ctx)
		if err != nil {
			return err
		}
		return c.print(s, progressText(s))
	}
	if _, err := till.SyncCloud(ctx); err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, cmd.Wait)
	defer cancel()
	var s client.CloudState
	for tick := time.NewTicker(300 * time.Millisecond); ; {
		select {
		case <-limited.Done():
			tick.Stop()
			if err := c.print(s, progressText(s)); err != nil {
				return err
			}
			return &advice{errBehind, cmp.Or(s.Advice, "nothing is lost: the tills go on by themselves, \"till cloud status\" shows how far they are")}
		case <-tick.C:
		}
		if s, err = till.Cloud(ctx); err != nil {
			tick.Stop()
			return err
		}
		if state, pending := transferOf(s); state == "up-to-date" && pending == 0 {
			tick.Stop()
			return c.print(s, progressText(s))
		}
	}
}

// transferOf is how far the till is that forwards, this one or another.
func transferOf(s client.CloudState) (state string, pending uint64) {
	if s.State == "waiting" && s.Uplink != nil && !s.Uplink.Self {
		return s.Uplink.State, s.Uplink.Pending
	}
	return s.State, s.Pending
}
