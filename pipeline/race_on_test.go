//go:build race

package pipeline

// underRace: the detector makes a run several times slower. What it looks for shows in any run of a kind, so tests that
// try every operation or many random moments take a few of them, and inputs are smaller; all are tried without it.
const underRace = true
