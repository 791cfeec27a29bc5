//go:build !race

package normalizer

const underRace = false
