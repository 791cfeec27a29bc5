package pipeline

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"curate/corpus/parquet"
	"curate/record"
	"curate/stage"
)

// noting notes signals of every record that reaches it.
type noting struct{}

func (noting) Spec() stage.Spec          { return stage.Spec{Name: "noting", Version: 1} }
func (n noting) NewWorker() stage.Worker { return n }
func (noting) Map(_ context.Context, b *record.Batch) error {
	for i := range b.Records {
		if r := &b.Records[i]; r.Outcome == record.Keep {
			r.SetSignals(fmt.Appendf(nil, `{"record":%d,"bytes":%d}`, r.ID, len(r.Line)))
		}
	}
	return nil
}

// TestSignals: a row for every record, in order, the same for any workers, chunks and stops, as a file of an output
// directory, as its parts and as a stream.
func TestSignals(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 11))
	_, names := inputs(t, rng, 4, 1200)
	with := func(path string) option {
		return func(j *Job) {
			j.Stages = []stage.Stage{sieve{"a"}, noting{}, sieve{"b"}}
			j.Workers, j.Memory, j.ChunkSize = []int{1, 2, 7}[rng.IntN(3)], 1<<30, 500+rng.IntN(20_000)
			j.Signals = target(t, path)
		}
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "signals.jsonl.zst")
	res, err := newJob(t, names, filepath.Join(dir, "kept.jsonl"), with(file)).Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := plainText(t, file)

	rows, last := int64(0), int64(-1)
	without := map[string]int64{}
	for line := range bytes.Lines(want) {
		var row struct {
			Record  int64  `json:"record"`
			Bytes   int    `json:"bytes"`
			Without string `json:"without"`
		}
		if err := json.Unmarshal(line, &row, json.RejectUnknownMembers(true)); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if row.Record <= last || (row.Bytes > 0) == (row.Without != "") {
			t.Fatalf("behind record %d: %s", last, line)
		}
		last = row.Record
		rows++
		without[row.Without]++
	}
	// Those that the second sieve quarantined or dropped have been noted; a quarantined record has no signals even so.
	s := res.Counts.Stages
	dropped := s[1].Read - s[1].Kept - s[1].Quarantined
	if rows != res.Counts.Read || without["quarantine"] != res.Counts.Quarantined || without["drop"] != dropped || dropped == 0 {
		t.Errorf("%d rows of %d records, without signals: %v, want %d dropped before and %d quarantined", rows, res.Counts.Read, without, dropped, res.Counts.Quarantined)
	}

	// As Parquet, with a column that is there whatever the rows hold.
	table := filepath.Join(dir, "signals.parquet")
	j := newJob(t, names, filepath.Join(dir, "kept.jsonl"), with(table))
	j.SignalColumns = []parquet.Column{{Name: "record", Type: parquet.Int64, Optional: true}, {Name: "bytes", Type: parquet.Float64, Optional: true}}
	if _, err := j.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(table)
	if err != nil {
		t.Fatal(err)
	}
	c, err := parquet.OpenColumns(t.Context(), bytes.NewReader(b), int64(len(b)), []parquet.Wanted{{Name: "record", Kind: parquet.Ints}, {Name: "bytes"}, {Name: "without", Kind: parquet.JSONs}}, 0)
	if err != nil {
		t.Fatal(err)
	}
	var again strings.Builder
	for {
		n, err := c.Next(t.Context(), 100)
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			break
		}
		for i := range n {
			if w := c.Texts(2).Of(i); len(w) > 0 {
				fmt.Fprintf(&again, "{\"record\":%d,\"without\":%s}\n", c.Ints(0)[i], w)
			} else {
				fmt.Fprintf(&again, "{\"record\":%d,\"bytes\":%v}\n", c.Ints(0)[i], c.Numbers(1)[i])
			}
		}
	}
	if again.String() != string(want) {
		t.Error("the rows in Parquet are others")
	}

	// An output directory, stopped at random moments until it has come through.
	whole := filepath.Join(t.TempDir(), "out")
	start := time.Now()
	if _, err := newJob(t, names, whole, with(filepath.Join(t.TempDir(), "s.jsonl"))).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	took := time.Since(start)
	tree := snapshot(t, whole)
	for round := range 3 {
		base := t.TempDir()
		out, file, parts := filepath.Join(base, "out"), filepath.Join(base, "s.jsonl"), filepath.Join(base, "parts")
		to := []string{file, parts}[round%2]
		for stops := 0; ; stops++ {
			ctx, cancel := context.WithCancelCause(t.Context())
			after := time.Hour // a folder that a stop has left half-filled is refused, as that of dropped records is
			if to == file {
				after = time.Duration(rng.Int64N(int64(took)))
			}
			timer := time.AfterFunc(after, func() { cancel(errStop) })
			_, err := newJob(t, names, out, with(to)).Run(ctx)
			timer.Stop()
			cancel(nil)
			if err == nil {
				t.Logf("round %d: %d stops", round, stops)
				break
			}
			if !errors.Is(err, errStop) || stops > 500 {
				t.Fatal(err)
			}
			if _, err := os.Stat(file); err == nil {
				t.Fatal("a stopped run has a file of signals")
			}
		}
		got := snapshot(t, out)
		if round%2 == 0 {
			sameTree(t, fmt.Sprintf("seed %d, round %d", seed, round), got, tree)
			if b, err := os.ReadFile(file); err != nil || string(b) != string(want) {
				t.Errorf("the joined file is not the stream (%v)", err)
			}
			continue
		}
		var joined bytes.Buffer
		delivered, err := filepath.Glob(filepath.Join(parts, "part-*.jsonl.zst"))
		if err != nil || len(delivered) < 4 {
			t.Fatalf("parts: %v, %v", delivered, err)
		}
		for _, p := range delivered {
			joined.Write(plainText(t, p))
		}
		if joined.String() != string(want) {
			t.Error("the parts are not the stream")
		}
	}
}

// TestSignalsOnePhase: rows for every record would be written in one phase and known in another.
func TestSignalsOnePhase(t *testing.T) {
	_, names := inputs(t, rand.New(rand.NewPCG(1, 2)), 1, 20)
	j := newJob(t, names, filepath.Join(t.TempDir(), "out.jsonl"), func(j *Job) {
		j.Stages = []stage.Stage{sieve{"a"}, unique{"u"}}
		j.Signals = target(t, filepath.Join(t.TempDir(), "s.jsonl"))
	})
	var u *UsageError
	if _, err := j.Run(t.Context()); !asUsage(err, &u) || !strings.Contains(err.Error(), "--signals") {
		t.Errorf("%v", err)
	}
}
