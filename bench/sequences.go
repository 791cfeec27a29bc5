package main

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

// Views of a set's tokens: what its readers take for a document.
const (
	viewSequences = "sequences"
	viewAfter     = "documents that end after EOD"
	viewBefore    = "documents that begin with EOD"
	viewWindows   = "windows" // of length+1 tokens, counted through a shard; the rest is left out
	viewBare      = "documents without EOD"
)

// sequenceDigest is what the readers' scripts print: sha256 of all tokens as u32 little-endian, and of the ends of the
// documents, in tokens, as u64 little-endian.
type sequenceDigest struct {
	Documents int    `json:"documents"`
	Tokens    int64  `json:"tokens"`
	SHA       string `json:"sha256_tokens_u32le"`
	Ends      string `json:"sha256_doc_ends_u64le"`
}

func (d sequenceDigest) String() string {
	return fmt.Sprintf("%d with %d tokens, sha256 %.12s…, ends %.12s…", d.Documents, d.Tokens, d.SHA, d.Ends)
}

// setViews are the digests of a shard set, of what curate shards cat prints of it.
type setViews struct {
	Dir       string                    `json:"dir"`
	Format    string                    `json:"format"`
	Dtype     string                    `json:"dtype"`
	Length    int                       `json:"length"`
	EOD       *int                      `json:"eod"`
	Documents int64                     `json:"documents"`
	Tokens    int64                     `json:"tokens"`
	EODAbsent int64                     `json:"eod_absent"`
	Whole     map[string]sequenceDigest `json:"whole"`
	Shards    []shardViews              `json:"shards"`
	Digests   []string                  `json:"digests"` // of all files, as the manifest has them
}

type shardViews struct {
	Name  string                    `json:"name"`
	Files []string                  `json:"files"`
	Views map[string]sequenceDigest `json:"views"`
}

// setManifest is what is read of a set's manifest.
type setManifest struct {
	Format    string    `json:"format"`
	Dtype     string    `json:"dtype"`
	Length    int       `json:"length"`
	EOD       *int      `json:"eod"`
	EODFirst  bool      `json:"eod_first"`
	EODAbsent int64     `json:"eod_absent"`
	Documents int64     `json:"documents"`
	Sequences int64     `json:"sequences"`
	Tokens    int64     `json:"tokens"`
	Padding   int64     `json:"padding"`
	Packing   *struct{} `json:"packing"`
	Shards    []struct {
		Name      string `json:"name"`
		Sequences int64  `json:"sequences"`
		Files     []struct {
			Name   string `json:"name"`
			SHA256 string `json:"sha256"`
		} `json:"files"`
	} `json:"shards"`
}

// digester makes a digest of what it is given.
type digester struct {
	tokens, ends hash.Hash
	buf          []byte
	open         bool // a document has tokens and no end
	sequenceDigest
}

func newDigester() *digester { return &digester{tokens: sha256.New(), ends: sha256.New()} }

func (d *digester) add(ids ...uint32) {
	for _, id := range ids {
		d.buf = binary.LittleEndian.AppendUint32(d.buf, id)
	}
	if len(d.buf) >= 64<<10 {
		d.tokens.Write(d.buf)
		d.buf = d.buf[:0]
	}
	d.Tokens += int64(len(ids))
	d.open = d.open || len(ids) > 0
}

func (d *digester) end() {
	d.Documents++
	d.ends.Write(binary.LittleEndian.AppendUint64(nil, uint64(d.Tokens)))
	d.open = false
}

func (d *digester) sum() sequenceDigest {
	d.tokens.Write(d.buf)
	d.buf = d.buf[:0]
	d.SHA, d.Ends = hex.EncodeToString(d.tokens.Sum(nil)), hex.EncodeToString(d.ends.Sum(nil))
	return d.sequenceDigest
}

// viewer makes all views of a stream of sequences.
type viewer struct {
	by     map[string]*digester
	m      *setManifest
	window []uint32
}

func newViewer(m *setManifest) *viewer {
	v := &viewer{by: map[string]*digester{}, m: m}
	for _, name := range []string{viewSequences, viewAfter, viewBefore, viewWindows, viewBare} {
		v.by[name] = newDigester()
	}
	return v
}

