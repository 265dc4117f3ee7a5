//go:build bench

package bench

import "testing"

const childEnv = "TILLMESH_BENCH_CHILD"

func runChild(string) int                 { return 1 }
func visibleFigure(*testing.T, *report)   {}
func memoryFigures(*testing.T, *report)   {}
func idleFigure(*testing.T, *report)      {}
