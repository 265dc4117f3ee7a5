package node_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The picture of who may know whom, as a test. "~" is this module, "/..." means the package and all below it. An import
// of the standard library is forbidden where it stands in the source; one of our own or of somebody else also when it
// comes in through another package.

// ban forbids an import. Except lists patterns that stay allowed; direct lets it come in through another package.
type ban struct {
	path   string
	except []string
	direct bool
	why    string
}

func (b ban) forbids(pkg string) bool {
	return matches(b.path, pkg) && !slices.ContainsFunc(b.except, func(p string) bool { return matches(p, pkg) })
}

// room is a package, or a pattern of packages that are one room, less those that have a rule of their own.
type room struct {
	path   string
	less   []string
	never  []ban
	clocks string // why its sources may not ask for the time or wait; empty if they may
	watch  string // the file that may all the same
}

func join(parts ...[]ban) []ban {
	var all []ban
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

const (
	pureClock = "time is an argument: what one till computes every till must compute"
	stepClock = "the caller steps it with its own clock, so that the simulator can"
)

// pure is what the packages of the documents never touch.
var pure = []ban{
	{path: "os/...", why: "crdt does no I/O"},
	{path: "io/ioutil", why: "crdt does no I/O"},
	{path: "net/...", why: "crdt does no I/O"},
	{path: "log/...", why: "return an error instead, the node decides what is logged"},
	{path: "math/rand/...", why: "chance is an argument"},
	{path: "crypto/rand", why: "chance is an argument"},
	{path: "database/sql/...", why: "crdt does not know where it rests"},
}

// libraries that have one home each.
var (
	noBadger = ban{path: "github.com/dgraph-io/...", why: "Badger lives in replication/store/badger, use the port"}
	noSQL    = ban{path: "modernc.org/...", why: "SQLite lives in replication/store/sql, use the port"}
	noGossip = ban{path: "github.com/hashicorp/...", why: "memberlist lives in replication/mesh, use the port"}
	noMDNS   = ban{path: "github.com/grandcat/...", why: "mDNS lives in discovery/mdns"}
	noPgx    = ban{path: "github.com/jackc/...", why: "PostgreSQL lives in cloudlink/database, take a transaction of it"}
	noGoose  = ban{path: "github.com/pressly/...", why: "migrations live in cloudlink/database"}
	noSocket = ban{path: "github.com/coder/...", direct: true, why: "WebSockets live in cloudlink/socket"}
	noHuma   = ban{path: "github.com/danielgtaylor/...", why: "HTTP lives in node/api"}
	noKong   = ban{path: "github.com/alecthomas/...", why: "the command line lives in cmd"}

	noLibraries = []ban{noBadger, noSQL, noPgx, noGoose, noGossip, noMDNS, noHuma, noKong}
	// parts of the cloud reach the engines through the room of the database.
	noEngines = []ban{
		{path: noSQL.path, direct: true, why: "SQLite lives in cloudlink/database and replication/store/sql"},
		{path: noPgx.path, direct: true, why: noPgx.why},
		{path: noGoose.path, direct: true, why: noGoose.why},
	}
	noNetwork = []ban{
		{path: "net/...", except: []string{"net/url"}, why: "bytes travel through the Link port only"},
		{path: "crypto/tls", why: "bytes travel through the Link port only"},
	}
	noRealDisk = []ban{{path: "os/...", why: "bytes rest behind the Store port only"}}
)

// the layers above, forbidden from below.
var (
	noCommand  = ban{path: "~/cmd/...", why: "nobody imports a command"}
	noNode     = ban{path: "~/node/...", why: "only cmd and the parts of node know node"}
	noCloud    = ban{path: "~/cloudlink/...", why: "only node and cmd/cloud know the cloud"}
	noFinding  = ban{path: "~/discovery/...", why: "addresses are handed in by node"}
	noRepl     = ban{path: "~/replication/...", why: "documents do not know how they travel"}
	noMesh     = ban{path: "~/replication/mesh/...", why: "stores, core and simulator know no transport"}
	noStores   = ban{path: "~/replication/store/...", why: "stores implement the ports, they are not called by name"}
	noBusiness = ban{path: "~/crdt/...", except: []string{"~/crdt", "~/crdt/codec", "~/crdt/document", "~/crdt/shop", "~/crdt/crdttest"},
		why: "replication moves every document alike and may read only those of the shop"}

	above = []ban{noCommand, noNode, noCloud, noFinding}
)

// noTestCode keeps harnesses out of what is shipped.
var noTestCode = []ban{
	{path: "~/crdt/crdttest/...", why: "only tests"},
	{path: "~/replication/simulation/...", why: "only tests"},
	{path: "~/replication/store/storetest/...", why: "only tests"},
	{path: "~/discovery/netlab/...", why: "only tests"},
	{path: "~/node/nodetest/...", why: "only tests"},
	{path: "~/crdt/receipt/receipttest", why: "only tests"},
	{path: "~/cloudlink/archive/archivetest", why: "only tests"},
	{path: "~/node/backup/backuptest/...", why: "only tests"},
	{path: "~/node/journal/tse/tsetest/...", why: "only tests"},
	{path: "~/node/journal/rksv/rksvtest/...", why: "only tests"},
	{path: "~/cloudlink/database/databasetest/...", why: "only tests"},
	{path: "testing/...", why: "only tests"},
	{path: "github.com/stretchr/...", why: "only tests"},
	{path: "go.uber.org/goleak", why: "only tests"},
}

// document is a package of documents: pure, and none knows another; the node hands over what a line copies.
func document(path string) room {
	return room{path: path, clocks: pureClock, never: join(pure, noLibraries, noTestCode, []ban{
		{path: "~/...", except: []string{"~/crdt", "~/crdt/codec", "~/crdt/document"}, why: "a document knows crdt and nothing else of ours"},
	})}
}

// adapter is a store behind the port; libraries lists what it may not use.
func adapter(path string, libraries ...ban) room {
	return room{path: path, never: join(above, noNetwork, noTestCode, libraries, []ban{
		noPgx, noGoose, noGossip, noMDNS, noHuma, noKong, noMesh, noBusiness,
	})}
}

// signer is a signing device of receipts: pure but for what is handed in; beside documents it knows the parts named.
func signer(path string, parts ...string) room {
	return room{path: path, clocks: pureClock, never: join(pure, noLibraries, noTestCode, []ban{
		{path: "~/...", except: append([]string{"~/crdt", "~/crdt/codec", "~/crdt/document", "~/crdt/receipt"}, parts...),
			why: "a signing device knows the documents of receipts and nothing else of ours"},
	})}
}

var rooms = []room{
	{path: "~/crdt", clocks: pureClock, never: join(pure, noLibraries, noTestCode, []ban{
		{path: "~/...", except: []string{"~/crdt/codec"}, why: "crdt is the ground, it knows nobody"},
	})},
	{path: "~/crdt/codec", clocks: pureClock, never: join(pure, noLibraries, noTestCode, []ban{
		{path: "~/...", why: "the codec knows bytes, not what they mean"},
	})},
	{path: "~/crdt/document", clocks: pureClock, never: join(pure, noLibraries, noTestCode, []ban{
		{path: "~/...", except: []string{"~/crdt", "~/crdt/codec"}, why: "it knows records and registers, and no document"},
	})},
	document("~/crdt/shop"),
	document("~/crdt/catalog"),
	document("~/crdt/receipt"),
	document("~/crdt/handover"),
	{path: "~/crdt/crdttest", never: join(noLibraries, above, []ban{noRepl})},

	{path: "~/replication", clocks: stepClock, never: join(above, noLibraries, noNetwork, noRealDisk, noTestCode, []ban{
		noStores, noMesh, noBusiness,
		{path: "log/...", why: "what happened is in the result, the node decides what is logged"},
		{path: "math/rand/...", why: "chance is an argument"},
		{path: "crypto/rand", why: "chance is an argument"},
	})},
	{path: "~/replication/engine", never: join(above, noLibraries, noNetwork, noRealDisk, noTestCode, []ban{
		noStores, noMesh, noBusiness,
	})},
	{path: "~/replication/wire", clocks: stepClock, never: join(above, noLibraries, noNetwork, noRealDisk, noTestCode, []ban{
		noStores, noMesh, noBusiness,
	})},
	adapter("~/replication/lineage", noBadger, noSQL),
	adapter("~/replication/store", noBadger, noSQL),
	adapter("~/replication/store/rows", noBadger, noSQL),
	adapter("~/replication/store/rows/datadir", noBadger, noSQL),
	adapter("~/replication/store/memory", noBadger, noSQL),
	adapter("~/replication/store/highwater", noBadger, noSQL),
	{path: "~/replication/store/blockfile", clocks: pureClock, never: join(above, noRealDisk, noNetwork, noTestCode, []ban{
		{path: "~/...", why: "it frames bytes and knows nothing of what they mean"},
	})},
	adapter("~/replication/store/badger", noSQL),
	adapter("~/replication/store/sql", noBadger),
	adapter("~/replication/store/sql/dialect", noBadger),
	{path: "~/replication/store/storetest", never: join(above, noLibraries, []ban{noMesh})},
	{path: "~/replication/mesh", never: join(above, noTestCode, []ban{
		noBadger, noSQL, noMDNS, noHuma, noKong, noStores, noBusiness,
	})},
	{path: "~/replication/simulation", clocks: "virtual time only", never: join(above, noLibraries, noNetwork, noRealDisk, []ban{
		noMesh,
		{path: "crypto/rand", why: "everything comes from one seed"},
	})},

	{path: "~/discovery", never: join(finding, noTestCode, []ban{noMDNS})},
	{path: "~/discovery/mdns", never: join(finding, noTestCode)},
	{path: "~/discovery/netlab", never: finding},

	{path: "~/node", clocks: "take it from the Environment, so that the simulator can", watch: "environment.go", never: join(noTestCode, []ban{noCommand})},
	{path: "~/node/book", never: join(noTestCode, noParent, []ban{noCommand, noFinding, noMesh, noHuma})},
	{path: "~/node/journal", never: join(noTestCode, noParent, noNetwork, []ban{noCommand, noFinding, noMesh, noHuma})},
	signer("~/node/journal/tse", "~/node/journal/rksv/es256"),
	signer("~/node/journal/rksv", "~/node/journal/rksv/es256"),
	signer("~/node/journal/rksv/es256"),
	{path: "~/node/journal/tse/tsetest", never: []ban{noCommand}},
	{path: "~/node/journal/rksv/rksvtest", never: []ban{noCommand}},
	{path: "~/node/backup", never: join(noTestCode, noParent, noNetwork, []ban{noCommand, noFinding, noMesh, noHuma, noKong, noBadger, noSQL, noGossip, noMDNS})},
	{path: "~/node/backup/chain", clocks: pureClock, never: join(noTestCode, noParent, noNetwork, noRealDisk, noLibraries, []ban{noCommand, noFinding, noRepl})},
	{path: "~/node/backup/found", never: join(noTestCode, noParent, noNetwork, []ban{noCommand, noFinding, noMesh, noHuma, noKong, noSQL, noGossip, noMDNS})},
	{path: "~/node/backup/salvage", never: join(noTestCode, noParent, noNetwork, []ban{noCommand, noFinding, noMesh, noHuma, noKong, noSQL, noGossip, noMDNS, noBusiness})},
	{path: "~/node/backup/backuptest", never: []ban{noCommand}},
	{path: "~/node/pairing", never: join(noTestCode, noParent, []ban{noCommand, noHuma, noBadger, noSQL})},
	{path: "~/node/terminal", never: join(pure, noLibraries, noTestCode, []ban{{path: "~/...", except: []string{"~/crdt", "~/crdt/codec"}, why: "a terminal knows the IDs of payments and nothing else of ours"}})},
	{path: "~/node/terminal/simulated", clocks: stepClock, never: join(noLibraries, noTestCode, []ban{{path: "~/...", except: []string{"~/crdt", "~/crdt/codec", "~/node/terminal"}, why: "a device knows no till"}})},
	{path: "~/node/printer", clocks: pureClock, never: join(noLibraries, noTestCode, noNetwork, []ban{{path: "~/...", except: []string{"~/crdt", "~/crdt/codec", "~/crdt/document", "~/crdt/receipt"}, why: "a printer knows documents and no till"}})},
	{path: "~/node/verify", clocks: pureClock, never: join(noTestCode, noParent, noNetwork, []ban{noCommand, noFinding, noMesh, noHuma, noKong, noBadger, noSQL})},
	{path: "~/node/api", never: join(noTestCode, []ban{noCommand, noKong})},
	{path: "~/node/client", never: join(noTestCode, noParent, noLibraries, []ban{
		noCommand, noFinding, noRepl, {path: "~/crdt/...", why: "a client knows HTTP and nothing of the till's inside"},
	})},
	{path: "~/node/demo", never: join(noTestCode, noParent, noLibraries, []ban{
		noCommand, noFinding, noRepl, {path: "~/crdt/...", except: []string{"~/crdt", "~/crdt/codec"}, why: "the demo sees what any other program sees"},
	})},
	{path: "~/node/web", never: join(noTestCode, []ban{noCommand, noKong, noBadger, noSQL, noGossip, noMDNS})},
	{path: "~/node/disk", never: join(noTestCode, noParent, noLibraries, noNetwork, []ban{
		noCommand, noFinding, noRepl, {path: "~/crdt/...", why: "a disk knows no documents"},
	})},
	{path: "~/node/clock", clocks: stepClock, never: join(pure, noLibraries, noTestCode, []ban{
		{path: "~/...", except: []string{"~/crdt", "~/crdt/codec"}, why: "it knows stamps and the IDs of tills"},
	})},
	{path: "~/node/health", never: join(noTestCode, noParent, []ban{noCommand, noKong})},
	{path: "~/node/nodetest/...", never: []ban{noCommand}},

	cloudRule("~/cloudlink/election"),
	cloudRule("~/cloudlink/greeting"),
	cloudRule("~/cloudlink/lease"),
	{path: "~/cloudlink/socket", never: join(noLibraries, noTestCode, []ban{{path: "~/...", why: "it carries bytes and knows nothing of what they mean"}})},
	cloudEnd("~/cloudlink", "~/cloudlink/election", "~/cloudlink/lease"),
	cloudEnd("~/cloudlink/accept"),
	{path: "~/crdt/receipt/verify", clocks: pureClock, never: join(pure, noLibraries, noTestCode, []ban{
		{path: "~/...", except: []string{"~/crdt", "~/crdt/codec", "~/crdt/document", "~/crdt/receipt"}, why: "it knows the documents of receipts and nothing else of ours"},
	})},
	{path: "~/crdt/receipt/loss", clocks: pureClock, never: join(pure, noLibraries, noTestCode, []ban{
		{path: "~/...", except: []string{"~/crdt", "~/crdt/codec", "~/crdt/document", "~/crdt/receipt", "~/crdt/receipt/verify"}, why: "tills and the cloud use it: documents are handed to it"},
	})},
	{path: "~/crdt/receipt/receipttest", never: join(noLibraries, above, []ban{noRepl})},
	{path: "~/cloudlink/archive", clocks: pureClock, never: join(pure, noLibraries, noTestCode, []ban{
		noSocket, {path: "~/...", except: []string{"~/crdt", "~/crdt/codec", "~/crdt/document", "~/crdt/receipt"}, why: "tills use it too: it knows documents, and no database"},
	})},
	{path: "~/cloudlink/archive/completeness", clocks: pureClock, never: join(pure, noLibraries, noTestCode, []ban{
		noSocket, {path: "~/...", except: []string{"~/crdt", "~/crdt/codec", "~/crdt/document", "~/crdt/receipt", "~/crdt/receipt/verify"}, why: "documents are handed to it"},
	})},
	{path: "~/cloudlink/archive/archivetest", never: []ban{noCommand, noNode}},
	{path: "~/cloudlink/...", less: cloudParts, never: join(noTestCode, noEngines, []ban{
		noSocket,
		noCommand, noFinding, noBadger, noGossip, noMDNS,
		{path: "~/node/...", why: "the node composes the cloud link, not the other way round"},
	})},
	{path: "~/cloudlink/httpapi", never: join(noTestCode, noEngines, []ban{
		noSocket, noGossip, noMDNS, noKong, {path: "~/...", why: "the till's API uses it like the cloud's: it knows HTTP, and nothing of ours"},
	})},
	{path: "~/cloudlink/httpapi/goods", clocks: pureClock, never: join(noTestCode, noEngines, []ban{
		noSocket, noGossip, noMDNS, noKong, {path: "~/...", except: []string{"~/crdt", "~/crdt/codec", "~/crdt/document", "~/crdt/catalog", "~/cloudlink/httpapi"}, why: "it shows articles, whoever keeps them"},
	})},
	{path: "~/cloudlink/database", never: join(noTestCode, []ban{
		noCommand, noNode, noFinding, noMesh, noBadger, noGossip, noMDNS, noHuma, noKong, noBusiness,
		{path: "~/cloudlink/...", except: []string{"~/cloudlink/database"}, why: "the database does not know what the cloud keeps in it"},
		{path: "net/...", except: []string{"net/url"}, why: "the drivers reach the database"},
	})},
	{path: "~/cloudlink/database/backup", clocks: "the caller says when a backup is made", never: join(noTestCode, noNetwork, noEngines, []ban{
		noCommand, noNode, noFinding, noMesh, noBadger, noGossip, noMDNS, noHuma, noKong, noBusiness,
		{path: "~/cloudlink/...", except: []string{"~/cloudlink/database", "~/cloudlink/database/backup"}, why: "it copies rows and does not know what they mean"},
	})},
	{path: "~/cloudlink/database/databasetest", never: []ban{noCommand, noNode}},

	{path: "~/cmd/till", never: join(noTestCode, []ban{noPgx, noGoose})},
	{path: "~/cmd/cloud", never: join(noTestCode, []ban{
		noBadger, noGossip, noMDNS,
		{path: "~/node/...", why: "the cloud is no till"},
	})},
}

// cloudParts are the rooms of cloudlink that have a rule of their own.
var cloudParts = []string{
	"~/cloudlink", "~/cloudlink/election", "~/cloudlink/greeting", "~/cloudlink/lease", "~/cloudlink/socket", "~/cloudlink/accept", "~/cloudlink/httpapi/...",
	"~/cloudlink/database/...", "~/cloudlink/archive", "~/cloudlink/archive/completeness", "~/cloudlink/archive/archivetest",
}

// cloudRule is a rule between tills and the cloud: pure, so that the simulator can play it.
func cloudRule(path string) room {
	return room{path: path, clocks: stepClock, never: join(pure, noLibraries, noTestCode, []ban{
		noSocket, {path: "~/...", except: []string{"~/crdt", "~/crdt/codec"}, why: "it knows the IDs of tills and shops and nothing else of ours"},
	})}
}

// cloudEnd is an end of the uplink; beside greeting, socket and the engine that it hands connections to it knows the parts named.
func cloudEnd(path string, parts ...string) room {
	return room{path: path, never: join(noLibraries, noTestCode, []ban{
		noSocket, {path: "~/...", except: append([]string{
			"~/crdt", "~/crdt/codec", "~/crdt/document", "~/crdt/shop", "~/replication", "~/replication/wire", "~/replication/engine", "~/cloudlink/greeting", "~/cloudlink/socket",
		}, parts...), why: "an uplink carries what the engine says, and knows no document and no store"},
	})}
}

// noParent: a part of the node is handed what it needs, never the node.
var noParent = []ban{{path: "~/node", why: "a part of the node gets a small interface, not the node"}}

// finding is what discovery and its parts never touch.
var finding = []ban{
	noCommand, noCloud, noNode, noBadger, noSQL, noGossip, noHuma, noKong,
	{path: "~/crdt/...", except: []string{"~/crdt", "~/crdt/codec"}, why: "discovery knows the IDs of tills and shops, and no document"},
	{path: "~/replication/...", why: "discovery only finds addresses"},
}

func TestArrowsGoOneWay(t *testing.T) {
	mod, err := os.ReadFile("../go.mod")
	require.NoError(t, err)
	require.Contains(t, string(mod), "module "+module+"\n")
	tree, err := readTree("..")
	require.NoError(t, err)
	require.NotEmpty(t, tree)
	deps, err := listDeps("..")
	require.NoError(t, err)
	require.NotEmpty(t, deps)
	for _, v := range violations(rooms, tree, deps) {
		t.Error(v)
	}
}

// A checker that finds nothing proves nothing: it must find what is wrong in a made-up tree.
func TestArrowsAreSeen(t *testing.T) {
	made := []room{
		{path: "~/a", clocks: "no clock", never: []ban{
			{path: "os/...", why: "no disk"},
			{path: "~/...", except: []string{"~/b"}, why: "knows b only"},
			{path: "example.com/db/...", why: "no database"},
		}},
		{path: "~/l/...", less: []string{"~/l/own/..."}, never: []ban{{path: "example.com/db/...", direct: true, why: "only through another"}}},
		{path: "~/l/own"},
		{path: "~/w", clocks: "no clock", watch: "watch.go"},
		{path: "~/b/..."}, {path: "~/c"}, {path: "~/c/..."}, {path: "~/node"}, {path: "~/cmd/x"},
	}
	tests := []struct {
		name string
		tree map[string]source
		deps map[string][]string
		want string
	}{
		{"nothing wrong", map[string]source{"~/a": {imports: []string{"io", "~/b"}}, "~/b/d": {imports: []string{"os"}}},
			map[string][]string{"~/a": {"~/b"}}, ""},
		{"standard library", map[string]source{"~/a": {imports: []string{"os/exec"}}}, nil, "~/a imports os/exec: no disk"},
		{"standard library through another package is allowed", map[string]source{"~/a": {imports: []string{"~/b"}}},
			map[string][]string{"~/a": {"~/b", "os"}, "~/b": {"os"}}, ""},
		{"a longer name is another package", map[string]source{"~/a": {imports: []string{"oslo"}}}, nil, ""},
		{"our own, direct, behind a build tag", map[string]source{"~/a": {imports: []string{"~/b/d"}}}, nil,
			"~/a imports ~/b/d: knows b only"},
		{"our own, through another", map[string]source{"~/a": {imports: []string{"~/b"}}, "~/b": {}},
			map[string][]string{"~/a": {"~/b"}, "~/b": {"~/b/d"}}, "~/a imports ~/b/d through ~/b: knows b only"},
		{"somebody else's, through two", map[string]source{"~/a": {}},
			map[string][]string{"~/a": {"~/b"}, "~/b": {"example.com/x"}, "example.com/x": {"example.com/db/v2"}},
			"~/a imports example.com/db/v2 through ~/b, example.com/x: no database"},
		{"only the first on a way is told", map[string]source{"~/a": {imports: []string{"~/c"}}},
			map[string][]string{"~/a": {"~/c"}, "~/c": {"~/b", "~/d"}}, "~/a imports ~/c: knows b only"},
		{"a clock", map[string]source{"~/a": {clocks: []string{"a.go:3 time.Now"}}}, nil, "~/a uses a.go:3 time.Now: no clock"},
		{"the file that may", map[string]source{"~/w": {clocks: []string{"../w/watch.go:3 time.Now", "../w/other.go:1 time.Now"}}}, nil, "~/w uses ../w/other.go:1 time.Now: no clock"},
		{"a room without a rule", map[string]source{"~/new": {}}, nil, "~/new is a room without a rule"},
		{"two rules", map[string]source{"~/c": {}}, nil, "~/c has more than one rule"},
		{"direct", map[string]source{"~/l": {imports: []string{"example.com/db/v2"}}}, nil, "~/l imports example.com/db/v2: only through another"},
		{"through another where only direct is forbidden", map[string]source{"~/l": {imports: []string{"~/l/own"}}, "~/l/own": {imports: []string{"example.com/db"}}},
			map[string][]string{"~/l": {"~/l/own"}, "~/l/own": {"example.com/db"}}, ""},
		{"a rule of its own leaves no gap", map[string]source{"~/l/own/deep": {}}, nil, "~/l/own/deep is a room without a rule"},
		{"node from a test elsewhere", map[string]source{"~/b": {testImports: []string{"~/node"}}}, nil,
			"a test of ~/b imports ~/node"},
		{"node from cmd", map[string]source{"~/cmd/x": {imports: []string{"~/node"}, testImports: []string{"~/node"}}}, nil, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := violations(made, test.tree, test.deps)
			if test.want == "" {
				require.Empty(t, got)
				return
			}
			require.Len(t, got, 1, fmt.Sprint(got))
			require.Contains(t, got[0], test.want)
		})
	}
}

