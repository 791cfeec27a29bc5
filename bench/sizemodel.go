package main

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"curate/corpus/compress"
	"curate/dedup"
)

// The corpus of runSizeModel: 40 % of the documents in groups of three edits of one text.
const (
	modelShare  = 0.4
	modelGroup  = 3
	modelWords  = 700    // in the mean; 30 to 1,370
	modelEdits  = 0.0055 // of the words of each member: two members are about 0.9 similar
	modelMean   = 2900   // bytes of a document's line, about
	modelFile   = 256e6  // bytes of JSONL
	modelNear   = 0.25   // how far a figure may be from the plan
	modelMemory = 1 << 30
	modelRanges = 64 // of curate dedup start, where nothing else is said
	// modelMatters is from which share of all CPU seconds on those of a step are compared.
	modelMatters = 0.05
)

// runSizeModel measures near-duplicate removal by ranks, from start to finish, each process by itself, against the plan that
// package dedup makes of the corpus and of nothing that was measured here.
func runSizeModel(s *session) error {
	bin, err := s.buildCurate()
	if err != nil {
		return err
	}
	in := filepath.Join(s.dir, "model-in")
	made, _, err := s.child(task{Name: "overlaps", Out: in, MB: s.options.modelMB}, false)
	if err != nil {
		return err
	}
	m, err := dedup.NewMinHash(dedup.MinHashConfig{})
	if err != nil {
		return err
	}
	plan, err := m.PlanRanks(dedup.Sample{Documents: made.Docs, Bytes: made.Bytes, Shingles: modelWords - 4}, dedup.Overlap{Share: modelShare, Group: modelGroup, Similarity: modelSimilarity()}, modelRanges)
	if err != nil {
		return err
	}
	run := filepath.Join(s.dir, "model-run")
	own := filepath.Join(run, "_curate")
	if _, err := s.measure(command{argv: []string{bin, "dedup", "start", "-q", "--max-record", "16MiB", "--run", run, in}}); err != nil {
		return err
	}
	v := &verdict{Numbers: map[string]any{"docs": made.Docs, "bytes": made.Bytes, "packed": made.Packed}}
	figure := func(name, unit string, model, measured float64) {
		ratio := measured / model
		v.Numbers[name] = measured
		said := fmt.Sprintf("%s: plan %.4g %s, measured %.4g, %.2f times", name, model, unit, measured, ratio)
		if math.IsNaN(ratio) || math.Abs(ratio-1) > modelNear {
			v.failf("%s", said)
			return
		}
		v.printf("%s", said)
	}
	planned := 0.0
	for _, step := range plan.Steps {
		planned += step.Seconds
	}
	var rows []*row
	steps := slices.Clone(plan.Steps)
	for _, step := range append(steps, dedup.RanksStep{Name: "apply --finish"}) {
		r := &row{name: step.Name, note: ", all ranks"}
		rows = append(rows, r)
		world := s.options.modelRanks
		one := step.Name == "components" || step.Name == "decide" || step.Name == "apply --finish"
		if one {
			world = 1
		}
		before, err := sizesBelow(own)
		if err != nil {
			return err
		}
		var all result
		for rank := range world {
			argv := append(append([]string{bin, "dedup"}, strings.Fields(step.Name)...), "-q", "--run", run, "-j", "2", "--memory", strconv.Itoa(modelMemory))
			if !one {
				argv = append(argv, "--rank", strconv.Itoa(rank), "--world-size", strconv.Itoa(world))
			}
			u, err := s.measure(command{argv: argv})
			if err != nil {
				return err
			}
			all.CPU, all.Sys, all.Wall, all.Foreign = all.CPU+u.CPU, all.Sys+u.Sys, all.Wall+u.Wall, all.Foreign+u.Foreign
			all.PeakRSS = max(all.PeakRSS, u.RSS)
		}
		all.Bytes, all.Docs, all.Passes = made.Bytes, made.Docs, 1
		if step.Name == "apply --finish" { // has removed what the figures are of
			s.add(r, measurement{Bench: "size-model", Name: r.name, Round: 1, Unit: "JSONL", Process: true, result: all})
			continue
		}
		after, err := sizesBelow(own)
		if err != nil {
			return err
		}
		written := map[string]any{}
		total := int64(0)
		for kind, size := range after {
			if size -= before[kind]; size > 0 {
				written[kind] = size
				total += size
			}
		}
		s.add(r, measurement{Bench: "size-model", Name: r.name, Round: 1, Unit: "JSONL", Process: true, result: all, More: map[string]any{"written": written}})
		if step.Writes > 0 {
			figure(step.Name+" writes", "bytes", float64(step.Writes), float64(total))
		}
		// Of short steps most is that processes begin; and words at random are no text to an encoder.
		if step.Seconds >= modelMatters*planned && step.Name != "apply" {
			figure(step.Name+" CPU", "s", step.Seconds, all.CPU)
		} else {
			v.printf("%s CPU: plan %.3g s, measured %.3g, and not counted", step.Name, step.Seconds, all.CPU)
		}
		if step.Peak > 0 {
			figure(step.Name+" RSS", "bytes", float64(step.Peak), float64(all.PeakRSS))
		} else if all.PeakRSS > modelMemory {
			v.failf("%s: %d bytes of memory, and --memory was %d", step.Name, all.PeakRSS, modelMemory)
		}
	}
	table(fmt.Sprintf("size-model: near-duplicates of %.1f MB by %d ranks", mb(made.Bytes), s.options.modelRanks), rows...)
	parts, _, err := s.child(task{Name: "digest", Out: run}, false)
	if err != nil {
		return err
	}
	kept := parts.Docs
	v.printf("kept %d of %d documents; %d have no near-duplicate before them", kept, made.Docs, made.Kept)
	if math.Abs(float64(kept-made.Kept)) > 1e-2*float64(made.Docs) {
		return fmt.Errorf("%w: %d documents kept instead of %d", errOutput, kept, made.Kept)
	}
	return errors.Join(s.say("size-model", v), os.RemoveAll(run), os.RemoveAll(in))
}

