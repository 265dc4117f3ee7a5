// Package loss says what is lost with a till: for each series of its documents the numbers that are known and where, those that are missing
// among them with what other documents bound of them, and from where on nobody knows anything.
//
//	statement, err := loss.Build(ctx, source, loss.Ask{Shop: …, Till: …, Series: …, By: …, Made: …})
//	signed, err := loss.Sign(statement, key)       // by the cloud, or by another till of the shop
//	statement, err := loss.Verify(signed, signer)   // anywhere, without a server
//
// A statement is what its signer holds at one moment, not what happened: a number that is missing here may turn up at a till that was away.
// FORMAT.md has every member.
//
// The cost grows with what is missing and with the documents of the closings in which something is missing. Of all that is known only the numbers are looked
// at, as ranges, so memory does not grow with the length of a series.
package loss
