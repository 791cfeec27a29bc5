package main

import (
	"context"
	"errors"
	"math"
	"strconv"
	"time"

	"curate/kernel"
	"curate/pipeline/recipe"
	"curate/stage"
	"curate/translate"
	"curate/translate/rows"
)

var translateKind = recipe.Kind{
	Name:    "translate",
	Summary: "translates the texts of rows (chat, preference, …); translations are kept in the run directory, and nothing is asked for twice",
	Keys: []recipe.Key{
		{Name: "from", Type: recipe.Text, Required: true, Help: "the language of the rows, such as en"},
		{Name: "to", Type: recipe.Text, Required: true, Help: "the language that they get, such as eu"},
		{Name: "backend", Type: recipe.Text, Required: true, Choices: translateBackends, Help: "what translates: a server with OpenAI's API, a command (lines in, lines out), a model in this process (marian), or memory, which asks nobody"},
		{Name: "base_url", Type: recipe.Text, Help: "of the server, up to and with /v1"},
		{Name: "model", Type: recipe.Text, Help: "its name; the folder of a model in this process"},
		{Name: "api_key_env", Type: recipe.Text, Default: defaultKeyEnv, Help: "the environment variable with the key"},
		{Name: "tm", Type: recipe.Texts, Help: "files of parallel texts, or exported memories, that are used before anybody is asked"},
		{Name: "corrections", Type: recipe.Texts, Help: "files of the same kind that win over all others"},
		{Name: "schema", Type: recipe.Text, Choices: rows.Names(), Help: "of the rows, instead of recognising each"},
		{Name: "fields", Type: recipe.Texts, Help: "JSON pointers to the texts, such as /messages/*/content, instead of a schema"},
		{Name: "tool_descriptions", Type: recipe.Boolean, Default: false, Help: "the descriptions in tools are translated, too"},
		{Name: "tool_results", Type: recipe.Boolean, Default: false, Help: "and what tools have answered"},
		{Name: "on_fail", Type: recipe.Text, Default: translate.OnFailQuarantine, Choices: []string{translate.OnFailKeepSource, translate.OnFailQuarantine}, Help: "what becomes of a row that could not be translated"},
		{Name: "keep_source", Type: recipe.Boolean, Default: false, Help: "the source texts are written into the rows, where the report shows them"},
		{Name: "annotate", Type: recipe.Boolean, Default: false, Help: "backend, checks and attempts are written into every row, and nothing is dropped"},
		{Name: "tasks", Type: recipe.Texts, Help: "TASK=ACTION for rows bound to the source language, such as grammar=translate"},
		{Name: "prompt", Type: recipe.Text, Default: "chat", Choices: []string{"chat", "completions", "plain"}, Help: "how the server is asked"},
		{Name: "structured", Type: recipe.Text, Default: "auto", Choices: []string{"auto", "off", "on"}, Help: "whether a JSON schema for answers is sent"},
		{Name: "system_prompt", Type: recipe.Text, Help: "a file with the instructions for the model"},
		{Name: "shots", Type: recipe.Text, Help: "a file of examples"},
		{Name: "body", Type: recipe.Text, Help: "a JSON object of more fields for each request"},
		{Name: "azure_version", Type: recipe.Text, Help: "of the API of an Azure deployment"},
		{Name: "segments_per_request", Type: recipe.Integer, Default: int64(20), Min: 1, Max: 1000, Help: "at most"},
		{Name: "tokens_per_request", Type: recipe.Integer, Default: int64(1500), Min: 1, Max: 1e6, Help: "of the source, at most"},
		{Name: "command", Type: recipe.Text, Help: "the command line of the backend command"},
		{Name: "command_name", Type: recipe.Text, Help: "by which the memory knows it"},
		{Name: "processes", Type: recipe.Integer, Default: int64(1), Min: 1, Max: 1000, Help: "of the command at a time"},
		{Name: "beams", Type: recipe.Integer, Default: int64(0), Min: 0, Max: maxBeams, Help: "hypotheses of a model in this process; 0 is what its configuration says"},
		{Name: "precision", Type: recipe.Text, Choices: localPrecisions, Help: "weights of a model in this process; as they are stored if left out"},
		{Name: "kernels", Type: recipe.Text, Default: kernel.Auto, Help: "name of the kernels of a model in this process; auto is the best that the processor can run"},
		{Name: "fallback_command", Type: recipe.Text, Help: "is asked for what the backend cannot do"},
		{Name: "timeout", Type: recipe.Text, Help: "for an answer, such as 90s"},
		{Name: "retries", Type: recipe.Integer, Default: int64(5), Min: 0, Max: 100, Help: "of a request that failed for a reason that may pass"},
		{Name: "max_concurrency", Type: recipe.Integer, Default: int64(64), Min: 1, Max: 10000, Help: "requests at a time"},
		{Name: "max_requests", Type: recipe.Integer, Default: int64(0), Min: 0, Max: math.MaxInt32, Help: "after which the run ends; 0 is no limit"},
		{Name: "max_tokens", Type: recipe.Integer, Default: int64(0), Min: 0, Max: 1e15, Help: "in and out, likewise"},
		{Name: "max_cost", Type: recipe.Number, Default: 0.0, Min: 0, Max: 1e9, Help: "likewise"},
		{Name: "price_in", Type: recipe.Number, Default: 0.0, Min: 0, Max: 1e9, Help: "of a million tokens in"},
		{Name: "price_out", Type: recipe.Number, Default: 0.0, Min: 0, Max: 1e9, Help: "of a million tokens out"},
		{Name: "price_cached", Type: recipe.Number, Min: 0, Max: 1e9, Help: "of a million tokens in that the server had cached; the others' price if left out"},
		{Name: "max_attempts", Type: recipe.Integer, Default: int64(translate.DefaultMaxAttempts), Min: 1, Max: 100, Help: "requests for one segment"},
		{Name: "placeholder", Type: recipe.Text, Help: "the form in which masks are sent first"},
		{Name: "mask_numbers", Type: recipe.Boolean, Default: false, Help: "numbers of two digits and more are masked"},
		{Name: "sentences", Type: recipe.Boolean, Default: false, Help: "each sentence is asked for alone"},
		{Name: "glossary", Type: recipe.Text, Help: "a file of terms"},
		{Name: "calibration", Type: recipe.Text, Help: "a file that curate translate calibrate has written"},
		{Name: "checks", Type: recipe.Text, Help: "a file of thresholds"},
		{Name: "judge", Type: recipe.Text, Choices: translateJudges, Help: "who scores translations"},
		{Name: "judge_at", Type: recipe.Text, Help: "the judge's URL, or the command that translates back"},
		{Name: "judge_model", Type: recipe.Text, Help: "the judge's model"},
		{Name: "min_score", Type: recipe.Number, Default: 0.0, Min: 0, Max: 1, Help: "below which a translation is refused"},
		{Name: "retry_failed", Type: recipe.Boolean, Default: false, Help: "segments that an earlier run has given up are asked for again"},
	},
	Check: func(v *recipe.Values) error {
		t, err := translateSettings(v)
		if err != nil {
			return err
		}
		return errors.Join(t.check(), t.closeLocal())
	},
	Reserve: func(v *recipe.Values, workers int) int64 {
		t, err := translateSettings(v)
		if err != nil { // Check has said so
			return 0
		}
		t.computed.workers = workers
		n, _ := t.reserved()
		return n
	},
	Build: func(_ context.Context, v *recipe.Values, s recipe.Setting) ([]stage.Stage, error) {
		t, err := translateSettings(v)
		if err != nil {
			return nil, err
		}
		t.dir, t.computed.workers = runMemory(s.Run), s.Workers
		if s.Rank != "" { // a memory is one process' at a time, and others would wait: each has its own, and reads them all
			if t.rank, err = strconv.Atoi(s.Rank); err != nil {
				return nil, err
			}
			t.ranked = true
		}
		o, err := t.open(s.Log)
		if err != nil {
			return nil, err
		}
		began := time.Now()
		o.say = func() { sayTranslation(s.Log, t, o, began) }
		return []stage.Stage{o}, nil
	},
	Stays:      true, // lingua keeps its models for good
	RecordCost: translateRecordCost,
	Speed:      0.2,
}

