// Package whole runs whole tills in the simulator: the same use cases, numbers, tabs and documents as in the program,
// over the simulated disks, clocks and network of package simulation, with cashiers that sell at them. One seed gives
// one run, byte for byte.
//
// # How it stays in order
//
// What a cashier does may wait: for the disk, for another till, for time to pass. So it runs as a goroutine, in a
// testing/synctest bubble, one at a time per till. It never touches the world: what it wants of it is a request in the
// mailbox of its till. The loop of the world takes a turn whenever something happened that a goroutine waits for: it hands
// over one answer, waits until every goroutine waits again (synctest.Wait), takes the requests of all tills in a fixed
// order, and so on until nothing is left. Between turns no goroutine runs. The bubble's clock follows the world's, so a
// timeout in a use case ends when the world's time has come.
//
// # What is checked
//
// The world's own oracle looks at every store after every step. When all faults ended and the tills are equal, [Shop.Check]
// compares what they show with what their cashiers were told: see check.go.
//
// # Scenarios
//
// The files in testdata are shops for people to read; script.go says what stands in them.
package whole
