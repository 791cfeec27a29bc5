package train

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"time"
)

// validationRows are those of a set that the validation measures.
func (r *run) validationRows(s *dataStage) int64 {
	if n := r.c.Validation.Rows; n > 0 {
		return min(s.rows(), n)
	}
	return s.rows()
}

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
	var dpo dpoSums
	sum, counted := 0.0, int64(0)
	for g := range r.validation.stages {
		s := &r.validation.stages[g]
		rows := r.validationRows(s)
		atOnce := max(1, r.c.MicroBatch/s.tokens)
		for from := int64(0); from < rows; from += atOnce {
			if err := reader.place(ctx, Place{Stage: g, From: from, Rows: min(atOnce, rows-from)}, &b); err != nil {
				return err
			}
			for i := range b.micro {
				part, err := r.lossOf(&b.micro[i], 1, nil, &dpo)
				if err != nil {
					return fmt.Errorf("validation: %w", err)
				}
				sum += part
			}
			counted += b.counted
		}
	}
	line := &ValidationMetrics{Step: r.step, Targets: counted, DPO: dpo.metrics()}
	switch {
	case counted > 0:
		line.Loss = sum / float64(counted)
		line.BitsPerToken = line.Loss / math.Ln2
	case dpo.pairs > 0:
		line.Loss, line.Targets = line.DPO.Loss, dpo.targets
	default:
		return fmt.Errorf("%s: all targets of the rows to validate on are masked", r.c.Validation.Shards)
	}
	r.log.Info("", slog.String("event", "validation"), slog.Int64("at", r.step), slog.Float64("loss", line.Loss), slog.Int64("targets", line.Targets))
	r.watch.segment.Phases.Validation += watch.lap()
	if bad(line.Loss) || line.DPO != nil && bad(line.DPO.Margin) {
		return r.diverged(ctx, Diverged{Step: r.step, Validation: true, Loss: line.Loss})
	}
	r.stopping.see(line)
	return r.metrics.add(line)
}
