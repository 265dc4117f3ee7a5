// Package accounts says who may do what at the cloud: accounts with a name and a password, sessions, keys of programs,
// the shops and tills that are coupled with an account, and a record of what was done.
//
//	a, err := accounts.New(accounts.Options{DB: db, Cloud: id})
//	account, err := a.Create(ctx, accounts.NewAccount{Name: "name@shop.example", Password: "…", From: address})
//	session, err := a.SignIn(ctx, accounts.Credentials{…})   // session.Token is shown once
//	caller, err := a.Authenticate(ctx, token)                // of every request that follows
//
// # What is stored of secrets
//
// Passwords and coupling codes as Argon2id, at most a few computed at once; tokens, which are random and long, as
// SHA-256. A token names its account, so every look-up begins with the account.
//
// # Attempts
//
// Names and addresses from which wrong passwords or codes come have to wait, longer with each. The counts are in the
// database, so servers share them; an attempt is counted before its password is looked at. Nothing else waits:
// sessions and coupled tills prove who they are without a password.
//
// # Several servers
//
// Nothing is kept in memory. What must not happen twice (a name, a code, a shop in two accounts) is decided by one
// statement of the database.
package accounts
