package fasttext

import "math"

// matrix is dense, or stays quantised where the numbers would take far more than the file does.
type matrix struct {
	rows, cols int
	dense      []float32 // nil if quantised

	quantizer quantizer
	codes     []byte // quantizer.parts a row
	norms     []byte // a code a row, or nil
	norm      [256]float32
}

// quantizer is a product quantizer: each part of a row is one of 256 vectors.
type quantizer struct {
	parts, width, last int // last is the width of the last part
	vectors            []float32
}

// vector is that of a code of a part (productquantizer.cc get_centroids).
func (q *quantizer) vector(part int, code byte) []float32 {
	if part == q.parts-1 {
		at := part*256*q.width + int(code)*q.last
		return q.vectors[at : at+q.last]
	}
	at := (part*256 + int(code)) * q.width
	return q.vectors[at : at+q.width]
}

// maxUnpacked is how many times the bytes of a quantised matrix its numbers may take. Codes of two numbers each,
// which is the default of quantising, take eight times.
const maxUnpacked = 32

func (m *matrix) bytes() int64 {
	return int64(len(m.dense)+len(m.quantizer.vectors))*4 + int64(len(m.codes)+len(m.norms))
}

func (d *decoder) matrix(name string, quantised bool) matrix {
	var m matrix
	norms := quantised && d.flag("whether the "+name+" matrix has norms of its own")
	at := d.at
	rows, cols := d.int64(), d.int64()
	if d.err != nil {
		return m
	}
	if rows < 0 || cols < 1 || rows > math.MaxInt32 || cols > math.MaxInt32 {
		d.failf(at, "the %s matrix is %d x %d", name, rows, cols)
		return m
	}
	m.rows, m.cols = int(rows), int(cols)
	if !quantised {
		m.dense = d.floats("the "+name+" matrix", rows*cols)
		return m
	}
	at = d.at
	n := int64(d.int32())
	m.codes = d.codes("codes of the "+name+" matrix", n)
	m.quantizer = d.quantizer(name, m.cols)
	if d.err == nil && n != rows*int64(m.quantizer.parts) {
		d.failf(at, "%d codes of %d rows in %d parts", n, rows, m.quantizer.parts)
	}
	if norms {
		m.norms = d.codes("norms of the "+name+" matrix", rows)
		q := d.quantizer(name+" norms", 1)
		copy(m.norm[:], q.vectors)
	}
	if d.err != nil {
		return matrix{}
	}
	if packed := n + int64(len(m.quantizer.vectors))*4 + int64(len(m.norms)); rows*cols <= maxUnpacked/4*packed {
		dense := make([]float32, rows*cols)
		for i := range m.rows {
			m.unpack(int32(i), dense[i*m.cols:(i+1)*m.cols])
		}
		m.dense, m.codes, m.norms, m.quantizer = dense, nil, nil, quantizer{}
	}
	return m
}

func (d *decoder) quantizer(name string, cols int) quantizer {
	at := d.at
	dim := d.int32()
	q := quantizer{parts: d.int32(), width: d.int32(), last: d.int32()}
	if d.err != nil {
		return q
	}
	if q.parts < 1 || q.width < 1 || q.last < 1 || q.last > q.width || dim != cols ||
		int64(q.parts-1)*int64(q.width)+int64(q.last) != int64(dim) {
		d.failf(at, "the quantizer of the %s has %d parts of %d numbers, the last of %d, for %d columns; expected are %d", name, q.parts, q.width, q.last, dim, cols)
		return q
	}
	q.vectors = d.floats("the quantizer of the "+name, int64(dim)*256)
	return q
}

// unpack writes a row of a quantised matrix.
func (m *matrix) unpack(i int32, dst []float32) {
	norm := float32(1)
	if m.norms != nil {
		norm = m.norm[m.norms[i]]
	}
	q := &m.quantizer
	codes := m.codes[int(i)*q.parts : (int(i)+1)*q.parts]
	for part, code := range codes {
		v := q.vector(part, code)
		out := dst[part*q.width:]
		for k := range v {
			out[k] = norm * v[k]
		}
	}
}

// row is a row, in tmp if it has to be unpacked.
func (m *matrix) row(i int32, tmp []float32) []float32 {
	if m.dense != nil {
		return m.dense[int(i)*m.cols : (int(i)+1)*m.cols]
	}
	m.unpack(i, tmp)
	return tmp
}

// sum makes dst the sum of rows, added in their order: eight columns at a time, which stay in registers.
func (m *matrix) sum(dst []float32, rows []int32, tmp []float32) {
	if m.dense == nil {
		clear(dst)
		for _, r := range rows {
			m.unpack(r, tmp)
			add(dst, tmp)
		}
		return
	}
	c := 0
	for ; c+8 <= m.cols; c += 8 {
		var a0, a1, a2, a3, a4, a5, a6, a7 float32
		for _, r := range rows {
			v := (*[8]float32)(m.dense[int(r)*m.cols+c:])
			a0 += v[0]
			a1 += v[1]
			a2 += v[2]
			a3 += v[3]
			a4 += v[4]
			a5 += v[5]
			a6 += v[6]
			a7 += v[7]
		}
		*(*[8]float32)(dst[c:]) = [8]float32{a0, a1, a2, a3, a4, a5, a6, a7}
	}
	for ; c < m.cols; c++ {
		var a float32
		for _, r := range rows {
			a += m.dense[int(r)*m.cols+c]
		}
		dst[c] = a
	}
}

// add adds src to dst, which is as long.
func add(dst, src []float32) {
	for len(dst) >= 8 && len(src) >= 8 {
		d, s := (*[8]float32)(dst), (*[8]float32)(src)
		d[0] += s[0]
		d[1] += s[1]
		d[2] += s[2]
		d[3] += s[3]
		d[4] += s[4]
		d[5] += s[5]
		d[6] += s[6]
		d[7] += s[7]
		dst, src = dst[8:], src[8:]
	}
	for i, x := range src {
		dst[i] += x
	}
}

// dot is the product of a row and v. Four sums run side by side, so that the processor need not wait for each.
func (m *matrix) dot(i int32, v, tmp []float32) float32 {
	row := m.row(i, tmp)
	var a0, a1, a2, a3 float32
	for len(row) >= 4 && len(v) >= 4 {
		r, x := (*[4]float32)(row), (*[4]float32)(v)
		a0 += float32(r[0] * x[0])
		a1 += float32(r[1] * x[1])
		a2 += float32(r[2] * x[2])
		a3 += float32(r[3] * x[3])
		row, v = row[4:], v[4:]
	}
	for k, x := range row {
		a0 += float32(x * v[k])
	}
	return (a0 + a1) + (a2 + a3)
}
