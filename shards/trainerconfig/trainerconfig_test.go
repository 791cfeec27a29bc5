package trainerconfig

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"curate/shards"
	"curate/shards/format"
)

var update = flag.Bool("update", false, "write the golden files anew")

// set is a manifest of shards with so many rows each. size is the bytes of a file of tokens, by rows.
func set(name string, length int, packed bool, rows ...int64) *shards.Manifest {
	m := &shards.Manifest{Format: name, Length: length, Vocabulary: 50257}
	suffix, dtype, extra := ".parquet", format.Int32, 0
	switch name {
	case "megatron":
		suffix, dtype = ".bin", format.Uint16
	case "datatrove":
		suffix, dtype, extra = ".ds", format.Uint16, 1
	}
	m.Dtype = dtype.String()
	if packed {
		m.Packing = &shards.Packing{Method: "best-fit"}
	}
	for k, n := range rows {
		shard := fmt.Sprintf("shard-%05d", k)
		tokens := n * int64(length+extra)
		m.Shards = append(m.Shards, shards.ShardRecord{
			Name: shard, Sequences: n, Tokens: tokens,
			Files: []shards.FileRecord{{Name: shard + suffix, Size: tokens * int64(dtype.Size())}},
		})
		m.Sequences += n
		m.Tokens += tokens
	}
	return m
}

// curriculum is two stages and pairs; a step has 16 rows of 512 or 4 of 2,048.
func curriculum(name string) *Input {
	eod := 50256
	in := &Input{
		Root: "/data/shards",
		Schedule: &shards.Schedule{
			Format: name, Vocabulary: 50257, EOD: &eod, Tokenizer: "sha256-0123456789abcdef", Seed: 17, TokensPerStep: 8192,
			Preference: "preference",
		},
		Manifests:  []*shards.Manifest{set(name, 512, true, 100, 61), set(name, 2048, true, 12, 9)},
		Preference: set(preferenceFormat, 2048, false, 7),
		Tokenizer:  "/data/tokenizer",
	}
	for _, m := range in.Manifests {
		in.Schedule.Stages = append(in.Schedule.Stages, shards.Stage{
			Dir: fmt.Sprintf("length-%d", m.Length), Length: m.Length, Sequences: m.Sequences, RowsPerStep: 8192 / int64(m.Length),
		})
	}
	return in
}

// bare is one set of documents in a folder with a difficult name, of which as little as possible is known.
func bare(name string) *Input {
	return &Input{
		Root: `/data/it's "mine" \ €`,
		Schedule: &shards.Schedule{
			Format: name, Vocabulary: 50257, Seed: 1 << 40, Stages: []shards.Stage{{Dir: "length-512", Length: 512}}, Longer: []int64{3},
		},
		Manifests: []*shards.Manifest{set(name, 512, false, 5)},
	}
}

// trained is a run whose shards are built, with all that a training can say.
func trained(name string) *Input {
	in := curriculum(name)
	in.Manifests, in.Schedule.Stages = in.Manifests[:1], in.Schedule.Stages[:1]
	in.Training = &Training{
		Model: "/data/base", Epochs: 3, LearningRate: 7e-6, Schedule: Rates{Kind: "cosine", Warmup: 0.1, End: 0.1}, Beta1: 0.9, Beta2: 0.95, Epsilon: 1e-8,
		WeightDecay: 0.1, Clip: 1, BF16: true, DPO: &DPO{Beta: 0.2, NLL: 0.5, LabelSmoothing: 0.1}, NEFTune: 5, Patience: 3,
		LoRA:  &LoRA{Rank: 16, Alpha: 32, Targets: []string{"q_proj", "v_proj"}, RSLoRA: true},
		Shape: &Shape{Width: 4096, Layers: 32, Heads: 32, KVHeads: 8, FFN: 14336, RopeTheta: 500000, RopeScaled: true},
	}
	return in
}

