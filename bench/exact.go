package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"

	"curate/record"
)

// runExact measures exact deduplication as the command: JSONL to JSONL, JSONL.zst to JSONL.zst, one core and two
// workers, and datatrove's on the same documents.
func runExact(s *session) error {
	bin, err := s.buildCurate()
	if err != nil {
		return err
	}
	in, _, err := s.child(task{Name: "twice", Files: s.corpus.Files, Out: filepath.Join(s.dir, "exact"), MB: int(s.corpus.Unique)}, false)
	if err != nil {
		return err
	}
	var plain, packed []string
	for _, name := range in.Files {
		if filepath.Ext(name) == ".zst" {
			packed = append(packed, name)
		} else {
			plain = append(plain, name)
		}
	}
	want, _, err := s.child(task{Name: "unique", Files: plain}, false)
	if err != nil {
		return err
	}
	kinds := []struct {
		name, format string
		files        []string
		rows         [2]*row
	}{
		{"JSONL to JSONL", "jsonl", plain, [2]*row{}}, {"JSONL.zst to JSONL.zst", "jsonl.zst", packed, [2]*row{}},
	}
	var rows []*row
	for k := range kinds {
		kinds[k].rows = [2]*row{
			{name: kinds[k].name + ", -j 1, 1 core", note: ", whole process"},
			{name: kinds[k].name + ", -j 2", note: ", whole process"},
		}
		rows = append(rows, kinds[k].rows[:]...)
	}
	encode := &row{name: "limit: zstd encode of what is kept"}
	for round := 1; round <= s.options.runs; round++ {
		for _, k := range kinds {
			for j, r := range k.rows {
				out := filepath.Join(s.dir, fmt.Sprintf("exact-%d-%d", round, j+1))
				argv := append([]string{bin, "dedup", "--method", "exact", "-q", "-j", strconv.Itoa(j + 1), "--format", k.format, "-o", out}, k.files...)
				d, err := s.toParts(r, "exact", round, command{argv: argv, one: j == 0}, out, in, want)
				if err != nil {
					return err
				}
				if k.format == "jsonl.zst" && j == 0 {
					e, err := s.section(encode, "exact", "JSONL", round, task{Name: "encode", Files: d.Files})
					if err != nil {
						return err
					}
					// As a share of the input: what the encoder alone would allow.
					encode.all[len(encode.all)-1].MBs = mb(in.Bytes) / (e.CPU / float64(e.Passes))
				}
				if err := os.RemoveAll(out); err != nil {
					return err
				}
			}
		}
	}
	table(fmt.Sprintf("exact: curate dedup --method exact, %d documents, %.1f MB, %.1f %% of the documents are duplicates", in.Docs, mb(in.Bytes), 100*float64(in.Docs-want.Kept)/float64(in.Docs)), append(rows, encode)...)
	for _, k := range kinds {
		fmt.Printf("%s: %s\n", k.name, scaling(k.rows[0], k.rows[1]))
	}
	fmt.Printf("kept %d of %d documents, byte by byte those of a loop with a map (sha256 %.12s…)\n", want.Kept, in.Docs, want.Digest)
	return s.runExactPeer(plain)
}

