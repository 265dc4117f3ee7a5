package replicas

import (
	"context"
	"fmt"
	"strings"

	"golang.org/x/mod/semver"

	"github.com/tillmesh/tillmesh/cloudlink/accept"
	"github.com/tillmesh/tillmesh/cloudlink/greeting"
	"github.com/tillmesh/tillmesh/cloudlink/server/accounts"
)

// suits refuses a till whose program is too old, or that holds its shop for that of another account: what it has belongs to that one, until it
// hears from the other tills that the shop was coupled anew.
func (r *Replicas) suits(ctx context.Context, caller accept.Caller, of accounts.Shop) error {
	if tooOld(caller.Program, r.cfg.Oldest) {
		return &greeting.Refusal{Code: greeting.VersionTooOld,
			Text: fmt.Sprintf("%s: it is %s, the cloud works with %s and newer", greeting.VersionTooOld.Text(), caller.Program, r.cfg.Oldest)}
	}
	if caller.Account == "" {
		return nil
	}
	is, err := r.cfg.Accounts.IsNamed(ctx, of.Account, caller.Account)
	switch {
	case err != nil:
		return refused(err)
	case !is:
		return &greeting.Refusal{Code: greeting.WrongAccount, SinceMS: of.Coupled.UnixMilli(),
			Text: fmt.Sprintf("%s than %s", greeting.WrongAccount.Text(), caller.Account)}
	}
	return nil
}

// tooOld reports whether a program is older than the oldest one. A version that was built after a release counts as that one; what is no version
// is not known to be too old.
func tooOld(program, oldest string) bool {
	release := func(s string) string {
		s, _, _ = strings.Cut(versionText(s), "-")
		return s
	}
	program, oldest = release(program), release(oldest)
	return semver.IsValid(program) && semver.IsValid(oldest) && semver.Compare(program, oldest) < 0
}
