package health

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// Bundle is what support needs, without anything personal: no names that people gave, no receipts, no keys. Tills are
// named by the prefix of their numbers.
type Bundle struct {
	Made     time.Time
	Device   Device
	Facts    Facts
	Findings []Finding
	Past     []Past
	Events   []LinkEvent       // the last ones, at most 1000 are written
	Config   map[string]string // only what is in configKept is written
	// Secrets are texts that must not be in the bundle whatever else goes wrong: keys in their written form, tokens, names
	// of users and customers. They are cut out, and the bundle is not written if one is left.
	Secrets []string
}

// Device is the machine and the program.
type Device struct {
	Program, Go, OS, Arch string
	CPUs                  int
	MemoryBytes           uint64
	Boot                  uint32 // number of this start
	Started               time.Time
}

// LinkEvent is something that happened to a link.
type LinkEvent struct {
	At   time.Time
	Till string // prefix
	What string // "up", "down", "failed", "refused"
	Addr string
	Text string // the error, if any
}

// configKept are the settings that may leave the till. Anything else is listed by name only.
var configKept = map[string]bool{
	"listen": true, "http": true, "iface": true, "no-mdns": true, "advertise": true, "peers": true, "mode": true,
	"country": true, "currency": true, "disk-warn": true, "disk-no-new-tabs": true, "disk-close": true, "disk-ballast": true,
}

const eventsWritten = 1000

// ErrSecret means that a secret would have been in the bundle; nothing was written.
var ErrSecret = errors.New("the support file would have held a secret; nothing was written")

// WriteBundle writes a ZIP file: device.json, findings.json, findings.txt, history.json, events.json, config.json,
// network.json.
func WriteBundle(w io.Writer, b Bundle) error {
	s := newScrubber(b)
	files := []struct {
		name    string
		content any
	}{
		{"device.json", s.device(b.Device)}, {"findings.json", s.findings(b.Findings)}, {"history.json", s.past(b.Past)},
		{"events.json", s.events(b.Events)}, {"config.json", s.config(b.Config)}, {"network.json", s.network(b.Facts)},
	}
	contents := map[string][]byte{"findings.txt": []byte(s.text(plain(s.findings(b.Findings))))}
	order := []string{"findings.txt"}
	for _, f := range files {
		raw, err := json.MarshalIndent(f.content, "", "  ")
		if err != nil {
			return fmt.Errorf("support file: %s: %w", f.name, err)
		}
		contents[f.name] = append(raw, '\n')
		order = append(order, f.name)
	}
	for name, content := range contents {
		if s.leaks(content) {
			return fmt.Errorf("%w (%s)", ErrSecret, name)
		}
	}
	z := zip.NewWriter(w)
	for _, name := range order {
		f, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate, Modified: b.Made})
		if err == nil {
			_, err = io.Copy(f, bytes.NewReader(contents[name]))
		}
		if err != nil {
			return fmt.Errorf("support file: %w", err)
		}
	}
	if err := z.Close(); err != nil {
		return fmt.Errorf("support file: %w", err)
	}
	return nil
}

// plain writes findings for people.
func plain(list []Finding) string {
	var b strings.Builder
	for _, f := range list {
		fmt.Fprintf(&b, "%s  %s\n", f.Severity, f.Title(English))
		if do := f.Do(English); do != "" {
			fmt.Fprintf(&b, "      %s.\n", do)
		}
		for _, d := range f.Details {
			fmt.Fprintf(&b, "      - %s\n", d)
		}
	}
	return b.String()
}