func (v *viewer) add(ids []uint32) {
	sequences, after, before, windows, bare := v.by[viewSequences], v.by[viewAfter], v.by[viewBefore], v.by[viewWindows], v.by[viewBare]
	sequences.add(ids...)
	sequences.end()
	for _, id := range ids {
		isEOD := v.m.EOD != nil && id == uint32(*v.m.EOD)
		if isEOD && before.open {
			before.end()
		}
		before.add(id)
		if after.add(id); isEOD {
			after.end()
		}
		if v.window = append(v.window, id); len(v.window) == v.m.Length+1 {
			windows.add(v.window...)
			windows.end()
			v.window = v.window[:0]
		}
	}
	if v.m.EOD != nil && v.m.Packing == nil && v.m.EODAbsent < v.m.Sequences && len(ids) > 0 {
		if eod := uint32(*v.m.EOD); v.m.EODFirst && ids[0] == eod {
			ids = ids[1:]
		} else if !v.m.EODFirst && ids[len(ids)-1] == eod {
			ids = ids[:len(ids)-1]
		}
	}
	bare.add(ids...)
	bare.end()
}

// endShard ends what is open: no document and no window goes on in the next shard.
func (v *viewer) endShard() {
	for _, name := range []string{viewAfter, viewBefore} {
		if d := v.by[name]; d.open {
			d.end()
		}
	}
	v.window = v.window[:0]
}

func (v *viewer) sums() map[string]sequenceDigest {
	sums := map[string]sequenceDigest{}
	for name, d := range v.by {
		sums[name] = d.sum()
	}
	return sums
}

// sequencesTask digests what the command t.With prints of the set in the folder t.Files[0]. t.Out is a file for that.
func sequencesTask(t task) (res result, err error) {
	dir := t.Files[0]
	text, err := os.ReadFile(filepath.Join(dir, "manifest.json"))
	if err != nil {
		return res, err
	}
	var m setManifest
	if err := json.Unmarshal(text, &m); err != nil {
		return res, err
	}
	if err := catTo(t.Out, t.With, "shards", "cat", "--ids", dir); err != nil {
		return res, err
	}
	defer func() { err = errors.Join(err, os.Remove(t.Out)) }()
	printed, rows := int64(0), int64(0)
	if err := eachPrinted(t.Out, func(ids []uint32) error {
		printed += int64(len(ids))
		rows++
		return nil
	}); err != nil {
		return res, err
	}
	if rows != m.Sequences || printed != m.Tokens+m.Padding {
		return res, fmt.Errorf("%w: %s: curate shards cat prints %d sequences of %d tokens; the manifest has %d of %d, and %d of padding", errOutput, dir, rows, printed, m.Sequences, m.Tokens, m.Padding)
	}
	set := &setViews{Dir: dir, Format: m.Format, Dtype: m.Dtype, Length: m.Length, EOD: m.EOD, Documents: m.Documents, Tokens: m.Tokens, EODAbsent: m.EODAbsent}
	whole := newViewer(&m)
	var shard *viewer
	k, left := -1, int64(0)
	next := func() { // shard; each has sequences
		if shard != nil {
			shard.endShard()
			whole.endShard()
			set.Shards[k].Views = shard.sums()
		}
		if k++; k < len(m.Shards) {
			shard, left = newViewer(&m), m.Shards[k].Sequences
			s := shardViews{Name: m.Shards[k].Name}
			for _, f := range m.Shards[k].Files {
				s.Files = append(s.Files, f.Name)
				set.Digests = append(set.Digests, f.Name+" "+f.SHA256)
			}
			set.Shards = append(set.Shards, s)
		}
	}
	next()
	err = eachPrinted(t.Out, func(ids []uint32) error {
		if left == 0 {
			if next(); left == 0 {
				return errors.New("more sequences than the shards of the manifest have")
			}
		}
		left--
		shard.add(ids)
		whole.add(ids)
		return nil
	})
	if err != nil {
		return res, err
	}
	next()
	if left != 0 || k != len(m.Shards) {
		return res, fmt.Errorf("%s: its shards have %d sequences fewer than the manifest says", dir, left)
	}
	set.Whole = whole.sums()
	res.Docs, res.Tokens, res.Set = rows, printed, set
	return res, nil
}

// catTo runs a command with its output into a file.
func catTo(name string, argv ...string) (err error) {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = f, os.Stderr
	return cmd.Run()
}

// eachPrinted calls do for each line of what curate shards cat --ids has printed.
func eachPrinted(name string, do func(ids []uint32) error) (err error) {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	rows := json.NewDecoder(bufio.NewReaderSize(f, 1<<20))
	for {
		var row struct {
			IDs []uint32 `json:"input_ids"`
		}
		if err := rows.Decode(&row); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		if err := do(row.IDs); err != nil {
			return err
		}
	}
}
