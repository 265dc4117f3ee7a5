// Package uplink tests tills and a cloud together in one process: real sockets, real stores, no processes of their own.
package uplink
