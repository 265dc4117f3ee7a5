//go:build !race

package nodetest

// raceDetector says that the test was built with the race detector.
const raceDetector = false
