//go:build !noasm

package kernel

// The functions of blocks_amd64.s, which tools/kernels writes.

var blocksAVX2 = blockTiles{
	q8:       []blockTile{blockTileQ8x1, blockTileQ8x2, blockTileQ8x3, blockTileQ8x4, blockTileQ8x5, blockTileQ8x6},
	q4:       []blockTile{blockTileQ4x1, blockTileQ4x2, blockTileQ4x3, blockTileQ4x4, blockTileQ4x5, blockTileQ4x6},
	quantize: quantizeBlocksAVX2,
	scale:    scaleInt8AVX2,
}

var blocksVNNI = blockTiles{
	q8:       []blockTile{blockTileQ8VNNIx1, blockTileQ8VNNIx2, blockTileQ8VNNIx3, blockTileQ8VNNIx4, blockTileQ8VNNIx5, blockTileQ8VNNIx6},
	q4:       []blockTile{blockTileQ4VNNIx1, blockTileQ4VNNIx2, blockTileQ4VNNIx3, blockTileQ4VNNIx4, blockTileQ4VNNIx5, blockTileQ4VNNIx6},
	quantize: quantizeBlocksAVX2,
	scale:    scaleInt8AVX2,
}