func TestSourcesAreReadWhateverTheirTags(t *testing.T) {
	root := t.TempDir()
	write := func(file, content string) {
		full := filepath.Join(root, filepath.FromSlash(file))
		require.NoError(t, os.MkdirAll(filepath.Dir(full), 0o700))
		require.NoError(t, os.WriteFile(full, []byte(content), 0o600))
	}
	write("a/a.go", "//go:build plan9\n\npackage a\n\nimport clock \"time\"\n\nvar now = clock.Now\n")
	write("a/b.go", "package a\n\nimport \"time\"\n\nvar d time.Duration = time.Second\n")
	write("a/a_test.go", "package a\n\nimport (\n\t\"time\"\n\t\""+module+"/b\"\n)\n\nvar t, u = time.Now(), b.X\n")
	write("a/testdata/x.go", "no Go at all")
	write("b/b.go", "package b\n\nimport . \"time\"\n\nvar X = Now()\n")

	tree, err := readTree(root)
	require.NoError(t, err)
	require.Len(t, tree, 2)
	require.Equal(t, []string{"time", "time"}, tree["~/a"].imports)
	require.Equal(t, []string{"time", "~/b"}, tree["~/a"].testImports)
	require.Len(t, tree["~/a"].clocks, 1)
	require.Contains(t, tree["~/a"].clocks[0], "a/a.go:7 time.Now")
	require.Len(t, tree["~/b"].clocks, 1)

	write("b/broken.go", "package")
	_, err = readTree(root)
	require.ErrorContains(t, err, "broken.go")
}