// runExactPeer measures datatrove on the first of the files, and curate beside it. Neither writes what it keeps
// in compressed form; datatrove does not write it at all.
func (s *session) runExactPeer(plain []string) error {
	python := os.Getenv(pythonEnv)
	if python == "" {
		fmt.Printf("SKIPPED datatrove: %s does not name a Python that has it; README.md says how to make one\n", pythonEnv)
		return nil
	}
	dir := filepath.Join(s.dir, "exact-peer")
	file := filepath.Join(dir, "in.jsonl")
	sample, _, err := s.child(task{Name: "head", Files: plain, Out: file, MB: 40}, false)
	if err != nil {
		return err
	}
	want, _, err := s.child(task{Name: "unique", Files: []string{file}}, false)
	if err != nil {
		return err
	}
	peer, curate := &row{name: "datatrove, nothing written"}, &row{name: "curate, JSONL to JSONL, whole process"}
	var version string
	for round := 1; round <= s.options.runs; round++ {
		out := filepath.Join(s.dir, "exact-peer-out.jsonl")
		u, err := s.measure(command{argv: []string{s.curate, "dedup", "--method", "exact", "-q", "-j", "1", "-o", out, file}, one: true})
		if err != nil {
			return err
		}
		d, _, err := s.child(task{Name: "unique", Files: []string{out}}, false)
		if err != nil {
			return err
		}
		if d.Digest != want.Digest {
			return fmt.Errorf("%w: curate kept %d documents of the sample instead of %d, or others", errOutput, d.Docs, want.Kept)
		}
		s.add(curate, measurement{Bench: "exact", Name: curate.name, Round: round, Unit: "JSONL", Process: true, result: result{
			Bytes: sample.Bytes, Docs: sample.Docs, Passes: 1, CPU: u.CPU, Wall: u.Wall, Foreign: u.Foreign, Kept: d.Docs, PeakRSS: u.RSS,
		}})
		work := filepath.Join(s.dir, fmt.Sprintf("exact-peer-%d", round))
		if u, err = s.measure(command{argv: []string{python, filepath.Join("peers", "datatrove_exact.py"), dir, work}, one: true}); err != nil {
			return err
		}
		var p struct {
			Kept      int64
			IDs       string
			CPU, Wall float64
			Startup   float64 `json:"startup_cpu"`
			Version   string
			Python    string
		}
		if err := json.Unmarshal(u.Out, &p); err != nil {
			return err
		}
		if p.IDs != want.Verdict[0] {
			return fmt.Errorf("%w: datatrove kept %d documents of the sample, a loop with a map %d, or others", errOutput, p.Kept, want.Kept)
		}
		version = "datatrove " + p.Version + ", Python " + p.Python
		s.add(peer, measurement{Bench: "exact", Name: peer.name, Round: round, Unit: "JSONL", result: result{
			Bytes: sample.Bytes, Docs: sample.Docs, Passes: 1, CPU: p.CPU, Wall: p.Wall, Kept: p.Kept, Foreign: u.Foreign, PeakRSS: u.RSS,
		}, More: map[string]any{"version": version, "startup_cpu_s": p.Startup}})
	}
	table(fmt.Sprintf("exact beside datatrove: %d documents, %.1f MB, one core", sample.Docs, mb(sample.Bytes)), peer, curate)
	fmt.Printf("%s; curate is %.1f times as fast, and writes; both keep the same %d documents\n", version, curate.median(speed)/peer.median(speed), want.Kept)
	return nil
}

// exactFile is from how many bytes on a file ends: about a split.
const exactFile = 64 << 20

// twiceTask writes the corpus as plain and as compressed files in which three documents of ten of each further
// pass over the data repeat one of the first pass; the others are told apart by a number. t.MB is the size of the
// first pass in bytes.
func twiceTask(t task) (res result, err error) {
	if err := os.MkdirAll(t.Out, 0o755); err != nil {
		return res, err
	}
	rng := rand.New(rand.NewPCG(1, 1))
	done := int64(0)
	var out []byte
	for n, name := range t.Files {
		text, err := decodedFile(name)
		if err != nil {
			return res, err
		}
		pass := done / int64(t.MB)
		done += int64(len(text))
		for line := range bytes.Lines(text) {
			if i := bytes.Index(line, []byte(`"text": "`)); pass > 0 && i >= 0 && rng.IntN(10) >= 3 {
				out = append(out, line[:i+9]...)
				out = fmt.Appendf(out, "%d ", pass)
				line = line[i+9:]
			}
			out = append(out, line...)
		}
		if len(out) < exactFile && n+1 < len(t.Files) {
			continue
		}
		res.Docs += int64(bytes.Count(out, []byte("\n")))
		res.Bytes += int64(len(out))
		packed, err := encoded(out)
		if err != nil {
			return res, err
		}
		plain := filepath.Join(t.Out, fmt.Sprintf("%05d.jsonl", n+1))
		for name, b := range map[string][]byte{plain: out, plain + ".zst": packed} {
			if err := os.WriteFile(name, b, 0o644); err != nil {
				return res, err
			}
		}
		res.Files = append(res.Files, plain, plain+".zst")
		out = nil
	}
	return res, nil
}

// headTask writes the first lines of the files, t.MB of them, as one file.
func headTask(t task) (res result, err error) {
	var out []byte
	for _, name := range t.Files {
		text, err := decodedFile(name)
		if err != nil {
			return res, err
		}
		for line := range bytes.Lines(text) {
			if len(out) >= t.MB*1e6 {
				break
			}
			out = append(out, line...)
			res.Docs++
		}
	}
	res.Bytes = int64(len(out))
	if err := os.MkdirAll(filepath.Dir(t.Out), 0o755); err != nil {
		return res, err
	}
	return res, os.WriteFile(t.Out, out, 0o644)
}

