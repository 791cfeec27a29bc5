package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"

	"github.com/go-json-experiment/json"

	"curate/corpus/store"
	"curate/corpus/store/storetest"
	"curate/record"
	"curate/stage"
)

// counters is a Reducer whose result is a set of files.
type counters struct{ counter }

func (c counters) Spec() stage.Spec {
	s := c.counter.Spec()
	s.Result = "set/"
	return s
}

func (c counters) Finish(ctx context.Context, sealed []stage.Sealed, w stage.Workspace) (stage.Mapper, error) {
	if _, err := c.counter.Finish(ctx, sealed, w); err != nil {
		return nil, err
	}
	for _, name := range []string{"set/a", "set/b", "set/done"} {
		err := w.Make(ctx, stage.ResultDir+name, func(dst io.Writer) error {
			f, size, err := w.Open(ctx, stage.ResultFile)
			if err != nil {
				return err
			}
			_, err = io.Copy(dst, io.NewSectionReader(f, 0, size))
			return errors.Join(err, f.Close())
		})
		if err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// TestResultSet: a set of files appears in the directory whatever went wrong before, is known when the command is
// repeated, made again where a file of it is gone, and removed by a restart.
func TestResultSet(t *testing.T) {
	_, names := inputs(t, rand.New(rand.NewPCG(5, 23)), 2, 30)
	with := func(s store.Store) option {
		return func(j *Job) { j.Stages, j.Store, j.Workers = []stage.Stage{counters{counter{unique{"set"}}}}, s, 1 }
	}
	ops := storetest.NewFaulty(nil, 0, storetest.IO)
	base := memoryDir(t)
	whole := filepath.Join(base, "out")
	first, err := newJob(t, names, whole, with(store.NewLocal(ops))).Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := snapshot(t, whole)
	if !strings.HasPrefix(want["set/b"], `{"records":`) || want["set/b"] != want["set/done"] {
		t.Fatalf("the set is %q", want)
	}
	for nth := 1; nth <= ops.Ops(); nth++ {
		out := filepath.Join(memoryDir(t), "out")
		disk := storetest.NewFaulty(nil, nth, storetest.NoSpace)
		disk.Sticky = true
		if _, err := newJob(t, names, out, with(store.NewLocal(disk))).Run(t.Context()); disk.Fired() && !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("operation %d: %v", nth, err)
		}
		if _, err := newJob(t, names, out, with(store.NewLocal(nil))).Run(t.Context()); err != nil {
			t.Fatalf("operation %d: the repeated command: %v", nth, err)
		}
		sameTree(t, fmt.Sprintf("operation %d", nth), snapshot(t, out), want)
	}
	again, err := newJob(t, names, whole, with(store.NewLocal(nil))).Run(t.Context())
	if err != nil || !again.Before || again.Counts.BytesOut != first.Counts.BytesOut || again.Counts.BytesOut != int64(3*len(want["set/a"])) {
		t.Errorf("a finished directory: %+v, %v", again, err)
	}
	if err := os.Remove(filepath.Join(whole, "set/b")); err != nil {
		t.Fatal(err)
	}
	if again, err = newJob(t, names, whole, with(store.NewLocal(nil))).Run(t.Context()); err != nil || again.Before {
		t.Errorf("a directory that has lost a file: %+v, %v", again, err)
	}
	sameTree(t, "made again", snapshot(t, whole), want)
	_, err = newJob(t, names, whole, func(j *Job) { j.Stages, j.Restart = []stage.Stage{counter{unique{"set"}}}, true }).Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for name := range snapshot(t, whole) {
		if strings.HasPrefix(name, "set/") {
			t.Errorf("%s has outlived a restart", name)
		}
	}
	for _, out := range []string{"", "-", filepath.Join(base, "out.jsonl")} {
		var usage *UsageError
		if _, err := newJob(t, names, out, with(store.NewLocal(nil))).Run(t.Context()); !errors.As(err, &usage) {
			t.Errorf("-o %q: %v", out, err)
		}
	}
}

// tallying counts its records and their bytes, and spends something on each batch: other batches make another sum.
type tallying struct{ sieve }

func (s tallying) NewWorker() stage.Worker { return tallyingWorker{s.sieve.NewWorker()} }

type tallyingWorker struct{ stage.Worker }

func (w tallyingWorker) Map(ctx context.Context, b *record.Batch) error {
	b.Spend("batches", 1)
	for i := range b.Records {
		if b.Records[i].Outcome == record.Keep {
			b.Tally("seen", 1)
			b.Tally("bytes", int64(len(b.Records[i].Line)))
		}
	}
	return w.Worker.Map(ctx, b)
}

// TestMeasures: what is measured and tallied adds up by stage, through phases, for any number of workers, and is in
// the ledger of a finished directory, too. What was spent is beside the times alone.
func TestMeasures(t *testing.T) {
	_, names := inputs(t, rand.New(rand.NewPCG(6, 24)), 3, 400)
	meter := &Meter{Names: []string{"records", "bytes"}, New: func() func(*record.Record, []int64, bool) {
		return func(r *record.Record, values []int64, again bool) {
			if again != (values[0] == 1) || again && values[1] != int64(len(r.Line)) {
				t.Errorf("record %d, again %v: left were %v", r.ID, again, values)
			}
			values[0], values[1] = 1, int64(len(r.Line))
		}
	}}
	var want string
	for _, workers := range []int{1, 2, 7} {
		out := filepath.Join(memoryDir(t), "out")
		with := func(j *Job) {
			j.Meter, j.Workers, j.Memory, j.ChunkSize = meter, workers, 1<<30, 3000*workers
			j.Stages = []stage.Stage{tallying{sieve{"a"}}, unique{"dedup"}, tallying{sieve{"b"}}}
		}
		res, err := newJob(t, names, out, with).Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for i, s := range res.Counts.Stages {
			if s.Measured["records"] != s.Kept {
				t.Errorf("stage %d, %s, has kept %d records and measured %d", i, s.Name, s.Kept, s.Measured["records"])
			}
			if i == 1 && (s.Tallies["seen"] != s.Read || s.Tallies["bytes"] != res.Counts.Stages[0].Measured["bytes"]) {
				t.Errorf("stage %d, %s: %v", i, s.Name, s.Tallies)
			}
			if i == 3 && s.Tallies["seen"] != s.Read {
				t.Errorf("stage %d, %s: %v", i, s.Name, s.Tallies)
			}
		}
		raw, err := os.ReadFile(filepath.Join(out, "_curate", timingFile))
		if err != nil {
			t.Fatal(err)
		}
		var beside struct {
			Spent map[string]map[string]int64 `json:"spent"`
		}
		if err := json.Unmarshal(raw, &beside); err != nil {
			t.Fatal(err)
		}
		spent := res.Counts.Spent()
		if n := spent["sieve"]["batches"]; n < 6 || len(spent) != 1 || !reflect.DeepEqual(beside.Spent, spent) {
			t.Errorf("spent %v, and %s has %v", spent, timingFile, beside.Spent)
		}
		b, err := res.Counts.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		if want == "" {
			want = string(b)
		}
		if string(b) != want {
			t.Errorf("%d workers: %s\nwant %s", workers, b, want)
		}
		if again, err := newJob(t, names, out, with).Run(t.Context()); err != nil || !again.Before {
			t.Errorf("a finished directory: %+v, %v", again, err)
		}
	}
}
