package main

import (
	"bytes"
	"context"
	"errors"
	"math"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"curate/corpus/store"
	"curate/kernel"
	"curate/pipeline"
	"curate/pipeline/recipe"
	"curate/record"
	"curate/stage"
	"curate/train/eval"
	"curate/translate/backends"
)

// Files that a step of kind eval makes.
const (
	evalFile  = "eval.json"
	evalTable = "eval.txt"
)

// defaultEvalSeed is lm-eval's.
const defaultEvalSeed = 1234

// What a step of kind eval keeps beside them.
const (
	answersDir   = "answers"        // MODEL/NAME.jsonl, of instructions
	verdictsFile = "verdicts.jsonl" // of a judge
)

// answersIdentity and judgeIdentity are what the identity of a step has of them: no address and no key.
type (
	answersIdentity struct {
		MaxTokens   int     `json:"max_tokens"`
		Temperature float64 `json:"temperature"`
		Seed        uint64  `json:"seed"`
		Template    string  `json:"chat_template"`
		Plain       bool    `json:"plain_prompts"`
	}
	judgeIdentity struct {
		Model    string `json:"model"`
		Baseline string `json:"baseline"`
		Tokens   int    `json:"verdict_tokens"`
		Template string `json:"template"`
	}
)

// evalInputKeys are those of an input of one kind.
var evalInputKeys = []recipe.Key{
	{Name: "name", Type: recipe.Text, Help: "in the table; default the path's last part"},
	{Name: "path", Type: recipe.RecordsOf, Required: true, Help: "a step that makes records, or a file, glob or directory"},
}

var evalShardKeys = []recipe.Key{
	evalInputKeys[0],
	{Name: "path", Type: recipe.StepOrPath, Required: true, Help: "a step that makes shards, or their folder"},
}

