package node

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/tillmesh/tillmesh/cloudlink"
	"github.com/tillmesh/tillmesh/cloudlink/election"
	"github.com/tillmesh/tillmesh/cloudlink/server/serverclient"
)

// Line is a till's way to clouds. A till on a machine has one; a till without one goes on selling and has no cloud.
type Line interface {
	// Status returns where this till stands with the cloud. It does not block.
	Status() cloudlink.Status
	// Tills returns what the other tills of the shop say of their own way to the cloud. It does not block.
	Tills() []election.Known
	// Sync calls the cloud at once if this till is to forward, and looks at the progress again. It does not block.
	Sync()
	// FirstTransfer returns how far sending everything for the first time is, as far as this till knows. It does not block.
	FirstTransfer() FirstTransfer
	// Archive returns what this till knows of the archive. It does not block.
	Archive() ArchiveSeen
	// Client returns what calls the API of the cloud at an address, to be closed after use. The error says what is wrong with the address.
	Client(url string) (*serverclient.Client, error)
	// Look finds out how far the way to a cloud goes, step by step, and ends at the first that fails.
	Look(ctx context.Context, url string) CloudLook
}

// FirstTransfer says how far sending everything for the first time is.
type FirstTransfer string

// How far it is.
const (
	FirstUnknown FirstTransfer = "unknown" // another till forwards, and this one never saw the end
	FirstRuns    FirstTransfer = "runs"
	FirstEnded   FirstTransfer = "ended"
)

// machineLine is the line of a machine.
type machineLine struct {
	*Uplink
	m      *Machine
	dialer *cloudlink.Dialer
}

// FirstTransfer is a method of Line.
func (u *Uplink) FirstTransfer() FirstTransfer {
	connected := u.Status().Connected // before the lock: the uplink asks for the progress under its own
	u.progress.mu.Lock()
	defer u.progress.mu.Unlock()
	switch {
	case !u.progress.cloud.IsZero() && !u.progress.first:
		return FirstEnded
	case connected:
		return FirstRuns
	}
	return FirstUnknown
}

// Archive is a method of Line.
func (u *Uplink) Archive() ArchiveSeen { return u.memory.state() }

// cloudConnect bounds how long connecting with a cloud takes.
const cloudConnect = 8 * time.Second

// Client is a method of Line.
func (l machineLine) Client(url string) (*serverclient.Client, error) {
	pem, err := os.ReadFile(filepath.Join(l.m.o.Data, FileCloudRoots))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("certificates of the cloud: %w", err)
	}
	roots, err := cloudlink.Roots(pem)
	if err != nil {
		return nil, hint(fmt.Errorf("%s: %w", FileCloudRoots, err), "put certificates in PEM form into it, or remove it")
	}
	return serverclient.New(serverclient.Config{URL: url, Transport: &http.Transport{
		Proxy: http.ProxyFromEnvironment, DialContext: (&net.Dialer{Timeout: cloudConnect}).DialContext, TLSHandshakeTimeout: cloudConnect,
		ResponseHeaderTimeout: 20 * time.Second, IdleConnTimeout: 30 * time.Second, ForceAttemptHTTP2: true,
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
	}})
}
