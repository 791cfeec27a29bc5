package stagetest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"curate/record"
	"curate/stage"
)

// lengths is a small Reducer: the lengths of the field "text", each with how many records have it. It can break
// one law.
type lengths struct{ broken string }

var text = record.MustPath("text")

func (r lengths) Spec() stage.Spec {
	return stage.Spec{Name: "lengths", Version: 1, Config: map[string]string{"field": "text"}, Needs: []record.Path{text}}
}
func (r lengths) Key() stage.Mapper         { return lengthKey(r) }
func (r lengths) NewPartial() stage.Partial { return &lengthPartial{r: r} }

type lengthKey lengths

func (k lengthKey) Spec() stage.Spec { return lengths(k).Spec() }

func (k lengthKey) NewWorker() stage.Worker { return &lengthWorker{k: k} }

type lengthWorker struct {
	k       lengthKey
	scratch []byte
	seen    byte
}

func (w *lengthWorker) Map(ctx context.Context, b *record.Batch) error {
	for i := range b.Records {
		r := &b.Records[i]
		if r.Outcome != record.Keep {
			continue
		}
		doc, err := r.Text(text, &w.scratch)
		if err != nil {
			r.QuarantineFor(err)
			continue
		}
		key := binary.BigEndian.AppendUint32(nil, uint32(len(doc)))
		switch w.seen++; w.k.broken {
		case "key edits":
			if err := r.Set(record.MustPath("curate.lengths"), []byte("1")); err != nil {
				return err
			}
		case "key remembers":
			key[0] = w.seen
		}
		r.SetKey(key)
	}
	return ctx.Err()
}

type lengthPartial struct {
	r    lengths
	keys [][]byte
}

func (p *lengthPartial) Add(b *record.Batch) error {
	for i := range b.Records {
		if r := &b.Records[i]; r.Outcome == record.Keep {
			k := r.Key()
			if p.r.broken != "add keeps the batch" {
				k = slices.Clone(k)
			}
			p.keys = append(p.keys, k)
		}
	}
	return nil
}

func (p *lengthPartial) Join(next stage.Partial) error {
	if p.r.broken != "join forgets" {
		p.keys = append(p.keys, next.(*lengthPartial).keys...)
	}
	return nil
}

func (p *lengthPartial) Size() int { return 28 * len(p.keys) }

func (p *lengthPartial) Seal(w io.Writer) error {
	if p.r.broken != "seal is not sorted" {
		slices.SortFunc(p.keys, bytes.Compare)
	}
	_, err := w.Write(bytes.Join(p.keys, nil))
	if p.r.broken == "seal loses an error" {
		return nil
	}
	return err
}

func (r lengths) Merge(w io.Writer, sealed []io.Reader) error {
	p := lengthPartial{r: r}
	for _, in := range sealed {
		b, err := io.ReadAll(in)
		if err != nil && r.broken != "merge loses an error" {
			return err
		}
		for ; len(b) >= 4; b = b[4:] {
			p.keys = append(p.keys, b[:4])
		}
	}
	if r.broken == "merge is not sorted" {
		_, err := w.Write(bytes.Join(p.keys, nil))
		return err
	}
	return p.Seal(w)
}

func (r lengths) Finish(ctx context.Context, sealed []stage.Sealed, ws stage.Workspace) (stage.Mapper, error) {
	if r.broken == "finish is deaf" {
		ctx = context.WithoutCancel(ctx)
	}
	all := &bytes.Buffer{}
	var in []io.Reader
	for _, s := range sealed {
		in = append(in, io.NewSectionReader(s.Data, 0, s.Size))
	}
	err := ws.Make(ctx, "all", func(w io.Writer) error { return r.Merge(w, in) })
	if err != nil && r.broken != "finish loses an error" {
		return nil, err
	}
	f, size, err := ws.Open(ctx, "all")
	if err != nil {
		return nil, err
	}
	if _, err = io.Copy(all, io.NewSectionReader(f, 0, size)); err == nil && r.broken != "finish leaves a file open" {
		err = f.Close()
	}
	if err != nil {
		return nil, err
	}
	if r.broken == "finish removes too early" {
		if err := ws.Remove(ctx, "all"); err != nil {
			return nil, err
		}
	}
	return nil, ws.Make(ctx, stage.ResultFile, func(w io.Writer) error {
		n := map[uint32]int{}
		for b := all.Bytes(); len(b) >= 4; b = b[4:] {
			n[binary.BigEndian.Uint32(b)]++
		}
		var lines []string
		for l, k := range n {
			lines = append(lines, fmt.Sprintf("%08d %d", l, k))
		}
		slices.Sort(lines)
		switch r.broken {
		case "finish counts files":
			lines = append(lines, fmt.Sprint(len(sealed)))
		case "finish looks at the first file":
			lines = append(lines, fmt.Sprint(sealed[0].Size))
		case "finish counts workers":
			lines = append(lines, fmt.Sprint(ws.Workers()))
		}
		_, err := io.WriteString(w, strings.Join(lines, "\n"))
		return err
	})
}

var breaks = []string{
	"add keeps the batch", "finish counts files", "finish counts workers", "finish is deaf", "finish leaves a file open",
	"finish looks at the first file", "finish loses an error", "finish removes too early", "join forgets", "key edits", "key remembers",
	"merge is not sorted", "merge loses an error", "seal is not sorted", "seal loses an error",
}

func suiteLines() [][]byte {
	var lines [][]byte
	for i := range 40 {
		lines = append(lines, fmt.Appendf(nil, `{"text":"%s"}`, strings.Repeat("x", i*i%23)))
	}
	return append(lines, []byte(`{"text":7}`), []byte(`{}`), []byte(`no`), []byte(`{"text":"caf\u00e9","curate":{"a":1}}`))
}

const brokenVariable = "STAGETEST_BROKEN"

func TestReducer(t *testing.T) { Reducer(t, lengths{os.Getenv(brokenVariable)}, suiteLines()) }

// TestReducerFinds runs the suite on stages that break a law, each in a process of its own.
func TestReducerFinds(t *testing.T) {
	for _, b := range breaks {
		t.Run(b, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestReducer$")
			cmd.Env = append(os.Environ(), brokenVariable+"="+b)
			out, err := cmd.CombinedOutput()
			if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) || !bytes.Contains(out, []byte("--- FAIL: TestReducer")) {
				t.Errorf("the suite finds nothing: %v\n%s", err, out)
			}
			t.Logf("%s", out)
		})
	}
}