var evalKind = recipe.Kind{
	Name:    "eval",
	Summary: "measures models side by side: bits a byte, loss by position, choices, minimal pairs, preferences, answers to instructions",
	Keys: []recipe.Key{
		{Name: "models", Type: recipe.Objects, Required: true, Keys: []recipe.Key{
			{Name: "name", Type: recipe.Text, Help: "in the table; default that of the step or folder"},
			{Name: "model", Type: recipe.StepOrPath, Required: true, Help: "the step that trained it, or its folder"},
		}, Help: "models, a column each"},
		{Name: "tokenizer", Type: recipe.StepOrPath, Help: "the step that trained it, or its path; default that beside each model"},
		{Name: "bits", Type: recipe.Objects, Keys: evalInputKeys, Help: "texts whose bits a byte are measured"},
		{Name: "shards", Type: recipe.Objects, Keys: evalShardKeys, Help: "shard sets whose bits a byte are measured, by source"},
		{Name: "positions", Type: recipe.Objects, Keys: evalInputKeys, Help: "texts whose loss is measured by how much of a row a prediction sees"},
		{Name: "shard_positions", Type: recipe.Objects, Keys: evalShardKeys, Help: "shard sets whose loss is measured so, their rows one behind the other"},
		{Name: "choice", Type: recipe.Objects, Keys: evalInputKeys, Help: "questions with choices"},
		{Name: "pairs", Type: recipe.Objects, Keys: evalInputKeys, Help: "minimal pairs, of good and bad"},
		{Name: "preference", Type: recipe.Objects, Keys: evalInputKeys, Help: "preference pairs: prompt, chosen and rejected answer"},
		{Name: "reference", Type: recipe.StepOrPath, Help: "preference: the model that rewards are measured from, such as the one that DPO began with; default none"},
		{Name: "beta", Type: recipe.Number, Default: eval.DefaultBeta, Help: "preference: of the rewards"},
		{Name: "instructions", Type: recipe.Objects, Keys: evalInputKeys, Help: "prompt sets with instructions that can be verified, as IFEval's; the answers are in the step's folder"},
		{Name: "max_tokens", Type: recipe.Integer, Default: int64(answerDefaults.MaxTokens), Min: 1, Max: math.MaxInt32, Help: "instructions: of an answer"},
		{Name: "temperature", Type: recipe.Number, Default: 0.0, Help: "instructions: of answers; 0 takes the likeliest token"},
		{Name: "seed", Type: recipe.Integer, Default: int64(defaultEvalSeed), Min: 0, Max: math.MaxInt64, Help: "of examples of choice, of draws of answers, and of the judge's interval"},
		{Name: "chat_template", Type: recipe.Text, Help: "preference, instructions: name or file of the chat template; default the model's own"},
		{Name: "plain_prompts", Type: recipe.Boolean, Default: false, Help: "instructions: prompts are put to the model as they are, for base models"},
		{Name: "judge", Type: recipe.Object, Keys: []recipe.Key{
			{Name: "base_url", Type: recipe.Text, Required: true, Help: "of an OpenAI-compatible server, up to and with /v1"},
			{Name: "model", Type: recipe.Text, Required: true, Help: "name of the judge"},
			{Name: "baseline", Type: recipe.Text, Help: "name of the model whose answers the others are compared with; default the first"},
			{Name: "api_key_env", Type: recipe.Text, Default: defaultKeyEnv, Help: "environment variable with the key"},
			{Name: "template", Type: recipe.Text, Help: "file of what the judge is asked; default in the prompt's language, or else English"},
			{Name: "verdict_tokens", Type: recipe.Integer, Default: int64(512), Min: 1, Max: math.MaxInt32, Help: "of a verdict, with its reason"},
			{Name: "max_concurrency", Type: recipe.Integer, Default: int64(judgeConcurrency), Min: 1, Max: 1 << 16, Help: "requests at a time"},
			{Name: "max_requests", Type: recipe.Integer, Default: int64(0), Min: 0, Max: math.MaxInt64, Help: "requests in one run; 0 is no limit"},
		}, Help: "a model on a server says which answers to instructions are better; the verdicts are in the step's folder"},
		{Name: "prefix_token", Type: recipe.Text, Help: "token before a text; default the model's BOS, or else its EOS"},
		{Name: "length", Type: recipe.Integer, Min: 1, Max: math.MaxInt32, Help: "tokens that a model is given at most; default what it was trained on"},
		{Name: "by", Type: recipe.Text, Help: "bits: dotted field whose value is the group of a text"},
		{Name: "row", Type: recipe.Integer, Min: 1, Max: math.MaxInt32, Help: "positions: tokens of a row; default four times what the model was trained on"},
		{Name: "buckets", Type: recipe.Integer, Default: int64(16), Min: 0, Max: 1 << 20, Help: "positions: ranges of equal width; 0 is 1, 2–3, 4–7, …"},
		{Name: "bounds", Type: recipe.Boolean, Default: false, Help: "positions: a document sees only itself"},
		{Name: "alibi_slope_scale", Type: recipe.Text, Help: "multiplies ALiBi's slopes: a number above 0, up to 1, or dynamic"},
		{Name: "shots", Type: recipe.Integer, Default: int64(0), Min: 0, Max: 1000, Help: "choice: answered examples before each question"},
		{Name: "prompt", Type: recipe.Text, Help: "choice: text with {question} where the question stands"},
		{Name: "max_quarantined", Type: recipe.Text, Default: "0", Help: "number or share of rows that may be unusable"},
		weightsKey,
		{Name: "precision", Type: recipe.Text, Default: "f32", Choices: []string{"bf16", "f32"}, Help: "of the operands of products"},
		{Name: "kernels", Type: recipe.Text, Default: kernel.Auto, Help: "name of the kernels; auto is the best that the processor can run"},
	},
	Result: true,
	Check: func(v *recipe.Values) error {
		e, _, err := kindEvaluating(v)
		if err == nil {
			err = e.check(func(flag string) bool { return v.Given(strings.ReplaceAll(flag, "-", "_")) })
		}
		return err
	},
	Task: func(_ context.Context, v *recipe.Values, s recipe.Setting) (*pipeline.Task, error) {
		e, c, err := kindEvaluating(v)
		if err != nil {
			return nil, err
		}
		e.bits.Text, e.positions.Text = s.TextField, s.TextField
		return e.asTask(c, s)
	},
}

