package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// The experiments of docs/experiments.md: what cleaning, replay, deduplication and a schedule of lengths are worth to a small model.
// Everything lies in the folder -experiments, and a run that was stopped goes on there.

// experimentData is a recipe: what is the same for all seeds. ROOT is the folder of the module, DIR that of the experiments.
const experimentData = `version: 1
run: DIR/data
quarantine: {max: 1%}
steps:
  - name: clean
    read: ROOT/examples/basque/raw/*.jsonl.zst
    langid: {keep: [eu]}
    filter: {profile: basque}
    dedup: {minhash: {threshold: 0.8, keep: longest}}
  - name: english
    read: ROOT/examples/basque/training/english.jsonl.zst
    dedup: {minhash: {threshold: 0.8, keep: longest}}
  - name: vocabulary
    from: [clean, english]
    tokenizer: {train: bpe, vocab_size: 4096}
`

// experimentShards is a recipe that reads what the first has made. TOKENS is what runs from nothing see.
const experimentShards = `version: 1
run: DIR/shards
quarantine: {max: 1%}
steps:
  - name: copies-gone
    read: DIR/copies.jsonl.zst
    dedup: {minhash: {threshold: 0.8}}
  - {name: english, read: DIR/data/english, shards: {SETTING, schedule: [{length: 256, tokens: 75%}, {length: 1024}]}}
  - {name: english-short, read: DIR/data/english, shards: {SETTING, schedule: [{length: 256}]}}
  - {name: basque, read: DIR/data/clean, shards: {SETTING, schedule: [{length: 256, tokens: 75%}, {length: 1024}]}}
  - {name: replay, read: [DIR/data/clean, DIR/data/english], shards: {SETTING, schedule: [{length: 256, tokens: 75%}, {length: 1024}], mix: [{source: DIR/data/clean, epochs: 1}, {source: DIR/data/english, share: 20%}]}}
  - {name: copies, read: DIR/copies.jsonl.zst, shards: {SETTING, schedule: [{length: 256}], mix: [{source: "*", tokens: TOKENS}]}}
  - {name: no-copies, from: copies-gone, shards: {SETTING, schedule: [{length: 256}], mix: [{source: "*", tokens: TOKENS}]}}
  - {name: crawl, read: ROOT/examples/basque/raw/*.jsonl.zst, shards: {SETTING, schedule: [{length: 256}], mix: [{source: "*", tokens: TOKENS}]}}
  - {name: filtered, read: DIR/data/clean, shards: {SETTING, schedule: [{length: 256}], mix: [{source: "*", tokens: TOKENS}]}}
`

// experimentRuns are the models of a seed, in an order in which each finds what it goes on from.
var experimentRuns = []struct {
	name, shards, from string
	rate               string
}{
	{"base", "english", "", "2e-3"},
	{"short", "english-short", "", "2e-3"},
	{"basque", "basque", "base", "1e-3"},
	{"replay", "replay", "base", "1e-3"},
	{"copies", "copies", "", "2e-3"},
	{"no-copies", "no-copies", "", "2e-3"},
	{"crawl", "crawl", "", "2e-3"},
	{"filtered", "filtered", "", "2e-3"},
}

// experimentTokens are those of a run from nothing, and copyShare is the share of bytes that are copies in the stream of the experiment
// on deduplication: about that of CommonCrawl in SlimPajama.
const (
	experimentTokens = 600_000
	copyShare        = .64
)

func runExperiments(s *session) error {
	dir := s.options.experiments
	if dir == "" {
		dir = filepath.Join(s.dir, "experiments")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	bin, err := s.buildCurate()
	if err != nil {
		return err
	}
	module, err := root()
	if err != nil {
		return err
	}
	e := &experiments{dir: dir, bin: bin, training: filepath.Join(module, "examples", "basque", "training")}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	fill := strings.NewReplacer("ROOT", filepath.ToSlash(module), "DIR", filepath.ToSlash(dir), "TOKENS", fmt.Sprint(experimentTokens),
		"SETTING", "tokenizer: "+filepath.ToSlash(dir)+"/data/vocabulary/tokenizer.json, pack: true, tokens_per_step: 4Ki")
	for _, r := range []struct{ name, text string }{{"data.yaml", experimentData}, {"shards.yaml", experimentShards}} {
		if r.name == "shards.yaml" {
			if err := e.copies(); err != nil {
				return err
			}
		}
		name := filepath.Join(dir, r.name)
		if err := os.WriteFile(name, []byte(fill.Replace(r.text)), 0o666); err != nil {
			return err
		}
		if err := e.run("run", "-q", name); err != nil {
			return err
		}
	}
	for seed := 1; seed <= s.options.seeds; seed++ {
		for _, r := range experimentRuns {
			argv := []string{"train", filepath.Join(dir, "shards", r.shards), "-o", e.model(r.name, seed), "-q", "--tokenizer", filepath.Join(dir, "data", "vocabulary", "tokenizer.json"),
				"--learning-rate", r.rate, "--warmup", "0.05", "--end", "0.0085", "--seed", fmt.Sprint(seed), "--checkpoint-every", "50", "--keep-last", "1"}
			if r.from != "" {
				argv = append(argv, "--from", e.model(r.from, seed))
			} else {
				argv = append(argv, "--width", "128", "--layers", "4", "--heads", "2")
			}
			if err := e.run(argv...); err != nil {
				return err
			}
			fmt.Printf("  seed %d: %s\n", seed, r.name)
		}
	}
	return e.tell(s.options.seeds)
}

type experiments struct{ dir, bin, training string }

func (e *experiments) model(name string, seed int) string {
	return filepath.Join(e.dir, fmt.Sprintf("seed-%d", seed), name)
}

func (e *experiments) run(argv ...string) error {
	cmd := exec.Command(e.bin, argv...)
	cmd.Dir = e.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("curate %s: %w\n%s", strings.Join(argv[:min(len(argv), 4)], " "), err, lastLines(string(out), 10))
	}
	return nil
}

