// Command bench measures curate against the limits of its libraries and against its peers, in one run on the
// same data, and checks every output before its time counts.
//
// main.go lists the benchmarks; each is a file. child.go runs every measurement in a process of its own, so
// that CPU seconds and peak memory are nobody else's; corpus.go makes what is read; report.go is the table and
// the raw run.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// benchmark is one line of the table below.
type benchmark struct {
	name, what string
	run        func(*session) error
}

// benchmarks is sorted by name.
var benchmarks = []benchmark{
	{"answers", "what translated instructions, an adapted base and preferences are worth to a small model: docs/experiments.md", runAnswers},
	{"container", "check: the binary of contrib/container is static and works with no file beside itself", runContainer},
	{"copy", "JSONL.zst to JSONL.zst through the engine, against its limits: decode, strict parse, encode", runCopy},
	{"datatrove", "the gopher filters of datatrove 0.10.1 against profile gopher, on the same documents", runDatatrove},
	{"decode", "a model of 134M parameters writes greedy texts on one core, one and 32 at once, and torch the same", runDecode},
	{"exact", "exact deduplication as the command, from files to files, 1 and 2 workers, and datatrove's", runExact},
	{"experiments", "what cleaning, replay, deduplication and lengths are worth to a small model: docs/experiments.md", runExperiments},
	{"export", "check: models of curate in transformers, and of transformers in curate: logits and greedy text", runExport},
	{"filters", "FineWeb's filters of datatrove 0.10.1 against profile fineweb, on the same documents", runFilters},
	{"fineweb", "profile fineweb with spaCy's words and at white space, with JSON, and as the command with 1 and 2 workers", runFineWeb},
	{"flight", "curate translate against a server that allows 500 requests at a time", runFlight},
	{"gemm", "products of matrices, 1 and 2 threads, and numpy's OpenBLAS", runGemm},
	{"gguf", "check: models of curate in llama.cpp: logits, greedy text, ids of texts", runGGUF},
	{"gopher", "profile gopher: the check alone, with JSON, and as the command with 1 and 2 workers", runGopher},
	{"grow", "check: profile gopher and near-deduplication with an index over 200 files, then with two more, at 3 % of the CPU seconds at most", runGrow},
	{"injected", "check: near-duplicates injected into examples/basque, by similarity", runInjected},
	{"langid", "engines of langid on pages and on pieces of 2,000 characters, and fastText's own predictor", runLangid},
	{"llmc", "training steps of llm.c's GPT-2 124M and of a llama of 134M, 1 and 2 threads", runLLMC},
	{"lm-eval", "check: lm-evaluation-harness's local-completions against curate serve finds what curate eval finds", runLMEval},
	{"lora", "training steps of llamas with all weights and with adapters of several ranks, one core", runLoRA},
	{"marian", "translation by a MarianMT model and by random ones, f32 and 8 bits, beside transformers and CTranslate2: tokens/s, memory", runMarian},
	{"marian-check", "check: translations of held-out sentences are transformers', and 8 bits lose little of f32's score", runMarianCheck},
	{"million", "a million distinct segments through curate translate in 1 GiB, then from its memory", runMillion},
	{"minhash", "near-deduplication of the example as the command, and datatrove's", runMinHash},
	{"ranks", "check: examples/basque/recipe.yaml by ranks that are killed, doubled and in any order has the bytes of one process", runRanks},
	{"readers", "check: shards in every format, read by the trainers' own readers, and converted", runReaders},
	{"recall", "check: precision and recall of near-deduplication on labelled pairs", runRecall},
	{"recipe-train", "examples/basque/recipe.train.yaml: how long it takes, and that its model learns Basque and keeps English", runRecipeTrain},
	{"scale", "near-deduplication of 10 million short documents in 2 GiB, and of 100,000 that have most of their text in common", runScale},
	{"shards", "JSONL.zst to Megatron's shards as the command, datatrove's DocumentTokenizer, and Megatron's loop", runShards},
	{"short", "exact deduplication of 20 million short records in 512 MiB", runShort},
	{"signals", "signals of profiles written beside the filter, and the profiles applied to them without text", runSignals},
	{"size-model", "check: near-deduplication by ranks, step by step, against the plan of its size: bytes, memory, CPU seconds", runSizeModel},
	{"slurm", "check: contrib/slurm on a cluster of one node, with ranks requeued, gives a local run's bytes", runSlurm},
	{"spark", "check: contrib/spark on executors that are killed makes the directory of one process", runSpark},
	{"stages", "each command alone and the recipe's chain, 1 and 2 workers", runStages},
	{"storage", "profile gopher through an S3 server in this process, against the same on a disk", runStorage},
	{"tokenizer-ids", "the example's tokenizer on all Basque text: ids and speed beside Hugging Face's tokenizers", runTokenizerIDs},
	{"tokenizer-train", "a vocabulary of all Basque text: merges and speed beside Hugging Face's tokenizers", runTokenizerTrain},
	{"tokenizer-train-rustbpe", "vocabularies of 16k and 32k of all the data's text: ranks and speed beside rustbpe, merges beside Hugging Face's tokenizers", runTokenizerTrainRust},
	{"tokenizers", "tokenizers of public models on 20 MB of the data, cold and warm, beside four peers", runTokenizers},
	{"train", "training steps of llamas, 1 and 2 threads, and torch's from the same weights on the same tokens", runTrain},
	{"writing", "random weights of BTLM-3B's shape at 4 and 8 bits: memory at full contexts, tokens/s beside llama.cpp's", runWriting},
}

