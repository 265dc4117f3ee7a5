//go:build !linux

package mesh

import (
	"net"
	"time"
)

// setUserTimeout does nothing where the system has no such option; keepalive and write deadlines remain.
func setUserTimeout(*net.TCPConn, time.Duration) error { return nil }
