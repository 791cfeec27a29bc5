//go:build !noasm

package kernel

import "golang.org/x/sys/cpu"

func sets() []*Set {
	all := []*Set{{name: "portable"}}
	x := &cpu.X86
	if !x.HasAVX2 || !x.HasFMA {
		return all
	}
	var blocks *blockTiles
	if x.HasF16C { // as all that have AVX2, but for what a virtual machine may hide
		blocks = &blocksAVX2
	}
	all = append(all, &Set{name: "avx2", tiles: &tilesAVX2, int8: &int8AVX2, blocks: blocks, rows: rowsAVX2})
	if !x.HasAVX512F || !x.HasAVX512BW || !x.HasAVX512DQ || !x.HasAVX512VL {
		return all
	}
	int8 := &int8AVX2
	if x.HasAVX512VNNI {
		int8 = &int8VNNI
		if blocks != nil {
			blocks = &blocksVNNI
		}
	}
	all = append(all, &Set{name: "avx512", tiles: &tilesAVX512, int8: int8, blocks: blocks, rows: rowsAVX512})
	if x.HasAVX512BF16 {
		all = append(all, &Set{name: "avx512bf16", tiles: &tilesBF16, int8: int8, blocks: blocks, rows: rowsAVX512})
	}
	return all
}

// Alike is the set with the bits of the set avx2: the width of what is not exact is that of AVX2, while products in 8 bits, which are,
// stay those of the set. So all amd64 processors that have AVX2 agree, whatever else they have.
func (s *Set) Alike() *Set {
	if s.rows != rowsAVX512 {
		return s
	}
	return &Set{name: s.name, tiles: &tilesAVX2, int8: s.int8, blocks: s.blocks, rows: rowsAVX2}
}