const module = "github.com/tillmesh/tillmesh"

// source is what the files of one package say, whatever their build tags. Paths of this module begin with "~".
type source struct {
	imports     []string
	testImports []string
	clocks      []string // where a file that is no test asks for the time or waits
}

// clockNames are the parts of package time that read a clock or wait for one.
var clockNames = []string{
	"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTicker", "NewTimer",
}

// readTree parses every Go file below root. It does so itself, beside what the go command lists, because it sees the
// files of all build tags and systems, and because the cache of test results notices only files the test has read.
func readTree(root string) (map[string]source, error) {
	tree := make(map[string]source)
	err := filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		if entry.IsDir() {
			if file != root && (name == "testdata" || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_")) {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		rel, err := filepath.Rel(root, filepath.Dir(file))
		if err != nil {
			return err
		}
		pkg := path.Join("~", filepath.ToSlash(rel))
		s := tree[pkg]
		if err := s.add(file); err != nil {
			return err
		}
		tree[pkg] = s
		return nil
	})
	return tree, err
}

func (s *source) add(file string) error {
	content, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	files := token.NewFileSet()
	parsed, err := parser.ParseFile(files, filepath.ToSlash(file), content, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	test := strings.HasSuffix(file, "_test.go")
	clock := "" // what this file calls package time
	for _, spec := range parsed.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return fmt.Errorf("%s: import %s: %w", file, spec.Path.Value, err)
		}
		if imported == "time" {
			clock = "time"
			if spec.Name != nil {
				clock = spec.Name.Name
			}
		}
		if test {
			s.testImports = append(s.testImports, shorten(imported))
		} else {
			s.imports = append(s.imports, shorten(imported))
		}
	}
	if test || clock == "" {
		return nil
	}
	if clock == "." {
		s.clocks = append(s.clocks, fmt.Sprintf("%s import of time under no name", file))
		return nil
	}
	ast.Inspect(parsed, func(n ast.Node) bool {
		selector, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		from, ok := selector.X.(*ast.Ident)
		if ok && from.Name == clock && slices.Contains(clockNames, selector.Sel.Name) {
			at := files.Position(selector.Pos())
			s.clocks = append(s.clocks, fmt.Sprintf("%s:%d time.%s", at.Filename, at.Line, selector.Sel.Name))
		}
		return true
	})
	return nil
}