// uniqueTask does what the command must do, with a map. The digest is of the lines that are kept, the one verdict
// that of their ids.
func uniqueTask(t task) (res result, err error) {
	seen := map[[32]byte]bool{}
	sum, ids := sha256.New(), sha256.New()
	var b record.Batch
	var scratch []byte
	idPath := record.MustPath("id")
	for _, name := range t.Files {
		text, err := decodedFile(name)
		if err != nil {
			return res, err
		}
		err = eachBatch(&b, text, func(b *record.Batch) error {
			b.Parse()
			for i := range b.Records {
				r := &b.Records[i]
				if r.Outcome != record.Keep {
					return r.Err
				}
				doc, err := r.Text(textPath, &scratch)
				if err != nil {
					return err
				}
				res.Docs++
				key := sha256.Sum256(doc)
				if seen[key] {
					continue
				}
				seen[key] = true
				res.Kept++
				sum.Write(r.Line)
				sum.Write([]byte{'\n'})
				if id, err := r.Text(idPath, &scratch); err == nil {
					ids.Write(id)
					ids.Write([]byte{'\n'})
				}
			}
			return nil
		})
		if err != nil {
			return res, err
		}
	}
	hexed := func(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil)) }
	res.Digest, res.Verdict = hexed(sum), []string{hexed(ids)}
	return res, nil
}

// runShort measures exact deduplication of many short records in little memory.
func runShort(s *session) error {
	bin, err := s.buildCurate()
	if err != nil {
		return err
	}
	file := filepath.Join(s.dir, "short.jsonl")
	in, _, err := s.child(task{Name: "short", Out: file, N: s.options.short}, false)
	if err != nil {
		return err
	}
	r := &row{name: "JSONL to JSONL, -j 2, --memory 512MiB", note: ", whole process"}
	spill := int64(0)
	for round := 1; round <= s.options.runs; round++ {
		tmp := filepath.Join(s.dir, "short-tmp")
		out := filepath.Join(s.dir, "short-out.jsonl")
		if err := os.MkdirAll(tmp, 0o755); err != nil {
			return err
		}
		stop := watch(tmp, &spill)
		u, err := s.measure(command{argv: []string{bin, "dedup", "--method", "exact", "-q", "-j", "2", "--memory", "512MiB", "--tmp", tmp, "-o", out, file}})
		stop()
		if err != nil {
			return err
		}
		d, err := countLines(out)
		if err != nil {
			return err
		}
		if d != in.Kept {
			return fmt.Errorf("%w: %d records kept instead of %d", errOutput, d, in.Kept)
		}
		if u.RSS > 512<<20 {
			return fmt.Errorf("%w: %d bytes of memory", errOutput, u.RSS)
		}
		s.add(r, measurement{Bench: "short", Name: r.name, Round: round, Unit: "JSONL", Process: true, result: result{
			Bytes: in.Bytes, Docs: in.Docs, Passes: 1, CPU: u.CPU, Sys: u.Sys, Wall: u.Wall, Foreign: u.Foreign, Kept: d, PeakRSS: u.RSS,
		}, More: map[string]any{"spill": spill}})
	}
	table(fmt.Sprintf("short: exact deduplication of %d records, %.1f MB", in.Docs, mb(in.Bytes)), r)
	fmt.Printf("kept %d; at most %.1f MB below --tmp\n", in.Kept, mb(spill))
	return nil
}

// shortTask writes t.N records of about 70 bytes, numbers drawn from one and a half times as many. Kept is how many
// there are without repetitions.
func shortTask(t task) (res result, err error) {
	f, err := os.Create(t.Out)
	if err != nil {
		return res, err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	rng := rand.New(rand.NewPCG(7, 7))
	space := t.N + t.N/2
	seen := make([]uint64, (space+63)/64)
	var line []byte
	for i := range t.N {
		k := rng.IntN(space)
		if bit := uint64(1) << (k % 64); seen[k/64]&bit == 0 {
			seen[k/64] |= bit
			res.Kept++
		}
		line = fmt.Appendf(line[:0], "{\"id\":%d,\"text\":\"document %d with a few words of %d text\"}\n", i, k, k%7919)
		res.Bytes += int64(len(line))
		if _, err := w.Write(line); err != nil {
			return res, errors.Join(err, f.Close())
		}
	}
	res.Docs = int64(t.N)
	return res, errors.Join(w.Flush(), f.Close())
}

func countLines(name string) (n int64, err error) {
	f, err := os.Open(name)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	buf := make([]byte, 1<<20)
	for {
		k, err := f.Read(buf)
		n += int64(bytes.Count(buf[:k], []byte("\n")))
		if k == 0 || err != nil {
			return n, nil
		}
	}
}
