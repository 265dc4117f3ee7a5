package backup

import "github.com/tillmesh/tillmesh/replication/store/blockfile"

// The kinds of block, in the order in which they stand in the file; contexts and commits alternate.
const (
	kindHeader  = 'H'
	kindContext = 'K'
	kindCommits = 'C'
	kindDigests = 'D'
	kindNotes   = 'N'
	kindSecrets = 'S'
	kindEnd     = 'E'
)

const (
	maxPlain = 2 << 20
	target   = 512 << 10 // about how much goes into a block
)

var format = &blockfile.Format{
	Magic: "tmbackup", Version: 1, Domain: "tillmesh backup block 1\n", MaxPlain: maxPlain, Foreign: ErrNoBackup,
	Kinds: map[byte]string{
		kindHeader: "header", kindContext: "context", kindCommits: "commits", kindDigests: "digests", kindNotes: "notes",
		kindSecrets: "secrets", kindEnd: "end",
	},
}
