package kernel

import (
	"encoding/binary"
	"fmt"
	"math"
	"runtime"
)

// Weights in blocks: 32 neighbouring weights of a row share a scale, as GGUF has it (ggml-common.h, block_q8_0 and block_q4_0;
// ggml-quants.c, quantize_row_q8_0_ref and quantize_row_q4_0_ref). Activations are quantised block by block, too, so that a product is
// a sum of exact integers for each block, which is scaled.

// Block is how many weights share a scale.
const Block = 32

// BlockFormat is a format of weights in blocks.
type BlockFormat uint8

const (
	// Q8_0 has a scale in f16, max|x|/127, and 32 signed bytes: x ≈ scale·q.
	Q8_0 BlockFormat = iota
	// Q4_0 has a scale in f16, that number of the block whose magnitude is the greatest, divided by -8, and 32 numbers from 0 to 15:
	// x ≈ scale·(q - 8). Byte i has number i below and number 16+i above.
	Q4_0
)

// Name is "q8_0" or "q4_0".
func (f BlockFormat) Name() string { return [...]string{"q8_0", "q4_0"}[f] }

// Bytes is what a block of 32 weights takes.
func (f BlockFormat) Bytes() int { return [...]int{34, 18}[f] }

// Quantize puts the blocks of x into dst; x has whole blocks, and dst f.Bytes() for each. They are, bit for bit, those of ggml's reference. A
// block with an infinity or a NaN gets a scale that is a NaN, so that nothing hides it.
func (f BlockFormat) Quantize(dst []byte, x []float32) {
	size := f.Bytes()
	if len(x)%Block != 0 || len(dst) != len(x)/Block*size {
		panic(fmt.Sprintf("kernel: %d weights do not go into %d bytes of blocks", len(x), len(dst)))
	}
	for ; len(x) > 0; dst, x = dst[size:], x[Block:] {
		f.quantize(dst[:size], (*[Block]float32)(x))
	}
}

func (f BlockFormat) quantize(b []byte, x *[Block]float32) {
	// The first of the numbers with the greatest magnitude, which is compared by its bits.
	var top uint32
	at := 0
	for i, v := range x {
		if a := math.Float32bits(v) &^ (1 << 31); a > top {
			top, at = a, i
		}
	}
	scale := x[at] / -8
	switch {
	case top == 0 && f == Q4_0:
		scale = float32(math.Copysign(0, -1)) // as the reference, whichever zeros they are
	case f == Q8_0:
		scale = math.Float32frombits(top) / 127
	}
	factor := 1 / scale
	switch {
	case top >= 0x7f800000: // an infinity, or a NaN
		clear(b)
		binary.LittleEndian.PutUint16(b, Half(float32(math.NaN())))
		return
	case abs32(factor) > math.MaxFloat32: // the scale is 0 in f16 then, and the numbers with it
		factor = 0
	}
	binary.LittleEndian.PutUint16(b, Half(scale))
	if f == Q8_0 {
		for i, v := range x {
			// C's roundf, half away from zero, which is exact in float64.
			v := float64(float32(v * factor))
			b[2+i] = byte(int32(v + math.Copysign(0.5, v)))
		}
		return
	}
	for i := range Block / 2 {
		low, high := int32(float32(x[i]*factor)+8.5), int32(float32(x[Block/2+i]*factor)+8.5)
		b[2+i] = byte(min(low, 15) | min(high, 15)<<4)
	}
}

func abs32(x float32) float32 { return math.Float32frombits(math.Float32bits(x) &^ (1 << 31)) }

// Dequantize puts the numbers of blocks into dst.
func (f BlockFormat) Dequantize(dst []float32, b []byte) {
	size := f.Bytes()
	if len(dst)%Block != 0 || len(b) != len(dst)/Block*size {
		panic(fmt.Sprintf("kernel: %d bytes of blocks are not %d weights", len(b), len(dst)))
	}
	for ; len(dst) > 0; dst, b = dst[Block:], b[size:] {
		scale := FromHalf(binary.LittleEndian.Uint16(b))
		if f == Q8_0 {
			for i, q := range b[2:size] {
				dst[i] = float32(int8(q)) * scale
			}
			continue
		}
		for i, q := range b[2:size] {
			dst[i] = float32(int(q&15)-8) * scale
			dst[Block/2+i] = float32(int(q>>4)-8) * scale
		}
	}
}

