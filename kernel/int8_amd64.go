//go:build !noasm

package kernel

// The functions of int8_amd64.s, which tools/kernels writes, by what a processor has.

var int8AVX2 = int8Tiles{rows: 6, cols: 16, group: 2, wide: []int8Wide{
	int8TileAVX2x1, int8TileAVX2x2, int8TileAVX2x3, int8TileAVX2x4, int8TileAVX2x5, int8TileAVX2x6,
}}

var int8VNNI = int8Tiles{rows: 12, cols: 32, group: 4, byte: []int8Byte{
	int8TileVNNIx1, int8TileVNNIx2, int8TileVNNIx3, int8TileVNNIx4, int8TileVNNIx5, int8TileVNNIx6,
	int8TileVNNIx7, int8TileVNNIx8, int8TileVNNIx9, int8TileVNNIx10, int8TileVNNIx11, int8TileVNNIx12,
}}
