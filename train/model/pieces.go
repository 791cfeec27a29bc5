package model

// blockRows is how many rows of activations are one piece of work. It decides the order of sums, and with it the last bits.
const blockRows = 32

func blocks(n int) int { return (n + blockRows - 1) / blockRows }

// eachBlock calls f for every block of n rows: rows from to to, the number of the block, and the worker.
func (m *Model) eachBlock(n int, f func(from, to, block, worker int)) {
	m.pool.Each(blocks(n), func(i, worker int) {
		f(i*blockRows, min(n, (i+1)*blockRows), i, worker)
	})
}

// sumRows adds Σ f over n rows to dst, [cols], where f adds what row t has to give to a sum. There is a sum for each block of
// rows, and they are added in order; dst nil: nobody wants them.
func (m *Model) sumRows(n, cols int, dst []float32, f func(t int, sum []float32)) {
	partial := m.partial[:blocks(n)*cols]
	m.eachBlock(n, func(from, to, block, _ int) {
		sum := partial[block*cols : (block+1)*cols]
		clear(sum)
		for t := from; t < to; t++ {
			f(t, sum)
		}
	})
	if dst == nil {
		return
	}
	const piece = 256
	m.pool.Each((cols+piece-1)/piece, func(i, _ int) {
		from, to := i*piece, min(cols, (i+1)*piece)
		for block := range blocks(n) {
			m.set.Add(dst[from:to], dst[from:to], partial[block*cols+from:block*cols+to])
		}
	})
}