// Blocks is a matrix of weights in blocks, [n, k]: row j has the weights of output j. A row that is no whole number of blocks is filled up
// with zeros. It lies outside of the collector's heap (see Outside), and may be shared among goroutines once it is filled.
//
// Eight rows are a panel. For each block it has their scales, and then their weights, four of a row next to each other: in the order in
// which assembly reads them, with the bytes of the format.
type Blocks struct {
	format BlockFormat
	n, k   int
	deep   int // blocks of a row
	b      []byte
}

// blockPanel is how many rows lie together.
const blockPanel = 8

// NewBlocks is a matrix of zeros, [n, k], which Put fills.
func NewBlocks(f BlockFormat, n, k int) *Blocks {
	p := &Blocks{format: f, n: max(0, n), k: max(0, k)}
	p.deep = (p.k + Block - 1) / Block
	p.b = Outside[Blocks, byte](p, BlocksBytes(f, p.n, p.k))
	return p
}

// BlocksBytes is what a matrix takes: rows are filled up to whole blocks, and their number to a multiple of 8.
func BlocksBytes(f BlockFormat, n, k int) int {
	return (n + blockPanel - 1) / blockPanel * blockPanel * ((k + Block - 1) / Block) * f.Bytes()
}

// Bytes is what it takes.
func (p *Blocks) Bytes() int64 { return int64(len(p.b)) }

// Put quantises the numbers of b as those in rows from row on and columns from col on: b is [rows, cols] with a stride of ldb; col is a
// multiple of 32, and so is cols, unless they are the last. Calls for other rows may run beside it.
func (p *Blocks) Put(row, rows, col, cols int, b []float32, ldb int) {
	if rows <= 0 || cols <= 0 {
		return
	}
	if row < 0 || row+rows > p.n || col < 0 || col%Block != 0 || col+cols > p.k || cols%Block != 0 && col+cols != p.k {
		panic(fmt.Sprintf("kernel: rows %d to %d and columns %d to %d of [%d, %d] are no whole blocks of it", row, row+rows, col, col+cols, p.n, p.k))
	}
	within("b", rows, cols, b, ldb)
	var block [34]byte
	var last [Block]float32
	packed := block[:p.format.Bytes()]
	for i := range rows {
		for l := 0; l < cols; l += Block {
			x := b[i*ldb+l:][:min(Block, cols-l)]
			if len(x) < Block {
				last = [Block]float32{}
				copy(last[:], x)
				x = last[:]
			}
			p.format.Quantize(packed, x)
			to, lane := p.at(row+i, (col+l)/Block)
			copy(to[2*lane:][:2], packed)
			for g, q := 0, packed[2:]; g < len(q); g += 4 {
				copy(to[2*blockPanel+g*blockPanel+4*lane:][:4], q[g:])
			}
		}
	}
	runtime.KeepAlive(p)
}

// at is where block l of row j lies: with those of the rows beside it, and which of them it is.
func (p *Blocks) at(j, l int) (panel []byte, lane int) {
	size := blockPanel * p.format.Bytes()
	return p.b[(j/blockPanel*p.deep+l)*size:][:size], j % blockPanel
}

// Row puts row j of the weights, k numbers, into dst.
func (p *Blocks) Row(j int, dst []float32) {
	if j < 0 || j >= p.n {
		panic(fmt.Sprintf("kernel: row %d of %d", j, p.n))
	}
	dst = dst[:p.k]
	var packed [34]byte
	var x [Block]float32
	block := packed[:p.format.Bytes()]
	for l := range p.deep {
		from, lane := p.at(j, l)
		copy(block[:2], from[2*lane:])
		for g, q := 0, block[2:]; g < len(q); g += 4 {
			copy(q[g:g+4], from[2*blockPanel+g*blockPanel+4*lane:])
		}
		p.format.Dequantize(x[:], block)
		copy(dst[l*Block:], x[:])
	}
	runtime.KeepAlive(p)
}

// Activations of a product: for each block of a row 32 numbers in 8 bits, scale·q with the scale behind them in f32 and -8 times their sum
// as an integer, blockRoom bytes in all.
const blockRoom = Block + 8

// quantizeBlocks quantises a row of activations: dst has blockRoom bytes for each block. scale = max/127 and q = x·(127/max), rounded to
// nearest, half to even; as Quantize8 does with a whole row, and with its rules for what is not finite or too small.
func quantizeBlocks(s *Set, dst []byte, x []float32) {
	const least = 4e-37 // 127 divided by what is above it is finite
	for len(x) >= Block {
		n := len(x) / Block
		if s.blocks != nil {
			n = s.blocks.quantize(&dst[0], &x[0], n, least)
			dst, x = dst[n*blockRoom:], x[n*Block:]
			if len(x) < Block {
				break
			}
			n = 1 // what the assembly leaves to us
		}
		for range n {
			quantizeBlock(dst, x[:Block])
			dst, x = dst[blockRoom:], x[Block:]
		}
	}
	if len(x) > 0 {
		var last [Block]float32
		copy(last[:], x)
		quantizeBlock(dst, last[:])
	}
}

