package pipeline

import (
	"math/rand/v2"
	"testing"
)

// TestProgressNeverFalls has a reader that reads ahead, hands out chunks and has them come back in small pieces, in phases: what Done
// says never falls, is never more than was taken, comes to all, and of what is not compressed is what has come back, within the
// read-ahead.
func TestProgressNeverFalls(t *testing.T) {
	const ahead, chunk, piece = 256 << 10, 1 << 20, 16 << 10
	for _, c := range []struct {
		name   string
		stored int64 // bytes of a phase's input
		plain  int64 // uncompressed
	}{
		{"plain", 20 << 20, 20 << 20},
		{"compressed", 8 << 20, 60 << 20},
		{"taken whole at once", ahead / 2, 12 << 20},
		{"empty", 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			for seed := range uint64(20) {
				rng := rand.New(rand.NewPCG(seed, 15))
				p := &Progress{}
				last, before := int64(0), int64(0)
				look := func() {
					t.Helper()
					done, total := p.Done()
					if done < last || done > p.Consumed.Load() || done > total {
						t.Fatalf("seed %d: %d of %d, after %d; %d taken, %d handed, %d back", seed, done, total, last, p.Consumed.Load(), p.Handed.Load(), p.BytesIn.Load())
					}
					if out := before + p.BytesIn.Load(); c.plain == c.stored && (done < out || done > out+ahead) {
						t.Fatalf("seed %d: %d, and %d are back; %d taken", seed, done, out, p.Consumed.Load())
					}
					last = done
				}
				for phase := 1; phase <= 3; phase++ {
					before = p.Consumed.Load()
					p.begin(phase, c.stored)
					look()
					for handed, out := int64(0), int64(0); out < c.plain; look() {
						next := min(handed+chunk, c.plain)
						need := before + next*c.stored/max(c.plain, 1) // of storage, for the next chunk
						switch taken := p.Consumed.Load(); {
						case handed > out && rng.IntN(3) > 0:
							n := min(piece, handed-out)
							out += n
							p.BytesIn.Add(n)
						case handed == c.plain || handed-out > 8*chunk:
						case taken < need:
							p.Consumed.Add(min(before+c.stored-taken, 1+rng.Int64N(ahead)))
						default:
							p.hand(next - handed)
							handed = next
						}
					}
					p.Consumed.Store(before + c.stored)
					p.hand(0)
					look()
					if done, total := p.Done(); done != total || total != int64(phase)*c.stored {
						t.Errorf("seed %d: phase %d ends at %d of %d", seed, phase, done, total)
					}
					if done, total := p.DoneOfPhase(); done != total || total != c.stored {
						t.Errorf("seed %d: phase %d has %d of %d", seed, phase, done, total)
					}
				}
			}
		})
	}
}
