package model

import (
	"math"
	"reflect"
	"testing"
)

func TestAlibiSlopes(t *testing.T) {
	for _, c := range []struct {
		heads int
		scale float64
		want  []float32
	}{
		{1, 1, []float32{1. / 256}},
		{2, 1, []float32{1. / 16, 1. / 256}},
		{4, 0.25, []float32{1. / 16, 1. / 64, 1. / 256, 1. / 1024}},
		{6, 1, []float32{1. / 4, 1. / 16, 1. / 64, 1. / 256, 1. / 2, 1. / 8}},
		{8, 1, []float32{1. / 2, 1. / 4, 1. / 8, 1. / 16, 1. / 32, 1. / 64, 1. / 128, 1. / 256}},
		{12, 1, []float32{0.5, 0.25, 0.125, 0.0625, 0.03125, 0.015625, 0.0078125, 0.00390625,
			math.Sqrt2 / 2, math.Sqrt2 / 4, math.Sqrt2 / 8, math.Sqrt2 / 16}},
	} {
		if got := alibiSlopes(c.heads, c.scale); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%d heads: %v, want %v", c.heads, got, c.want)
		}
	}
}