// listDeps asks the go command what each package of the build imports, ours and everybody's, with our build tags.
func listDeps(root string) (map[string][]string, error) {
	list := exec.Command("go", "list", "-deps", "-tags", "netns,bench", "-json=ImportPath,Imports,Standard", "./...")
	list.Dir = root
	var complaint bytes.Buffer
	list.Stderr = &complaint
	out, err := list.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w\n%s", err, complaint.String())
	}
	deps := make(map[string][]string)
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var pkg struct {
			ImportPath string
			Imports    []string
			Standard   bool
		}
		err := decoder.Decode(&pkg)
		if errors.Is(err, io.EOF) {
			return deps, nil
		}
		if err != nil {
			return nil, fmt.Errorf("go list: %w", err)
		}
		if pkg.Standard {
			continue
		}
		short := make([]string, len(pkg.Imports))
		for i, imported := range pkg.Imports {
			short[i] = shorten(imported)
		}
		deps[shorten(pkg.ImportPath)] = short
	}
}

// violations says in one sentence each what the tree does against the rules, in a stable order.
func violations(rules []room, tree map[string]source, deps map[string][]string) []string {
	var found []string
	for _, pkg := range slices.Sorted(maps.Keys(tree)) {
		s := tree[pkg]
		if !under(pkg, "~/node", "~/cmd") {
			for _, imported := range s.testImports {
				if under(imported, "~/node") {
					found = append(found, fmt.Sprintf("a test of %s imports %s: only cmd and node know node", pkg, imported))
				}
			}
		}
		var mine []room
		for _, r := range rules {
			if matches(r.path, pkg) && !slices.ContainsFunc(r.less, func(p string) bool { return matches(p, pkg) }) {
				mine = append(mine, r)
			}
		}
		if len(mine) != 1 {
			problem := "is a room without a rule: say in node/deps_test.go what it may not know"
			if len(mine) > 1 {
				problem = "has more than one rule in node/deps_test.go"
			}
			found = append(found, pkg+" "+problem)
			continue
		}
		found = append(found, broken(mine[0], pkg, s, deps)...)
	}
	return found
}

