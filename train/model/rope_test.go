package model

import (
	"math"
	"reflect"
	"testing"
)

func TestRopeFrequencies(t *testing.T) {
	c := &Config{HeadSize: 128, RopeTheta: 500000, RopeScaling: &RopeScaling{Factor: 8, Low: 1, High: 4, Original: 8192}}
	for i, got := range ropeFrequencies(c) {
		f := math.Pow(500000, -float64(i)/64)
		switch w := 2 * math.Pi / f; {
		case w < 8192/4.:
		case w > 8192:
			f /= 8
		default:
			k := (8192/w - 1) / 3
			f = (1-k)*f/8 + k*f
		}
		if math.Abs(got/f-1) > 1e-14 {
			t.Errorf("frequency %d is %v, want %v", i, got, f)
		}
	}
	table := newRopeTable(&Config{HeadSize: 4, RopeTheta: 10000}, 3)
	want := []float32{1, 1, float32(math.Cos(1)), float32(math.Cos(0.01)), float32(math.Cos(2)), float32(math.Cos(0.02))}
	if !reflect.DeepEqual(table.cos, want) {
		t.Errorf("cosines are %v, want %v", table.cos, want)
	}
}
