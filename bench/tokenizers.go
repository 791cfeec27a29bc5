package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"time"

	"curate/record"
	"curate/tokenize"
)

const (
	// mixedMB is how much text benchmark tokenizers encodes, in MB.
	mixedMB = 20
	// longMB is how long its long document is.
	longMB = 100
	// warmPasses are made, of which the fastest counts: peers do the same.
	warmPasses = 3
)

// runTokenizers encodes the same pages with the tokenizers of public models, once with an encoder that has seen nothing
// and again with one that has seen them all, and has peers do the same. Ids are compared before a time counts.
func runTokenizers(s *session) error {
	dir := s.options.tokenizers
	if dir == "" {
		fmt.Println("\nSKIPPED tokenizers: -tokenizers names no folder; README.md says what it holds")
		return nil
	}
	files, err := filepath.Glob(filepath.Join(dir, "*", tokenize.FileName))
	if err != nil || len(files) == 0 {
		return errors.Join(fmt.Errorf("-tokenizers %s: there is no */%s", dir, tokenize.FileName), err)
	}
	slices.Sort(files)
	mixed := filepath.Join(s.dir, "mixed.jsonl")
	in, _, err := s.child(task{Name: "interleave", Files: s.corpus.Files, N: int(s.corpus.Unique), MB: mixedMB, Out: mixed}, false)
	if err != nil {
		return err
	}
	python, hasPeers := python("tokenizers")
	v := &verdict{Numbers: map[string]any{"documents": in.Docs, "bytes": in.Bytes}}
	for _, file := range files {
		if err := s.oneTokenizer(v, file, mixed, in, python, hasPeers); err != nil {
			return err
		}
	}
	return s.say("tokenizers", v)
}

// peers of benchmark tokenizers. Those that are slow and always the same are asked once.
var tokenizerPeers = []struct {
	name string
	once bool
}{{"gigatoken", false}, {"quicktok", false}, {"tiktoken", true}, {"tokenizers", true}}

func (s *session) oneTokenizer(v *verdict, file, mixed string, in result, python string, hasPeers bool) error {
	const bench = "tokenizers"
	name := filepath.Base(filepath.Dir(file))
	row1 := func(what string) *row { return &row{name: name + ": " + what} }
	cold, warm, long := row1("curate, cold"), row1("curate, warm"), row1("curate, one long document")
	one, two := row1("curate, warm, 1 core"), row1("curate, warm, 2 cores")
	rows := []*row{cold, warm}
	peers := map[string][2]*row{}
	for _, p := range tokenizerPeers {
		peers[p.name] = [2]*row{row1(p.name + ", cold"), row1(p.name + ", warm")}
		rows = append(rows, peers[p.name][0], peers[p.name][1])
	}
	rows = append(rows, long, one, two)
	var ours result
	for round := 1; round <= s.options.runs; round++ {
		var err error
		if ours, err = s.section(cold, bench, "text", round, task{Name: "encodecold", Files: []string{mixed}, With: file}); err != nil {
			return err
		}
		if _, err = s.section(warm, bench, "text", round, task{Name: "encodewarm", Files: []string{mixed}, With: file}); err != nil {
			return err
		}
		if _, err = s.section(long, bench, "text", round, task{Name: "encodelong", Files: []string{mixed}, With: file, MB: longMB}); err != nil {
			return err
		}
		for workers, r := range []*row{one, two} {
			res, u, err := s.child(task{Name: "encodemany", Files: []string{mixed}, With: file, N: workers + 1}, false)
			if err != nil {
				return err
			}
			res.PeakRSS, res.Foreign = u.RSS, u.Foreign
			s.add(r, measurement{Bench: bench, Name: r.name, Round: round, Unit: "text", result: res})
		}
		for _, p := range tokenizerPeers {
			if !hasPeers || p.once && round > 1 {
				continue
			}
			u, err := s.measure(command{
				argv: []string{python, filepath.Join("peers", "tokenizer_speed.py"), p.name, file, name, mixed},
				env:  []string{"TOKENIZERS_PARALLELISM=false", "RAYON_NUM_THREADS=1"}, one: true,
			})
			if err != nil {
				return err
			}
			var got struct {
				Documents, IDs   int64
				SHA              string `json:"sha256"`
				Cold, Warm       float64
				Version, Skipped string
			}
			if err := json.Unmarshal(u.Out, &got); err != nil {
				return err
			}
			if got.Skipped != "" {
				if round == 1 {
					fmt.Printf("SKIPPED %s, %s %s: %s\n", name, p.name, got.Version, got.Skipped)
				}
				continue
			}
			if got.Documents != ours.Docs || got.IDs != ours.Tokens || got.SHA != ours.Digest {
				v.failf("%s: %s %s has %d ids of %d documents, sha256 %.12s…; curate %d of %d, %.12s…",
					name, p.name, got.Version, got.IDs, got.Documents, got.SHA, ours.Tokens, ours.Docs, ours.Digest)
				continue
			}
			for i, cpu := range []float64{got.Cold, got.Warm} {
				if cpu > 0 {
					r := peers[p.name][i]
					s.add(r, measurement{Bench: bench, Name: r.name, Round: round, Unit: "text", result: result{
						Bytes: in.Bytes, Docs: got.Documents, Passes: 1, CPU: cpu, Wall: cpu, Foreign: u.Foreign, PeakRSS: u.RSS, Tokens: got.IDs, Digest: got.SHA,
					}, More: map[string]any{"version": got.Version}})
				}
			}
		}
	}
	table(fmt.Sprintf("tokenizers: %s, %d documents, %.1f MB of text, %d ids, one core but for the last line", name, in.Docs, mb(in.Bytes), ours.Tokens), rows...)
	fmt.Println(scaling(one, two))
	v.printf("%s: %d ids, sha256 %s", name, ours.Tokens, ours.Digest)
	v.Numbers[name], v.Numbers[name+"_sha256"] = ours.Tokens, ours.Digest
	return nil
}