func quantizeBlock(dst []byte, x []float32) {
	dst = dst[:blockRoom]
	scale, factor := scales8(maxAbsGeneric(x))
	var sum int32
	if factor == 0 {
		clear(dst)
	} else {
		for i, v := range x {
			q := round8(v, factor)
			dst[i] = byte(q)
			sum += int32(q)
		}
	}
	binary.LittleEndian.PutUint32(dst[Block:], math.Float32bits(scale))
	binary.LittleEndian.PutUint32(dst[Block+4:], uint32(-8*sum))
}

// blockTiles are the functions of one kind of processor.
type blockTiles struct {
	q8, q4   []blockTile // by rows of activations, from 1
	quantize func(dst *byte, x *float32, blocks int, limit float32) (done int)
	scale    func(dst *float32, q *int8, scale *float32, rows, size int)
}

// blockTile puts, or adds, products of rows of activations, ldx bytes from each other, with a panel of weights into c, [rows, 8].
type blockTile func(blocks int, x *byte, ldx int, b *byte, c *float32, ldc int, add bool)

// tilePortable is a blockTile of one row: the law of the others.
func (p *Blocks) tilePortable(x []byte, panel int, c []float32, add bool) {
	var total [blockPanel]float32
	size := blockPanel * p.format.Bytes()
	b := p.b[panel*p.deep*size:]
	for range p.deep {
		var sum [blockPanel]int32
		q := b[2*blockPanel : size]
		for lane := range sum {
			var s int32
			if p.format == Q8_0 {
				for g := 0; g < Block; g += 4 {
					w := q[g*blockPanel+4*lane:][:4]
					for i, v := range w {
						s += int32(int8(v)) * int32(int8(x[g+i]))
					}
				}
			} else {
				for g := 0; g < Block/2; g += 4 {
					w := q[g*blockPanel+4*lane:][:4]
					for i, v := range w {
						s += int32(v&15)*int32(int8(x[g+i])) + int32(v>>4)*int32(int8(x[Block/2+g+i]))
					}
				}
				s += int32(binary.LittleEndian.Uint32(x[Block+4:]))
			}
			sum[lane] = s
		}
		scale := math.Float32frombits(binary.LittleEndian.Uint32(x[Block:]))
		for lane, s := range sum {
			w := FromHalf(binary.LittleEndian.Uint16(b[2*lane:]))
			total[lane] += float32(float32(s) * float32(scale*w))
		}
		b, x = b[size:], x[blockRoom:]
	}
	for lane := range c {
		if add {
			c[lane] += total[lane]
		} else {
			c[lane] = total[lane]
		}
	}
}

// blockProduct is what a pool works at: rows of activations with a matrix in blocks.
type blockProduct struct {
	pool   *Pool
	b      *Blocks
	m      int
	a      []float32
	lda    int
	add    bool
	c      []float32
	ldc    int
	x      []byte // the activations in 8 bits
	ldx    int    // bytes of a row of them
	panels int    // of a piece

	quantize, multiply func(i, worker int)
}

func (q *blockProduct) functions() { q.quantize, q.multiply = q.quantizeRows, q.multiplyPanels }

const (
	// blockBytes is how many bytes of activations in 8 bits are multiplied at a time, as many as stay in the second cache, but for 24 rows
	// at least.
	blockBytes = 1 << 18
	// blockPieces is how many pieces a worker has, so that one which is disturbed does not keep the others waiting for long.
	blockPieces = 4
)

