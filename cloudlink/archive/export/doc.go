// Package export writes everything that the archive holds of an account, or of one shop or some days of it, into one ZIP file of open formats, and
// verifies such a file without any server.
//
//	summary, err := export.Write(ctx, w, logs, export.Options{Account: account, Key: key})
//	report, err := export.Verify(ctx, file, size, export.VerifyOptions{Key: expected})
//
// The same state gives the same bytes. Nothing in the file is compressed, so that a changed byte spoils one document and not all that
// follow, and so that any program can read a document where it lies; see FORMAT.md of package archive.
//
// Every byte of the file counts: contents and leaves by their hashes, the tree by signed checkpoints, the files by a signed manifest, and the
// frame of the ZIP by being written anew and compared. So [Verify] finds each changed byte, and says which file and which document it is in.
package export
