package train

import (
	"context"
	"fmt"
	"math"
	"time"
)

// validate measures the loss on the rows of the validation and writes its line.
func (r *run) validate(ctx context.Context) (err error) {
	watch := mark(time.Now())
	reader := r.validation.reader(r.c.MicroBatch)
	defer func() {
		if closing := reader.close(); err == nil {
			err = closing
		}
	}()
	var b stepBatch
	sum, counted := 0.0, int64(0)
	for g := range r.validation.stages {
		s := &r.validation.stages[g]
		rows := s.rows()
		if n := r.c.Validation.Rows; n > 0 {
			rows = min(rows, n)
		}
		atOnce := max(1, r.c.MicroBatch/int64(s.set.Manifest.Length))
		for from := int64(0); from < rows; from += atOnce {
			if err := reader.place(ctx, Place{Stage: g, From: from, Rows: min(atOnce, rows-from)}, &b); err != nil {
				return err
			}
			for i := range b.micro {
				part, _, err := r.model.Loss(&b.micro[i], 1, nil)
				if err != nil {
					return fmt.Errorf("validation: %w", err)
				}
				sum += part
			}
			counted += b.counted
		}
	}
	if counted == 0 {
		return fmt.Errorf("%s: all targets of the rows to validate on are masked", r.c.Validation.Shards)
	}
	loss := sum / float64(counted)
	r.watch.segment.Phases.Validation += watch.lap()
	if bad(loss) {
		return r.diverged(ctx, Diverged{Step: r.step, Validation: true, Loss: loss})
	}
	v := &ValidationMetrics{r.step, loss, loss / math.Ln2, counted}
	r.stopping.see(v)
	return r.metrics.add(v)
}
