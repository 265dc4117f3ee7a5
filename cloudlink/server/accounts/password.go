package accounts

import "github.com/tillmesh/tillmesh/cloudlink/server/password"

// Rule is one rule for passwords and whether a password keeps it.
type Rule = password.Rule

// PasswordCheck is what there is to say about a password before it is chosen.
type PasswordCheck = password.Checked

// CheckPassword says which rules a password meets. name is the account's, for the advice; it may be empty.
func CheckPassword(text, name string) PasswordCheck { return password.Check(text, name) }

const maxPasswordBytes = password.MaxBytes