// copies writes the clean documents with copies of them, in a random order: how often a document is there is geometric, so that
// copyShare of the bytes are copies.
func (e *experiments) copies() error {
	name := filepath.Join(e.dir, "copies.jsonl.zst")
	if _, err := os.Stat(name); err == nil {
		return nil
	}
	parts, err := filepath.Glob(filepath.Join(e.dir, "data", "clean", "part-*.jsonl.zst"))
	if err != nil {
		return err
	}
	rng := rand.New(rand.NewPCG(20261127, 1))
	var lines [][]byte
	for _, p := range parts {
		f, err := os.Open(p)
		if err != nil {
			return err
		}
		d, err := zstd.NewReader(f)
		if err != nil {
			return err
		}
		sc := bufio.NewScanner(d)
		sc.Buffer(nil, 64<<20)
		for sc.Scan() {
			line := slices.Clone(sc.Bytes())
			lines = append(lines, line)
			for rng.Float64() < copyShare { // with a mean of 1/(1-copyShare) in all
				lines = append(lines, line)
			}
		}
		d.Close()
		if err := errors.Join(sc.Err(), f.Close()); err != nil {
			return err
		}
	}
	rng.Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
	f, err := os.Create(name + ".new")
	if err != nil {
		return err
	}
	w, err := zstd.NewWriter(f)
	if err != nil {
		return err
	}
	for _, l := range lines {
		if _, err := w.Write(append(l, '\n')); err != nil {
			return err
		}
	}
	if err := errors.Join(w.Close(), f.Close()); err != nil {
		return err
	}
	return os.Rename(name+".new", name)
}

// evaluation is what is read of curate eval --json.
type evaluation struct {
	Models []struct {
		Name    string
		Results []struct {
			Kind, Name string
			Metrics    []struct {
				Metric string
				Value  *float64
			}
			Positions []struct {
				From, To int
				Loss     *float64
			}
		}
	}
}

// tell measures all models and prints the tables.
func (e *experiments) tell(seeds int) error {
	var names []string
	for _, r := range experimentRuns {
		names = append(names, r.name)
	}
	var all []evaluation
	for seed := 1; seed <= seeds; seed++ {
		var models []string
		for _, name := range names {
			models = append(models, name+"="+e.model(name, seed))
		}
		argv := append([]string{"eval", "-q", "--json"}, models...)
		for _, lang := range []string{"en", "eu"} {
			argv = append(argv, "--bits", lang+"="+filepath.Join(e.training, "heldout."+lang+".jsonl.zst"), "--pairs", lang+"="+filepath.Join(e.training, "pairs."+lang+".jsonl.zst"))
		}
		argv = append(argv, "--positions", "en="+filepath.Join(e.training, "heldout.en.jsonl.zst"), "--row", "4096", "--buckets", "8")
		cmd := exec.Command(e.bin, argv...)
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		if err != nil {
			return fmt.Errorf("curate eval: %w", err)
		}
		var ev evaluation
		if err := json.Unmarshal(out, &ev); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(e.dir, fmt.Sprintf("eval-%d.json", seed)), out, 0o666); err != nil {
			return err
		}
		all = append(all, ev)
	}
	return tellEvaluations("experiments", names, all)
}

// tellEvaluations prints a table of what was measured of each model: means over seeds, and the least and the most.
func tellEvaluations(bench string, names []string, all []evaluation) error {
	values := map[string]map[string][]float64{} // by model and what was measured, in the order of the seeds
	var order []string
	for _, ev := range all {
		for _, m := range ev.Models {
			if values[m.Name] == nil {
				values[m.Name] = map[string][]float64{}
			}
			put := func(what string, v *float64) {
				if v == nil {
					return
				}
				if !slices.Contains(order, what) {
					order = append(order, what)
				}
				values[m.Name][what] = append(values[m.Name][what], *v)
			}
			for _, r := range m.Results {
				for _, x := range r.Metrics {
					put(r.Kind+" "+r.Name+" "+x.Metric, x.Value)
				}
				for _, b := range r.Positions {
					put(fmt.Sprintf("loss %s at %d–%d", r.Name, b.From, b.To), b.Loss)
				}
			}
		}
	}
	fmt.Printf("\n%s: %d seeds, mean (least to most)\n\n|", bench, len(all))
	for _, name := range names {
		fmt.Printf(" | %s", name)
	}
	fmt.Print(" |\n|---|" + strings.Repeat("---|", len(names)) + "\n")
	for _, what := range order {
		fmt.Printf("| %s", what)
		for _, name := range names {
			list := values[name][what]
			if len(list) == 0 {
				fmt.Print(" |")
				continue
			}
			sum := 0.0
			for _, v := range list {
				sum += v
			}
			fmt.Printf(" | %.4f (%.4f–%.4f)", sum/float64(len(list)), slices.Min(list), slices.Max(list))
			if math.IsNaN(sum) {
				return errors.New("a value is no number")
			}
		}
		fmt.Println(" |")
	}
	return nil
}
