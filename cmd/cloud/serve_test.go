package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/cloudlink/archive/archivetest"
	"github.com/tillmesh/tillmesh/cloudlink/database"
	"github.com/tillmesh/tillmesh/cloudlink/database/databasetest"
	"github.com/tillmesh/tillmesh/cloudlink/greeting"
	"github.com/tillmesh/tillmesh/cloudlink/server/books"
	"github.com/tillmesh/tillmesh/cloudlink/server/serverclient"
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication/store"
	"github.com/tillmesh/tillmesh/replication/store/sql"
)

// serving runs "cloud serve" until stop is called, which returns its exit code.
func serving(t *testing.T, h *home) (url string, stop func() int) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	read, write := io.Pipe()
	var log syncBuffer
	code := -1
	var work sync.WaitGroup
	work.Go(func() {
		code = run(ctx, h.args("serve", "--http", "127.0.0.1:0", "--json"), &console{out: write, err: &log, env: func(string) string { return "" }})
		_ = write.Close() // never fails
	})
	stop = func() int {
		cancel()
		work.Wait()
		return code
	}
	t.Cleanup(func() {
		stop()
		if t.Failed() {
			t.Log(log.String())
		}
	})
	line, err := bufio.NewReader(read).ReadBytes('\n')
	require.NoError(t, err, log.String())
	var out struct{ URL string }
	require.NoError(t, json.Unmarshal(line, &out))
	return out.URL, stop
}

type syncBuffer struct {
	sync.Mutex
	bytes.Buffer
}

// Write is a method of io.Writer.
func (b *syncBuffer) Write(p []byte) (int, error) {
	b.Lock()
	defer b.Unlock()
	return b.Buffer.Write(p)
}

// replicaOf returns under which replica a cloud writes in a shop.
func replicaOf(t *testing.T, h *home, shop crdt.ShopID) (id crdt.ReplicaID) {
	t.Helper()
	h.with(func(db *database.DB) {
		write, read := db.Pools()
		shops, err := sql.OpenShops(t.Context(), sql.Database{Dialect: db.Dialect(), Write: write, Read: read})
		require.NoError(t, err)
		s, err := store.Open(t.Context(), shops.Open(sql.ShopOptions{Shop: shop}))
		require.NoError(t, err)
		identity, err := s.Identity(t.Context())
		require.NoError(t, err)
		id = identity.Replica
		require.NoError(t, errors.Join(s.Close(), shops.Close()))
	})
	return id
}

// The API of the archive over a real server, with the commands of an operator beside it.
func TestServeAndTheArchive(t *testing.T) {
	for _, engine := range databasetest.Engines {
		t.Run(engine.Name, func(t *testing.T) {
			s := archivetest.Day(t, 1, 3)
			o := engine.New(t)
			h := newHome(t, o, s)
			url, stop := serving(t, h)
			ctx := t.Context()
			client, err := serverclient.New(serverclient.Config{URL: url})
			require.NoError(t, err)
			defer func() { client.Close() }()
			status, err := client.Status(ctx)
			require.NoError(t, err)
			require.EqualValues(t, greeting.Newest, status.Newest)
			require.EqualValues(t, greeting.Oldest, status.Oldest)
			opened, err := client.SignIn(ctx, serverclient.SignIn{Name: owner, Password: "Geheim+4711", Label: "test"})
			require.NoError(t, err)
			client = client.With(opened.Token)

			shop := s.ID.String()
			list, err := client.Receipts(ctx, shop, serverclient.Filter{})
			require.NoError(t, err)
			require.Len(t, list.Items, 3)
			require.Equal(t, "K1-000003", list.Items[0].Number)
			require.True(t, list.Items[0].Verified)
			one, err := client.Receipt(ctx, shop, "K1-000002")
			require.NoError(t, err)
			require.Equal(t, s.Books.Sold[1].Signed.Document, one.Canonical)
			z, err := client.Closing(ctx, shop, "K1 Z 1")
			require.NoError(t, err)
			require.Empty(t, z.Findings)
			point, err := client.Checkpoint(ctx)
			require.NoError(t, err)
			_, err = client.Inclusion(ctx, one.Entry.Leaf, point.Size)
			require.NoError(t, err)
			_, err = client.Consistency(ctx, 1, point.Size)
			require.NoError(t, err)
			raw, err := client.Completeness(ctx, shop, "", "", nil)
			require.NoError(t, err)
			var report books.Report
			require.NoError(t, json.Unmarshal(raw, &report))
			require.True(t, report.OK)

			_, err = client.Articles(ctx, shop, "", 10) // opens the cloud's replica of the shop
			require.NoError(t, err)

			x, err := client.StartExport(ctx, serverclient.Range{})
			require.NoError(t, err)
			require.Eventually(t, func() bool {
				x, err = client.Export(ctx, x.ID)
				require.NoError(t, err)
				return x.State != "running"
			}, 20*time.Second, 5*time.Millisecond)
			require.Equal(t, "done", x.State, x.Error)
			path := file(t)
			f, err := os.Create(path)
			require.NoError(t, err)
			require.NoError(t, client.Download(ctx, x.ID, f))
			require.NoError(t, f.Close())
			require.True(t, done[verified](t, "verify", path, "--cloud", status.Cloud).OK)

			hold, err := client.SetHold(ctx, serverclient.Range{Shop: shop}, "Betriebsprüfung")
			require.NoError(t, err)
			require.Equal(t, hold.ID, done[[]listedHold](t, h.args("admin", "holds", "--account", owner)...)[0].ID)
			servers := done[[]listedServer](t, h.args("admin", "servers")...)
			require.Len(t, servers, 1)
			require.Equal(t, url, servers[0].Address)
			require.True(t, done[checked](t, h.args("check", "--account", owner)...).OK)
			kept := file(t)
			done[backedUp](t, h.args("backup", kept)...)

			require.Equal(t, exitDone, stop())
			if o.Dir != "" {
				left, err := os.ReadDir(filepath.Join(o.Dir, "exports"))
				require.NoError(t, err)
				require.Empty(t, left)
			}
			// The restored cloud is the same cloud, and people sign in again.
			n := homeOf(t, database.Options{Dir: t.TempDir()})
			require.True(t, done[restored](t, n.args("restore", kept)...).Restored)
			url, stop = serving(t, n)
			again, err := serverclient.New(serverclient.Config{URL: url, Token: opened.Token})
			require.NoError(t, err)
			defer again.Close()
			_, err = again.Receipts(ctx, shop, serverclient.Filter{})
			require.Error(t, err)
			status2, err := again.Status(ctx)
			require.NoError(t, err)
			require.Equal(t, status.Cloud, status2.Cloud)
			opened, err = again.SignIn(ctx, serverclient.SignIn{Name: owner, Password: "Geheim+4711", Label: "test"})
			require.NoError(t, err)
			list, err = again.With(opened.Token).Receipts(ctx, shop, serverclient.Filter{})
			require.NoError(t, err)
			require.Len(t, list.Items, 3)
			_, err = again.With(opened.Token).Articles(ctx, shop, "", 10)
			require.NoError(t, err)
			require.Equal(t, exitDone, stop())
			require.NotEqual(t, replicaOf(t, h, s.ID), replicaOf(t, n, s.ID), "two clouds must never write under one replica")
		})
	}
}
