//go:build !race

package whole

// raceDetector says that the test was built with the race detector.
const raceDetector = false
