// Package demo starts a whole shop on one machine and shows what it can do.
//
// Every till is a process of its own with a store of its own, started from the program itself with the commands that a
// person would type. Till i takes links on 127.0.0.(10+i), but tells the others 127.0.0.(30+i). There the demo listens
// and carries their bytes to the till, so it can cut any two tills off from each other as a pulled cable would. Nothing
// inside a till knows that it is in a demo.
//
//	till 1, 127.0.0.11 --> relay 127.0.0.32 --> till 2, 127.0.0.12
//	till 2, 127.0.0.12 --> relay 127.0.0.31 --> till 1, 127.0.0.11
//
// The cloud is a process as well, if its program is beside the one of the tills. The tills know it under an address where the demo listens:
// that is the internet, and the demo cuts it.
//
//	till 1, 2, 3 --> internet 127.0.0.1 --> cloud 127.0.0.1
//
// Whether a step held is asked through the HTTP interface of each till, never looked up elsewhere.
//
// # No orphans
//
// Every process is stopped when [Run] returns. If the demo itself is killed, Linux kills the tills and the cloud with it; on
// other systems they stay.
package demo