// modelSimilarity is that of two members of a group: each keeps the share f of the text's shingles, independently, and has
// others in the place of the rest, so f² of n are common, of 2n - f²n.
func modelSimilarity() float64 {
	f := 1 - 5*modelEdits // an edit changes the five shingles around it
	return f * f / (2 - f*f)
}

// sizesBelow are the bytes of a run's files for ranks, by kind: the name without what says of which file or range it is.
func sizesBelow(dir string) (map[string]int64, error) {
	sizes := map[string]int64{}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		kind := strings.Map(func(r rune) rune {
			if r >= '0' && r <= '9' {
				return -1
			}
			return r
		}, filepath.ToSlash(rel))
		kind = strings.Trim(strings.ReplaceAll(kind, "--", "-"), "-")
		switch {
		case strings.HasPrefix(kind, "phase/"), strings.HasPrefix(kind, "ranks/"):
		default:
			return nil
		}
		info, err := d.Info()
		if err == nil {
			sizes[kind] += info.Size()
		}
		return err
	})
	return sizes, err
}

// overlapsTask writes some t.MB MB of documents to files below t.Out, t.N of them, about, or as many as modelFile makes. Kept is how many have no near-duplicate before them.
func overlapsTask(t task) (res result, err error) {
	if err := os.MkdirAll(t.Out, 0o755); err != nil {
		return res, err
	}
	n := max(100, int(float64(t.MB)*1e6/modelMean))
	groups := int(float64(n) * modelShare / modelGroup)
	step := n/2 + 1 // a place's document is step away from the last one's: groups lie all over the corpus
	for gcd(step, n) > 1 {
		step++
	}
	seen := make([]bool, groups)
	common := []string{"", "the", "of", "and"} // filters ask for some; 0 does not come
	words := func(dst []string, rng *rand.Rand, n int) []string {
		for range n { // of 60,000, as frequent as Zipf has it, about
			k := int(math.Exp(rng.Float64() * 11))
			if k < len(common) {
				dst = append(dst, common[k])
			} else {
				dst = append(dst, "w"+strconv.FormatInt(int64(k), 36))
			}
		}
		return dst
	}
	most := int64(modelFile)
	if t.N > 0 {
		most = int64(t.MB) * 1e6 / int64(t.N)
	}
	var out *packedFile
	var text []string
	var line []byte
	for i := range n {
		at := int(int64(i) * int64(step) % int64(n))
		group, member := at, 0
		if at < groups*modelGroup {
			group, member = at%groups, at/groups
		}
		rng := rand.New(rand.NewPCG(uint64(group), 17))
		if at >= groups*modelGroup {
			rng = rand.New(rand.NewPCG(uint64(at), 18))
		}
		text = words(text[:0], rng, 30+rng.IntN(2*(modelWords-30)+1))
		if at < groups*modelGroup {
			edit := rand.New(rand.NewPCG(uint64(at), 19+uint64(member)))
			// So many in the mean, also of a short text.
			want := modelEdits * float64(len(text))
			edits := int(want)
			if edit.Float64() < want-float64(edits) {
				edits++
			}
			for range edits {
				text[edit.IntN(len(text))] = "e" + strconv.FormatUint(edit.Uint64N(1e9), 36)
			}
			if !seen[group] {
				seen[group] = true
				res.Kept++
			}
		} else {
			res.Kept++
		}
		line = fmt.Appendf(line[:0], `{"id":%d,"text":"`, i)
		for k, w := range text {
			if k > 0 {
				line = append(line, ' ')
			}
			line = append(line, w...)
		}
		line = append(line, "\"}\n"...)
		if out == nil {
			name := filepath.Join(t.Out, fmt.Sprintf("%05d.jsonl.zst", len(res.Files)+1))
			if out, err = newPackedFile(name); err != nil {
				return res, err
			}
			res.Files = append(res.Files, name)
		}
		if err := out.write(line); err != nil {
			return res, err
		}
		res.Bytes += int64(len(line))
		if out.raw >= most {
			packed, err := out.close()
			if err != nil {
				return res, err
			}
			res.Packed += packed
			out = nil
		}
	}
	res.Docs = int64(n)
	if out != nil {
		packed, err := out.close()
		if err != nil {
			return res, err
		}
		res.Packed += packed
	}
	return res, nil
}

func gcd(a, b int) int {
	for b > 0 {
		a, b = b, a%b
	}
	return a
}

// packedFile is a file of zstd frames that is written as it comes.
type packedFile struct {
	f    *os.File
	w    *bufio.Writer
	e    *compress.Encoder
	text []byte
	raw  int64
}

func newPackedFile(name string) (*packedFile, error) {
	e, err := compress.NewEncoder(compress.Zstd)
	if err != nil {
		return nil, err
	}
	f, err := os.Create(name)
	if err != nil {
		return nil, err
	}
	return &packedFile{f: f, w: bufio.NewWriter(f), e: e}, nil
}

func (p *packedFile) write(line []byte) error {
	p.text = append(p.text, line...)
	p.raw += int64(len(line))
	if len(p.text) < frameSize {
		return nil
	}
	return p.flush()
}

func (p *packedFile) flush() error {
	_, err := p.w.Write(p.e.AppendFrame(nil, p.text))
	p.text = p.text[:0]
	return err
}

func (p *packedFile) close() (size int64, err error) {
	err = errors.Join(p.flush(), p.w.Flush())
	info, e := p.f.Stat()
	if err = errors.Join(err, e, p.f.Close()); err != nil {
		return 0, err
	}
	return info.Size(), nil
}