// broken says what one package does against the rule of its room.
func broken(r room, pkg string, s source, deps map[string][]string) []string {
	var found []string
	if r.clocks != "" {
		for _, use := range s.clocks {
			if file, _, _ := strings.Cut(use, ":"); r.watch != "" && path.Base(file) == r.watch {
				continue
			}
			found = append(found, fmt.Sprintf("%s uses %s: %s", pkg, use, r.clocks))
		}
	}
	direct := make(map[string]bool)
	for _, imported := range s.imports {
		direct[imported] = true
	}
	reached := reach(pkg, slices.Sorted(maps.Keys(direct)), deps)
	why := make(map[string]string) // what is forbidden of it
	for imported := range reached {
		if !direct[imported] && standard(imported) {
			continue
		}
		for _, b := range r.never {
			if b.forbids(imported) && (direct[imported] || !b.direct) {
				why[imported] = b.why
				break
			}
		}
	}
	for _, imported := range slices.Sorted(maps.Keys(why)) {
		way := reached[imported]
		if slices.ContainsFunc(way, func(p string) bool { return why[p] != "" }) {
			continue // only a consequence of one that is reported
		}
		through := ""
		if len(way) > 0 {
			through = " through " + strings.Join(way, ", ")
		}
		found = append(found, fmt.Sprintf("%s imports %s%s: %s", pkg, imported, through, why[imported]))
	}
	return found
}

