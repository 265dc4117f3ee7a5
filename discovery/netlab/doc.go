// Package netlab builds small LANs out of Linux network namespaces, for tests of whole programs: one namespace per
// host, one for a switch, and cables that can be pulled. Nothing leaves the namespaces. It needs root and iproute2.
//
//	lab := netlab.New(t)
//	a, b := lab.Host("a"), lab.Host("b")
//	p := a.Start("./till", "run", "--data", dir)
//	b.CablePull()
//
// Everything is removed when the test ends: processes are killed first, then the namespaces. Every failure of the lab
// itself ends the test. A Lab belongs to the goroutine of its test.
//
// It is built with the tag netns only; without it this package is empty.
package netlab
