package train

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"

	"curate/corpus/store"
)

// MetricsFile lies in the folder of a run: a line of JSON for each step and each validation, the same bytes however often
// the run was killed. A checkpoint says how long the file was, and it is cut to that when the run goes on.
const MetricsFile = "metrics.jsonl"

// StepMetrics is the line of a step.
type StepMetrics struct {
	Step         int64   `json:"step"` // from 0
	Epoch        int64   `json:"epoch,omitzero"`
	Stage        int     `json:"stage"`
	Tokens       int64   `json:"tokens"` // seen with this step's
	Loss         float64 `json:"loss"`   // mean over the step's targets, before the step
	GradNorm     float64 `json:"grad_norm"`
	LearningRate float64 `json:"learning_rate"`
	Rows         int64   `json:"rows"` // and pairs
	Length       int     `json:"length"`
	// TokenLoss is the mean over the targets of rows where the step has pairs, too: Loss is both by their shares.
	TokenLoss *float64    `json:"token_loss,omitzero"`
	DPO       *DPOMetrics `json:"dpo,omitzero"`
}

// DPOMetrics are those of the pairs of a step or a validation: means over them, in nats.
type DPOMetrics struct {
	Pairs    int64   `json:"pairs"`
	Loss     float64 `json:"loss"`
	Chosen   float64 `json:"rewards_chosen"`
	Rejected float64 `json:"rewards_rejected"`
	Margin   float64 `json:"margin"`   // of the first over the second
	Accuracy float64 `json:"accuracy"` // share of pairs with a margin above 0
	// LogChosen and LogRejected are the log-probabilities of the answers.
	LogChosen   float64 `json:"log_chosen"`
	LogRejected float64 `json:"log_rejected"`
}

// ValidationMetrics is the line of a validation: of the model after Step steps.
type ValidationMetrics struct {
	Step int64   `json:"step"`
	Loss float64 `json:"validation_loss"`
	// BitsPerToken of rows; of pairs the loss is that of DPO.
	BitsPerToken float64     `json:"bits_per_token,omitzero"`
	Targets      int64       `json:"targets,omitzero"`
	DPO          *DPOMetrics `json:"dpo,omitzero"`
}

// ReadMetrics reads the file; name is for messages. A last line that was cut off is passed over: the run may be at work.
func ReadMetrics(name string, b []byte) (steps []StepMetrics, validations []ValidationMetrics, err error) {
	for at := 0; ; {
		n := bytes.IndexByte(b[at:], '\n')
		if n < 0 {
			return steps, validations, nil
		}
		line := b[at:][:n]
		var v ValidationMetrics
		var s StepMetrics
		if bytes.Contains(line, []byte(`"validation_loss"`)) {
			if err = json.Unmarshal(line, &v, json.RejectUnknownMembers(true)); err == nil {
				validations = append(validations, v)
			}
		} else if err = json.Unmarshal(line, &s, json.RejectUnknownMembers(true)); err == nil {
			steps = append(steps, s)
		}
		if err != nil {
			return nil, nil, fmt.Errorf("%s (byte %d): %w", name, at, err)
		}
		at += n + 1
	}
}

// metricsLog appends lines to the file, durably, about once a second.
type metricsLog struct {
	log     store.Log
	waiting []byte
	bytes   int64 // up to the last step's line, with those that wait
	length  int64 // of all lines
	last    time.Time
}

const flushEvery = time.Second

// openMetrics cuts the file to a size.
func openMetrics(ctx context.Context, st store.Store, name string, size int64) (*metricsLog, error) {
	log, err := st.OpenLog(ctx, name)
	if err != nil {
		return nil, err
	}
	b, err := log.ReadAll()
	if err == nil && int64(len(b)) < size {
		err = fmt.Errorf("%s: the file ends at byte %d, and was %d bytes long at the last checkpoint; restore it, or start again", name, len(b), size)
	}
	if err == nil {
		err = log.Truncate(size)
	}
	if err != nil {
		log.Close()
		return nil, err
	}
	return &metricsLog{log: log, bytes: size, length: size, last: time.Now()}, nil
}

func (m *metricsLog) add(line any) error {
	b, err := json.Marshal(line)
	if err != nil {
		return err
	}
	m.waiting = append(append(m.waiting, b...), '\n')
	m.length += int64(len(b)) + 1
	if _, ok := line.(*StepMetrics); ok {
		m.bytes = m.length
	}
	if time.Since(m.last) < flushEvery {
		return nil
	}
	return m.flush()
}

func (m *metricsLog) flush() error {
	m.last = time.Now()
	if len(m.waiting) == 0 {
		return nil
	}
	err := m.log.Append(m.waiting)
	m.waiting = m.waiting[:0]
	return err
}
