package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"curate/shards/format"
)

// reader is what reads a format on a trainer's side: a script that prints digests of what the trainer's own class gives.
type reader struct {
	format, name string // name of the script: read_NAME.py of -conformance, or of peers/
	class        string // that reads, for people
	needs        string // statement of Python that fails where its packages are missing
	peer         string // script in peers/ that stands for the one of -conformance
	whole        bool   // it reads a set's folder, and not one shard
	args         func(s *setViews, shard int) []string
	views        []string // of each JSON line that it prints
}

// readers, sorted by format. What its own packages read as documents are views of what curate prints: sequences.go.
var readers = []reader{
	{format: "axolotl", name: "hf", class: "datasets.load_dataset", needs: "import datasets", whole: true, args: parquetArgs, views: []string{viewSequences}},
	{format: "datatrove", name: "datatrove", class: "datatrove's DatatroveFileDataset", needs: "import datatrove.utils.dataset", args: func(s *setViews, shard int) []string {
		return []string{s.file(shard), strconv.Itoa(s.Length), s.size()}
	}, views: []string{viewWindows, viewSequences}},
	{format: "datatrove", name: "nanotron", class: "datatrove's DatatroveFolderDataset, as nanotron's Nanoset", needs: "import datatrove.utils.dataset", whole: true, args: func(s *setViews, _ int) []string {
		return []string{s.Dir, strconv.Itoa(s.Length), s.size()}
	}, views: []string{viewWindows}},
	{format: "litdata", name: "litdata", class: "litdata's StreamingDataset with TokensLoader", needs: "import litdata", whole: true, args: func(s *setViews, _ int) []string {
		return []string{s.Dir, strconv.Itoa(s.Length + 1)}
	}, views: []string{viewWindows}},
	{format: "llmc", name: "raw", class: "numpy, as llm.c", needs: "import numpy", args: func(s *setViews, shard int) []string {
		return []string{"llmc", s.file(shard), s.eod()}
	}, views: []string{viewBefore}},
	{format: "mds", name: "mds", class: "mosaicml-streaming's LocalDataset", needs: "import streaming", whole: true, args: func(s *setViews, _ int) []string {
		return []string{s.Dir}
	}, views: []string{viewSequences}},
	{format: "megatron", name: "megatron", class: "megatron-core's IndexedDataset", needs: "import importlib.metadata as m; m.version('megatron-core')", peer: "megatron_read.py", args: func(s *setViews, shard int) []string {
		return []string{strings.TrimSuffix(s.file(shard), ".bin")}
	}, views: []string{viewSequences}},
	{format: "nanogpt", name: "raw", class: "numpy, as nanoGPT", needs: "import numpy", args: func(s *setViews, shard int) []string {
		return []string{"nanogpt", s.file(shard), s.eod()}
	}, views: []string{viewAfter}},
	{format: "olmo", name: "raw", class: "numpy, as OLMo-core", needs: "import numpy", args: func(s *setViews, shard int) []string {
		return []string{"olmo", s.file(shard), s.Dtype, s.eod()}
	}, views: []string{viewAfter}},
	{format: "parquet", name: "hf", class: "datasets.load_dataset", needs: "import datasets", whole: true, args: parquetArgs, views: []string{viewSequences}},
}

func parquetArgs(s *setViews, _ int) []string {
	args := []string{"parquet"}
	for i := range s.Shards {
		args = append(args, s.file(i))
	}
	return args
}

func (s *setViews) file(shard int) string { return filepath.Join(s.Dir, s.Shards[shard].Files[0]) }
func (s *setViews) eod() string           { return strconv.Itoa(*s.EOD) }

// size of an id in bytes.
func (s *setViews) size() string {
	if s.Dtype == "uint16" {
		return "2"
	}
	return "4"
}

// Tokens of a row, and shards of a set, of what runReaders builds.
const (
	readersLength = 512
	readersShards = 2
)

// readersRun is one call of the benchmark.
type readersRun struct {
	*session
	bin     string
	v       *verdict
	pythons map[string]string
	usable  map[string]bool // of a reader, by format and name; nothing until it was tried
	ran     map[string]bool // readers that did, by format and name
	keep    string          // folder for what readers keep
	size    int64           // tokens of a shard
}

