// Package scale measures how the cost of a shop grows: with the number of tills, with what differs between two of them,
// with the starts of a till, and with what is stored; and what a sale takes while strangers flood the network. It prints
// one table, and draws the plots of docs/performance.md if PLOTS names a directory for them:
//
//	PLOTS=$PWD/docs/performance go test -tags bench ./node/nodetest/bench/scale -run TestScale -v -count 1 -timeout 30m
//
// A row alone is run with -run TestScale/reunion, small sizes to try the code with -short; BOOTS=5000 starts each of ten
// tills so often, which takes minutes. The rows of many tills run in one process over links and a LAN in memory; those
// about what is stored use the store of a till on the disk, and the till program itself. The row "store" takes up to 3 GB
// of disk while it runs.
//
// Nothing fails because it is slow.
package scale
