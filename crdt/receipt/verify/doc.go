// Package verify checks the documents of a shop: that every series of receipts and of closings is a chain without gaps, forks
// and changes, that every signature holds, that every amount recomputes, that every closing says what its receipts come to, and
// that a series which continues another one says so rightly.
//
//	report, err := verify.Run(ctx, source, verify.Options{Progress: show})
//
// It needs nothing but documents, signatures and public keys, which a [Source] gives: a till's store, a folder, or the cloud's
// archive. Memory does not grow with the number of documents.
//
// What no verifier can see is that the end of a chain was cut off. [Source.Heads] says how far series went, as somebody
// remembers it; a shop that has several tills finds the rest there.
package verify