// kindEvaluating reads a recipe's keys.
func kindEvaluating(v *recipe.Values) (*evaluating, *computing, error) {
	e := &evaluating{
		tokenizer: v.Path("tokenizer"), prefix: v.Text("prefix_token"), length: int(v.Integer("length")), row: int(v.Integer("row")),
		positions: eval.PositionsConfig{Buckets: int(v.Integer("buckets")), Bounds: v.Boolean("bounds")},
		choice: eval.ChoiceConfig{
			Question: record.MustPath("question"), Choices: record.MustPath("choices"), Answer: record.MustPath("answer"), Partial: record.MustPath("partial"),
			Shots: int(v.Integer("shots")), Seed: uint64(v.Integer("seed")), Prompt: v.Text("prompt"),
		},
		reference: v.Path("reference"), beta: v.Number("beta"),
		answer: answering{
			options: answerDefaults, chats: chatSettings{template: v.Text("chat_template"), truncate: "none"}, plain: v.Boolean("plain_prompts"),
			name: func(name string) string { return name },
		},
		pairs: eval.PairsConfig{Good: record.MustPath("good"), Bad: record.MustPath("bad")},
	}
	e.weights = v.Text("weights")
	if err := e.settle(func(name string) string { return name }); err != nil {
		return nil, nil, err
	}
	e.answer.options.MaxTokens, e.answer.options.Temperature = int(v.Integer("max_tokens")), v.Number("temperature")
	c := &computing{kernels: v.Text("kernels"), precision: v.Text("precision")}
	named := func(name, path string) string {
		if name != "" {
			return name + "=" + path
		}
		return path
	}
	var models []string
	for _, m := range v.Objects("models") {
		models = append(models, named(m.Text("name"), m.Path("model")))
	}
	var err error
	if e.models, err = namedPaths("models", models, "model"); err != nil {
		return nil, nil, v.Errorf("models", "%v", err)
	}
	for _, kind := range evalKinds {
		var paths []string
		key := strings.ReplaceAll(kind, "-", "_")
		for _, in := range v.Objects(key) {
			var list []string
			if (evalInput{kind: kind}).ofShards() {
				list = []string{in.Path("path")}
			} else {
				list = in.Paths("path")
			}
			if len(list) != 1 {
				return nil, nil, in.Errorf("path", "an input has one path; write others as inputs of their own")
			}
			paths = append(paths, named(in.Text("name"), list[0]))
		}
		list, err := namedPaths(kind, paths, "input")
		if err != nil {
			return nil, nil, v.Errorf(key, "%v", err)
		}
		for _, in := range list {
			e.tasks = append(e.tasks, evalInput{kind: kind, namedPath: in})
		}
	}
	if len(e.tasks) == 0 {
		return nil, nil, v.Errorf("models", "there is nothing to measure them on: give %s or %s", strings.Join(evalKinds[:len(evalKinds)-1], ", "), evalKinds[len(evalKinds)-1])
	}
	if by := v.Text("by"); by != "" {
		if e.bits.By, err = record.ParsePath(by); err != nil {
			return nil, nil, v.Errorf("by", "%v", err)
		}
	}
	if e.allowance, err = pipeline.ParseAllowance(v.Text("max_quarantined")); err != nil {
		return nil, nil, v.Errorf("max_quarantined", "%v", err)
	}
	if slope := v.Text("alibi_slope_scale"); slope == "dynamic" {
		e.dynamic = true
	} else if slope != "" {
		if e.slope, err = strconv.ParseFloat(slope, 64); err != nil || !(e.slope > 0 && e.slope <= 1) {
			return nil, nil, v.Errorf("alibi_slope_scale", "%q: a number above 0, up to 1, or dynamic", slope)
		}
	}
	if _, err := kernel.Named(c.kernels); err != nil {
		return nil, nil, v.Errorf("kernels", "%v", err)
	}
	if v.Given("judge") {
		j := v.Object("judge")
		e.judge = &judging{
			api: backends.OpenAI{BaseURL: j.Text("base_url"), Model: j.Text("model"), MaxTokens: int(j.Integer("verdict_tokens"))}, keyEnv: j.Text("api_key_env"),
			template: j.Text("template"), seed: e.choice.Seed, name: func(name string) string { return name },
			policy: backends.Policy{MaxConcurrency: int(j.Integer("max_concurrency")), MaxRequests: j.Integer("max_requests")},
		}
		if err := e.judge.check(); err != nil {
			return nil, nil, v.Errorf("judge", "%v", err)
		}
		e.baseline = j.Text("baseline")
		if e.baseline == "" {
			e.baseline = e.models[0].name
		}
		switch {
		case !slices.ContainsFunc(e.models, func(m namedPath) bool { return m.name == e.baseline }):
			return nil, nil, j.Errorf("baseline", "%q is none of the models", e.baseline)
		case len(e.models) < 2:
			return nil, nil, v.Errorf("judge", "there is one model, and nothing to compare it with")
		case !v.Given("instructions"):
			return nil, nil, v.Errorf("judge", "there are no instructions whose answers it could judge")
		}
	}
	return e, c, nil
}

