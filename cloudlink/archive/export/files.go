package export

import (
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/tillmesh/tillmesh/crdt"
)

// Version is the version of the format of an export. [Verify] refuses newer ones.
const Version = 1

// The files of an export, in their order in the ZIP.
const (
	FileReadme      = "README.txt"
	FileKeys        = "keys.json"
	FileLeaves      = "leaves.jsonl"
	FileDocuments   = "documents.jsonl"
	FileMasterData  = "masterdata.jsonl"
	FileNotes       = "notes.jsonl"
	FileProofs      = "proofs.jsonl"
	FileCheckpoints = "checkpoints.jsonl"
	FileManifest    = "manifest.txt"
)

// listed are the files that the manifest lists.
var listed = []string{FileReadme, FileKeys, FileLeaves, FileDocuments, FileMasterData, FileNotes, FileProofs, FileCheckpoints}

const readme = `This file is an export of the Tillmesh archive: records of sales, closings and master data as the tills wrote and signed them.

Verify it with
    cloud verify FILE
which needs no server and no network. It finds every changed byte, and says where it is. Everything here is text; one line is one record.

documents.jsonl    Receipts, openings of series and closings: the canonical JSON (RFC 8785) that the till signed, verbatim, in "document". "signature" is
                   Ed25519 by "key" over the SHA-256 of the text "tillmesh receipt document", a zero byte and the document. The SHA-256 of the document
                   without anything is what the next document of its series names as "previous_hash".
masterdata.jsonl   Every version of articles, groups, tax rates, customers and settings, and who belonged to the shop: "raw" is the record as it was
                   replicated (msgpack in base64), "value" the same for reading. A record without line here was erased at a customer's wish.
notes.jsonl        What the archive noted about records: documents that do not hold, numbers that were given twice, documents that came late.
leaves.jsonl       The list of all records in this file, with the hashes of their contents, in the order in which they were archived.
proofs.jsonl       Hashes that stand for the records of the archive that are not in this file.
checkpoints.jsonl  Signed statements of the archive: how many records it had, and the hash over all of them. Tills remember these: one that
                   was ever shown to a till cannot be replaced unnoticed.
keys.json          The public key with which the archive signs. Compare its "id" with the one that the tills show.
manifest.txt       What was asked for, and the SHA-256 of every file; signed.

Amounts are integers in the smallest unit of the currency, quantities integers in thousandths, tax rates in hundredths of a percent.
The format is described in cloudlink/archive/FORMAT.md of the program's source.
`

// keysFile is keys.json.
type keysFile struct {
	ID  string `json:"id"`  // of the cloud: base32 of the SHA-256 of its key
	Key string `json:"key"` // Ed25519, hexadecimal
}

func writeKeys(key ed25519.PublicKey) ([]byte, error) {
	return marshal(keysFile{crdt.TillIDOf(key).String(), hex.EncodeToString(key)})
}

func readKeys(text []byte) (ed25519.PublicKey, error) {
	var x keysFile
	if err := json.Unmarshal(text, &x); err != nil {
		return nil, fmt.Errorf("%w: %w", errLine, err)
	}
	key := make(ed25519.PublicKey, ed25519.PublicKeySize)
	err := into(key, x.Key)
	again, err2 := writeKeys(key)
	if err := errors.Join(err, err2); err != nil {
		return nil, err
	}
	if string(again) != string(text) {
		return nil, errLine
	}
	return key, nil
}
