package curate_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"testing"
)

// layers is the architecture as a table: which packages of this module a package may import, and why the
// limit stands there. It is policy, not a description. A package without a line fails the test; a line is
// loosened only as a design change, never to make a build pass. "x/..." covers x and everything below it.
var layers = []struct {
	pkg, mayImport, why string
}{
	{".", "", "holds only tests of the whole tree"},
	{"audit", "record stage stage/runs stats internal/human", "groups and their names are those of stats; the engine of languages is handed in"},
	{"cmd/curate", "...", "the only place that knows everything, a terminal, or os.Exit"},
	{"contrib", "", "scripts that go with the binary; holds no code"},
	{"corpus", "record corpus/...", "knows files and bytes, and no meaning"},
	{"corpus/compress", "", "bytes in, bytes out"},
	{"corpus/download", "", "a file of the net by its digest; knows no meaning"},
	{"corpus/jsonl", "record corpus/split", "a codec knows lines, no files"},
	{"corpus/parquet", "record corpus/split", "a codec knows rows, no files"},
	{"corpus/plain", "record corpus/split", "a codec knows lines, no files"},
	{"corpus/split", "record", "the contract of codecs lies below them and below corpus"},
	{"corpus/store", "", "every byte that must survive a crash goes through here, so that fault tests see it"},
	{"corpus/store/azure", "corpus/store corpus/store/objects corpus/store/ranged corpus/store/requests", "one store; knows nothing of the others"},
	{"corpus/store/google", "", "credentials of Google Cloud, found and asked for tokens; knows no store"},
	{"corpus/store/hf", "corpus/store corpus/store/ranged", "one store; knows nothing of the others"},
	{"corpus/store/objects", "corpus/store", "files in parts and logs on servers that keep objects, which stores of them share; knows no protocol"},
	{"corpus/store/ranged", "corpus/store", "reading over many requests, which stores of servers share; knows no protocol"},
	{"corpus/store/requests", "corpus/store", "attempts, errors and tokens of requests, which stores of servers share; knows no protocol"},
	{"corpus/store/s3", "corpus/store corpus/store/objects corpus/store/ranged corpus/store/requests", "one store; knows nothing of the others"},
	{"corpus/store/storetest", "corpus/store", "the contract of a store as a suite, and a store that fails on purpose"},
	{"corpus/store/storetest/azuretest", "corpus/store/storetest/faults", "a server as others see it: it shares no code with the client that it tests"},
	{"corpus/store/storetest/faults", "", "what goes wrong with requests to servers of tests"},
	{"corpus/store/storetest/googletest", "", "who gives tokens, for tests"},
	{"corpus/store/storetest/s3test", "corpus/store/storetest/faults", "a server as others see it: it shares no code with the client that it tests"},
	{"corpus/store/urls", "corpus/store corpus/store/azure corpus/store/google corpus/store/hf corpus/store/s3", "which name leads to which store"},
	{"dedup", "record stage stage/runs text internal/impl internal/human", "no door to the other stages; files only through the workspace it is given"},
	{"dedup/exchange", "dedup record stage corpus/parquet", "rows of a run for ranks as Parquet, for other engines; dedup knows no format"},
	{"dedup/index", "dedup stage corpus/store", "the folder of an index; what is in its files is dedup's"},
	{"examples/basque/make", "", "made the example's corpus once; outside the binary"},
	{"fasttext", "internal/impl", "shared by langid and filter, so it lies below both"},
	{"filter", "record stage text langid fasttext filter/pii filter/url internal/human", "no door to the other stages: what they share lies below"},
	{"filter/exec", "record stage", "speaks with a program; knows no rule"},
	{"filter/pii", "text", "finds personal data in a text; knows no record and no rule"},
	{"filter/url", "", "lists of addresses and words, and what of a URL is in them; opens no files"},
	{"gguf", "", "bottom: a file format"},
	{"internal/human", "", "bottom: numbers and names as people read them"},
	{"internal/impl", "", "names of alternative implementations, for tests"},
	{"kernel", "internal/impl", "numbers only; shared by train and translate/marian"},
	{"langid", "record stage text fasttext", "used by filter and translate, so it belongs to neither"},
	{"pipeline", "record stage corpus/... internal/human", "the engine gets its stages as values; it never knows a domain package"},
	{"pipeline/recipe", "pipeline corpus corpus/store record stage", "gets the kinds of stages as values, as the engine does"},
	{"record", "", "bottom: one JSON line as the bytes it came in"},
	{"report", "pipeline corpus/... record stage internal/human", "reads a run directory's files, nothing else; stage for the bins of histograms"},
	{"report/progress", "pipeline corpus corpus/compress corpus/store report internal/human", "a run that is at work, from the files of its directory; the clock is handed in"},
	{"safetensors", "kernel", "bottom: a file format; numbers of 16 bits are kernel's"},
	{"sentencepiece", "", "bottom: a file format"},
	{"shards", "record stage stage/runs corpus/... shards/format shards/mix shards/pack", "gets vocabulary size, EOD and fingerprint as a struct; never imports tokenize"},
	{"shards/format", "corpus/parquet", "layouts of files: knows sequences of ids, and not what they are made of"},
	{"shards/mix", "internal/human", "numbers about sources and documents: no tokens, no files"},
	{"shards/pack", "shards/format", "documents into rows; no files"},
	{"shards/trainerconfig", "shards shards/format", "other people's configuration files"},
	{"stage", "record", "a worker inside somebody's engine needs only this and one domain package"},
	{"stage/runs", "stage", "sorting and merging of runs, and reading of sealed files, which Reducers share"},
	{"stage/stagetest", "record stage", "the contract as a suite"},
	{"stats", "record stage stage/runs text internal/human", "counts by group; its sealed files are read as those of others"},
	{"text", "", "bottom: words and lines; no thresholds, no policy"},
	{"tokenize/...", "record stage stage/runs internal/impl sentencepiece tokenize/...", "no door to shards: ids flow in the batch"},
	{"torchfile", "safetensors", "bottom: a file format, whose numbers are those of the other"},
	{"train", "record corpus/... shards tokenize/... kernel safetensors torchfile gguf train/...", "the end of the pipeline; eval and generate need the tokenizer"},
	{"train/eval", "record kernel tokenize shards shards/format corpus/store train/model train/eval/ifeval", "measures a model that it is given; knows no run and no folder of checkpoints"},
	{"train/eval/ifeval", "text", "what can be verified of an answer; the engine of languages is handed in"},
	{"train/export", "train/model kernel safetensors torchfile gguf tokenize tokenize/chat sentencepiece", "weights, and the tokenizer that goes with them, to other people's formats and back"},
	{"train/generate", "tokenize train/model", "tokens out of a model that it is given; no files"},
	{"train/model", "kernel", "forward and backward; no files, no data"},
	{"train/serve", "record stage tokenize tokenize/chat train/generate", "requests to a model that it is given; no files. A chat is a record; stage for the nearest name"},
	{"translate", "record stage stage/runs text langid translate/...", "no door to the other stages"},
	{"translate/backends", "", "talks to servers; knows nothing of rows"},
	{"translate/check", "text", "says what is wrong with a pair of texts; the engine of languages is handed in"},
	{"translate/marian", "kernel safetensors sentencepiece torchfile", "in-process translation behind the backend interface"},
	{"translate/memory", "translate/protect", "keeps templates; knows nothing of rows, servers or checks"},
	{"translate/protect", "", "spans of a text and their placeholders; no policy"},
	{"translate/rows", "record", "finds and replaces strings of a record; knows no language"},
	{"translate/score", "", "numbers about pairs of texts"},
	{"translate/segment", "text", "lines and sentences of a text; knows no language pair"},
	{"translate/translatetest", "translate/marian", "a server that misbehaves on request, a model that computes nothing, and a checker of rows, for tests and benchmarks"},
}

