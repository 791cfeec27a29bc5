package model

import (
	"math"
	"os"
	"strconv"
	"strings"
	"testing"
)

// TestSerdeFloat compares with what HF tokenizers 0.23.3 wrote back after reading a number.
func TestSerdeFloat(t *testing.T) {
	data, err := os.ReadFile("testdata/floats.txt")
	if err != nil {
		t.Fatal(err)
	}
	closest := 0
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	for _, line := range lines {
		number, hex, _ := strings.Cut(line, " ")
		want, err := strconv.ParseFloat(pythonHex(hex), 64)
		if err != nil {
			t.Fatal(err)
		}
		got, ok := serdeFloat([]byte(number))
		if !ok || math.Float64bits(got) != math.Float64bits(want) {
			t.Errorf("%s: %v %v, want %v", number, got, ok, want)
		}
		if f, _ := strconv.ParseFloat(number, 64); f == got {
			closest++
		}
	}
	if closest == len(lines) {
		t.Error("no number tells the two ways apart")
	}
	for number, ok := range map[string]bool{"1e309": false, "-1e99999999999": false, "1e-99999999999": true, "0e99999999999": true, "1e308": true, "18e307": false,
		"17976931348623157e292": true, "17976931348623159e292": false} {
		if _, got := serdeFloat([]byte(number)); got != ok {
			t.Errorf("%s: %v, want %v", number, got, ok)
		}
	}
}

// pythonHex is a number of Python's float.hex as Go reads it: Python leaves out p for zero.
func pythonHex(s string) string {
	if !strings.Contains(s, "p") {
		return s + "p+0"
	}
	return s
}
