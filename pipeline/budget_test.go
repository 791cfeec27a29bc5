package pipeline

import (
	"fmt"
	"testing"
)

// TestBudget: whatever the machine, a lane's share holds a chunk, or there is one lane; and the parts stay within
// the memory.
func TestBudget(t *testing.T) {
	for j := 1; j <= 64; j++ {
		for memory := MinMemory(j); memory < 64<<30; memory = memory*5/4 + 7 {
			for _, files := range []int{1, 2, 5, 1000} {
				for k := range 15 {
					use := Use{Reduce: k&1 > 0, NoCopy: k&2 > 0, ByRows: k&4 > 0}
					switch {
					case k >= 13:
						use = Use{LaneUploads: 4 * (k - 13), Uploads: 2 * (14 - k), Reduce: files == 2}
						if memory < MinMemory(j)+4*uploadMemory {
							continue
						}
					case k >= 11:
						use = Use{LaneTables: k - 11, Tables: 12 - k, ByRows: files == 2}
						if memory < MinMemory(j)+tableMemory {
							continue
						}
					case k >= 8:
						use = Use{InFlight: []int{1, 8, 500}[k-8], ByRows: files == 2}
					}
					if k&2 == 0 {
						use.Chunk = copyFrame + copyFrame/4
					}
					b, err := NewBudget(memory, j, files, DefaultMaxRecord(memory, 0), use)
					if err != nil {
						t.Fatal(err)
					}
					what := fmt.Sprintf("-j %d, %d MiB, %d files, %+v: %+v", j, memory/MiB, files, use, b)
					if b.Lanes < 1 || b.ChunkSize < 1 || b.Lanes > 1 && b.ChunkShare < b.chunkCost(b.ChunkSize) || (use.InFlight > 0) != (b.InFlight > 0) {
						t.Fatal(what)
					}
					if most := int64(maxReduceChunk); use.InFlight == 0 && int64(b.ChunkSize) < min(use.Chunk, most) || !use.Reduce && int64(b.ChunkSize) > max(use.Chunk, maxChunk) {
						t.Fatal(what)
					}
					if memory >= 256*MiB && j == 1 && b.InFlight != use.InFlight {
						t.Fatal(what)
					}
					sum := baseMemory + int64(j)*workerMemory + int64(b.InFlight)*inFlightMemory + int64(b.Lanes)*(laneMemory+b.Window) +
						int64(use.Tables+use.LaneTables*b.Lanes*b.Tails)*tableMemory + int64(use.Uploads+use.LaneUploads*b.Lanes*b.Tails)*uploadMemory +
						b.ChunkShare*int64(b.Lanes) + b.ChunkCommon + b.FrameShare*int64(b.Tails*b.Lanes) + b.FrameCommon + b.Partial*int64(b.Lanes)*5/2
					if use.Reduce && b.Partial < 1 || sum > memory {
						t.Fatalf("%s: %d MiB given out", what, sum/MiB)
					}
				}
			}
		}
	}
}
