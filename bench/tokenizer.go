package main

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"curate/record"
	"curate/tokenize"
)

// basque is the language of the example.
const basque = "eu"

// runTokenizerIDs encodes the whole Basque text, what the example's recipe keeps and all Basque pages of the data, with
// the tokenizer that the recipe trains: curate and Hugging Face's tokenizers must give the same ids.
func runTokenizerIDs(s *session) error {
	bin, err := s.buildCurate()
	if err != nil {
		return err
	}
	run, err := s.example()
	if err != nil {
		return err
	}
	tokenizer, err := exampleTokenizer(run)
	if err != nil {
		return err
	}
	files, in, err := s.basqueText()
	if err != nil {
		return err
	}
	python, hasPeer := python("tokenizers")
	memory := &row{name: "curate, encode, text in memory"}
	whole := &row{name: "curate tokenize -j 1", note: ", whole process"}
	peer := &row{name: "tokenizers, encode, text in memory"}
	batch := &row{name: "tokenizers, encode_batch_fast"}
	v := &verdict{Numbers: map[string]any{}}
	var ids, text result
	var p struct {
		Documents, IDs int64
		SHA            string `json:"sha256"`
		Differ         int    `json:"not_round_trip"`
		CPU            float64
		Batch          float64 `json:"batch_cpu"`
		Version        string
	}
	for round := 1; round <= s.options.runs; round++ {
		if text, err = s.section(memory, "tokenizer-ids", "text", round, task{Name: "encodeids", Files: files, With: tokenizer}); err != nil {
			return err
		}
		out := filepath.Join(s.dir, "tokenizer-ids.jsonl")
		u, err := s.measure(command{argv: append([]string{bin, "tokenize", "-q", "-j", "1", "--tokenizer", tokenizer, "-o", out}, files...), one: true})
		if err != nil {
			return err
		}
		if ids, _, err = s.child(task{Name: "tokens", Files: []string{out}}, false); err != nil {
			return err
		}
		if ids.Digest != text.Digest {
			return fmt.Errorf("%w: the command writes %d ids, the encoder makes %d, or others", errOutput, ids.Tokens, text.Tokens)
		}
		s.add(whole, measurement{Bench: "tokenizer-ids", Name: whole.name, Round: round, Unit: "JSONL", Process: true, result: result{
			Bytes: in.Bytes, Docs: in.Docs, Passes: 1, CPU: u.CPU, Sys: u.Sys, Wall: u.Wall, Foreign: u.Foreign, PeakRSS: u.RSS, Tokens: ids.Tokens, Digest: ids.Digest,
		}})
		if !hasPeer {
			continue
		}
		u, err = s.measure(command{argv: append([]string{python, filepath.Join("peers", "hf_tokenizer_ids.py"), tokenizer}, files...), env: []string{"TOKENIZERS_PARALLELISM=false", "RAYON_NUM_THREADS=1"}, one: true})
		if err != nil {
			return err
		}
		if err := json.Unmarshal(u.Out, &p); err != nil {
			return err
		}
		s.add(peer, measurement{Bench: "tokenizer-ids", Name: peer.name, Round: round, Unit: "text", result: result{
			Bytes: text.Bytes, Docs: p.Documents, Passes: 1, CPU: p.CPU, Wall: p.CPU, Foreign: u.Foreign, PeakRSS: u.RSS, Tokens: p.IDs, Digest: p.SHA,
		}, More: map[string]any{"version": "tokenizers " + p.Version, "not_round_trip": p.Differ}})
		s.add(batch, measurement{Bench: "tokenizer-ids", Name: batch.name, Round: round, Unit: "text", result: result{
			Bytes: text.Bytes, Docs: p.Documents, Passes: 1, CPU: p.Batch, Wall: p.Batch, Foreign: u.Foreign, PeakRSS: u.RSS, Tokens: p.IDs, Digest: p.SHA,
		}, More: map[string]any{"version": "tokenizers " + p.Version}})
		if p.Documents != ids.Docs || p.IDs != ids.Tokens || p.SHA != ids.Digest {
			v.failf("tokenizers has %d ids of %d documents, sha256 %.12s…; curate %d of %d, %.12s…", p.IDs, p.Documents, p.SHA, ids.Tokens, ids.Docs, ids.Digest)
			break
		}
	}
	table(fmt.Sprintf("tokenizer-ids: %d Basque documents, %.1f MB, the example's tokenizer, one core", in.Docs, mb(in.Bytes)), memory, whole, peer, batch)
	v.Numbers["documents"], v.Numbers["ids"], v.Numbers["sha256"] = ids.Docs, ids.Tokens, ids.Digest
	v.printf("curate: %d documents, %d ids, sha256 %s", ids.Docs, ids.Tokens, ids.Digest)
	if !hasPeer {
		return s.say("tokenizer-ids", v)
	}
	v.printf("tokenizers %s: %d documents, %d ids, sha256 %s; %d do not decode to themselves", p.Version, p.Documents, p.IDs, p.SHA, p.Differ)
	v.Numbers["tokenizers"], v.Numbers["tokenizers_sha256"] = p.Version, p.SHA
	fmt.Printf("encoding alone, curate is %.1f times as fast as encode and %.1f times as encode_batch_fast\n",
		memory.median(speed)/peer.median(speed), memory.median(speed)/batch.median(speed))
	return s.say("tokenizer-ids", v)
}

