//go:build race

package normalizer

// underRace: under the detector, sync.Pool throws some of what it is given away.
const underRace = true
