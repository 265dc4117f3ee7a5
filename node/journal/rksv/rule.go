package rksv

import "fmt"

// Rule is one of the rules a log is verified by.
type Rule int

// Rules.
const (
	RuleFormat    Rule = 1 + iota // V1: a receipt is a JSON Web Signature of 12 elements
	RuleSignature                 // V2: its signature holds, or says that the unit failed
	RuleChain                     // V3: it is linked to the receipt before it
	RuleCounter                   // V4: its counter decrypts to the sum so far
	RuleStart                     // V5: the first one is a signed start receipt with counter 0, linked to the cash box
	RuleCashBox                   // V6: all are of one cash box
	RuleNumber                    // V7: no number is used twice
	RuleDate                      // V8: dates do not decrease
	RuleOutage                    // V9: the first signed one after an outage is a Nullbeleg
	RuleSystem                    // V10: open and closed systems do not mix
	RuleAmount                    // V11: amounts have a comma and two decimals
	RuleKey                       // V12: the certificate it names belongs to the key that verifies it
)

// String returns the rule's number, such as V3.
func (r Rule) String() string { return fmt.Sprintf("V%d", int(r)) }

// Problem is a rule that a receipt breaks.
type Problem struct {
	Rule    Rule
	Index   int    // of the receipt in the log, from 0
	Receipt string // its number (Belegnummer); empty if that cannot be read
	Text    string // a sentence for a person
}

// Error names rule and receipt.
func (p Problem) Error() string {
	name := p.Receipt
	if name == "" {
		name = fmt.Sprintf("no. %d of the log", p.Index+1)
	}
	return fmt.Sprintf("%v: receipt %s: %s", p.Rule, name, p.Text)
}