// planned are shards that are not built yet, of which the steps are known.
func planned(name string) *Input {
	in := curriculum(name)
	in.Planned, in.Preference, in.Schedule.Preference = true, nil, ""
	in.Manifests = []*shards.Manifest{
		{Format: name, Length: 512, Packing: &shards.Packing{Method: "concat"}}, {Format: name, Length: 2048, Packing: &shards.Packing{Method: "concat"}},
	}
	in.Schedule.Vocabulary, in.Schedule.EOD = 0, nil
	in.Schedule.Stages[0].Share, in.Schedule.Stages[1].Share = 0.75, 0.25
	in.Training = &Training{
		Steps: 1001, LearningRate: 0.012, Schedule: Rates{Kind: "linear", Warmup: 95, End: 0.0085}, Beta1: 0.9, Beta2: 0.95, Epsilon: 1e-8, WeightDecay: 0.1,
		Shape: &Shape{ALiBi: true, Width: 2560, Layers: 32, Heads: 32, KVHeads: 32, FFN: 6826, Tied: true, BaseWidth: 256, EmbeddingScale: 14.6, OutputAlpha: 2.22, InitStd: 0.073},
	}
	return in
}

func TestGolden(t *testing.T) {
	for _, trainer := range Trainers() {
		for _, name := range trainer.Formats {
			inputs := map[string]*Input{"curriculum": curriculum(name), "bare": bare(name)}
			if trainer.Name != "nanotron" {
				inputs["trained"], inputs["planned"] = trained(name), planned(name)
			}
			for what, in := range inputs {
				t.Run(trainer.Name+"/"+name+"/"+what, func(t *testing.T) {
					got, err := trainer.Export(in)
					if err != nil {
						t.Fatal(err)
					}
					again, err := trainer.Export(in)
					if err != nil || fmt.Sprint(got) != fmt.Sprint(again) {
						t.Errorf("a second time it differs: %v", err)
					}
					dir := filepath.Join("testdata", trainer.Name, name, what)
					if *update {
						if err := os.RemoveAll(dir); err != nil {
							t.Fatal(err)
						}
					}
					for _, f := range got {
						file := filepath.Join(dir, f.Name)
						if *update {
							if err := os.MkdirAll(dir, 0o777); err != nil {
								t.Fatal(err)
							}
							if err := os.WriteFile(file, f.Text, 0o666); err != nil {
								t.Fatal(err)
							}
						}
						want, err := os.ReadFile(file)
						if err != nil {
							t.Fatal(err)
						}
						if !bytes.Equal(f.Text, want) {
							t.Errorf("%s differs; with -update it is written anew:\n%s", file, f.Text)
						}
					}
					entries, err := os.ReadDir(dir)
					if err != nil || len(entries) != len(got) {
						t.Errorf("%s has %d files, and %d are written (%v)", dir, len(entries), len(got), err)
					}
				})
			}
		}
	}
}

// TestNumbers compares what the files say with what the schedule means.
func TestNumbers(t *testing.T) {
	// What a trainer sees of 161 rows of 512 in two shards, and of 21 of 2,048. Megatron's windows overlap by a token, so
	// that each shard has one less; nanotron's and rows of tables are as they are.
	tests := []struct {
		trainer, format, file string
		want                  []string
	}{
		{"megatron", "megatron", "pretrain-1-length-512.sh", []string{
			"--seq-length 512\n", "--max-position-embeddings 2048\n", "--global-batch-size 16\n",
			"--train-samples 144 # steps: 9; 15 samples", "--lr-decay-samples 160 ", // 9 × 16 + 4 × 4
			"    '/data/shards/length-512/shard-00000'\n    '/data/shards/length-512/shard-00001'\n",
			"--vocab-size 50257\n", "--null-tokenizer-eod-id 50256\n", "--seed 17\n",
		}},
		{"megatron", "megatron", "pretrain-2-length-2048.sh", []string{
			"--seq-length 2048\n", "--global-batch-size 4\n", "--train-samples 16 # steps: 4; 3 samples", "--lr-decay-samples 160 ",
			`--load "${CHECKPOINTS:-checkpoints}/pretrain-1-length-512" --override-ckpt-iteration 0`,
		}},
		{"nanotron", "datatrove", "pretrain-1-length-512.yaml", []string{
			"start_training_step: 1\n", "  sequence_length: 512\n", "batch_accumulation_per_replica: 16\n", "train_steps: 10 #", "lr_decay_steps: 15 #",
			`dataset_folder: "/data/shards/length-512"`, "token_size_in_bytes: 2\n",
		}},
		{"nanotron", "datatrove", "pretrain-2-length-2048.yaml", []string{
			"start_training_step: 11\n    sequence_length: 2048\n", "\n  sequence_length: 2048\n", "batch_accumulation_per_replica: 4\n", "train_steps: 15 #",
		}},
		{"trl", "parquet", "pretrain-2-length-2048.yaml", []string{
			"gradient_accumulation_steps: 4\n", "# rows: 21; full steps: 5", `"/data/shards/length-2048/shard-00001.parquet"`,
			`model_name_or_path: "output/pretrain-1-length-512"`,
		}},
		{"trl", "parquet", "preference.yaml", []string{
			`"/data/shards/preference/shard-00000.parquet"`, "# pairs: 7", `model_name_or_path: "output/pretrain-2-length-2048"`,
		}},
		{"axolotl", "parquet-axolotl", "pretrain-1-length-512.yaml", []string{"sequence_len: 512\n", "gradient_accumulation_steps: 16\n"}},
		{"llama-factory", "parquet", "pretrain-1-length-512.yaml", []string{"cutoff_len: 513 ", "gradient_accumulation_steps: 16\n"}},
	}
	for _, test := range tests {
		trainer, err := Named(test.trainer)
		if err != nil {
			t.Fatal(err)
		}
		files, err := trainer.Export(curriculum(test.format))
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(files, func(f File) bool { return f.Name == test.file })
		if i < 0 {
			t.Errorf("%s writes no %s", test.trainer, test.file)
			continue
		}
		for _, want := range test.want {
			if !strings.Contains(string(files[i].Text), want) {
				t.Errorf("%s of %s lacks %q:\n%s", test.file, test.trainer, want, files[i].Text)
			}
		}
	}
}