// runReaders builds shards in every format, packed and not, has each read by its trainer's own reader, and compares with
// what curate prints of them; then converts them into one another.
func runReaders(s *session) error {
	bin, err := s.buildCurate()
	if err != nil {
		return err
	}
	r := &readersRun{session: s, bin: bin, v: &verdict{Numbers: map[string]any{}}, usable: map[string]bool{}, ran: map[string]bool{}, keep: filepath.Join(s.dir, "readers-cache")}
	if r.pythons, err = readersPythons(s.options.readersPython); err != nil {
		return err
	}
	if err := os.MkdirAll(r.keep, 0o755); err != nil {
		return err
	}
	fmt.Printf("\nreaders: shards in every format, read by the trainers' own readers\n")
	files, tokenizer := []string(s.options.readersText), s.options.readersTokenizer
	if len(files) == 0 || tokenizer == "" {
		run, err := s.example()
		if err != nil {
			return err
		}
		if len(files) == 0 {
			if files, err = exampleClean(run); err != nil {
				return err
			}
		}
		if tokenizer == "" {
			if tokenizer, err = exampleTokenizer(run); err != nil {
				return err
			}
		}
		if err := r.recipe(run); err != nil {
			return err
		}
	}
	if err := r.everyFormat("small", tokenizer, files); err != nil {
		return err
	}
	if s.options.tokenizers != "" { // ids that do not fit into two bytes
		large, err := r.large(s.options.tokenizers)
		if err != nil {
			return err
		}
		if err := r.everyFormat("large", large, files); err != nil {
			return err
		}
	}
	for _, name := range format.Names() {
		if !slices.ContainsFunc(readers, func(x reader) bool { return x.format == name }) {
			r.v.failf("no reader of the format %s is known here", name)
		}
	}
	r.v.printf("%d of %d readers ran", len(r.ran), len(readers))
	r.v.Numbers["readers"] = len(r.ran)
	return s.say("readers", r.v)
}

// readersPythons reads -readers-python.
func readersPythons(list string) (map[string]string, error) {
	by := map[string]string{"": os.Getenv(pythonEnv)}
	for _, item := range strings.Split(list, ",") {
		name, python, named := strings.Cut(item, "=")
		switch {
		case item == "":
		case !named:
			by[""] = item
		case !slices.ContainsFunc(readers, func(x reader) bool { return x.name == name }):
			return nil, fmt.Errorf("-readers-python %s: no script is called read_%s.py", item, name)
		default:
			by[name] = python
		}
	}
	return by, nil
}

// recipe reads the sets that the example's own recipe makes.
func (r *readersRun) recipe(run string) error {
	manifests, err := filepath.Glob(filepath.Join(run, "*", "length-*", "manifest.json"))
	if err != nil {
		return err
	}
	if len(manifests) == 0 {
		r.v.failf("the example's recipe makes no shards")
	}
	for _, m := range manifests {
		set, err := r.views(filepath.Dir(m))
		if err != nil {
			return err
		}
		if err := r.read("the example's "+filepath.Base(filepath.Dir(m)), set); err != nil {
			return err
		}
	}
	return nil
}

// large is the first tokenizer, by name, whose ids do not fit into two bytes.
func (r *readersRun) large(dir string) (string, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*", "tokenizer.json"))
	if err != nil {
		return "", err
	}
	for _, name := range names {
		if n, err := r.vocabulary(name); err == nil && n > 1<<16 {
			return name, nil
		}
	}
	return "", fmt.Errorf("-tokenizers %s: no tokenizer there has more than 65,536 ids", dir)
}

func (r *readersRun) vocabulary(tokenizer string) (int, error) {
	var is struct {
		Vocab int `json:"vocab_size"`
	}
	u, err := r.measure(command{argv: []string{r.bin, "tokenizer", "info", "--json", tokenizer}})
	if err == nil {
		err = json.Unmarshal(u.Out, &is)
	}
	return is.Vocab, err
}

