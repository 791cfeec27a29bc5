//go:build !noasm

package kernel

// The functions of blocks_amd64.s, which tools/kernels writes.

var blocksAVX2 = blockTiles{
	q8:       []blockTile{blockTileQ8x1, blockTileQ8x2, blockTileQ8x3, blockTileQ8x4, blockTileQ8x5, blockTileQ8x6},
	q4:       []blockTile{blockTileQ4x1, blockTileQ4x2, blockTileQ4x3, blockTileQ4x4, blockTileQ4x5, blockTileQ4x6},
	quantize: quantizeBlocksAVX2,
	scale:    scaleInt8AVX2,
}