// vocabulary is how many entries the example's recipe asks for.
const vocabulary = "8192"

// runTokenizerTrain trains on what the example's recipe keeps and on all Basque pages of the data; Hugging Face's
// BpeTrainer must find the same merges.
func runTokenizerTrain(s *session) error {
	python, ok := python("tokenizer-train")
	if !ok {
		return nil
	}
	bin, err := s.buildCurate()
	if err != nil {
		return err
	}
	files, in, err := s.basqueText()
	if err != nil {
		return err
	}
	curate := &row{name: "curate tokenizer train -j 1", note: ", whole process"}
	peer := &row{name: "tokenizers, BpeTrainer"}
	v := &verdict{Numbers: map[string]any{}}
	var ours result
	var p struct {
		Entries, Merges int64
		SHA             string `json:"sha256"`
		CPU, Wall       float64
		Version         string
	}
	for round := 1; round <= s.options.runs; round++ {
		out := filepath.Join(s.dir, "tokenizer-train.json")
		u, err := s.measure(command{argv: append([]string{bin, "tokenizer", "train", "--vocab-size", vocabulary, "-q", "-j", "1", "-o", out}, files...), one: true})
		if err != nil {
			return err
		}
		if ours, _, err = s.child(task{Name: "merges", With: out}, false); err != nil {
			return err
		}
		s.add(curate, measurement{Bench: "tokenizer-train", Name: curate.name, Round: round, Unit: "JSONL", Process: true, result: result{
			Bytes: in.Bytes, Docs: in.Docs, Passes: 1, CPU: u.CPU, Sys: u.Sys, Wall: u.Wall, Foreign: u.Foreign, PeakRSS: u.RSS, Digest: ours.Digest,
		}})
		u, err = s.measure(command{argv: append([]string{python, filepath.Join("peers", "hf_tokenizer_train.py"), vocabulary}, files...), env: []string{"TOKENIZERS_PARALLELISM=false", "RAYON_NUM_THREADS=1"}, one: true})
		if err != nil {
			return err
		}
		if err := json.Unmarshal(u.Out, &p); err != nil {
			return err
		}
		s.add(peer, measurement{Bench: "tokenizer-train", Name: peer.name, Round: round, Unit: "JSONL", result: result{
			Bytes: in.Bytes, Docs: in.Docs, Passes: 1, CPU: p.CPU, Wall: p.Wall, Foreign: u.Foreign, PeakRSS: u.RSS, Digest: p.SHA,
		}, More: map[string]any{"version": "tokenizers " + p.Version}})
		if p.Merges != ours.Kept || p.SHA != ours.Digest {
			v.failf("tokenizers finds %d merges, sha256 %.12s…; curate %d, %.12s…", p.Merges, p.SHA, ours.Kept, ours.Digest)
			break
		}
	}
	table(fmt.Sprintf("tokenizer-train: %s entries of %d Basque documents, %.1f MB, one core", vocabulary, in.Docs, mb(in.Bytes)), curate, peer)
	fmt.Printf("tokenizers %s; curate is %.1f times as fast\n", p.Version, curate.median(speed)/peer.median(speed))
	v.printf("both find %d merges, sha256 %s", ours.Kept, ours.Digest)
	if len(v.Failures) > 0 {
		v.Lines = nil
	}
	v.Numbers["merges"], v.Numbers["sha256"] = ours.Kept, ours.Digest
	return s.say("tokenizer-train", v)
}