// everyFormat builds, reads and converts sets of the files' documents.
func (r *readersRun) everyFormat(what, tokenizer string, files []string) error {
	vocabulary, err := r.vocabulary(tokenizer)
	if err != nil {
		return err
	}
	// Each document has its ids and, since nothing else is said, the EOD: counted by another command.
	out := filepath.Join(r.dir, "readers-"+what+".jsonl")
	if _, err := r.measure(command{argv: append([]string{r.bin, "tokenize", "-q", "--tokenizer", tokenizer, "-o", out}, files...)}); err != nil {
		return err
	}
	text, _, err := r.child(task{Name: "tokens", Files: []string{out}}, false)
	if err != nil {
		return err
	}
	r.v.printf("%s: %d documents, %d tokens without EOD, ids of %s", what, text.Docs, text.Tokens, filepath.Base(filepath.Dir(tokenizer)))
	r.size = (text.Tokens+text.Docs)/readersShards + 1
	for _, packed := range []bool{false, true} {
		built := map[string]*setViews{}
		for _, name := range format.Names() {
			title := fmt.Sprintf("%s %s", what, name)
			if packed {
				title += " packed"
			}
			dir := filepath.Join(r.dir, "readers-"+strings.ReplaceAll(title, " ", "-"))
			argv := []string{r.bin, "shards", "build", "-q", "--tokenizer", tokenizer, "--format", name, "--length", strconv.Itoa(readersLength),
				"--shard-size", strconv.FormatInt(r.size, 10), "-o", dir}
			if packed {
				argv = append(argv, "--pack")
			}
			f, err := format.Named(name)
			if err != nil {
				return err
			}
			_, cannot := f.Dtype(vocabulary)
			_, err = r.measure(command{argv: append(argv, files...)})
			if cannot != nil {
				if err == nil {
					r.v.failf("%s: %d ids do not fit, and the command writes them", title, vocabulary)
				}
				r.v.printf("%s: refused, since %d ids do not fit", title, vocabulary)
				continue
			}
			if err != nil {
				return err
			}
			set, err := r.views(filepath.Join(dir, fmt.Sprintf("length-%d", readersLength)))
			if err != nil {
				return err
			}
			built[name] = set
			want := text.Tokens + text.Docs - set.EODAbsent
			if set.Documents != text.Docs || set.Tokens != want {
				r.v.failf("%s: the manifest has %d documents and %d tokens; the text has %d and %d", title, set.Documents, set.Tokens, text.Docs, want)
			}
			if first := built[format.Names()[0]]; !packed && first.Whole[viewBare] != set.Whole[viewBare] {
				r.v.failf("%s: %v, and format %s has %v", title, set.Whole[viewBare], first.Format, first.Whole[viewBare])
			}
			if err := r.read(title, set); err != nil {
				return err
			}
		}
		if err := r.convert(what, packed, built); err != nil {
			return err
		}
	}
	return nil
}

// views verifies a set and digests what curate prints of it.
func (r *readersRun) views(dir string) (*setViews, error) {
	if _, err := r.measure(command{argv: []string{r.bin, "shards", "verify", dir}}); err != nil {
		return nil, err
	}
	res, _, err := r.child(task{Name: "sequences", Files: []string{dir}, With: r.bin, Out: filepath.Join(r.dir, "readers-cat.jsonl")}, false)
	if err != nil {
		return nil, err
	}
	if res.Set == nil {
		return nil, fmt.Errorf("%s: no views of the set", dir)
	}
	return res.Set, nil
}

// read has all readers of its format read the set.
func (r *readersRun) read(title string, set *setViews) error {
	for _, x := range readers {
		if x.format != set.Format || !r.can(x) {
			continue
		}
		shards := len(set.Shards)
		if x.whole {
			shards = min(1, shards)
		}
		documents, tokens := 0, int64(0)
		for i := range shards {
			want, of := set.Whole, ""
			if !x.whole {
				want, of = set.Shards[i].Views, " "+set.Shards[i].Name
			}
			got, err := r.answers(x, x.args(set, i))
			if err != nil {
				return fmt.Errorf("%s%s: %w", title, of, err)
			}
			if len(got) != len(x.views) {
				r.v.failf("%s%s: %s prints %d answers instead of %d", title, of, x.name, len(got), len(x.views))
				continue
			}
			for k, view := range x.views {
				if got[k] != want[view] {
					r.v.failf("%s%s: %s has as %s %v, and curate prints %v", title, of, x.class, view, got[k], want[view])
				}
			}
			documents, tokens = documents+got[len(got)-1].Documents, tokens+got[len(got)-1].Tokens
		}
		r.ran[x.format+" "+x.name] = true
		r.v.printf("%s: %d shards, %d %s, %d tokens by %s", title, len(set.Shards), documents, x.views[len(x.views)-1], tokens, x.class)
	}
	return nil
}

