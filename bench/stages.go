package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"curate/filter"
	"curate/record"
	"curate/stage"
	"curate/tokenize"
)

// stageInput is the data in one language or all, as plain and as compressed files.
type stageInput struct {
	name          string
	plain, packed []string
	result
}

// stageCase is a command to measure.
type stageCase struct {
	name string
	in   *stageInput
	args []string // before -q -j N -o OUT FILE…
	// plain: from plain files, to plain ones where it writes documents; or else both ways.
	plain, packed bool
	out           string // "" for documents in parts, or the kind of result: ".json", "shards"
	want          string // digest of what it must write
	// check looks at a first output when there is nothing to hold it against.
	check func(out string) (string, error)
	rows  []*row
}

// apartBytes is from how many bytes on a file of stageInput ends.
const apartBytes = 16 << 20

func packed(files []string) (p []string) {
	for _, name := range files {
		if filepath.Ext(name) == ".zst" {
			p = append(p, name)
		}
	}
	return p
}

func plain(files []string) (p []string) {
	for _, name := range files {
		if filepath.Ext(name) != ".zst" {
			p = append(p, name)
		}
	}
	return p
}

// stageInput makes one: documents of a language (or "") up to megabytes of JSONL, or a sample of docs of them.
func (s *session) stageInput(name, language string, megabytes int) (*stageInput, error) {
	res, _, err := s.child(task{Name: "apart", Files: s.corpus.Files, N: int(s.corpus.Unique), MB: megabytes, Arg: language, Out: filepath.Join(s.dir, "stages-"+name)}, false)
	if err != nil {
		return nil, err
	}
	return &stageInput{name: name, plain: plain(res.Files), packed: packed(res.Files), result: res}, nil
}

// sampleOf is a part of an input for what is slow, spread evenly over it.
func (s *session) sampleOf(in *stageInput, megabytes int) (*stageInput, error) {
	docs := int(float64(in.Docs) * min(1, float64(megabytes)*1e6/float64(in.Bytes)))
	dir := filepath.Join(s.dir, "stages-"+in.name+"-sample")
	res, _, err := s.child(task{Name: "sample", Files: in.packed, MB: int(in.Bytes), N: docs, Out: filepath.Join(dir, "in.jsonl.zst")}, false)
	if err != nil {
		return nil, err
	}
	cut, _, err := s.child(task{Name: "cut", Files: res.Files, N: sampleFiles, Out: filepath.Join(dir, "cut")}, false)
	res.Files = cut.Files
	return &stageInput{name: in.name + " sample", packed: res.Files, result: res}, err
}

// sampleFiles are so many that two workers have as much to do: one file goes to them in chunks of 4 MiB.
const sampleFiles = 8

// cutTask writes a file as t.N files.
func cutTask(t task) (res result, err error) {
	if err := os.Mkdir(t.Out, 0o755); err != nil {
		return res, err
	}
	text, err := decodedFile(t.Files[0])
	if err != nil {
		return res, err
	}
	for i := range t.N {
		piece := text
		if n := len(text) / (t.N - i); n < len(text) {
			piece = text[:n+bytes.IndexByte(text[n:], '\n')+1]
		}
		text = text[len(piece):]
		small, err := encoded(piece)
		if err != nil {
			return res, err
		}
		name := filepath.Join(t.Out, fmt.Sprintf("%05d.jsonl.zst", i+1))
		if err := os.WriteFile(name, small, 0o644); err != nil {
			return res, err
		}
		res.Files = append(res.Files, name)
	}
	return res, nil
}