// basqueText is what the example's recipe keeps, and all Basque pages of the data, once each.
func (s *session) basqueText() (files []string, in result, err error) {
	run, err := s.example()
	if err != nil {
		return nil, in, err
	}
	if files, err = exampleClean(run); err != nil {
		return nil, in, err
	}
	pages, _, err := s.child(task{Name: "apart", Files: s.corpus.Files, N: int(s.corpus.Unique), Arg: basque, Out: filepath.Join(s.dir, "basque-pages")}, false)
	if err != nil {
		return nil, in, err
	}
	files = append(files, packed(pages.Files)...)
	in, _, err = s.child(task{Name: "lines", Files: files}, false)
	return files, in, err
}

// mergesTask digests the merges of the tokenizer.json t.With, a line each. Kept is how many there are.
func mergesTask(t task) (res result, err error) {
	raw, err := os.ReadFile(t.With)
	if err != nil {
		return res, err
	}
	var file struct {
		Model struct{ Merges []string }
	}
	if err := json.Unmarshal(raw, &file); err != nil {
		return res, err
	}
	sum := sha256.New()
	for _, m := range file.Model.Merges {
		sum.Write([]byte(m + "\n"))
	}
	return result{Kept: int64(len(file.Model.Merges)), Digest: hex.EncodeToString(sum.Sum(nil))}, nil
}

// tokensTask counts and digests, as 32 bits little-endian one behind the other, the ids in input_ids.
func tokensTask(t task) (res result, err error) {
	sum := sha256.New()
	var packed []byte
	for _, name := range t.Files {
		text, err := decodedFile(name)
		if err != nil {
			return res, err
		}
		err = eachRecord(1, text, func(r *record.Record) error {
			var doc struct {
				IDs []uint32 `json:"input_ids"`
			}
			if err := json.Unmarshal(r.Line, &doc); err != nil {
				return err
			}
			packed = packed[:0]
			for _, id := range doc.IDs {
				packed = binary.LittleEndian.AppendUint32(packed, id)
			}
			sum.Write(packed)
			res.Docs++
			res.Tokens += int64(len(doc.IDs))
			return nil
		})
		if err != nil {
			return res, err
		}
	}
	res.Digest = hex.EncodeToString(sum.Sum(nil))
	return res, nil
}

// encodeIDsTask encodes documents that were decoded before, one by one, with the tokenizer t.With and, in each pass, a new
// encoder.
func encodeIDsTask(t task) (res result, err error) {
	tok, err := tokenize.Open(t.With)
	if err != nil {
		return res, err
	}
	var docs [][]byte
	for _, name := range t.Files {
		text, err := decodedFile(name)
		if err != nil {
			return res, err
		}
		err = eachRecord(1, text, func(r *record.Record) error {
			var doc struct{ Text string }
			if err := json.Unmarshal(r.Line, &doc); err != nil {
				return err
			}
			docs = append(docs, []byte(doc.Text))
			return nil
		})
		if err != nil {
			return res, err
		}
	}
	var ids []uint32
	pass := func() error {
		e := tok.NewEncoder(tokenize.Options{}) // which remembers words, and must not know these
		res.Bytes, res.Docs, res.Tokens = 0, int64(len(docs)), 0
		for _, doc := range docs {
			var err error
			if ids, err = e.Append(ids[:0], doc); err != nil {
				return err
			}
			res.Bytes += int64(len(doc))
			res.Tokens += int64(len(ids))
		}
		return nil
	}
	if err := res.section(pass); err != nil {
		return res, err
	}
	e := tok.NewEncoder(tokenize.Options{})
	sum := sha256.New()
	var packed []byte
	for _, doc := range docs {
		packed = packed[:0]
		if ids, err = e.Append(ids[:0], doc); err != nil {
			return res, err
		}
		for _, id := range ids {
			packed = binary.LittleEndian.AppendUint32(packed, id)
		}
		sum.Write(packed)
	}
	res.Digest = hex.EncodeToString(sum.Sum(nil))
	return res, nil
}

