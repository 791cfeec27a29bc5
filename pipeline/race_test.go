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

// smallChunk holds more than a split of most tests, so that chunks end where they would anyway. Without it, thousands of
// runs of a few records spend their time on clearing buffers of 4 MiB, and above all on what the detector notes of them.
const smallChunk = 64 << 10