// runStages measures each command alone and the chains of the recipe, on one core and with two workers.
func runStages(s *session) error {
	bin, err := s.buildCurate()
	if err != nil {
		return err
	}
	all, err := s.stageInput("all", "", s.options.stagesMB)
	if err != nil {
		return err
	}
	eu, err := s.stageInput("basque", basque, s.options.stagesMB/2)
	if err != nil {
		return err
	}
	some, err := s.sampleOf(all, s.options.langidMB)
	if err != nil {
		return err
	}
	someEU, err := s.sampleOf(eu, s.options.langidMB)
	if err != nil {
		return err
	}
	tokenizer := filepath.Join(s.dir, "stages-tokenizer.json")
	if _, err := s.measure(command{argv: append([]string{bin, "tokenizer", "train", "--vocab-size", "8192", "-q", "-o", tokenizer}, eu.packed...)}); err != nil {
		return err
	}
	mapped := func(in *stageInput, stage string) (string, error) {
		res, _, err := s.child(task{Name: "mapped", Files: in.packed, Arg: stage, With: tokenizer}, false)
		return res.Digest, err
	}
	var notes []string
	cases := []*stageCase{
		{name: "langid --keep eu", in: some, args: []string{"langid", "--keep", basque}, packed: true, check: func(out string) (string, error) {
			res, _, err := s.child(task{Name: "labels", Files: some.packed, Out: out, Arg: basque}, false)
			if err == nil {
				notes = append(notes, "langid: "+strings.Join(res.Check.Lines, "; "))
				err = s.holds(res.Check)
			}
			return res.Digest, err
		}},
		{name: "filter --profile basque", in: eu, args: []string{"filter", "--profile", "basque"}, plain: true, packed: true, check: func(string) (string, error) { return mapped(eu, "basque") }},
		{name: "filter --profile fineweb", in: all, args: []string{"filter", "--profile", "fineweb"}, plain: true, packed: true, check: func(string) (string, error) { return mapped(all, "fineweb") }},
		{name: "dedup", in: all, args: []string{"dedup"}, plain: true, packed: true, check: func(string) (string, error) {
			gone, out := filepath.Join(s.dir, "stages-dropped.jsonl"), filepath.Join(s.dir, "stages-dedup.jsonl")
			if _, err := s.measure(command{argv: append([]string{bin, "dedup", "-q", "--dropped", gone, "-o", out}, all.packed...)}); err != nil {
				return "", err
			}
			res, _, err := s.child(task{Name: "sound", Files: all.packed, With: gone, Arg: "words", Threshold: 0.8}, false)
			if err != nil {
				return "", err
			}
			notes = append(notes, "dedup: "+strings.Join(res.Check.Lines, "; "))
			if err := s.holds(res.Check); err != nil {
				return "", err
			}
			lines, _, err := s.child(task{Name: "lines", Files: []string{out}}, false)
			return lines.Digest, errors.Join(err, os.Remove(out), os.Remove(gone))
		}},
		{name: "tokenize", in: eu, args: []string{"tokenize", "--tokenizer", tokenizer}, plain: true, packed: true, check: func(string) (string, error) { return mapped(eu, "tokenize") }},
		{name: "tokenizer train, 8192", in: eu, args: []string{"tokenizer", "train", "--vocab-size", "8192"}, plain: true, packed: true, out: ".json", check: func(string) (string, error) {
			res, _, err := s.child(task{Name: "lines", Files: []string{tokenizer}}, false)
			return res.Digest, err
		}},
		{name: "shards build --pack", in: eu, args: []string{"shards", "build", "--pack", "--tokenizer", tokenizer}, plain: true, packed: true, out: "shards", check: func(out string) (string, error) {
			if _, err := s.measure(command{argv: []string{bin, "shards", "verify", out}}); err != nil {
				return "", err
			}
			res, err := s.shards(out)
			return res.Digest, err
		}},
	}
	for _, c := range cases {
		for _, way := range c.ways() {
			for j := 1; j <= 2; j++ {
				c.rows = append(c.rows, &row{name: fmt.Sprintf("%s, %s, -j %d", c.name, way, j), note: ", " + c.in.name})
			}
		}
	}
	chains := []*chain{
		{name: "filter + dedup", in: eu},
		{name: "langid + filter + dedup", in: someEU, langid: true},
	}
	for _, c := range chains {
		if c.want, err = s.oneByOne(bin, c); err != nil {
			return err
		}
		c.rows = [2]*row{{name: c.name + ", recipe, zst, -j 1", note: ", " + c.in.name}, {name: c.name + ", recipe, zst, -j 2", note: ", " + c.in.name}}
	}
	for round := 1; round <= s.options.runs; round++ {
		for _, c := range cases {
			if err := s.stage(bin, round, c); err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
		}
		for _, c := range chains {
			if err := s.chain(bin, round, c); err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
		}
	}
	var rows []*row
	for _, c := range cases {
		rows = append(rows, c.rows...)
	}
	for _, c := range chains {
		rows = append(rows, c.rows[:]...)
	}
	table(fmt.Sprintf("stages: whole processes, files to a directory; -j 1 on one core; all languages %.1f MB, %d documents (sample %.1f MB), Basque %.1f MB, %d documents (sample %.1f MB)",
		mb(all.Bytes), all.Docs, mb(some.Bytes), mb(eu.Bytes), eu.Docs, mb(someEU.Bytes)), rows...)
	for _, c := range cases {
		for i := 0; i+1 < len(c.rows); i += 2 {
			fmt.Printf("%s: %s\n", strings.TrimSuffix(c.rows[i].name, ", -j 1"), scaling(c.rows[i], c.rows[i+1]))
		}
	}
	for _, c := range chains {
		fmt.Printf("%s: %s; the output is that of the commands one behind the other\n", c.name, scaling(c.rows[0], c.rows[1]))
	}
	for _, n := range notes {
		fmt.Println(n)
	}
	return nil
}

