package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/tillmesh/tillmesh/node/client"
)

// The account of the demo. Its cloud answers this machine alone and ends with the demo.
const (
	accountName     = "wirt@morgenrot.example"
	accountPassword = "Morgenrot-7"
)

// cloud is the cloud of the demo: a process as the tills are, and the internet between them and it.
type cloud struct {
	launcher *launcher
	data     string // its directory
	log      string // the file with what it printed
	http     netip.AddrPort
	internet *internet
	proc     *process // nil before it is started
	id       string   // of its key, as the tills say it
}

// noCloud says why a demo has no cloud: there is no such program. Empty: there is one, or none was named.
func noCloud(program string) string {
	if program == "" {
		return ""
	}
	if info, err := os.Stat(program); errors.Is(err, fs.ErrNotExist) || err == nil && info.IsDir() {
		return fmt.Sprintf("there is no program %s: the play goes on without a cloud; \"make build\" puts it there", program)
	}
	return "" // whatever else is wrong with it is said when it is started
}

// newCloud prepares the cloud below dir and opens the internet.
func newCloud(dir, program string, between *launcher, web []netip.AddrPort) (*cloud, error) {
	way, err := openInternet(web[1], web[0])
	if err != nil {
		return nil, err
	}
	base := filepath.Join(dir, "cloud")
	return &cloud{
		launcher: &launcher{name: "cloud", program: program, starts: between.starts, without: "CLOUD_"}, data: base, log: base + ".log", http: web[0], internet: way,
	}, nil
}

// url is the root of its own HTTP interface.
func (c *cloud) url() string { return "http://" + c.http.String() }

// cloudError is what went wrong at the cloud.
type cloudError struct{ err error }

func (e *cloudError) Error() string { return "cloud: " + e.err.Error() }
func (e *cloudError) Unwrap() error { return e.err }

// ended is why the cloud does not run any more; nil: it does.
func (c *cloud) ended() error {
	select {
	case <-c.proc.done:
		return &cloudError{errors.Join(errEnded, c.proc.err)}
	default:
		return nil
	}
}

// startCloud starts the cloud and waits until the first till finds nothing wrong on the way to it.
func (s *shop) startCloud(ctx context.Context) (err error) {
	c, first := s.cloud, s.tills[0]
	c.proc, err = c.launcher.spawn(ctx, c.log, "serve", "--data", c.data, "--http", c.http.String(), "--public", c.internet.url())
	if err != nil {
		return &cloudError{err}
	}
	return first.await(ctx, "the cloud answers", func(ctx context.Context) (bool, error) {
		if err := c.ended(); err != nil {
			return false, err
		}
		look, err := first.api.CheckCloud(ctx, c.internet.url())
		if err == nil && look.Cloud == "" && len(look.Findings) > 0 {
			err = errors.New(look.Findings[len(look.Findings)-1].Text)
		}
		c.id = look.Cloud
		return err == nil && look.Cloud != "", err
	})
}

// couple makes the account at a till and couples the shop with it, as a person does who confirms what is shown.
func (c *cloud) couple(ctx context.Context, t *till) error {
	login := client.CloudLogin{URL: c.internet.url(), Name: accountName, Password: accountPassword}
	if _, err := t.api.CreateCloudAccount(ctx, login); err != nil {
		return t.at(fmt.Errorf("make the account: %w", err))
	}
	terms, err := t.api.PrepareCloud(ctx, login)
	if err != nil {
		return t.at(fmt.Errorf("sign in: %w", err))
	}
	if terms.Cloud != c.id || terms.Account != accountName || len(terms.Access) == 0 {
		return t.at(fmt.Errorf("what is to be confirmed is cloud %s and account %s", terms.Cloud, terms.Account))
	}
	now, err := t.api.ConfirmCloud(ctx, terms.ID)
	if err == nil && !now.Cloud.Coupled {
		err = errors.New("it is not coupled")
	}
	if err != nil {
		return t.at(fmt.Errorf("couple the shop: %w", err))
	}
	return nil
}

// exported is what cloud export prints, as far as the demo shows it.
type exported struct {
	Leaves int64 `json:"leaves"`
	Bytes  int64 `json:"bytes"`
}

// verified is what cloud verify prints, as far as the demo relies on it.
type verified struct {
	OK        bool  `json:"ok"`
	Complete  *bool `json:"complete"`
	Expected  bool  `json:"expected"`
	Leaves    int64 `json:"leaves"`
	Documents int64 `json:"documents"`
}

// proven writes an export of the account and has it checked as somebody would who has nothing but the file and the ID of the cloud.
func (c *cloud) proven(ctx context.Context, file string) (made exported, found verified, err error) {
	out, err := c.launcher.command(ctx, "export", "--data", c.data, "--account", accountName, file, "--json")
	if err == nil {
		err = json.Unmarshal(out, &made)
	}
	if err == nil {
		out, err = c.launcher.command(ctx, "verify", file, "--cloud", c.id, "--json")
	}
	if err == nil {
		err = json.Unmarshal(out, &found)
	}
	if err != nil {
		return made, found, &cloudError{err}
	}
	if !found.OK || !found.Expected || found.Complete == nil || !*found.Complete || found.Leaves != made.Leaves || made.Leaves == 0 {
		err = &cloudError{fmt.Errorf("the export does not hold: %s", strings.TrimSpace(string(out)))}
	}
	return made, found, err
}

// stop ends it if it runs.
func (c *cloud) stop() error {
	if c == nil || c.proc == nil || c.ended() != nil {
		return nil
	}
	if err := c.proc.stop(); err != nil {
		return &cloudError{fmt.Errorf("stop: %w", err)}
	}
	return nil
}

// place says where it is and who may sign in; nil without a cloud.
func (c *cloud) place() *cloudPlace {
	if c == nil {
		return nil
	}
	return &cloudPlace{URL: c.url(), Account: accountName, Password: accountPassword, Data: c.data}
}
