//go:build netns

package nodetest_test

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/node/client"
	"github.com/tillmesh/tillmesh/node/nodetest"
)

// diagnosisTime is how long a doctor may take to find a cause: thirty seconds nobody is missed, and a till that found
// nothing on the way tries again a minute later.
const diagnosisTime = 3 * time.Minute

// clinic is a LAN on which something is wrong.
type clinic struct {
	*lan
	t *testing.T
}

func newClinic(t *testing.T, tills int) *clinic {
	t.Helper()
	t.Parallel()
	c := &clinic{lan: newLAN(t), t: t}
	first := c.shop.Found()
	for len(c.shop.Tills) < tills {
		c.shop.Join(first)
	}
	c.shop.Equal()
	return c
}

// says waits until the worst finding of a till is the wanted one, about these tills if any are named: what differs from till
// to till may be found out one after another.
func (c *clinic) says(till *nodetest.Till, code string, about ...string) client.Finding {
	c.t.Helper()
	var found client.Diagnosis
	nodetest.Eventually(c.t, diagnosisTime, till.Name+" says "+code, func() (err error) {
		if found, err = till.API().Examine(c.t.Context(), ""); err != nil {
			return err
		}
		if len(found.Findings) == 0 || found.Findings[0].Code != code {
			return fmt.Errorf("it says %+v", found.Findings)
		}
		if len(about) > 0 && !slices.Equal(found.Findings[0].Tills, about) {
			return fmt.Errorf("it says so of %v", found.Findings[0].Tills)
		}
		return nil
	})
	c.t.Logf("%s: %s. %s.", till.Name, found.Findings[0].Title, found.Findings[0].Do)
	return found.Findings[0]
}

// on runs a command on the machine of a till.
func (c *clinic) on(i int, command ...string) {
	c.t.Helper()
	out, err := c.hosts[i].Run(command...)
	require.NoError(c.t, err, "%s", out)
}

func TestDoctorAllWell(t *testing.T) {
	c := newClinic(t, 3)
	require.Empty(t, c.says(c.shop.Tills[1], "all-well").Do)
	status, err := c.shop.Tills[1].API().Status(t.Context())
	require.NoError(t, err)
	require.Zero(t, status.Doctor.Wrong)
}

// TestDoctorClientIsolation: two tills cannot hear each other, as in an access point; both hear a third one.
func TestDoctorClientIsolation(t *testing.T) {
	c := newClinic(t, 3)
	c.lab.Isolate(c.hosts[0], c.hosts[2])
	c.on(0, "ip", "link", "set", "eth0", "down")
	c.on(0, "ip", "link", "set", "eth0", "up") // the links of before do not live on in a bridge that learned them
	f := c.says(c.shop.Tills[0], "isolation", "Kasse 3")
	require.Contains(t, f.Do, "client isolation")
	c.says(c.shop.Tills[2], "isolation", "Kasse 1")
	out := c.shop.Tills[0].Exec("doctor", "--http", c.shop.Tills[0].URL(), "--data", c.shop.Tills[0].Data,
		"--bundle", filepath.Join(t.TempDir(), "support.zip"))
	require.Zero(t, out.Code, out.Stderr)
	require.Contains(t, out.Stdout, "The network keeps this till and Kasse 3 apart")
}

// TestDoctorFirewall: nobody can open connections to one till, which itself reaches everybody.
func TestDoctorFirewall(t *testing.T) {
	c := newClinic(t, 3)
	// What comes to the port of its links is dropped; answers to what it asks for come from that port of the others.
	c.on(0, "tc", "qdisc", "add", "dev", "eth0", "ingress")
	c.on(0, "ip", "link", "add", "sink", "type", "bridge")
	c.on(0, "ip", "link", "set", "sink", "up")
	c.on(0, "tc", "filter", "add", "dev", "eth0", "parent", "ffff:", "protocol", "ip", "prio", "1", "u32",
		"match", "ip", "protocol", "6", "0xff", "match", "ip", "dport", "8481", "0xffff",
		"action", "mirred", "egress", "redirect", "dev", "sink")
	f := c.says(c.shop.Tills[0], "firewall-here", "Kasse 2", "Kasse 3")
	require.Contains(t, f.Do, "8481")
	c.says(c.shop.Tills[1], "firewall-there", "Kasse 1")
}

// TestDoctorNoMulticast: tills are reached by remembered addresses and not heard.
func TestDoctorNoMulticast(t *testing.T) {
	c := newClinic(t, 2)
	c.lab.BlockMulticast()
	f := c.says(c.shop.Tills[0], "no-multicast", "Kasse 2")
	require.Contains(t, f.Do, "multicast")
}

