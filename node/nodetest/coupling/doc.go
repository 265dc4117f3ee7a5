// Package coupling tests how tills come to a cloud and go: accounts, terms, codes, refusals and revocations, with a real cloud, all in
// one process.
package coupling