// runTokenizerTrainRust trains vocabularies of two sizes on all texts of the data, once each, with the rule for ties that
// rustbpe has; and with that of Hugging Face's tokenizers, whose BpeTrainer must find the same merges.
func runTokenizerTrainRust(s *session) error {
	python, ok := python("tokenizer-train-rustbpe")
	if !ok {
		return nil
	}
	bin, err := s.buildCurate()
	if err != nil {
		return err
	}
	pages, _, err := s.child(task{Name: "apart", Files: s.corpus.Files, N: int(s.corpus.Unique), Out: filepath.Join(s.dir, "all-pages")}, false)
	if err != nil {
		return err
	}
	files := packed(pages.Files)
	in, _, err := s.child(task{Name: "lines", Files: files}, false)
	if err != nil {
		return err
	}
	v := &verdict{Numbers: map[string]any{}}
	type answer struct {
		Entries, Merges int64
		SHA             string `json:"sha256"`
		CPU, Wall       float64
		Version         string
	}
	for _, size := range []string{"16384", "32768"} {
		name := "tokenizer-train-rustbpe " + size
		curate := &row{name: "curate tokenizer train -j 1", note: ", whole process"}
		rows := []*row{{name: "rustbpe"}, {name: "tokenizers, BpeTrainer"}}
		for round := 1; round <= s.options.runs; round++ {
			for k, peer := range []struct {
				script, digest string
				flags          []string
			}{
				{"rustbpe_train.py", "vocab", []string{"--ties", "rustbpe", "--special", "", "--min-frequency", "1"}},
				{"hf_tokenizer_train.py", "merges", nil},
			} {
				out := filepath.Join(s.dir, "tokenizer-train-rustbpe.json")
				u, err := s.measure(command{argv: slices.Concat([]string{bin, "tokenizer", "train", "--vocab-size", size, "-q", "-j", "1", "-o", out}, peer.flags, files), one: true})
				if err != nil {
					return err
				}
				ours, _, err := s.child(task{Name: peer.digest, With: out}, false)
				if err != nil {
					return err
				}
				if k == 0 {
					s.add(curate, measurement{Bench: name, Name: curate.name, Round: round, Unit: "JSONL", Process: true, result: result{
						Bytes: in.Bytes, Docs: in.Docs, Passes: 1, CPU: u.CPU, Sys: u.Sys, Wall: u.Wall, Foreign: u.Foreign, PeakRSS: u.RSS, Digest: ours.Digest,
					}})
				}
				u, err = s.measure(command{argv: slices.Concat([]string{python, filepath.Join("peers", peer.script), size}, files), env: []string{"TOKENIZERS_PARALLELISM=false", "RAYON_NUM_THREADS=1"}, one: true})
				if err != nil {
					return err
				}
				var p answer
				if err := json.Unmarshal(u.Out, &p); err != nil {
					return err
				}
				s.add(rows[k], measurement{Bench: name, Name: rows[k].name, Round: round, Unit: "JSONL", result: result{
					Bytes: in.Bytes, Docs: in.Docs, Passes: 1, CPU: p.CPU, Wall: p.Wall, Foreign: u.Foreign, PeakRSS: u.RSS, Digest: p.SHA,
				}, More: map[string]any{"version": p.Version}})
				if p.SHA != ours.Digest {
					v.failf("%s %s, %s entries: sha256 %.12s…; curate %.12s…", rows[k].name, p.Version, size, p.SHA, ours.Digest)
				}
			}
		}
		table(fmt.Sprintf("tokenizer-train-rustbpe: %s entries of %d documents, %.1f MB, one core", size, in.Docs, mb(in.Bytes)), curate, rows[0], rows[1])
		fmt.Printf("curate is %.1f times as fast as rustbpe\n", curate.median(speed)/rows[0].median(speed))
	}
	if len(v.Failures) == 0 {
		v.printf("rustbpe has the same ranks, and BpeTrainer the same merges")
	}
	return s.say("tokenizer-train-rustbpe", v)
}

// vocabTask digests the vocabulary of the tokenizer.json t.With in the order of ids, each token's bytes as hexadecimal
// digits on a line.
func vocabTask(t task) (res result, err error) {
	raw, err := os.ReadFile(t.With)
	if err != nil {
		return res, err
	}
	var file struct {
		Model struct{ Vocab map[string]int }
	}
	if err := json.Unmarshal(raw, &file); err != nil {
		return res, err
	}
	var bytes [256 + 68]byte // by character of the byte-level alphabet
	for b, n := 0, 256; b < 256; b++ {
		if b >= '!' && b <= '~' || b >= 0xA1 && b <= 0xAC || b >= 0xAE {
			bytes[b] = byte(b)
			continue
		}
		bytes[n] = byte(b)
		n++
	}
	tokens := make([]string, len(file.Model.Vocab))
	for name, id := range file.Model.Vocab {
		var token []byte
		for _, c := range name {
			token = append(token, bytes[c])
		}
		tokens[id] = hex.EncodeToString(token)
	}
	sum := sha256.New()
	for _, t := range tokens {
		sum.Write([]byte(t + "\n"))
	}
	return result{Kept: int64(len(tokens)), Digest: hex.EncodeToString(sum.Sum(nil))}, nil
}
