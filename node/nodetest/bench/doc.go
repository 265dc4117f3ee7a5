// Package bench measures a shop and, in the same run on the same machine, what that machine does without us: Badger
// alone, a bare log over TLS, memberlist alone. It prints one table:
//
//	go test -tags bench ./node/nodetest/bench -run TestFigures -v -count 1 -timeout 30m
//
// A row alone is run with -run TestFigures/join, small sizes to try the code with -short. BENCH_CPUPROFILE=DIR writes a
// CPU profile of every row to DIR/ROW.pprof; its samples carry the label side=floor or side=ours.
//
// Nothing fails because it is slow: the table says which goals were met. Floor and ours take turns, and a figure is the
// median of several rounds.
package bench
