package nodetest_test

import (
	"archive/zip"
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/cloudlink/database"
	"github.com/tillmesh/tillmesh/node/client"
	"github.com/tillmesh/tillmesh/node/nodetest"
	"github.com/tillmesh/tillmesh/node/nodetest/dataset"
)

// kept is a cloud that keeps an archive, at the other end of a line that can be cut.
type kept struct {
	t     *testing.T
	cloud *nodetest.Cloud
	line  *nodetest.Line
}

// keepArchive starts a cloud and couples the shop of a till with it.
func keepArchive(t *testing.T, shop *nodetest.Shop, till *nodetest.Till) *kept {
	t.Helper()
	c := &kept{t: t, cloud: shop.NewCloud(database.Options{})}
	c.line = nodetest.NewLine(t, c.cloud.Serve().HTTP)
	c.cloud.Couple(till, c.line.URL())
	return c
}

// caughtUp waits until the till that forwards says that the cloud has everything. It fails when the rest does not shrink for a long time.
func (c *kept) caughtUp(shop *nodetest.Shop) {
	t := c.t
	t.Helper()
	least, at := ^uint64(0), time.Now()
	pause := time.NewTicker(50 * time.Millisecond)
	defer pause.Stop()
	for {
		said := "no till forwards"
		for _, till := range shop.Tills {
			s, err := till.API().Cloud(t.Context())
			require.NoError(t, err)
			if !s.Connected {
				continue
			}
			if s.State == "up-to-date" && s.Pending == 0 {
				return
			}
			said = fmt.Sprintf("%s: %s, %d pending (%s)", till.Name, s.State, s.Pending, s.Text)
			if s.Pending < least {
				least, at = s.Pending, time.Now()
			}
		}
		if time.Since(at) > standstill {
			t.Fatalf("the archive gets nothing any more: %s", said)
		}
		select {
		case <-pause.C:
		case <-t.Context().Done():
			t.Fatal(t.Context().Err())
		}
	}
}

// run runs a command of the program of the cloud.
func (c *kept) run(into any, command string, args ...string) {
	c.t.Helper()
	out := c.cloud.Exec(command, append(args, "--json")...)
	require.Zero(c.t, out.Code, "%s\n%s", out.Stderr, out.Stdout)
	require.NoError(c.t, json.Unmarshal([]byte(out.Stdout), into))
}

// export exports the archive while the cloud runs, has it verified without the cloud, and returns the documents in it as
// anybody would read them who knows ZIP and JSON.
func (c *kept) export(till *nodetest.Till) iter.Seq2[soldDocument, error] {
	t := c.t
	t.Helper()
	path := filepath.Join(t.TempDir(), "jahr.zip")
	var made struct {
		Leaves, Of int64
		Cloud      string
	}
	c.run(&made, "export", path, "--account", nodetest.CloudAccount)
	require.Positive(t, made.Leaves)
	require.Equal(t, made.Of, made.Leaves)
	var verified struct {
		OK, Authentic, Complete, Expected bool
		Cloud                             string
		Documents, Wrong                  int64
	}
	coupled, err := till.API().Cloud(t.Context())
	require.NoError(t, err)
	require.Equal(t, coupled.Clouds[0].ID, made.Cloud)
	c.run(&verified, "verify", path, "--cloud", made.Cloud)
	require.True(t, verified.OK)
	require.True(t, verified.Authentic)
	require.True(t, verified.Complete, "no gap, no number twice, every sum right")
	require.True(t, verified.Expected)
	require.Zero(t, verified.Wrong)
	t.Logf("cloud verify: %d documents", verified.Documents)
	z, err := zip.OpenReader(path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, z.Close()) })
	f, err := z.Open("documents.jsonl")
	require.NoError(t, err)
	return documentLines(f)
}

// documentsOf has a till that is stopped verify its data, and returns the receipts of the export that it writes.
func (r *replay) documentsOf(t *testing.T, till *nodetest.Till) iter.Seq2[soldDocument, error] {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "export")
	out := till.ExecFor(standstill, "verify", till.Data, "--export", dir, "--json")
	require.Zero(t, out.Code, "%s\n%s", out.Stderr, out.Stdout)
	var verified client.Verification
	require.NoError(t, json.Unmarshal([]byte(out.Stdout), &verified))
	require.True(t, verified.OK)
	require.Zero(t, verified.Wrong)
	files, err := filepath.Glob(filepath.Join(dir, "receipts-*.jsonl"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	var all []io.ReadCloser
	for _, path := range files {
		f, err := os.Open(path)
		require.NoError(t, err)
		all = append(all, f)
	}
	return documentLines(all...)
}

// documentLines reads lines with a member "document" and closes what it read.
func documentLines(files ...io.ReadCloser) iter.Seq2[soldDocument, error] {
	return func(yield func(soldDocument, error) bool) {
		var err error
		for _, f := range files {
			in := bufio.NewScanner(f)
			in.Buffer(nil, 4<<20)
			for in.Scan() {
				var line struct{ Document json.RawMessage }
				var doc soldDocument
				if err = json.Unmarshal(in.Bytes(), &line); err == nil {
					err = json.Unmarshal(line.Document, &doc)
				}
				hash := sha256.Sum256(line.Document)
				doc.hash = hex.EncodeToString(hash[:])
				if !yield(doc, err) || err != nil {
					break
				}
			}
			err = errors.Join(err, in.Err(), f.Close())
		}
		if err != nil {
			yield(soldDocument{}, err)
		}
	}
}

// requireIn checks that documents are what was sold, each once, in series without gaps whose chain holds.
func (r *replay) requireIn(t *testing.T, where string, documents iter.Seq2[soldDocument, error], want dataset.Sum) {
	t.Helper()
	keys := make(map[string]string, len(r.articles))
	for key, a := range r.articles {
		keys[a.id] = key
	}
	var totals dataset.Totals
	series := make(map[string][]soldDocument)
	for doc, err := range documents {
		require.NoError(t, err, where)
		series[doc.Series] = append(series[doc.Series], doc)
		if doc.Number == 0 { // the opening of a series
			continue
		}
		require.NoError(t, r.count(&totals, doc, keys), "%s: %s-%06d", where, doc.Series, doc.Number)
	}
	for name, list := range series {
		slices.SortFunc(list, func(a, b soldDocument) int { return int(a.Number - b.Number) })
		require.LessOrEqual(t, list[0].Number, int64(1), "%s: series %s", where, name)
		for i, doc := range list[1:] {
			require.Equal(t, list[i].Number+1, doc.Number, "%s: series %s", where, name)
			require.Equal(t, list[i].hash, doc.Previous, "%s: %s-%06d", where, name, doc.Number)
		}
	}
	require.Equal(t, want, totals.Sum(), where)
}
