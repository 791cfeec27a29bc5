package dedup

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"testing"
)

// TestPermutationsAreNumpys: values of RandomState(1).randint and the digest of the whole stream for 14 times 8.
func TestPermutationsAreNumpys(t *testing.T) {
	p := drawPermutations(1, 112)
	if p.a[0] != 775169054918279404 || p.a[111] != 223865076026037746 || p.b[0] != 1062448801025099917 || p.b[111] != 1097409548522419201 {
		t.Errorf("a = %d ... %d, b = %d ... %d", p.a[0], p.a[111], p.b[0], p.b[111])
	}
	h := sha256.New()
	for _, v := range append(p.a, p.b...) {
		h.Write(binary.LittleEndian.AppendUint64(nil, v))
	}
	if got := fmt.Sprintf("%x", h.Sum(nil)); got != "3b8ce0e5ff06d6950b72f62ef5ff619cfa984cd0c52ce62b94ae10ded4e80c8d" {
		t.Errorf("sha256 of the stream is %s", got)
	}
}

func TestSchemesAreSortedAndComplete(t *testing.T) {
	for i, s := range Schemes() {
		if i > 0 && Schemes()[i-1].Name >= s.Name {
			t.Errorf("scheme %q comes after %q", s.Name, Schemes()[i-1].Name)
		}
		if n := len(s.permutations().a); n != s.Bands*s.Rows {
			t.Errorf("scheme %q has %d permutations for %d bands of %d", s.Name, n, s.Bands, s.Rows)
		}
	}
	if _, err := LookupScheme(DefaultScheme); err != nil {
		t.Error(err)
	}
	if _, err := LookupScheme("word"); err == nil {
		t.Error("no error for a name that is none")
	}
}