// can says whether a reader is there, and says so aloud the first time if it is not.
func (r *readersRun) can(x reader) bool {
	key := x.format + " " + x.name
	if known, tried := r.usable[key]; tried {
		return known
	}
	python := r.python(x)
	why := ""
	switch {
	case x.peer == "" && r.options.conformance == "":
		why = "-conformance does not name a folder with readers/read_" + x.name + ".py"
	case python == "":
		why = "neither -readers-python nor " + pythonEnv + " names a Python"
	default:
		if out, err := exec.Command(python, "-c", x.needs).CombinedOutput(); err != nil {
			why = fmt.Sprintf("%s: %s", python, lastLines(string(out), 1))
		}
	}
	if r.usable[key] = why == ""; why != "" {
		fmt.Printf("SKIPPED reader %s of %s: %s\n", x.name, x.format, why)
	}
	return why == ""
}

func (r *readersRun) python(x reader) string {
	if p, ok := r.pythons[x.name]; ok {
		return p
	}
	return r.pythons[""]
}

// answers runs a reader's script and gives what it says.
func (r *readersRun) answers(x reader, args []string) (list []sequenceDigest, err error) {
	script := filepath.Join(r.options.conformance, "readers", "read_"+x.name+".py")
	if x.peer != "" {
		script = filepath.Join("peers", x.peer)
	}
	if script, err = filepath.Abs(script); err != nil {
		return nil, err
	}
	// Readers that keep copies keep them where they are run, and none may ask the network.
	env := []string{"HF_HUB_OFFLINE=1", "HF_HOME=" + r.keep, "HF_DATASETS_OFFLINE=1", "TMPDIR=" + r.keep, "PYTHONDONTWRITEBYTECODE=1"}
	u, err := r.measure(command{argv: append([]string{r.python(x), script}, args...), dir: r.keep, env: env})
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(u.Out)) {
		var a sequenceDigest
		if json.Unmarshal([]byte(line), &a) == nil && a.SHA != "" {
			list = append(list, a)
		}
	}
	return list, nil
}

// convert makes of the set of format megatron one of each other, and of that one of format megatron again.
func (r *readersRun) convert(what string, packed bool, built map[string]*setViews) error {
	from := built["megatron"]
	view := viewBare
	if packed {
		what, view = what+" packed", viewSequences
	}
	same, back := 0, 0
	for _, name := range format.Names() {
		direct := built[name]
		if name == "megatron" || direct == nil {
			continue
		}
		title := fmt.Sprintf("%s megatron converted to %s", what, name)
		there, err := r.converted(title, name, from.Dir)
		if err != nil {
			return err
		}
		// What is padded has other rows than what is not, so that those are held against the reader's below.
		if !packed && there.Whole[view] != from.Whole[view] || there.Tokens != from.Tokens || there.Documents != from.Documents {
			r.v.failf("%s: %v of %d documents, %d tokens; it was %v of %d, %d", title, there.Whole[view], there.Documents, there.Tokens, from.Whole[view], from.Documents, from.Tokens)
		}
		if slices.Equal(there.Digests, direct.Digests) {
			same++ // its readers have read these very files
		} else if err := r.read(title, there); err != nil {
			return err
		}
		again, err := r.converted(title+" and back", "megatron", there.Dir)
		if err != nil {
			return err
		}
		if again.Whole[viewSequences] != from.Whole[viewSequences] {
			r.v.failf("%s and back: %v, and it was %v", title, again.Whole[viewSequences], from.Whole[viewSequences])
		}
		if slices.Equal(again.Digests, from.Digests) {
			back++
		}
	}
	r.v.printf("%s: converted to %d formats and back; %d have the bytes of a set that was built so, %d came back to the same bytes", what, len(built)-1, same, back)
	return nil
}

func (r *readersRun) converted(title, name, from string) (*setViews, error) {
	dir := filepath.Join(r.dir, "readers-"+strings.ReplaceAll(title, " ", "-"))
	argv := []string{r.bin, "shards", "convert", "--to", name, "--shard-size", strconv.FormatInt(r.size, 10), "-o", dir, from}
	if _, err := r.measure(command{argv: argv}); err != nil {
		return nil, fmt.Errorf("%s: %w", title, err)
	}
	return r.views(dir)
}
