// Package tse knows the technical security device of German tills (technische Sicherheitseinrichtung): what it is asked,
// what it is told about a receipt, and what a receipt shows of its answer.
//
//	started, err := device.Start(ctx, till)                           // with the first line
//	process, err := tse.Kassenbeleg(&document)                        // once the amounts are known, before the number
//	finished, err := device.Finish(ctx, till, started.Transaction, process)
//	document.Security = tse.NewRecord(info, till, process, started, finished).Object()
//
// A device that does not answer never stops a sale: the receipt then carries [Failed] instead, and [Outage] in clear text.
// Two errors are told apart: [ErrUnavailable] (sell on, mark the receipt, log the outage) and [ErrRequest] (a mistake of
// the caller that would be refused again).
//
// # Software signer
//
// [Software] is a device without hardware. It is no certified device and says so in every answer ([Notice]). It signs
// the SHA-256 of this text with ECDSA on P-256, the signature being r and s of 32 bytes each:
//
//	tillmesh software TSE 1 KEINE ZERTIFIZIERTE TSE
//	<bytes>:<client>
//	<bytes>:<transaction number>
//	<bytes>:<process type>
//	<bytes>:<process data>
//	<bytes>:<log time of the end>
//	<bytes>:<signature counter>
//
// Every line ends in a line feed; <bytes> is the length of what follows the colon, in decimal, so no two answers have
// one text. [Verify] checks it.
//
// Its state is a JSON object of format 1, written before each answer: "version", "serial" (of the key it belongs to),
// "transactions" and "signatures" (the last numbers given out), "open" (transactions that were started and not
// finished, each with "transaction" and "client"). A later format has another version, and this program refuses it.
//
// The package is pure but for [File], which is handed in, like the clock and chance.
package tse
