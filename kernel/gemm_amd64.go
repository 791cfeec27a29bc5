//go:build !noasm

package kernel

// The functions of gemm_amd64.s, which tools/kernels writes, by set.

var packAVX2 = [...]packing{
	plain: {
		turn:     [9]turning{4: turn4, 6: turn6, 8: turn8},
		straight: [17]straightening{6: straight6, 12: straight12, 16: straight16},
	},
	rounded: {
		turn:     [9]turning{4: turnRound4, 6: turnRound6, 8: turnRound8},
		straight: [17]straightening{6: straightRound6, 12: straightRound12, 16: straightRound16},
	},
	pairs: {
		turn:     [9]turning{4: turnPair4, 6: turnPair6, 8: turnPair8},
		straight: [17]straightening{6: straightPair6, 12: straightPair12, 16: straightPair16},
	},
}

var avx2 = [...]tile{tileAVX2x1, tileAVX2x2, tileAVX2x3, tileAVX2x4, tileAVX2x5, tileAVX2x6}

var avx512 = [...]tile{
	tileAVX512x1, tileAVX512x2, tileAVX512x3, tileAVX512x4, tileAVX512x5, tileAVX512x6,
	tileAVX512x7, tileAVX512x8, tileAVX512x9, tileAVX512x10, tileAVX512x11, tileAVX512x12,
}

var bf16 = [...]tile{
	tileBF16x1, tileBF16x2, tileBF16x3, tileBF16x4, tileBF16x5, tileBF16x6,
	tileBF16x7, tileBF16x8, tileBF16x9, tileBF16x10, tileBF16x11, tileBF16x12,
}

var tilesAVX2 = tiles{
	rows: 6, cols: 16, blockK: 384, blockM: 144,
	f32: avx2[:], pack: packAVX2[:], row: [...]rowing{plain: row, rounded: rowRound}, peak: peakAVX2,
}

var tilesAVX512 = tiles{
	rows: 12, cols: 32, blockK: 256, blockM: 240,
	f32: avx512[:], pack: packAVX2[:], row: [...]rowing{plain: row, rounded: rowRound}, peak: peakAVX512,
}

var tilesBF16 = tiles{
	rows: 12, cols: 32, blockK: 256, blockM: 240,
	f32: avx512[:], bf16: bf16[:], pack: packAVX2[:], row: [...]rowing{plain: row, rounded: rowRound}, peak: peakAVX512,
}
