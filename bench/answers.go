package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// The second part of docs/experiments.md: what translated instructions, an adapted base, and preferences behind them are worth.
// Everything is one recipe in the folder -answers, which goes on where it was stopped.

// answersData is what is the same for all seeds. ROOT is the folder of the module, DIR that of the experiment.
const answersData = `version: 1
run: DIR/run
quarantine: {max: 20%}
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
    tokenizer: {train: bpe, vocab_size: 4096, special: ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]}
  - {name: english-shards, from: english, shards: {tokenizer: vocabulary, pack: true, tokens_per_step: 4Ki, schedule: [{length: 512}]}}
  - name: basque-shards
    from: [clean, english]
    shards: {tokenizer: vocabulary, pack: true, tokens_per_step: 4Ki, schedule: [{length: 512}], mix: [{source: clean, epochs: 1}, {source: english, share: 20%}]}
  - name: translated
    read: ROOT/examples/basque/training/instruct.en.jsonl.zst
    translate: {from: en, to: eu, backend: marian, model: ROOT/examples/basque/mt-en-eu, beams: 1}
  - name: preferences
    read: ROOT/examples/basque/training/preference.en.jsonl.zst
    translate: {from: en, to: eu, backend: marian, model: ROOT/examples/basque/mt-en-eu, beams: 1}
  - {name: translated-shards, from: translated, shards: {tokenizer: vocabulary, CHAT, pack: document, tokens_per_step: 4Ki, truncate: end}}
  - {name: preference-shards, from: preferences, shards: {tokenizer: vocabulary, CHAT, tokens_per_step: 8Ki, truncate: drop}}
  - {name: heldout-answers, read: ROOT/examples/basque/training/heldout.instruct.eu.jsonl.zst, shards: {tokenizer: vocabulary, CHAT, pack: document, truncate: end}}
`

// answersReference is there with people's rows.
const answersReference = `  - {name: people-shards, read: DIR/people.jsonl, shards: {tokenizer: vocabulary, CHAT, pack: document, tokens_per_step: 4Ki, truncate: end}}
`

// answersModels are the models of a seed, in an order in which each finds what it goes on from. Instructions are learnt for so many
// steps whoever has written them.
var answersModels = []struct{ name, train string }{
	{"base", "shards: english-shards, tokenizer: vocabulary, model: {width: 128, layers: 4, heads: 2}, learning_rate: 2e-3"},
	{"adapted", "shards: basque-shards, from: base-SEED, learning_rate: 1e-3"},
	{"translated", "shards: translated-shards, from: adapted-SEED, steps: 60, learning_rate: 5e-4"},
	{"people", "shards: people-shards, from: adapted-SEED, steps: 60, learning_rate: 5e-4"},
	{"unadapted", "shards: translated-shards, from: base-SEED, steps: 60, learning_rate: 5e-4"},
	{"translated-dpo", "shards: preference-shards, from: translated-SEED, dpo: {beta: 0.1}, learning_rate: 1e-4"},
	{"unadapted-dpo", "shards: preference-shards, from: unadapted-SEED, dpo: {beta: 0.1}, learning_rate: 1e-4"},
}

func runAnswers(s *session) error {
	dir := s.options.answers
	if dir == "" {
		dir = filepath.Join(s.dir, "answers")
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
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	var recipe strings.Builder
	recipe.WriteString(answersData)
	models := answersModels
	if from := s.options.answersPeople; from != "" {
		if err := sameRows(filepath.Join(module, "examples", "basque", "training", "instruct.en.jsonl.zst"), from, filepath.Join(dir, "people.jsonl")); err != nil {
			return err
		}
		recipe.WriteString(answersReference)
	} else {
		fmt.Println("\nSKIPPED rows that people have translated: -answers-people names none")
		models = slices.DeleteFunc(slices.Clone(models), func(m struct{ name, train string }) bool { return m.name == "people" })
	}
	training := filepath.Join(module, "examples", "basque", "training")
	for seed := 1; seed <= s.options.seeds; seed++ {
		var list []string
		for _, m := range models {
			fmt.Fprintf(&recipe, "  - {name: %s-%d, train: {%s, seed: %d, schedule: {kind: linear, warmup: 0.05, end: 0.0085}}}\n", m.name, seed, strings.ReplaceAll(m.train, "SEED", fmt.Sprint(seed)), seed)
			list = append(list, fmt.Sprintf("{name: %s, model: %s-%d}", m.name, m.name, seed))
		}
		fmt.Fprintf(&recipe, "  - name: measured-%d\n    eval:\n      models: [%s]\n      chat_template: chatml\n", seed, strings.Join(list, ", "))
		for _, kind := range []string{"bits: heldout", "pairs: pairs"} {
			key, file, _ := strings.Cut(kind, ": ")
			fmt.Fprintf(&recipe, "      %s: [{name: en, path: %[2]s/%[3]s.en.jsonl.zst}, {name: eu, path: %[2]s/%[3]s.eu.jsonl.zst}]\n", key, filepath.ToSlash(training), file)
		}
		fmt.Fprintf(&recipe, "      shards: [{name: answers, path: heldout-answers}]\n      preference: [{name: eu, path: %s/heldout.preference.eu.jsonl.zst}]\n", filepath.ToSlash(training))
	}
	text := strings.NewReplacer("ROOT", filepath.ToSlash(module), "DIR", filepath.ToSlash(dir), "CHAT", "chat_template: chatml, schedule: [{length: 512}], max_length: 512").Replace(recipe.String())
	name := filepath.Join(dir, "recipe.yaml")
	if err := os.WriteFile(name, []byte(text), 0o666); err != nil {
		return err
	}
	cmd := exec.Command(bin, "run", name)
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("curate run: %w", err)
	}
	names := make([]string, len(models))
	for i, m := range models {
		names[i] = m.name
	}
	var all []evaluation
	for seed := 1; seed <= s.options.seeds; seed++ {
		var ev evaluation
		if err := readJSON(filepath.Join(dir, "run", fmt.Sprintf("measured-%d", seed), "eval.json"), &ev); err != nil {
			return err
		}
		all = append(all, ev)
	}
	return tellEvaluations("answers", names, all)
}

// sameRows writes those rows of the file from that have the ids of the rows in like, in like's order.
func sameRows(like, from, to string) error {
	byID := map[string][]byte{}
	if err := eachRow(from, func(id string, line []byte) { byID[id] = bytes.Clone(line) }); err != nil {
		return err
	}
	var out bytes.Buffer
	missing := 0
	err := eachRow(like, func(id string, _ []byte) {
		if byID[id] == nil {
			missing++
		}
		out.Write(byID[id])
		out.WriteByte('\n')
	})
	if err == nil && missing > 0 {
		err = fmt.Errorf("%s lacks %d of the rows of %s", from, missing, like)
	}
	if err != nil {
		return err
	}
	return os.WriteFile(to, out.Bytes(), 0o666)
}

// eachRow shows the lines of a zstd file of JSON Lines and their ids.
func eachRow(name string, f func(id string, line []byte)) error {
	b, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	d, err := zstd.NewReader(bytes.NewReader(b))
	if err != nil {
		return err
	}
	defer d.Close()
	text, err := io.ReadAll(d)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	for line := range bytes.Lines(text) {
		var r struct{ ID string }
		if err := json.Unmarshal(line, &r); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if r.ID == "" {
			return errors.New(name + ": a row has no id")
		}
		f(r.ID, bytes.TrimRight(line, "\n"))
	}
	return nil
}