// repeated is a flag that may be given several times.
type repeated []string

func (r *repeated) String() string     { return strings.Join(*r, " ") }
func (r *repeated) Set(s string) error { *r = append(*r, s); return nil }

type options struct {
	data  repeated
	runs  int
	only  string
	out   string
	mb    int
	core  int
	docs  int
	short int
	near  int
	// segments of the benchmarks flight and million
	segments, million int
	latency           time.Duration
	profile           string
	tmp               string

	readersText      repeated
	readersTokenizer string
	readersPython    string

	transformersPython string
	llamaPython        string
	ggufTokenizers     repeated

	lmEvalPython, lmEvalModel string

	answers, answersPeople      string
	experiments                 string
	seeds                       int
	trainShapes, trainPrecision string
	trainSteps                  int
	trainCompile                bool
	decodeShape                 string
	llmc                        string

	writing, writingPython       string
	writingQuality, writingText  string
	writingLayers, writingLength int
	writingTokens                int

	marian, marianText           string
	marianSentences, marianTexts int
	marianVocabularies           string

	conformance string
	tokenizers  string
	modelMB     int
	modelRanks  int
	slurmMB     int
	sparkPython string
	sparkMB     int
	stagesMB    int
	langidMB    int
	ranks       string
}

const defaultData = "../examples/basque/raw"

