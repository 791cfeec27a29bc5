package model

import "curate/kernel"

// attention says what the attention of a layer is like.
type attention struct {
	rows, length             int
	heads, kvHeads, headSize int
	scale                    float32   // of the scores
	slopes                   []float32 // of ALiBi by head; nil: none
	prec                     kernel.Precision
}

// A row of qkv holds the queries of a token, then its keys, then its values, each head by head:
// (heads + 2·kvHeads)·headSize numbers. Query head h uses key head h / (heads/kvHeads).

// forward puts the attention of all tokens into out, [N, heads·headSize]: token i of a row sees j in [starts[i], i] (starts
// may be nil: from 0) with weights softmax(scale·q·k - slope·(i-j)). lse gets the logarithm of each softmax's sum,
// [rows, heads, length], for the backward pass. Scores are made tile by tile and never kept: memory is linear in length, and
// tiles in which nothing is seen are passed over.
func (a *attention) forward(p *kernel.Pool, qkv []float32, starts []int32, out, lse []float32) {
	panic("unwritten")
}

// backward puts the gradient of qkv into dqkv, from that of out.
func (a *attention) backward(p *kernel.Pool, qkv []float32, starts []int32, out, lse, dout, dqkv []float32) {
	panic("unwritten")
}