func translateSettings(v *recipe.Values) (*translating, error) {
	t := &translating{
		inRecipe: true,
		backend:  v.Text("backend"), keyEnv: v.Text("api_key_env"), system: v.Text("system_prompt"), shots: v.Text("shots"), body: v.Text("body"),
		fallback: v.Text("fallback_command"), judge: v.Text("judge"), judgeURL: v.Text("judge_at"), judgeModel: v.Text("judge_model"),
		tms: v.Texts("tm"), corrections: v.Texts("corrections"), glossary: v.Text("glossary"), profile: v.Text("checks"),
		calibration: v.Text("calibration"), tasks: v.Texts("tasks"),
		cfg: translate.Config{
			From: v.Text("from"), To: v.Text("to"), Numbers: v.Boolean("mask_numbers"), Sentences: v.Boolean("sentences"),
			Placeholder: v.Text("placeholder"), MaxAttempts: int(v.Integer("max_attempts")), MinScore: v.Number("min_score"),
			OnFail: v.Text("on_fail"), KeepSource: v.Boolean("keep_source"), Annotate: v.Boolean("annotate"), RetryFailed: v.Boolean("retry_failed"),
			Rows: rows.Options{
				Schema: v.Text("schema"), Fields: v.Texts("fields"),
				ToolDescriptions: v.Boolean("tool_descriptions"), ToolResults: v.Boolean("tool_results"),
			},
		},
	}
	t.openai.BaseURL, t.openai.Model, t.openai.Mode, t.openai.Structured, t.openai.AzureVersion =
		v.Text("base_url"), v.Text("model"), v.Text("prompt"), v.Text("structured"), v.Text("azure_version")
	t.openai.MaxSegments, t.openai.MaxTokens = int(v.Integer("segments_per_request")), int(v.Integer("tokens_per_request"))
	t.command.Line, t.command.Engine, t.command.Processes = v.Text("command"), v.Text("command_name"), int(v.Integer("processes"))
	t.computed.beams, t.computed.precision, t.computed.kernels = int(v.Integer("beams")), v.Text("precision"), v.Text("kernels")
	p := &t.policy
	p.MaxConcurrency, p.MaxRequests, p.MaxTokens, p.MaxCost = int(v.Integer("max_concurrency")), v.Integer("max_requests"), v.Integer("max_tokens"), v.Number("max_cost")
	p.PriceIn, p.PriceOut, p.PriceCached = v.Number("price_in"), v.Number("price_out"), -1
	if v.Given("price_cached") {
		p.PriceCached = v.Number("price_cached")
	}
	if p.Retries = int(v.Integer("retries")); p.Retries == 0 {
		p.Retries = -1
	}
	if s := v.Text("timeout"); s != "" {
		var err error
		if p.Timeout, err = time.ParseDuration(s); err != nil || p.Timeout <= 0 {
			return nil, v.Errorf("timeout", "%q is no time, such as 90s or 2m", s)
		}
	}
	if t.backend == "memory" && len(t.tms)+len(t.corrections) == 0 {
		return nil, v.Errorf("backend", "memory asks nobody, and there are neither tm nor corrections")
	}
	return t, nil
}