func main() {
	if len(os.Args) > 1 && os.Args[1] == childArg {
		childMain(os.Args[2:])
		return
	}
	var o options
	flag.Var(&o.data, "data", "`FILE or DIR` of JSON Lines with the field \"text\", plain or .zst; may be repeated, and more may follow the flags (default "+defaultData+")")
	flag.IntVar(&o.runs, "runs", 3, "rounds; the table shows medians")
	flag.StringVar(&o.only, "only", "", "`NAME` of the one benchmark to run, or several with commas")
	flag.StringVar(&o.out, "o", "", "`FILE` to which one JSON line a measurement is appended, such as runs/2026-11-25-epyc-2.jsonl")
	flag.IntVar(&o.mb, "mb", 256, "files of the data are repeated, as further files, until there are so many `MB` of JSONL")
	flag.IntVar(&o.core, "core", -1, "`NUMBER` of the core for what runs on one; default the last this process may use")
	flag.IntVar(&o.docs, "peer-docs", 300, "documents for peers, spread evenly over the data")
	flag.IntVar(&o.segments, "segments", 50_000, "`N` segments of benchmark flight")
	flag.DurationVar(&o.latency, "latency", time.Second, "`TIME` after which the server of benchmark flight answers")
	flag.IntVar(&o.million, "million", 1_000_000, "`N` segments of benchmark million")
	flag.IntVar(&o.near, "near", 10_000_000, "`DOCUMENTS` of benchmark scale")
	flag.IntVar(&o.short, "short", 20_000_000, "`RECORDS` of benchmark short")
	flag.StringVar(&o.profile, "cpuprofile", "", "`FILE` for a CPU profile of one further run of copy")
	flag.StringVar(&o.tmp, "tmp", "", "`DIR` on a local disk for inputs and outputs; default the system's")
	flag.StringVar(&o.conformance, "conformance", "", "`DIR` of what reference implementations answered, for benchmarks readers and recall")
	flag.Var(&o.readersText, "readers-text", "`FILE` of JSON Lines for benchmark readers; may be repeated (default what the example's recipe keeps)")
	flag.StringVar(&o.readersTokenizer, "readers-tokenizer", "", "`PATH` of the tokenizer for benchmarks readers and shards; default the example's")
	flag.StringVar(&o.readersPython, "readers-python", "", "`[NAME=]PATH,…` of Pythons for benchmark readers: that for read_NAME.py, and without a NAME that for all others (default $"+pythonEnv+")")
	flag.StringVar(&o.llamaPython, "llamacpp-python", "", "`PATH` of a Python with llama-cpp-python for benchmark gguf")
	flag.Var(&o.ggufTokenizers, "gguf-tokenizer", "`PATH` of a tokenizer that llama.cpp gets from benchmark gguf, repeatable")
	flag.StringVar(&o.lmEvalPython, "lm-eval-python", "", "`PATH` of a Python with lm_eval[api] and transformers, for benchmark lm-eval")
	flag.StringVar(&o.lmEvalModel, "lm-eval-model", "", "`DIR` of a model with its tokenizer for benchmark lm-eval; default train/eval's tiny one")
	flag.StringVar(&o.transformersPython, "transformers-python", "", "`PATH,…` of Pythons with torch and transformers for benchmark export, one a version")
	flag.StringVar(&o.answers, "answers", "", "`DIR` of benchmark answers, in which it goes on; default one that is removed")
	flag.StringVar(&o.answersPeople, "answers-people", "", "`FILE` with rows as examples/basque/training/instruct.en, by their ids, that people have translated, for benchmark answers")
	flag.StringVar(&o.experiments, "experiments", "", "`DIR` of benchmark experiments, in which it goes on; default one that is removed")
	flag.IntVar(&o.seeds, "seeds", 3, "`N` seeds of benchmarks answers and experiments")
	flag.StringVar(&o.ranks, "ranks", "1,3,16,s3", "`N,…` ranks of benchmark ranks, or s3 for one process and a bucket")
	flag.StringVar(&o.tokenizers, "tokenizers", "", "`DIR` of folders with a tokenizer.json each, for benchmark tokenizers")
	flag.StringVar(&o.trainShapes, "train-shapes", "9M,42M,134M", "`NAME,…` of models for benchmark train: 9M, 42M, 134M, or 134M-64, which has llm.c's batch")
	flag.StringVar(&o.trainPrecision, "train-precision", "f32", "`NAME,…` of precisions for benchmark train: f32, bf16; in the second torch takes 19 s a step of 9M where the processor does not multiply bfloat16")
	flag.IntVar(&o.trainSteps, "train-steps", 10, "`N` steps a round of benchmarks train and llmc; the first two are not counted if there are five or more")
	flag.BoolVar(&o.trainCompile, "train-compile", false, "torch.compile in benchmark train, too; it needs g++")
	flag.StringVar(&o.decodeShape, "decode-shape", "134M", "`NAME` of the model for benchmark decode, as of -train-shapes")
	flag.StringVar(&o.llmc, "llmc", "", "`DIR` of the sources of llm.c, for the benchmark of that name")
	flag.StringVar(&o.marian, "marian", "", "`DIR` of a MarianMT model in f32, for benchmarks marian and marian-check")
	flag.StringVar(&o.marianText, "marian-text", "", "`FILE` of parallel lines {\"id\",\"en\",\"eu\"}; sentences of its held-out pages are translated there")
	flag.IntVar(&o.marianSentences, "marian-sentences", 1000, "`N` of them")
	flag.IntVar(&o.marianTexts, "marian-texts", 320, "`N` of those for the random models of benchmark marian, which have 24 tokens each")
	flag.StringVar(&o.marianVocabularies, "marian-vocabularies", "3600,60000", "`N,…` of its random models: 3600, 60000")
	flag.StringVar(&o.writing, "writing", "", "`DIR` of the random model of benchmark writing, which makes it if it is not there (5.3 GB); default one that is removed")
	flag.IntVar(&o.writingLayers, "writing-layers", 32, "`N` layers of it")
	flag.IntVar(&o.writingLength, "writing-length", 8192, "longest context of benchmark writing, in `TOKENS`")
	flag.StringVar(&o.writingQuality, "writing-quality", "", "`DIR` of a trained model, for benchmark writing")
	flag.StringVar(&o.writingText, "writing-text", "../examples/basque/training/heldout.eu.jsonl.zst", "`FILE` of JSON Lines whose texts it is measured on")
	flag.IntVar(&o.writingTokens, "writing-tokens", 20_000, "`N` tokens of them")
	flag.StringVar(&o.writingPython, "writing-python", "", "`PATH` of a Python with llama_cpp and gguf, for benchmark writing")
	flag.IntVar(&o.modelMB, "model-mb", 1000, "`MB` of JSONL that benchmark size-model makes; it needs one and a half times that of disk")
	flag.IntVar(&o.modelRanks, "model-ranks", 4, "`N` ranks of it")
	flag.IntVar(&o.slurmMB, "slurm-mb", 300, "`MB` of JSONL that benchmark slurm makes")
	flag.StringVar(&o.sparkPython, "spark-python", "", "`PATH` of a Python with pyspark 3.5, for benchmark spark; it needs Java 17")
	flag.IntVar(&o.sparkMB, "spark-mb", 25, "`MB` of text for benchmark spark, half of them of the data and half edited from them")
	flag.IntVar(&o.stagesMB, "stages-mb", 88, "`MB` of JSONL for benchmark stages; half as much in Basque")
	flag.IntVar(&o.langidMB, "langid-mb", 6, "`MB` of that for what identifies languages")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: go run . [flags] [FILE or DIR…]\n\nBenchmarks:")
		for _, b := range benchmarks {
			fmt.Fprintf(flag.CommandLine.Output(), "  %-15s %s\n", b.name, b.what)
		}
		fmt.Fprintln(flag.CommandLine.Output(), "\nFlags:")
		flag.PrintDefaults()
	}
	flag.Parse()
	o.data = append(o.data, flag.Args()...)
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(o options) (err error) {
	if o.runs < 1 || o.mb < 0 || o.docs < 1 || o.stagesMB < 0 || o.langidMB < 1 || o.trainSteps < 1 || o.modelMB < 1 || o.modelRanks < 1 || o.slurmMB < 1 || o.marianSentences < 1 || o.marianTexts < 1 {
		return errors.New("-runs, -peer-docs, -langid-mb, -train-steps, -model-mb, -model-ranks, -slurm-mb, -marian-sentences and -marian-texts are at least 1, -mb and -stages-mb at least 0")
	}
	if len(o.data) == 0 {
		if _, err := os.Stat(defaultData); err != nil {
			return errors.New("no data: name JSON Lines with -data FILE or DIR (" + defaultData + " is not there)")
		}
		o.data = repeated{defaultData}
	}
	var only []string
	if o.only != "" {
		only = strings.Split(o.only, ",")
	}
	for _, name := range only {
		if !slices.ContainsFunc(benchmarks, func(b benchmark) bool { return b.name == name }) {
			return fmt.Errorf("-only %s: no such benchmark; -help lists them", name)
		}
	}
	dir, err := os.MkdirTemp(o.tmp, "curate-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	s := &session{options: o, dir: dir, started: time.Now(), machine: thisMachine()}
	if err := s.open(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	s.head()
	var failed error // checks that failed; what follows still runs
	for _, b := range benchmarks {
		if only != nil && !slices.Contains(only, b.name) {
			continue
		}
		if err := b.run(s); errors.Is(err, errCheck) {
			failed = errors.Join(failed, fmt.Errorf("%s: %w", b.name, err))
		} else if err != nil {
			return errors.Join(failed, fmt.Errorf("%s: %w", b.name, err))
		}
	}
	return failed
}