func TestRefused(t *testing.T) {
	tests := []struct {
		trainer string
		change  func(in *Input)
		format  string
		want    string
	}{
		{"nanotron", func(*Input) {}, "megatron", "shards: length-512 is in format megatron, which nanotron does not read; convert it: curate shards convert --to datatrove -o DIR SHARDS"},
		{"megatron", func(*Input) {}, "parquet", "shards: length-512 is in format parquet, which megatron does not read; convert it: curate shards convert --to megatron -o DIR SHARDS"},
		{"megatron", func(in *Input) { in.Schedule.Stages[0].RowsPerStep = 1000 }, "megatron", "shards: length-512 has 159 rows of 512 tokens, fewer than the 1000 of a step: build it with more tokens, or fewer a step"},
		{"megatron", func(in *Input) { in.Manifests = in.Manifests[:1] }, "megatron", "shards: schedule.json has 2 stages, and 1 sets were given"},
		{"megatron", func(in *Input) { in.Manifests[1].Length = 7 }, "megatron", "shards: length-2048 has a length of 2048, and its manifest one of 7"},
		{"megatron", func(in *Input) { in.Schedule.Stages[0].RowsPerStep = -1 }, "megatron", "shards: length-512 has -1 rows a step"},
		{"megatron", func(in *Input) { in.Manifests[0].Dtype = "int9" }, "megatron", `length-512: shards: its manifest has the dtype "int9"`},
		{"megatron", func(in *Input) { in.Manifests, in.Schedule.Stages = nil, nil }, "megatron", "shards: schedule.json has no stage: there is nothing to train on but preference pairs"},
		{"trl", func(in *Input) { in.Preference.Format = "mds" }, "parquet", "shards: preference is in format mds; preference pairs are read in parquet-preference"},
	}
	for _, test := range tests {
		trainer, err := Named(test.trainer)
		if err != nil {
			t.Fatal(err)
		}
		in := curriculum(test.format)
		test.change(in)
		if _, err := trainer.Export(in); err == nil || err.Error() != test.want {
			t.Errorf("%s: %v\nwant %s", test.trainer, err, test.want)
		}
	}
	if _, err := Named("gpt-neox"); err == nil || !strings.Contains(err.Error(), "axolotl, llama-factory, megatron, nanotron, trl") {
		t.Error(err)
	}
}

