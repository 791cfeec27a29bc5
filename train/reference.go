package train

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"path"
	"time"

	"github.com/cespare/xxhash/v2"

	"curate/train/model"
)

// ReferenceFile lies in the folder of a run that learns from pairs and holds what the model that it began with says of their
// answers: it is asked once. A run that was killed while it asked goes on behind the last whole block.
//
//	┌──────────┬──────────────────────────┬───────────────────────────────────────────────┐
//	│ magic 8B │ sha256 of the config 32B │ of each pair: chosen f64, rejected f64        │
//	└──────────┴──────────────────────────┴───────────────────────────────────────────────┘
//
// Numbers are little-endian: the log-probability of an answer, in nats. Pairs are those of the sets to learn from, set by set in the
// order of the configuration, as many of each as the run comes to see, and then those of the validation.
const ReferenceFile = "reference.bin"

const (
	referenceMagic  = "curref\x01\n"
	referenceHeader = len(referenceMagic) + 32
	referencePair   = 16
	// referenceBlock is how many pairs of a set are asked about together: micro-batches do not cross it, so that they are the same
	// wherever a run goes on.
	referenceBlock = 64
)

// referenceRows are pairs of a stage.
type referenceRows struct {
	data       *Data
	stage      int
	from, rows int64
}

// references numbers the pairs, and cuts them into blocks.
func (r *run) references() (blocks []referenceRows, pairs int64) {
	add := func(d *Data, rows func(stage int) int64) {
		for i := range d.stages {
			s := &d.stages[i]
			if !s.pairs {
				continue
			}
			s.reference = pairs
			n := rows(i)
			for from := int64(0); from < n; from += referenceBlock {
				blocks = append(blocks, referenceRows{d, i, from, min(referenceBlock, n-from)})
			}
			pairs += n
		}
	}
	reached := r.data.reached(r.c.Steps)
	add(r.data, func(stage int) int64 { return reached[stage] })
	if v := r.validation; v != nil {
		add(v, func(stage int) int64 { return r.validationRows(&v.stages[stage]) })
	}
	return blocks, pairs
}

// refer fills r.reference: from its file and, as far as that does not go, with what a model says that first makes. first is not
// called if nothing is left to ask.
func (r *run) refer(ctx context.Context, first func() (*model.Model, error)) (err error) {
	blocks, pairs := r.references()
	if pairs == 0 {
		return nil
	}
	log, err := r.st.OpenLog(ctx, path.Join(r.dir, ReferenceFile))
	if err != nil {
		return err
	}
	defer func() {
		if closing := log.Close(); err == nil {
			err = closing
		}
	}()
	b, err := log.ReadAll()
	if err != nil {
		return err
	}
	digest, err := hex.DecodeString(r.digest)
	if err != nil {
		return err
	}
	header := append([]byte(referenceMagic), digest...)
	size, done := wholeReference(b, header, blocks) // what is behind them was cut off, or is of another configuration
	b, err = b[:size], log.Truncate(int64(size))
	if size == 0 && err == nil {
		b = header
		err = log.Append(b)
	}
	if err != nil {
		return err
	}
	if done < len(blocks) {
		m, err := first()
		if err != nil {
			return err
		}
		if b, err = r.ask(ctx, m, blocks[done:], b, log.Append); err != nil {
			return err
		}
	}
	r.reference = make([]float64, 2*pairs)
	for i := range r.reference {
		r.reference[i] = math.Float64frombits(binary.LittleEndian.Uint64(b[referenceHeader+8*i:]))
	}
	r.referenceSum = fmt.Sprintf("%016x", xxhash.Sum64(b))
	return nil
}

// wholeReference is how many bytes of a file with a header are good, and how many blocks they hold: 0 if it has another header.
func wholeReference(b, header []byte, blocks []referenceRows) (size, done int) {
	if !bytes.HasPrefix(b, header) {
		return 0, 0
	}
	size = len(header)
	for done < len(blocks) && int(blocks[done].rows)*referencePair <= len(b)-size {
		size += int(blocks[done].rows) * referencePair
		done++
	}
	return size, done
}

// ask appends to b what the model says of the pairs, and gives it to write about once a second.
func (r *run) ask(ctx context.Context, m *model.Model, blocks []referenceRows, b []byte, write func([]byte) error) (_ []byte, err error) {
	written, last := len(b), time.Now()
	flush := func() error {
		if written == len(b) {
			return nil
		}
		err := write(b[written:])
		written, last = len(b), time.Now()
		return err
	}
	reader := &rowReader{}
	defer func() {
		if closing := reader.close(); err == nil {
			err = closing
		}
	}()
	r.log.Info("asking the model that the run begins with about the pairs")
	var batch stepBatch
	var logProbs []float32
	var sums [2 * referenceBlock]float64
	cut, pairs := int64(0), int64(0)
	for k, x := range blocks {
		if reader.data != x.data {
			if err := reader.close(); err != nil {
				return nil, err
			}
			reader = x.data.reader(r.c.MicroBatch)
		}
		if err := reader.place(ctx, Place{Stage: x.stage, From: x.from, Rows: x.rows}, &batch); err != nil {
			return nil, errors.Join(err, flush()) // it was stopped, or a shard is damaged: what was asked is kept
		}
		cut, pairs = cut+batch.cut, pairs+x.rows
		sums = [2 * referenceBlock]float64{} // of a pair without a target it is 0, and nobody asks
		first := x.data.stages[x.stage].reference + x.from
		for i := range batch.micro {
			mb := &batch.micro[i]
			n := len(mb.Tokens)
			logProbs = append(logProbs[:0], make([]float32, n)...)
			if err := m.LogProbs(&mb.Batch, logProbs); err != nil {
				return nil, fmt.Errorf("%s: %w", x.data.stages[x.stage].set.Dir, err)
			}
			for _, p := range mb.pairs {
				for side, answer := range []span{p.chosen, p.rejected} {
					sum := 0.0
					for t := answer.from; t < answer.to; t++ {
						sum += float64(logProbs[t])
					}
					sums[2*(p.number-first)+int64(side)] = sum
				}
			}
		}
		for _, x := range sums[:2*x.rows] {
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(x))
		}
		if k+1 == len(blocks) || time.Since(last) >= flushEvery {
			if err := flush(); err != nil {
				return nil, err
			}
		}
	}
	if cut > 0 {
		r.log.Warn(fmt.Sprintf("%d of %d pairs are longer than their rows, and their ends are cut off; shards of a greater length have room for them", cut, pairs))
	}
	return b, nil
}