// GemmBlocks puts the product a·Bᵀ into c, or adds it with add: a is [m, k], C is [m, n], B is in blocks. Blocks of a are quantised to 8 bits, with a
// scale of max/127 in f32; sums over a block are exact integers, each is multiplied with the product of the two scales, and they are added
// from the first block on, each operation rounded by itself: all sets give the same bits, for any m and any number of workers. A row of a
// with a NaN or an infinity gives a row of NaN. c does not overlap a.
func (p *Pool) GemmBlocks(m int, a []float32, lda int, b *Blocks, add bool, c []float32, ldc int) {
	if m <= 0 || b.n == 0 {
		return
	}
	within("c", m, b.n, c, ldc)
	if b.k == 0 {
		for i := 0; i < m && !add; i++ {
			clear(c[i*ldc : i*ldc+b.n])
		}
		return
	}
	within("a", m, b.k, a, lda)
	q := &p.blocks
	q.ldx = b.deep * blockRoom
	if q.ldx%4096 == 0 {
		q.ldx += 64 // rows would all want the same place of the first cache
	}
	rows := max(4*blockRows, blockBytes/q.ldx/blockRows*blockRows)
	q.b, q.add, q.lda, q.ldc = b, add, lda, ldc
	panels := (b.n + blockPanel - 1) / blockPanel
	q.panels = max(1, (panels+blockPieces*p.workers-1)/(blockPieces*p.workers))
	pieces := (panels + q.panels - 1) / q.panels
	for i := 0; i < m; i += rows {
		q.m = min(rows, m-i)
		q.a, q.c = a[i*lda:], c[i*ldc:]
		if need := q.m * q.ldx; len(q.x) < need {
			q.x = make([]byte, need)
		}
		if work := q.m * b.k; p.workers == 1 || work < 1<<14 { // some 5 µs
			for r := range q.m {
				q.quantizeRow(r)
			}
		} else {
			p.Each((q.m+blockRows-1)/blockRows, q.quantize)
		}
		if p.workers == 1 || q.m*b.n*b.k < smallest {
			for piece := range pieces {
				q.multiplyPanels(piece, 0)
			}
		} else {
			p.Each(pieces, q.multiply)
		}
	}
	q.b, q.a, q.c = nil, nil, nil
	runtime.KeepAlive(b)
}

// blockRows is how many rows the highest tile has, and a piece that is quantised.
const blockRows = 6

func (q *blockProduct) quantizeRows(i, _ int) {
	for r := i * blockRows; r < min(q.m, (i+1)*blockRows); r++ {
		q.quantizeRow(r)
	}
}

func (q *blockProduct) quantizeRow(r int) {
	quantizeBlocks(q.pool.set, q.x[r*q.ldx:], q.a[r*q.lda:][:q.b.k])
}

func (q *blockProduct) multiplyPanels(i, _ int) {
	b, t := q.b, q.pool.set.blocks
	var tiles []blockTile
	if t != nil {
		if tiles = t.q8; b.format == Q4_0 {
			tiles = t.q4
		}
	}
	h := even(q.m, blockRows)
	var edge [blockRows * blockPanel]float32
	for panel := i * q.panels; panel < min((i+1)*q.panels, (b.n+blockPanel-1)/blockPanel); panel++ {
		j := panel * blockPanel
		cols := min(blockPanel, b.n-j)
		if tiles == nil {
			for r := range q.m {
				b.tilePortable(q.x[r*q.ldx:], panel, q.c[r*q.ldc+j:][:cols], q.add)
			}
			continue
		}
		w := &b.b[panel*b.deep*blockPanel*b.format.Bytes()]
		for r := 0; r < q.m; r += h {
			rows := min(h, q.m-r)
			if cols == blockPanel {
				tiles[rows-1](b.deep, &q.x[r*q.ldx], q.ldx, w, &q.c[r*q.ldc+j], q.ldc, q.add)
				continue
			}
			tiles[rows-1](b.deep, &q.x[r*q.ldx], q.ldx, w, &edge[0], blockPanel, false)
			for y := range rows {
				for x, v := range edge[y*blockPanel:][:cols] {
					if to := &q.c[(r+y)*q.ldc+j+x]; q.add {
						*to += v
					} else {
						*to = v
					}
				}
			}
		}
	}
}

// ScaleInt8 puts rows of numbers in 8 bits, [rows, size], each times its scale, into dst, [rows, size]: what Quantize8 has made smaller.
func (s *Set) ScaleInt8(dst []float32, q []int8, scale []float32, size int) {
	rows := len(scale)
	if size < 0 || len(q) < rows*size || len(dst) < rows*size {
		panic(fmt.Sprintf("kernel: %d and %d numbers are not %d rows of %d", len(q), len(dst), rows, size))
	}
	if rows == 0 || size == 0 {
		return
	}
	if s.blocks != nil && size%8 == 0 {
		s.blocks.scale(&dst[0], &q[0], &scale[0], rows, size)
		return
	}
	for i, by := range scale {
		to := dst[i*size:][:size]
		for j, v := range q[i*size:][:size] {
			to[j] = float32(float32(v) * by)
		}
	}
}
