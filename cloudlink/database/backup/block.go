package backup

import "github.com/tillmesh/tillmesh/replication/store/blockfile"

// The kinds of block.
const (
	kindHeader = 'H'
	kindTable  = 'T'
	kindRows   = 'R'
	kindEnd    = 'E'
)

const target = 512 << 10 // about how much goes into a block

var format = &blockfile.Format{
	Magic: "tmcloudb", Version: 1, Domain: "tillmesh cloud backup block 1\n", MaxPlain: 16 << 20, Foreign: ErrNoBackup,
	Kinds: map[byte]string{kindHeader: "header", kindTable: "table", kindRows: "rows", kindEnd: "end"},
}
