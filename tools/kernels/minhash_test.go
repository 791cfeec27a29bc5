package main

import (
	"math/rand/v2"
	"testing"

	"github.com/mmcloughlin/avo/ir"
)

// The permutation loops, on the processor of processor_test.go, are their formulas; the hashes, a and b are as they were,
// and nothing outside of the vectors is touched.
func TestMinHash(t *testing.T) {
	f, err := compiled(minhash)
	if err != nil {
		t.Fatal(err)
	}
	functions := map[string]*ir.Function{}
	for _, fn := range f.Functions() {
		functions[fn.Name] = fn
	}
	const top = 1<<61 - 1
	rng := rand.New(rand.NewPCG(3, 0))
	for _, mf := range minhashFunctions {
		for perms := 0; perms <= 160; perms += mf.width {
			for _, n := range []int{0, 1, 2, 7, 20} {
				width := 8
				if mf.kind == "uint32" {
					width = 4
				}
				m := newProcessor(f)
				var in [4][]byte
				for i := range in {
					length := perms
					if i == 3 {
						length = n
					}
					in[i] = make([]byte, length*width)
					for j := range in[i] {
						in[i][j] = byte(rng.Uint32())
						if rng.IntN(8) == 0 {
							in[i][j] = 0xff
						}
					}
					m.frame = le.AppendUint64(m.frame, m.segment(in[i]))
					m.frame = le.AppendUint64(m.frame, uint64(length))
					m.frame = le.AppendUint64(m.frame, uint64(length))
				}
				var before [4]string
				for i := range in {
					before[i] = string(in[i])
				}
				if err := m.call(functions[mf.name+mf.set]); err != nil {
					t.Fatal(err)
				}
				for i := 1; i < 4; i++ {
					if before[i] != string(in[i]) {
						t.Fatalf("%s%s writes into operand %d", mf.name, mf.set, i)
					}
				}
				for i := range perms {
					var got, want uint64
					switch mf.name {
					case "minhash32":
						got, want = uint64(le.Uint32(in[0][4*i:])), 1<<32-1
						for j := range n {
							want = min(want, uint64(le.Uint32(in[3][4*j:])*le.Uint32(in[1][4*i:])+le.Uint32(in[2][4*i:])))
						}
					default:
						low := mf.name == "minhash61Low"
						got, want = le.Uint64(in[0][8*i:]), top
						if low {
							got, want = got&(1<<32-1), 1<<32-1
						}
						for j := range n {
							v := le.Uint64(in[3][8*j:])*le.Uint64(in[1][8*i:]) + le.Uint64(in[2][8*i:]) + 1
							if v = (v + v>>61) & top; low {
								v &= 1<<32 - 1
							}
							want = min(want, v)
						}
					}
					if got != want {
						t.Fatalf("%s%s: value %d of %d permutations and %d hashes is %#x, not %#x", mf.name, mf.set, i, perms, n, got, want)
					}
				}
			}
		}
	}
}
