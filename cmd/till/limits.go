package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/tillmesh/tillmesh/node/disk"
)

// diskFlags say when the disk of a till is too full.
type diskFlags struct {
	Warn      byteSize `name:"disk-warn" default:"2GB" placeholder:"SIZE" help:"Warn when less than this is free on the disk of --data (${default})."`
	NoNewTabs byteSize `name:"disk-no-new-tabs" default:"500MB" placeholder:"SIZE" help:"Below this no sale is begun; open ones can be finished (${default})."`
	Close     byteSize `name:"disk-close" default:"200MB" placeholder:"SIZE" help:"Below this the till does not sell until there is room (${default})."`
	Ballast   byteSize `name:"ballast" default:"64MB" placeholder:"SIZE" help:"Size of a file that keeps room for closing down when the disk is full; 0 for none (${default})."`
}

func (d diskFlags) limits() (disk.Limits, error) {
	l := disk.Limits{Warn: uint64(d.Warn), NoNewTabs: uint64(d.NoNewTabs), Close: uint64(d.Close), Ballast: uint64(d.Ballast)}
	if err := l.Check(); err != nil {
		return l, usage(err, "--disk-warn must be more than --disk-no-new-tabs, and that more than --disk-close")
	}
	return l, nil
}

// byteSize is an amount of bytes as people write it: 64MB, 2GB, 1048576. Units are powers of 1024.
type byteSize uint64

var byteUnits = []struct {
	name  string
	shift uint
}{{"KB", 10}, {"MB", 20}, {"GB", 30}, {"TB", 40}, {"B", 0}}

// UnmarshalText reads an amount.
func (s *byteSize) UnmarshalText(text []byte) error {
	number, shift := strings.ToUpper(strings.TrimSpace(string(text))), uint(0)
	for _, u := range byteUnits {
		if rest, ok := strings.CutSuffix(number, u.name); ok {
			number, shift = strings.TrimSpace(rest), u.shift
			break
		}
	}
	n, err := strconv.ParseUint(number, 10, 64)
	if err != nil || n > 1<<50>>shift {
		return fmt.Errorf("%q is no size such as 500MB or 2GB", text)
	}
	*s = byteSize(n << shift)
	return nil
}