// unnamed are package names that say nothing about what is inside.
var unnamed = []string{"util", "utils", "common", "helpers", "types", "misc"}

func covers(pattern, pkg string) bool {
	if base, below := strings.CutSuffix(pattern, "..."); below {
		base = strings.TrimSuffix(base, "/")
		return base == "" || pkg == base || strings.HasPrefix(pkg, base+"/")
	}
	return pattern == pkg
}

// goFiles calls f for each non-test Go file of this module, with its package's folder.
func goFiles(t *testing.T, f func(file, pkg string)) {
	t.Helper()
	err := filepath.WalkDir(".", func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			other := file != "." && isFile(filepath.Join(file, "go.mod")) // another module
			if other || d.Name() == "testdata" || file != "." && strings.ContainsRune("._", rune(d.Name()[0])) {
				return filepath.SkipDir
			}
			return nil
		}
		if strings.HasSuffix(file, ".go") && !strings.HasSuffix(file, "_test.go") {
			f(file, path.Dir(filepath.ToSlash(file)))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestLayers(t *testing.T) {
	if !sort.SliceIsSorted(layers, func(i, j int) bool { return layers[i].pkg < layers[j].pkg }) {
		t.Error("the table is not sorted by package")
	}
	files := 0
	goFiles(t, func(file, pkg string) {
		files++
		for _, n := range unnamed {
			if path.Base(pkg) == n {
				t.Errorf("%s: a package called %q says nothing about its content", file, n)
			}
		}
		row := -1
		for i := range layers {
			// The longest pattern wins, so that a package below "x/..." can have a line of its own.
			if covers(layers[i].pkg, pkg) && (row < 0 || len(layers[i].pkg) > len(layers[row].pkg)) {
				row = i
			}
		}
		if row < 0 {
			t.Errorf("%s: package %q has no line in the table of layers", file, pkg)
			return
		}
		ast, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			t.Error(err)
			return
		}
	imports:
		for _, im := range ast.Imports {
			name, err := strconv.Unquote(im.Path.Value)
			if err != nil {
				t.Error(err)
				continue
			}
			ours, ok := strings.CutPrefix(name, "curate/")
			if !ok || ours == pkg {
				continue
			}
			for _, a := range strings.Fields(layers[row].mayImport) {
				if covers(a, ours) {
					continue imports
				}
			}
			t.Errorf("%s imports %s, but %s may import only [%s]: %s", file, ours, layers[row].pkg, layers[row].mayImport, layers[row].why)
		}
	})
	if files == 0 {
		t.Fatal("no Go file found: the test looks at the wrong folder")
	}
}
