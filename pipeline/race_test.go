package pipeline

// underRaceTo is n, or less under the detector.
func underRaceTo(less, n int) int {
	if underRace {
		return less
	}
	return n
}

// faultStride is how far apart the operations are that the tests of faults let fail.
var faultStride = underRaceTo(7, 1)

// faultChunk holds more than a split of those tests, so that chunks end where they would anyway: thousands of runs
// would spend their time on clearing buffers of 4 MiB.
const faultChunk = 64 << 10
