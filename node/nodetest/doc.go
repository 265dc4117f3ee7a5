// Package nodetest runs whole shops for tests: real till programs with real stores, each on an address or a machine of
// its own, started, killed and asked as people and cash desks do.
//
//	shop := nodetest.Open(t, 3)
//	one, two, three := shop.Tills[0], shop.Tills[1], shop.Tills[2]
//	one.Kill()
//	...
//	one.Start()
//	shop.Equal()
//
// Tills live on loopback, each on its own address of 127.0.0.0/8, unless they are given a [Place]; with the tag netns a
// place can be a host of a netlab. What a till printed is shown when its test fails. No process outlives its test, also
// when the test program is killed.
//
// Every failure of a shop ends the test with t.FailNow, so its methods belong to the goroutine of the test, except
// where they say otherwise.
package nodetest