// TestDoctorNoCable, no address and an adapter that is not there.
func TestDoctorNoNetwork(t *testing.T) {
	c := newClinic(t, 2)
	k1 := c.shop.Tills[0]
	c.hosts[0].CablePull()
	c.says(k1, "no-cable")
	c.hosts[0].CablePlug()
	c.says(k1, "all-well")
	c.on(0, "ip", "addr", "flush", "dev", "eth0")
	c.on(0, "ip", "addr", "add", "169.254.7.7/16", "dev", "eth0")
	c.says(k1, "no-address")
	k1.Stop()
	k1.Place.Flags = append(k1.Place.Flags, "--iface", "eth7")
	k1.Start()
	c.says(k1, "wrong-adapter")
}

// TestDoctorSwitchedOff: the other machine is off; then it is on and its program is not.
func TestDoctorSwitchedOff(t *testing.T) {
	c := newClinic(t, 3)
	c.shop.Tills[2].Stop()
	c.says(c.shop.Tills[0], "not-running", "Kasse 3")
	c.hosts[2].CablePull()
	c.says(c.shop.Tills[0], "not-seen", "Kasse 3")
}

// TestDoctorOtherShop: a second shop on the same network is named, and is no trouble. The file for support has no names.
func TestDoctorOtherShop(t *testing.T) {
	c := newClinic(t, 2)
	other := nodetest.NewOn(t, func() nodetest.Place {
		host := c.lab.Host("x1")
		return nodetest.On(host)
	})
	other.Found()
	k1 := c.shop.Tills[0]
	nodetest.Eventually(t, diagnosisTime, "the other shop is named", func() error {
		d, err := k1.API().Diagnosis(t.Context(), "de")
		if err != nil {
			return err
		}
		for _, f := range d.Findings {
			if f.Code == "other-shop" {
				return nil
			}
		}
		return errNotYet
	})
	d, err := k1.API().Diagnosis(t.Context(), "")
	require.NoError(t, err)
	require.Equal(t, "all-well", d.Findings[0].Code)

	path := filepath.Join(t.TempDir(), "support.zip")
	out := k1.Exec("doctor", "--quick", "--http", k1.URL(), "--data", k1.Data, "--bundle", path)
	require.Zero(t, out.Code, out.Stderr)
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	require.NoError(t, err)
	var names []string
	for _, f := range z.File {
		names = append(names, f.Name)
		r, err := f.Open()
		require.NoError(t, err)
		content, err := io.ReadAll(r)
		require.NoError(t, errors.Join(err, r.Close()))
		for _, secret := range []string{"Café", "Kasse 2", strings.TrimSpace(readFile(t, filepath.Join(k1.Data, "token")))} {
			require.NotContains(t, string(content), secret, f.Name)
		}
	}
	require.Contains(t, names, "network.json")
	require.Equal(t, 1, k1.Exec("doctor", "--quick", "--http", k1.URL(), "--data", k1.Data, "--bundle", path).Code, "a file is not overwritten")
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(b)
}

// TestDoctorRouter: nobody is reached. First no router is known, then one that does not answer, then one that does; the till
// speaks to nobody else to find out.
func TestDoctorRouter(t *testing.T) {
	c := newClinic(t, 3)
	k1 := c.shop.Tills[0]
	router := c.lab.Host("router")
	c.hosts[1].CablePull()
	c.hosts[2].CablePull()
	c.says(k1, "no-route", "Kasse 2", "Kasse 3")
	c.on(0, "ip", "route", "add", "default", "via", router.Addr().String())
	router.CablePull()
	f := c.says(k1, "no-router", "Kasse 2", "Kasse 3")
	require.Contains(t, f.Title, router.Addr().String())
	router.CablePlug()
	c.says(k1, "alone", "Kasse 2", "Kasse 3")
	c.hosts[1].CablePlug()
	c.hosts[2].CablePlug()
	c.says(k1, "all-well")
}

// TestDoctorBehindThePort: the address of a till is that of another machine, on which something else has the port.
func TestDoctorBehindThePort(t *testing.T) {
	c := newClinic(t, 2)
	k1, k2 := c.shop.Tills[0], c.shop.Tills[1]
	at := c.hosts[1].Addr()
	k2.Stop()
	c.hosts[1].CablePull()

	other := c.lab.Host("other")
	other.ChangeAddress(at)
	listener, err := nodetest.Listen(other, 8481)
	require.NoError(t, err)
	web := &http.Server{ReadHeaderTimeout: time.Second}
	ended := make(chan error, 1)
	go func() { ended <- web.Serve(listener) }()
	f := c.says(k1, "no-till-there", "Kasse 2")
	require.Contains(t, f.Title, at.String()+":8481")
	require.NoError(t, web.Close())
	require.ErrorIs(t, <-ended, http.ErrServerClosed)

	shop := nodetest.NewOn(t, func() nodetest.Place { return nodetest.On(other) })
	shop.Found()
	f = c.says(k1, "other-shop-there", "Kasse 2")
	require.Contains(t, f.Title, at.String()+":8481")
}