// TestTrainingNumbers compares what the files say of a training with what it means.
func TestTrainingNumbers(t *testing.T) {
	wsd := func(in *Input) {
		in.Training.Schedule = Rates{Kind: "wsd", Warmup: 0.1, End: 0.01, Decay: 0.2, DecayShape: "1-sqrt"}
	}
	unknown := func(in *Input) {
		wsd(in)
		in.Training.Steps, in.Training.Epochs = 0, 1
	}
	tests := []struct {
		trainer, format, file string
		input                 func(string) *Input
		change                func(in *Input)
		want                  []string
	}{
		// 161 rows of 512 in steps of 16 are 10 full steps, and 30 in three epochs, of which 3 warm up.
		{"trl", "parquet", "pretrain-1-length-512.yaml", trained, nil, []string{
			"learning_rate: 7.0e-06\n", "lr_scheduler_type: cosine_with_min_lr\nlr_scheduler_kwargs: {min_lr_rate: 0.1}\n", "warmup_steps: 3\n", "num_train_epochs: 3 #",
			"adam_beta2: 0.95\n", "weight_decay: 0.1\n", "neftune_noise_alpha: 5\n", "use_peft: true\nlora_r: 16\n", "lora_target_modules: [q_proj, v_proj]\n", `model_name_or_path: "/data/base"` + "\n",
		}},
		// 7 pairs; a step of 8,192 tokens has two of 2 × 2,048: 4 steps an epoch.
		{"trl", "parquet", "preference.yaml", trained, nil, []string{"beta: 0.2\nloss_type: [sigmoid, sft]\nloss_weights: [1.0, 0.5]\n", "gradient_accumulation_steps: 2 ", "warmup_steps: 2\n", "Label smoothing of 0.1 is left out"}},
		{"llama-factory", "parquet", "preference.yaml", trained, nil, []string{"pref_beta: 0.2\npref_ftx: 0.5\ndpo_label_smoothing: 0.1\n", "finetuning_type: lora\n", "lora_target: q_proj,v_proj\n"}},
		{"axolotl", "parquet-axolotl", "pretrain-1-length-512.yaml", trained, nil, []string{"lr_scheduler: cosine\ncosine_min_lr_ratio: 0.1\n", "num_epochs: 3 ", "adapter: lora\n", "base_model: \"/data/base\"\n"}},
		{"axolotl", "parquet-axolotl", "pretrain-1-length-512.yaml", trained, wsd, []string{"lr_scheduler: warmup_stable_decay\nlr_scheduler_kwargs: {num_decay_steps: 6, decay_type: 1-sqrt, min_lr_ratio: 0.01}\nwarmup_steps: 3\n"}},
		// Megatron's windows overlap: 159 of them, 9 steps an epoch, 27 in all.
		{"megatron", "megatron", "pretrain-1-length-512.sh", trained, wsd, []string{
			"--train-samples 432 # steps: 27\n", "--lr-decay-samples 432 ", "--lr-decay-style WSD\n  --lr-wsd-decay-style minus_sqrt\n  --lr-wsd-decay-samples 96\n  --lr-warmup-samples 48 ",
			"--num-query-groups 8\n", "--untie-embeddings-and-output-weights\n", "--rotary-base 500000\n  --use-rope-scaling\n", "--finetune)",
		}},
		// 1,001 steps in shares of three quarters and one; warm-up in samples of the first length, and the decay in those of all.
		{"megatron", "megatron", "pretrain-2-length-2048.sh", planned, nil, []string{
			"--train-samples 1000 # steps: 250\n", "--lr-decay-samples 13016 ", "--lr-warmup-samples 1520 # steps: 95\n", "--min-lr 0.000102\n", "--mup-output-mult 0.222 ", "shards=('/data/shards/length-2048'/*.idx)\n",
			"--position-embedding-type none ", "${VOCABULARY:?",
		}},
		{"trl", "parquet", "pretrain-1-length-512.yaml", planned, nil, []string{"max_steps: 751 # rows and steps are known when", "lr_scheduler_type: polynomial ", "{lr_end: 0.000102, power: 1.0}\nwarmup_steps: 95\n", `length-512/*.parquet"`, "begins each anew"}},
		{"trl", "parquet", "pretrain-1-length-512.yaml", planned, unknown, []string{"num_train_epochs: 1 # rows and steps are known when", "num_decay_steps: 1, decay_type: 1-sqrt, min_lr_ratio: 0.01} # choose: 0.2 of the steps", "warmup_steps: 0.1 # a share"}},
	}
	for _, test := range tests {
		trainer, err := Named(test.trainer)
		if err != nil {
			t.Fatal(err)
		}
		in := test.input(test.format)
		if test.change != nil {
			test.change(in)
		}
		files, err := trainer.Export(in)
		if err != nil {
			t.Error(err)
			continue
		}
		i := slices.IndexFunc(files, func(f File) bool { return f.Name == test.file })
		if i < 0 {
			t.Errorf("%s writes no %s", test.trainer, test.file)
			continue
		}
		for _, want := range test.want {
			if !strings.Contains(string(files[i].Text), want) {
				t.Errorf("%s of %s lacks %q:\n%s", test.file, test.trainer, want, files[i].Text)
			}
		}
	}
}

