package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"runtime/pprof"
	"strings"
	"time"

	"curate/corpus"
	"curate/corpus/compress"
	"curate/corpus/store"
	"curate/pipeline"
	"curate/record"
)

// textPath is the field that holds a document.
var textPath = record.MustPath("text")

// runCopy measures a job without stages, as a whole process, and the three things it cannot do without, each
// alone. What they allow together is 1/(1/decode + 1/parse + 1/encode).
func runCopy(s *session) error {
	decode, parse, parseText, encode := &row{name: "limit: zstd decode"}, &row{name: "limit: strict parse"}, &row{name: "limit: strict parse, text decoded"}, &row{name: "limit: zstd encode"}
	whole := &row{name: "copy, 1 worker, 1 core", note: ", whole process"}
	limits := []struct {
		row  *row
		task string
	}{{decode, "decode"}, {parse, "parse"}, {parseText, "parsetext"}, {encode, "encode"}}
	for round := 1; round <= s.options.runs; round++ {
		// Once before and once after the copy, so that a machine that gets slower or faster hits both.
		measureLimits := func() error {
			var bytes int64
			for _, l := range limits {
				res, err := s.section(l.row, "copy", "JSONL", round, task{Name: l.task, Files: s.inMemory()})
				if err != nil {
					return err
				}
				if bytes == 0 {
					bytes = res.Bytes
				}
				if res.Bytes != bytes {
					return fmt.Errorf("%s: %w: %d bytes instead of %d", l.task, errOutput, res.Bytes, bytes)
				}
			}
			return nil
		}
		if err := measureLimits(); err != nil {
			return err
		}
		out := filepath.Join(s.dir, fmt.Sprintf("copy-%d", round))
		res, u, err := s.child(task{Name: "copy", Files: s.corpus.Files, Out: out}, true)
		if err != nil {
			return err
		}
		if err := s.sameText(out); err != nil {
			return err
		}
		if err := measureLimits(); err != nil {
			return err
		}
		res.Bytes, res.Docs, res.Passes = s.corpus.Bytes, s.corpus.Docs, 1
		res.CPU, res.Sys, res.Wall, res.Foreign, res.PeakRSS = u.CPU, u.Sys, u.Wall, u.Foreign, u.RSS
		m := measurement{Bench: "copy", Name: whole.name, Round: round, Unit: "JSONL", Process: true, result: res}
		together := func(p *row) float64 {
			cost := 0.0 // CPU seconds a MB
			for _, l := range []*row{decode, p, encode} {
				n := len(l.all)
				cost += (1/l.all[n-2].MBs + 1/l.all[n-1].MBs) / 2
			}
			return 1 / cost
		}
		copySpeed := mb(res.Bytes) / res.CPU
		m.More = map[string]any{
			"allowed": together(parse), "share": copySpeed / together(parse),
			"allowed_text_decoded": together(parseText), "share_text_decoded": copySpeed / together(parseText),
		}
		s.add(whole, m)
	}
	table("copy: JSONL.zst → strict parse → JSONL.zst, one core", decode, parse, parseText, encode, whole)
	more := func(key string) float64 {
		return whole.median(func(m measurement) float64 { return m.More[key].(float64) })
	}
	for _, v := range []struct{ what, suffix string }{{"", ""}, {", the text decoded (which a copy does not do),", "_text_decoded"}} {
		lo, hi := more("share"+v.suffix), more("share"+v.suffix)
		for _, m := range whole.all {
			lo, hi = min(lo, m.More["share"+v.suffix].(float64)), max(hi, m.More["share"+v.suffix].(float64))
		}
		fmt.Printf("decode, parse%s and encode allow %.1f MB/CPU s together; copy has %.1f %% of it (%.1f–%.1f)\n",
			v.what, more("allowed"+v.suffix), 100*more("share"+v.suffix), 100*lo, 100*hi)
	}
	if s.options.profile == "" {
		return nil
	}
	profile, err := filepath.Abs(s.options.profile)
	if err != nil {
		return err
	}
	_, _, err = s.child(task{Name: "copy", Files: s.corpus.Files, Out: filepath.Join(s.dir, "copy-profile"), Profile: profile}, true)
	return err
}

