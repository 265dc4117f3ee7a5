// Package rksv makes and verifies what Austrian law (Registrierkassensicherheitsverordnung) wants of a till: each
// receipt signed, chained to the one before, with an encrypted turnover counter, in a log that can be handed over.
//
//	receipt, err := rksv.Of(&document)                      // what is signed of a document, after it got its number
//	signed, durable, err := signer.Next(ctx, receipt)       // one after another, in the order of their numbers
//	document.Security = signed.Object()
//	err = durable()                                         // before the receipt is handed out
//
// The signature unit may fail at any time: the receipt then carries [OutageText] in place of a signature, chain and
// counter go on, and every sale after it is unsigned without asking the unit, until a Nullbeleg could be signed. So the
// first signed receipt after an outage is always a [Collective] or another Nullbeleg, and a dead unit costs its patience
// once. Who runs the signer asks for a collective receipt now and then while [State.Outage] is set.
//
// A start, a year and a collective receipt must be signed; if the unit fails, nothing happened and no number was used.
//
// # Verification
//
// A [Verifier] takes the receipts of a log in their order and reports each broken rule as a [Problem] that names rule
// and receipt. [Verify] reads a whole log (DEP 7) in bounded memory but for some 40 bytes per receipt, which tell whether a
// number was used twice. What follows a problem is judged as if it had not been there, so each change is told once.
//
// # State
//
// The state of a [Signer] is a JSON object of format 1: "version", "cash_box" and "counter_bytes" it belongs to,
// "counter" (cents), "outage" (unsigned receipts wait for a Nullbeleg), "final" (the till was closed for good), "recent"
// (the last 64 receipts, in JWS form, the last one last). A later format has another version, and this program refuses
// it. A lost state is made again from the log, see [Verifier.State].
//
// The package is pure but for [File] and [Unit], which are handed in. Dates come with the receipts.
package rksv