// reach returns every package that pkg imports, with the packages in between on a shortest way.
func reach(pkg string, direct []string, deps map[string][]string) map[string][]string {
	ways := make(map[string][]string)
	queue := []string{pkg}
	for len(queue) > 0 {
		at := queue[0]
		queue = queue[1:]
		next, way := deps[at], ways[at]
		if at == pkg {
			next, way = slices.Concat(direct, next), nil
		} else {
			way = append(slices.Clone(way), at)
		}
		for _, imported := range next {
			if _, known := ways[imported]; !known && imported != pkg {
				ways[imported] = way
				queue = append(queue, imported)
			}
		}
	}
	return ways
}

// matches reports whether the package is the one of the pattern, or below it if the pattern ends in "/...".
func matches(pattern, pkg string) bool {
	if parent, ok := strings.CutSuffix(pattern, "/..."); ok {
		return under(pkg, parent)
	}
	return pattern == pkg
}

func under(pkg string, parents ...string) bool {
	return slices.ContainsFunc(parents, func(parent string) bool {
		return pkg == parent || strings.HasPrefix(pkg, parent+"/")
	})
}

// standard reports whether the package is of the standard library: its first element has no dot.
func standard(pkg string) bool {
	first, _, _ := strings.Cut(pkg, "/")
	return first != "~" && !strings.Contains(first, ".")
}

func shorten(pkg string) string {
	if under(pkg, module) {
		return "~" + strings.TrimPrefix(pkg, module)
	}
	return pkg
}
