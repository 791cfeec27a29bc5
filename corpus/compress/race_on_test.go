//go:build race

package compress

// underRace: the detector makes coding ten times slower. Tests that try every byte of a file, or large texts, take
// fewer then: what they look for is no race.
const underRace = true