// sameText compares the text of an output directory with that of the inputs.
func (s *session) sameText(dir string) error {
	got, _, err := s.child(task{Name: "digest", Out: dir}, false)
	if err != nil {
		return err
	}
	if got.Digest != s.corpus.Digest {
		return fmt.Errorf("%w: %d bytes and %d lines came out of %d bytes and %d lines, or others", errOutput, got.Bytes, got.Docs, s.corpus.Bytes, s.corpus.Docs)
	}
	return os.RemoveAll(dir)
}

// copyMemory is what the job may take; the engine's own choices go by it.
const copyMemory = 1 << 30

// copyTask is the command that curate does not have: its engine, set as the commands set it, with no stage.
func copyTask(t task) (res result, err error) {
	if t.Profile != "" {
		f, err := os.Create(t.Profile)
		if err != nil {
			return res, err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return res, err
		}
		defer pprof.StopCPUProfile()
	}
	ctx := context.Background()
	st := store.NewLocal(nil)
	manifest, err := corpus.Expand(ctx, st, t.Files)
	if err != nil {
		return res, err
	}
	out, err := pipeline.ParseTarget(t.Out, corpus.DefaultFormat)
	if err != nil {
		return res, err
	}
	debug.SetMemoryLimit(copyMemory - pipeline.NotHeap)
	job := &pipeline.Job{
		Program: "bench", Store: st, Manifest: manifest, TextField: "text", Out: out,
		Workers: 1, Memory: copyMemory, SplitSize: 64 << 20,
		Stdin: strings.NewReader(""), Stdout: io.Discard, Log: slog.New(slog.DiscardHandler), Progress: &pipeline.Progress{}, Now: time.Now,
	}
	_, err = job.Run(ctx)
	return res, err
}

// decodeTask reads the files as the engine does, into a buffer of a chunk.
func decodeTask(t task) (res result, err error) {
	var packed [][]byte
	for _, name := range t.Files {
		b, err := os.ReadFile(name)
		if err != nil {
			return res, err
		}
		packed = append(packed, b)
	}
	buf := make([]byte, frameSize)
	err = res.section(func() error {
		res.Bytes = 0
		for _, p := range packed {
			r, err := compress.NewReader(bytes.NewReader(p), compress.Zstd, compress.Options{})
			if err != nil {
				return err
			}
			for {
				n, err := io.ReadFull(r, buf)
				res.Bytes += int64(n)
				if err == io.EOF || err == io.ErrUnexpectedEOF {
					break
				}
				if err != nil {
					return err
				}
			}
			if err := r.Close(); err != nil {
				return err
			}
		}
		return nil
	})
	return res, err
}

// parseTask checks all lines strictly, batch by batch; with text it decodes the text of each.
func parseTask(t task, text bool) (res result, err error) {
	texts, err := allText(t.Files)
	if err != nil {
		return res, err
	}
	var b record.Batch
	var scratch []byte
	err = res.section(func() error {
		res.Bytes, res.Docs = 0, 0
		for _, doc := range texts {
			res.Bytes += int64(len(doc))
			err := eachBatch(&b, doc, func(b *record.Batch) error {
				b.Parse()
				for i := range b.Records {
					r := &b.Records[i]
					if r.Outcome != record.Keep {
						return r.Err
					}
					if text {
						if _, err := r.Text(textPath, &scratch); err != nil {
							return err
						}
					}
				}
				res.Docs += int64(len(b.Records))
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	return res, err
}

// encodeTask makes the frames that the engine would make, and reads them back once, unmeasured.
func encodeTask(t task) (res result, err error) {
	texts, err := allText(t.Files)
	if err != nil {
		return res, err
	}
	e, err := compress.NewEncoder(compress.Zstd)
	if err != nil {
		return res, err
	}
	var dst []byte
	for _, text := range texts {
		for _, f := range frames(text) {
			dst = e.AppendFrame(dst[:0], f)
			if got, err := decoded(dst); err != nil || !bytes.Equal(got, f) {
				return res, fmt.Errorf("%w: a frame does not decode to its text: %v", errOutput, err)
			}
		}
	}
	err = res.section(func() error {
		res.Bytes, res.Packed = 0, 0
		for _, text := range texts {
			for _, f := range frames(text) {
				dst = e.AppendFrame(dst[:0], f)
				res.Bytes += int64(len(f))
				res.Packed += int64(len(dst))
			}
		}
		return nil
	})
	return res, err
}

func allText(files []string) (texts [][]byte, err error) {
	for _, name := range files {
		text, err := decodedFile(name)
		if err != nil {
			return nil, err
		}
		texts = append(texts, text)
	}
	return texts, nil
}
