package stagetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync/atomic"
	"testing"
	"time"

	"curate/record"
	"curate/stage"
)

// asks is an io-bound Mapper that has each text counted by a server, which is a function. It can break one law.
type asks struct {
	broken string
	answer func(ctx context.Context)
	n      *atomic.Int64 // questions
}

func (a asks) Spec() stage.Spec {
	return stage.Spec{Name: "asks", Version: 1, InFlight: 4, Needs: []record.Path{text}}
}
func (a asks) NewWorker() stage.Worker { return a }

func (a asks) ask(ctx context.Context, doc string) (int, error) {
	if a.broken == "is deaf" {
		ctx = context.WithoutCancel(ctx)
	}
	no := a.n.Add(1)
	a.answer(ctx)
	if a.broken == "leaves a goroutine" {
		go func() { time.Sleep(time.Second) }()
	}
	if a.broken == "counts answers" {
		return int(no), nil
	}
	if a.broken == "hides the cancel" {
		return len(doc), nil
	}
	if a.broken == "hides the cause" && ctx.Err() != nil {
		return 0, errors.New("no answer")
	}
	return len(doc), context.Cause(ctx)
}

func (a asks) Map(ctx context.Context, b *record.Batch) error {
	var scratch []byte
	for i := range b.Records {
		r := &b.Records[i]
		if r.Outcome != record.Keep {
			continue
		}
		doc, err := r.Text(text, &scratch)
		if err != nil {
			r.QuarantineFor(err)
			continue
		}
		n, err := a.ask(ctx, string(doc))
		if err != nil {
			return err
		}
		if a.broken == "knows its batch" {
			n = len(b.Records)
		}
		if err := r.Set(record.MustPath("curate.asks"), fmt.Append(nil, n)); err != nil {
			r.QuarantineFor(err)
		}
	}
	return nil
}

func TestWaiting(t *testing.T) {
	broken := os.Getenv(brokenVariable)
	prompt := 10 * time.Second
	if broken != "" {
		prompt = 300 * time.Millisecond
	}
	testWaiting(t, func(answer func(context.Context)) (stage.Mapper, func()) {
		return asks{broken: broken, answer: answer, n: new(atomic.Int64)}, func() {}
	}, suiteLines(), prompt)
}

// TestWaitingFinds runs the suite on stages that break a law, each in a process of its own.
func TestWaitingFinds(t *testing.T) {
	for _, b := range []string{"counts answers", "hides the cancel", "hides the cause", "is deaf", "knows its batch", "leaves a goroutine"} {
		t.Run(b, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestWaiting$")
			cmd.Env = append(os.Environ(), brokenVariable+"="+b)
			out, err := cmd.CombinedOutput()
			if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) || !bytes.Contains(out, []byte("--- FAIL: TestWaiting")) {
				t.Errorf("the suite finds nothing: %v\n%s", err, out)
			}
			t.Logf("%s", out)
		})
	}
}
