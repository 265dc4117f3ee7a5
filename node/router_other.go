//go:build !linux

package node

import "net/netip"

// defaultRouter is not known here.
func defaultRouter(string) (router netip.Addr, known bool) { return netip.Addr{}, false }

// neighbourAnswers is not known here.
func neighbourAnswers(netip.Addr) (answers, known bool) { return false, false }