// interleaveTask writes t.MB of text as JSON Lines: a document of each file in turn, of the files that hold the first t.N
// bytes.
func interleaveTask(t task) (res result, err error) {
	var all [][][]byte
	size := 0
	for _, name := range t.Files {
		if size >= t.N {
			break
		}
		text, err := decodedFile(name)
		if err != nil {
			return res, err
		}
		size += len(text)
		var lines [][]byte
		err = eachRecord(1, text, func(r *record.Record) error {
			lines = append(lines, bytes.TrimRight(r.Line, "\r\n"))
			return nil
		})
		if err != nil {
			return res, err
		}
		all = append(all, lines)
	}
	out, err := os.Create(t.Out)
	if err != nil {
		return res, err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	w := bufio.NewWriter(out)
	for i, more := 0, true; more; i++ {
		more = false
		for _, lines := range all {
			if i >= len(lines) {
				continue
			}
			var doc struct{ Text string }
			if err := json.Unmarshal(lines[i], &doc); err != nil {
				return res, err
			}
			more = true
			res.Docs++
			res.Bytes += int64(len(doc.Text))
			if _, err := w.Write(append(lines[i], '\n')); err != nil {
				return res, err
			}
			if res.Bytes >= int64(t.MB)*1e6 {
				return res, w.Flush()
			}
		}
	}
	return res, w.Flush()
}

// encoding is texts in memory and a tokenizer for them.
type encoding struct {
	tok   *tokenize.Tokenizer
	texts [][]byte
	bytes int64
}

func newEncoding(t task) (*encoding, error) {
	e := &encoding{}
	var err error
	if e.tok, err = tokenize.Open(t.With); err != nil {
		return nil, err
	}
	text, err := decodedFile(t.Files[0])
	if err != nil {
		return nil, err
	}
	err = eachRecord(1, text, func(r *record.Record) error {
		var doc struct{ Text string }
		if err := json.Unmarshal(r.Line, &doc); err != nil {
			return err
		}
		e.texts = append(e.texts, []byte(doc.Text))
		e.bytes += int64(len(doc.Text))
		return nil
	})
	runtime.GC()
	return e, err
}

// pass encodes the texts and says how many ids they have and, if asked, what they are.
func (e *encoding) pass(enc *tokenize.Encoder, texts [][]byte, ids []uint32, digest bool) (all []uint32, n int64, sum string, err error) {
	h := sha256.New()
	var packed []byte
	for _, text := range texts {
		if ids, err = enc.Append(ids[:0], text); err != nil {
			return ids, n, "", err
		}
		n += int64(len(ids))
		if digest {
			packed = packed[:0]
			for _, id := range ids {
				packed = binary.LittleEndian.AppendUint32(packed, id)
			}
			h.Write(packed)
		}
	}
	return ids, n, hex.EncodeToString(h.Sum(nil)), nil
}

// timed is f's CPU seconds.
func timed(f func() error) (float64, error) {
	began := cpuSeconds()
	err := f()
	return cpuSeconds() - began, err
}

// encodeColdTask encodes with a new encoder, as the first thing that this process does.
func encodeColdTask(t task) (res result, err error) {
	e, err := newEncoding(t)
	if err != nil {
		return res, err
	}
	enc := e.tok.NewEncoder(tokenize.Options{})
	var ids []uint32
	began := time.Now()
	res.CPU, err = timed(func() (err error) {
		ids, res.Tokens, _, err = e.pass(enc, e.texts, nil, false)
		return err
	})
	if err != nil {
		return res, err
	}
	res.Wall, res.Passes, res.Bytes, res.Docs = time.Since(began).Seconds(), 1, e.bytes, int64(len(e.texts))
	_, _, res.Digest, err = e.pass(enc, e.texts, ids, true)
	return res, err
}

// encodeWarmTask encodes with an encoder that has seen the texts: the fastest of warmPasses.
func encodeWarmTask(t task) (res result, err error) {
	e, err := newEncoding(t)
	if err != nil {
		return res, err
	}
	enc := e.tok.NewEncoder(tokenize.Options{})
	ids, _, _, err := e.pass(enc, e.texts, nil, false)
	if err != nil {
		return res, err
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range warmPasses {
		began := time.Now()
		cpu, err := timed(func() (err error) {
			ids, res.Tokens, _, err = e.pass(enc, e.texts, ids, false)
			return err
		})
		if err != nil {
			return res, err
		}
		if res.CPU == 0 || cpu < res.CPU {
			res.CPU, res.Wall = cpu, time.Since(began).Seconds()
		}
	}
	runtime.ReadMemStats(&after)
	allocs := float64(after.Mallocs-before.Mallocs) / float64(warmPasses*len(e.texts))
	res.Allocs, res.Passes, res.Bytes, res.Docs = &allocs, 1, e.bytes, int64(len(e.texts))
	return res, nil
}

// encodeLongTask encodes t.MB of the texts as one document.
func encodeLongTask(t task) (res result, err error) {
	e, err := newEncoding(t)
	if err != nil {
		return res, err
	}
	long := make([]byte, 0, t.MB*1_000_000)
	for len(long) < cap(long) {
		for _, text := range e.texts {
			long = append(long, text[:min(len(text), cap(long)-len(long))]...)
		}
	}
	enc := e.tok.NewEncoder(tokenize.Options{})
	began := time.Now()
	res.CPU, err = timed(func() (err error) {
		_, res.Tokens, _, err = e.pass(enc, [][]byte{long}, nil, false)
		return err
	})
	res.Wall, res.Passes, res.Bytes, res.Docs = time.Since(began).Seconds(), 1, int64(len(long)), 1
	return res, err
}

// manyPasses take some seconds: two workers are compared by the clock, which a moment of others' work would spoil.
const manyPasses = 40

// encodeManyTask encodes the texts by t.N encoders at a time, which have seen them, manyPasses times.
func encodeManyTask(t task) (res result, err error) {
	e, err := newEncoding(t)
	if err != nil {
		return res, err
	}
	type worker struct {
		enc   *tokenize.Encoder
		texts [][]byte
		ids   []uint32
		err   error
	}
	workers := make([]worker, t.N)
	for i := range workers {
		w := &workers[i]
		w.enc = e.tok.NewEncoder(tokenize.Options{})
		for k := i; k < len(e.texts); k += t.N {
			w.texts = append(w.texts, e.texts[k])
		}
		if w.ids, _, _, err = e.pass(w.enc, w.texts, nil, false); err != nil {
			return res, err
		}
	}
	runtime.GC()
	began := time.Now()
	res.CPU, err = timed(func() error {
		var all sync.WaitGroup
		for i := range workers {
			all.Go(func() {
				w := &workers[i]
				for range manyPasses {
					if w.ids, _, _, w.err = e.pass(w.enc, w.texts, w.ids, false); w.err != nil {
						return
					}
				}
			})
		}
		all.Wait()
		for _, w := range workers {
			err = errors.Join(err, w.err)
		}
		return err
	})
	res.Wall, res.Passes, res.Bytes, res.Docs = time.Since(began).Seconds(), manyPasses, e.bytes, int64(len(e.texts))
	return res, err
}