// TestTrainingRefused: what a configuration cannot say.
func TestTrainingRefused(t *testing.T) {
	tests := []struct {
		trainer, format string
		change          func(in *Input)
		want            string
	}{
		{"nanotron", "datatrove", func(*Input) {}, "is not written for nanotron"},
		{"megatron", "megatron", func(in *Input) { in.Training.Steps, in.Training.Epochs = 0, 4 }, "how many there are is known when the shards are built"},
		{"megatron", "megatron", func(in *Input) { *in = *curriculum("megatron"); in.Training = &Training{Epochs: 2} }, "several epochs of several lengths"},
		{"trl", "parquet", func(in *Input) { *in = *curriculum("parquet"); in.Training = &Training{Steps: 100} }, "the run has 100 steps, 85 more than all rows once"},
	}
	for _, test := range tests {
		trainer, err := Named(test.trainer)
		if err != nil {
			t.Fatal(err)
		}
		in := planned(test.format)
		test.change(in)
		if _, err := trainer.Export(in); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", test.trainer, err, test.want)
		}
	}
}

// TestPreferenceAlone: pairs without stages are enough for the trainers that read them.
func TestPreferenceAlone(t *testing.T) {
	in := curriculum("parquet")
	in.Manifests, in.Schedule.Stages = nil, nil
	for trainer, want := range map[string]string{"trl": "preference.yaml preference.py", "llama-factory": "preference.yaml tokenized.py"} {
		tr, err := Named(trainer)
		if err != nil {
			t.Fatal(err)
		}
		files, err := tr.Export(in)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, f := range files {
			names = append(names, f.Name)
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%s writes %s, not %s", trainer, got, want)
		}
	}
}

// TestShortShard: Megatron cannot build a dataset of a shard that has no sample.
func TestShortShard(t *testing.T) {
	in := bare("megatron")
	in.Manifests[0] = set("megatron", 512, false, 5, 1, 2)
	files, err := megatron.Export(in)
	if err != nil {
		t.Fatal(err)
	}
	text := string(files[0].Text)
	if strings.Contains(text, "shard-00001") || !strings.Contains(text, "shard-00002") || !strings.Contains(text, "--train-samples 5 ") {
		t.Error(text)
	}
}

func TestTable(t *testing.T) {
	names := Names()
	if !slices.IsSorted(names) || len(slices.Compact(names)) != len(Trainers()) {
		t.Errorf("the table is not sorted: %v", names)
	}
	for _, trainer := range Trainers() {
		for _, name := range trainer.Formats {
			if f, err := format.Named(name); err != nil || f.Traits().Pairs {
				t.Errorf("%s reads format %s: %v", trainer.Name, name, err)
			}
		}
	}
}

func TestSeed(t *testing.T) {
	for s, want := range map[uint64]uint64{0: 1, 1: 1, 17: 17, maxSeed: maxSeed, maxSeed + 1: 2, 1<<64 - 1: 4} {
		if got := seed(s); got != want {
			t.Errorf("seed %d becomes %d, not %d", s, got, want)
		}
	}
}

func TestQuotes(t *testing.T) {
	tests := map[string][2]string{
		"plain":           {`"plain"`, `'plain'`},
		`it's "a" \ b`:    {`"it's \"a\" \\ b"`, `'it'\''s "a" \ b'`},
		"line\nand\ttab":  {`"line\x0aand\x09tab"`, "'line\nand\ttab'"},
		"€ \u0085\u2028":  {`"€ \x85\u2028"`, "'€ \u0085\u2028'"},
		"$HOME `x` {{.}}": {`"$HOME ` + "`x`" + ` {{.}}"`, "'$HOME `x` {{.}}'"},
	}
	for _, s := range slices.Sorted(maps.Keys(tests)) {
		if got := quoteYAML(s); got != tests[s][0] {
			t.Errorf("YAML of %q: %s, not %s", s, got, tests[s][0])
		}
		if got := quoteShell(s); got != tests[s][1] {
			t.Errorf("shell of %q: %s, not %s", s, got, tests[s][1])
		}
	}
}