// holds is an error if a check failed.
func (s *session) holds(v *verdict) error {
	if len(v.Failures) > 0 {
		return fmt.Errorf("%w: %s", errOutput, strings.Join(v.Failures[:min(3, len(v.Failures))], "; "))
	}
	return nil
}

func (c *stageCase) ways() (ways []string) {
	if c.plain {
		ways = append(ways, "jsonl")
	}
	if c.packed {
		ways = append(ways, "zst")
	}
	return ways
}

// stage measures a command in all ways of one round.
func (s *session) stage(bin string, round int, c *stageCase) error {
	i := 0
	for _, way := range c.ways() {
		files := c.in.packed
		if way == "jsonl" {
			files = c.in.plain
		}
		for j := 1; j <= 2; j++ {
			r := c.rows[i]
			i++
			out := filepath.Join(s.dir, "stages-out"+strings.TrimPrefix(c.out, "shards"))
			argv := append([]string{bin}, c.args...)
			argv = append(argv, "-q", "-j", strconv.Itoa(j), "-o", out)
			if c.out == "" {
				argv = append(argv, "--format", map[string]string{"jsonl": "jsonl", "zst": "jsonl.zst"}[way])
			}
			u, err := s.measure(command{argv: append(argv, files...), one: j == 1})
			if err != nil {
				return err
			}
			var d result
			switch c.out {
			case "":
				d, _, err = s.child(task{Name: "digest", Out: out}, false)
			case "shards":
				d, err = s.shards(out)
			default:
				d, _, err = s.child(task{Name: "lines", Files: []string{out}}, false)
			}
			if err == nil && c.want == "" {
				c.want, err = c.check(out)
			}
			if err != nil {
				return err
			}
			if d.Digest != c.want {
				return fmt.Errorf("%w: %s writes %.12s…, expected %.12s…", errOutput, r.name, d.Digest, c.want)
			}
			s.addProcess(r, round, u, c.in.result, d)
			if err := os.RemoveAll(out); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *session) addProcess(r *row, round int, u usage, in, out result) {
	s.add(r, measurement{Bench: "stages", Name: r.name, Round: round, Unit: "JSONL", Process: true, result: result{
		Bytes: in.Bytes, Docs: in.Docs, Passes: 1, CPU: u.CPU, Sys: u.Sys, Wall: u.Wall, Foreign: u.Foreign, Kept: out.Docs, Digest: out.Digest, PeakRSS: u.RSS,
	}})
}

// shards digests the token files of shard sets.
func (s *session) shards(dir string) (result, error) {
	files, err := filepath.Glob(filepath.Join(dir, "length-*", "shard-*"))
	if err != nil {
		return result{}, err
	}
	res, _, err := s.child(task{Name: "bytes", Files: files}, false)
	return res, err
}

// chain is the stages of a recipe's step.
type chain struct {
	name   string
	in     *stageInput
	langid bool
	want   string
	rows   [2]*row
}

// oneByOne is the digest of what the chain's commands write one behind the other.
func (s *session) oneByOne(bin string, c *chain) (string, error) {
	files := c.in.packed
	steps := [][]string{{"filter", "--profile", "basque"}, {"dedup"}}
	if c.langid {
		steps = slices.Insert(steps, 0, []string{"langid", "--keep", basque})
	}
	var dirs []string
	for i, args := range steps {
		out := filepath.Join(s.dir, fmt.Sprintf("stages-step-%d", i))
		dirs = append(dirs, out)
		argv := append(append([]string{bin}, args...), "-q", "-o", out)
		if _, err := s.measure(command{argv: append(argv, files...)}); err != nil {
			return "", err
		}
		files = []string{out}
	}
	d, _, err := s.child(task{Name: "digest", Out: files[0]}, false)
	for _, dir := range dirs {
		err = errors.Join(err, os.RemoveAll(dir))
	}
	return d.Digest, err
}

// chain measures a recipe of one step on one core and with two workers.
func (s *session) chain(bin string, round int, c *chain) error {
	for j, r := range c.rows {
		run, file := filepath.Join(s.dir, "stages-run"), filepath.Join(s.dir, "stages.yaml")
		var y bytes.Buffer
		fmt.Fprintf(&y, "version: 1\nrun: %q\nsteps:\n  - name: clean\n    read: %q\n", run, filepath.Join(filepath.Dir(c.in.packed[0]), "*.jsonl.zst"))
		if c.langid {
			fmt.Fprintf(&y, "    langid: {keep: [%s]}\n", basque)
		}
		fmt.Fprintf(&y, "    filter: {profile: basque}\n    dedup: {minhash: {threshold: 0.8, keep: first}}\n")
		if err := os.WriteFile(file, y.Bytes(), 0o644); err != nil {
			return err
		}
		u, err := s.measure(command{argv: []string{bin, "run", "-q", "-j", strconv.Itoa(j + 1), file}, one: j == 0})
		if err != nil {
			return err
		}
		d, _, err := s.child(task{Name: "digest", Out: filepath.Join(run, "clean")}, false)
		if err != nil {
			return err
		}
		if d.Digest != c.want {
			return fmt.Errorf("%w: the recipe keeps %d documents, the commands one behind the other others", errOutput, d.Docs)
		}
		s.addProcess(r, round, u, c.in.result, d)
		if err := os.RemoveAll(run); err != nil {
			return err
		}
	}
	return nil
}

// apartTask writes the data's readable documents, those in the language t.Arg where it is given, once and then again
// until there are t.MB of them. t.N is how many bytes of the files are their first pass. Further passes have other ids,
// and in their texts each fourth word has a further syllable, the same in a pass: so no run of five words comes again,
// and documents of two passes are not alike.
func apartTask(t task) (res result, err error) {
	if err := os.MkdirAll(t.Out, 0o755); err != nil {
		return res, err
	}
	var lines [][]byte
	labelled := false
	read := 0
	for _, name := range t.Files {
		if read >= t.N {
			break
		}
		text, err := decodedFile(name)
		if err != nil {
			return res, err
		}
		read += len(text)
		err = eachRecord(1, text, func(r *record.Record) error {
			if t.Arg != "" {
				if lang, ok := labelOf(r); ok {
					labelled = true
					if lang != t.Arg {
						return nil
					}
				}
			}
			lines = append(lines, append(bytes.TrimRight(r.Line, "\r"), '\n'))
			return nil
		})
		if err != nil {
			return res, err
		}
	}
	if t.Arg != "" && !labelled {
		return res, fmt.Errorf("no document of the data says its language in meta.lang, and those in %q are needed", t.Arg)
	}
	if len(lines) == 0 {
		return res, fmt.Errorf("the data has no document in %q", t.Arg)
	}
	var out []byte
	flush := func() error {
		if len(out) == 0 {
			return nil
		}
		small, err := encoded(out)
		if err != nil {
			return err
		}
		name := filepath.Join(t.Out, fmt.Sprintf("%05d.jsonl", len(res.Files)/2+1))
		if err := errors.Join(os.WriteFile(name, out, 0o644), os.WriteFile(name+".zst", small, 0o644)); err != nil {
			return err
		}
		res.Files = append(res.Files, name, name+".zst")
		res.Packed += int64(len(small))
		out = out[:0]
		return nil
	}
	for pass := 0; pass == 0 || res.Bytes < int64(t.MB)*1e6; pass++ {
		for _, line := range lines {
			if pass > 0 {
				if res.Bytes >= int64(t.MB)*1e6 {
					break
				}
				if line, err = another(line, pass); err != nil {
					return res, err
				}
			}
			out = append(out, line...)
			res.Bytes += int64(len(line))
			res.Docs++
			if len(out) >= apartBytes {
				if err := flush(); err != nil {
					return res, err
				}
			}
		}
	}
	return res, flush()
}

// labelOf is what meta.lang says.
func labelOf(r *record.Record) (string, bool) {
	value, ok := r.Value(labelPath)
	if !ok {
		return "", false
	}
	var lang string
	if json.Unmarshal(value, &lang) != nil {
		return "", false
	}
	return lang, true
}

var labelPath = record.MustPath("meta.lang")

// another is the document of a further pass.
func another(line []byte, pass int) ([]byte, error) {
	var doc struct {
		ID   string          `json:"id"`
		Text string          `json:"text"`
		Meta json.RawMessage `json:"meta,omitempty"`
	}
	if err := json.Unmarshal(line, &doc); err != nil {
		return nil, err
	}
	doc.ID = fmt.Sprintf("%s~%d", doc.ID, pass)
	syllable := string([]byte{"bdgklmnprstz"[pass%12], "aeiou"[pass/12%5]})
	text := make([]byte, 0, len(doc.Text)+len(doc.Text)/8)
	words := 0
	letter := func(c byte) bool { return 'a' <= c && c <= 'z' }
	for i := 0; i < len(doc.Text); i++ {
		text = append(text, doc.Text[i])
		last := i+1 == len(doc.Text) || doc.Text[i+1] <= ' '
		if !last || doc.Text[i] <= ' ' {
			continue
		}
		if words++; words >= 4 && letter(doc.Text[i]) {
			text, words = append(text, syllable...), 0
		}
	}
	doc.Text = string(text)
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	err := e.Encode(doc)
	return out.Bytes(), err
}

// mappedTask does what a command must do, in one thread and without the engine, and digests the lines that it writes.
// t.Arg is a filter's profile, or tokenize, with the tokenizer t.With.
func mappedTask(t task) (res result, err error) {
	var m stage.Mapper
	if t.Arg == "tokenize" {
		tok, err := tokenize.Open(t.With)
		if err != nil {
			return res, err
		}
		if m, err = tokenize.New(tokenize.Config{Tokenizer: tok, JSON: true}); err != nil {
			return res, err
		}
	} else if m, err = filter.New(filter.Config{Profile: t.Arg}); err != nil {
		return res, err
	}
	w := m.NewWorker()
	sum := sha256.New()
	var b record.Batch
	var line []byte
	for _, name := range t.Files {
		text, err := decodedFile(name)
		if err != nil {
			return res, err
		}
		err = eachBatch(&b, text, func(b *record.Batch) error {
			b.Parse()
			if err := w.Map(context.Background(), b); err != nil {
				return err
			}
			for i := range b.Records {
				r := &b.Records[i]
				if r.Outcome != record.Keep {
					continue
				}
				line = r.AppendLine(line[:0])
				sum.Write(line)
				res.Kept++
			}
			res.Docs += int64(len(b.Records))
			return nil
		})
		if err != nil {
			return res, err
		}
	}
	res.Digest = hex.EncodeToString(sum.Sum(nil))
	return res, nil
}

// labelsTask compares what langid has kept, the parts in t.Out, with what meta.lang says. The digest is of the parts.
func labelsTask(t task) (res result, err error) {
	if res, err = digestTask(t); err != nil {
		return res, err
	}
	kept := map[string]bool{}
	idPath := record.MustPath("id")
	var scratch []byte
	each := func(files []string, do func(id string, lang string)) error {
		for _, name := range files {
			text, err := decodedFile(name)
			if err != nil {
				return err
			}
			err = eachRecord(1, text, func(r *record.Record) error {
				id, err := r.Text(idPath, &scratch)
				if err != nil {
					return err
				}
				lang, _ := labelOf(r)
				do(string(id), lang)
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	}
	if err := each(res.Files, func(id, _ string) { kept[id] = true }); err != nil {
		return res, err
	}
	labelled, found := 0, 0
	err = each(t.Files, func(id, lang string) {
		if lang == t.Arg {
			labelled++
			if kept[id] {
				found++
			}
		}
	})
	v := &verdict{}
	right := float64(found) / float64(max(1, len(kept)))
	share := float64(found) / float64(max(1, labelled))
	v.printf("keeps %d of %d documents labelled %s (%.1f %%), and %d of others", found, labelled, t.Arg, 100*share, len(kept)-found)
	// Pages that are tables of function names have no language.
	if right < 0.95 || share < 0.8 {
		v.failf("langid and meta.lang disagree: %s", v.Lines[0])
	}
	res.Check = v
	return res, err
}

// bytesTask digests files as they are.
func bytesTask(t task) (res result, err error) {
	sum := sha256.New()
	for _, name := range t.Files {
		b, err := os.ReadFile(name)
		if err != nil {
			return res, err
		}
		sum.Write(b)
		res.Bytes += int64(len(b))
	}
	if len(t.Files) == 0 {
		return res, errors.New("no shards")
	}
	res.Digest = hex.EncodeToString(sum.Sum(nil))
	return res, nil
}
