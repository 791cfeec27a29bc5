package report

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/cespare/xxhash/v2"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"curate/corpus"
	"curate/corpus/compress"
	"curate/corpus/store"
	"curate/record"
)

// files reads those of one directory.
type files struct {
	st   store.Store
	root string
}

func (f files) path(name string) string { return path.Join(f.root, name) }

func (f files) exists(ctx context.Context, name string) (bool, error) {
	_, err := f.st.Stat(ctx, f.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// damaged is the error of a file that is not what curate writes.
func damaged(name string, err error) error {
	return fmt.Errorf("%s: %w; the file is damaged: repeat the run's command with --restart", name, err)
}

// json reads one of the run's own files. Members that it does not know are those of a later version.
func (f files) json(ctx context.Context, name string, v any) error {
	r, err := f.st.Open(ctx, f.path(name), 0)
	if err != nil {
		return err
	}
	b, err := io.ReadAll(r)
	if err = errors.Join(err, r.Close()); err != nil {
		return err
	}
	if err := json.Unmarshal(b, v); err != nil {
		return damaged(f.path(name), err)
	}
	return nil
}

// place is where a line of a part is.
type place struct {
	part   string // below the step's directory
	file   int    // number in the manifest, from the part's name
	offset int64  // of the line in the uncompressed part
}

func (p place) before(o place) bool {
	if p.part != o.part {
		return p.part < o.part
	}
	return p.offset < o.offset
}

// lines calls take for each line of the parts in a folder of the run's own, those of earlier phases included. The line
// is valid until take returns. An absent folder has no lines.
func (f files) lines(ctx context.Context, folder string, take func(p place, line []byte) error) error {
	list, err := f.st.List(ctx, f.path(path.Join(corpus.Dir, folder)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return f.eachPart(ctx, list, take)
}

// kept does the same for the kept records, unless they are in Parquet, which has no lines.
func (f files) kept(ctx context.Context, take func(p place, line []byte) error) error {
	list, err := f.st.List(ctx, f.root)
	if err != nil {
		return err
	}
	list = slices.DeleteFunc(list, func(info store.Info) bool {
		return strings.HasSuffix(info.Name, ".parquet") || path.Dir(path.Clean(info.Name)) != path.Clean(f.root)
	})
	return f.eachPart(ctx, list, take)
}

func (f files) eachPart(ctx context.Context, list []store.Info, take func(p place, line []byte) error) (err error) {
	for _, info := range list {
		part := strings.TrimPrefix(path.Clean(info.Name), path.Clean(f.root)+"/")
		p := place{part: part}
		digits, ok := strings.CutPrefix(path.Base(part), "part-")
		if digits, _, _ = strings.Cut(digits, "-"); ok {
			p.file, err = strconv.Atoi(digits)
		}
		if !ok || err != nil {
			continue // no file of ours
		}
		if err := f.partLines(ctx, info.Name, p, take); err != nil {
			return err
		}
	}
	return nil
}

func (f files) partLines(ctx context.Context, name string, p place, take func(p place, line []byte) error) (err error) {
	r, err := f.st.Open(ctx, name, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	kind, _ := compress.ByName(path.Base(name))
	d, err := compress.NewReader(r, kind, compress.Options{})
	if err != nil {
		return err
	}
	defer d.Close() // it reads
	in := bufio.NewReaderSize(d, 256<<10)
	var long []byte
	for n := 1; ; n++ {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		line, err := in.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			long = long[:0]
			for errors.Is(err, bufio.ErrBufferFull) {
				long = append(long, line...)
				line, err = in.ReadSlice('\n')
			}
			long = append(long, line...)
			line = long
		}
		if err == io.EOF && len(line) == 0 {
			return nil
		}
		if err == io.EOF {
			err = errors.New("the line has no end")
		}
		if err == nil {
			err = take(p, line[:len(line)-1])
		}
		if err != nil {
			return damaged(fmt.Sprintf("%s:%d", name, n), err)
		}
		p.offset += int64(len(line))
	}
}

// dropped is a dropped record and the verdict that it was dropped for.
type dropped struct {
	place
	stage   string         // whose verdict it is; empty if none is in the record
	reason  string         // "RULE:REASON"
	verdict jsontext.Value // the object below "curate" that says so
	rec     *record.Record
	hash    uint64
}

var (
	curatePath = record.MustPath(record.CurateKey)
	idPath     = record.MustPath("id")
)

// unknownReason is what a record is listed under that does not say why it was dropped.
const unknownReason = "unknown:no verdict in the record"

// dropped calls take for each dropped record that was kept, in the order of the parts. What take is given is valid
// until it returns.
func (f files) dropped(ctx context.Context, s *Step, take func(*dropped)) error {
	var batch record.Batch
	hash := xxhash.New()
	return f.lines(ctx, "dropped", func(p place, line []byte) error {
		batch.Reset()
		d := &dropped{place: p, rec: batch.Append(0, 0, line)}
		batch.Parse()
		d.rec = &batch.Records[0]
		if d.rec.Outcome != record.Keep {
			return d.rec.Err
		}
		if err := d.judge(s); err != nil {
			return err
		}
		hash.Reset()
		_, _ = hash.WriteString(d.reason + "\n") // it never fails
		_, _ = hash.Write(line)
		d.hash = hash.Sum64()
		take(d)
		return nil
	})
}

// judge finds the verdict: that of the first stage which, as the ledger has it, dropped for such a reason. A verdict
// of an earlier run may be beside it.
func (d *dropped) judge(s *Step) error {
	d.reason = unknownReason
	value, ok := d.rec.Value(curatePath)
	if !ok || value[0] != '{' {
		return nil
	}
	var verdicts map[string]jsontext.Value
	if err := json.Unmarshal(value, &verdicts); err != nil {
		return err
	}
	// Names in order, so that what is found does not depend on that of a map. A stage writes below its own name; a
	// Reducer whose two halves are two stages, below their common one.
	for _, st := range s.Funnel.Stages {
		for _, name := range slices.Sorted(maps.Keys(verdicts)) {
			v := verdicts[name]
			if v.Kind() != '{' {
				continue
			}
			var is struct {
				Verdict string `json:"verdict"`
				Rule    string `json:"rule"`
				Reason  string `json:"reason"`
			}
			if err := json.Unmarshal(v, &is); err != nil {
				return err
			}
			if reason := is.Rule + ":" + is.Reason; is.Verdict == "drop" && st.has(reason) {
				d.stage, d.reason, d.verdict = st.Name, reason, v
				return nil
			}
		}
	}
	return nil
}

// id is the record's own, as it is written; empty if it has none.
func (d *dropped) id() string {
	v, ok := d.rec.Value(idPath)
	if !ok {
		return ""
	}
	var s string
	if json.Unmarshal(v, &s) == nil {
		return cut(s, 200)
	}
	return cut(string(v), 200)
}

// text is the start of the record's text, and its length in bytes.
func (d *dropped) text(field record.Path) (start string, size int) {
	var scratch []byte
	t, err := d.rec.Text(field, &scratch)
	if err != nil {
		return "", 0
	}
	return cut(string(t[:min(len(t), textLimit*utf8.UTFMax)]), textLimit), len(t)
}

// textLimit is how many characters of a text are shown.
const textLimit = 600

// cut returns the first limit characters of s. What is no UTF-8 becomes U+FFFD.
func cut(s string, limit int) string {
	n := 0
	for i := range s {
		if n == limit {
			s = s[:i] + "…"
			break
		}
		n++
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}