// asTask makes the measurements a step: its folder gets them as JSON and as a table.
func (e *evaluating) asTask(c *computing, s recipe.Setting) (*pipeline.Task, error) {
	type input struct {
		Kind string `json:"kind"`
		Name string `json:"name"`
		Path string `json:"path"`
	}
	config := struct {
		Models    []input `json:"models"`
		Inputs    []input `json:"inputs"`
		Tokenizer string  `json:"tokenizer"`
		Prefix    string  `json:"prefix_token"`
		Length    int     `json:"length"`
		Row       int     `json:"row"`
		Buckets   int     `json:"buckets"`
		Bounds    bool    `json:"bounds"`
		Slope     float64 `json:"alibi_slope_scale"`
		Dynamic   bool    `json:"dynamic"`
		By        string  `json:"by"`
		Shots     int     `json:"shots"`
		Prompt    string  `json:"prompt"`
		Text      string  `json:"text_field"`
		Precision string  `json:"precision"`
		Kernels   string  `json:"kernels"`
		Weights   string  `json:"weights,omitzero"`

		Seed      uint64           `json:"seed,omitzero"`
		Reference string           `json:"reference,omitzero"`
		Beta      float64          `json:"beta,omitzero"`
		Answers   *answersIdentity `json:"answers,omitzero"`
		Judge     *judgeIdentity   `json:"judge,omitzero"`
	}{
		nil, nil, e.tokenizer, e.prefix, e.length, e.row, e.positions.Buckets, e.positions.Bounds, e.slope, e.dynamic, e.bits.By.String(),
		e.choice.Shots, e.choice.Prompt, e.bits.Text.String(), c.precision, c.kernels, unlessF32(e.weights),
		0, e.reference, 0, nil, nil,
	}
	if e.choice.Shots > 0 && e.choice.Seed != defaultEvalSeed {
		config.Seed = e.choice.Seed
	}
	if e.has(eval.KindPreference) {
		config.Beta = e.beta
	}
	if o := e.answer; e.has(eval.KindInstructions) || e.has(eval.KindPreference) {
		config.Answers = &answersIdentity{o.options.MaxTokens, o.options.Temperature, e.choice.Seed, o.chats.template, o.plain}
	}
	if j := e.judge; j != nil {
		config.Judge = &judgeIdentity{Model: j.api.Model, Baseline: e.baseline, Tokens: j.api.MaxTokens}
		if j.template != "" {
			b, err := smallFile(j.template)
			if err != nil {
				return nil, err
			}
			config.Judge.Template = string(b)
		}
		j.verdicts = filepath.Join(s.Dir, verdictsFile)
	}
	e.answer.dir = filepath.Join(s.Dir, answersDir)
	for _, m := range e.models {
		config.Models = append(config.Models, input{Name: m.name, Path: m.path})
	}
	for _, in := range e.tasks {
		config.Inputs = append(config.Inputs, input{in.kind, in.name, in.path})
	}
	r := &evalRun{evaluating: e, st: storage(), stdin: bytes.NewReader(nil), log: s.Log, memory: s.Memory}
	s.Progress.Tell = r.tell
	aside := &pipeline.TaskQuarantine{Allowed: e.allowance, By: "max_quarantined"}
	r.aside = aside
	made := []string{evalFile, evalTable, verdictsFile}
	for _, m := range e.models {
		for _, in := range e.tasks {
			if in.kind == eval.KindInstructions {
				made = append(made, pipeline.Named(filepath.ToSlash(answersFile(answersDir, m.name, in.name))))
			}
		}
	}
	return &pipeline.Task{
		Spec:       stage.Spec{Name: "eval", Version: 1, Config: config},
		Makes:      made,
		Quarantine: aside,
		Run: func(ctx context.Context) error {
			c.workers = s.Workers
			pool, precision, err := c.pool()
			if err != nil {
				return err
			}
			defer pool.Close()
			r.pool, r.precision, r.began = pool, precision, time.Now()
			r.told, r.again = 0, false
			report, err := r.all(ctx)
			if report == nil {
				return err
			}
			if errors.As(err, new(*pipeline.QuarantineError)) { // the engine says so, once all is in place
				err = nil
			}
			report.Program, report.Kernels, report.Precision, report.Weights = program(), pool.Set().Name(), c.precision, unlessF32(e.weights)
			report.Summarize()
			b, jsonErr := json.Marshal(report, json.Deterministic(true), jsontext.WithIndent("  "))
			var table strings.Builder
			if err := first(err, jsonErr, report.Table(&table)); err != nil {
				return err
			}
			for line := range strings.Lines(table.String()) {
				s.Log.Info(strings.TrimRight(line, "\n"))
			}
			for name, content := range map[string]string{evalFile: string(b) + "\n", evalTable: table.String()} {
				if err := writeText(ctx, r.st, path.Join(filepath.ToSlash(s.Dir), name), content); err != nil {
					return err
				}
			}
			return nil
		},
	}, nil
}

// writeText makes a file that appears whole or not at all.
func writeText(ctx context.Context, st store.Store, name, text string) error {
	w, err := st.Create(ctx, name)
	if err != nil {
		return err
	}
	defer w.Abort() // after Commit it does nothing
	if _, err := w.Write([]byte(text)); err != nil {
		return err
	}
	return w.Commit()
}
