// Package blockfile is the frame of backup files: a beginning that says what the file is, then blocks that are compressed and
// hashed in a chain, so that a reader finds every changed, missing, doubled or moved byte and says where it is.
//
// A file is 8 bytes that name its kind, its version and a zero (2 bytes each, big-endian), then blocks. A block is its kind
// (1 byte), three zeros, its number from 0 (4 bytes), the length of what is stored and of what that unpacks to (4 bytes each),
// what is stored (zstd), and a SHA-256 over the domain of the format, the hash of the block before, these 16 bytes and what is
// stored. The hash before the first block is the SHA-256 of the first 12 bytes.
package blockfile
