package main

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"curate/internal/human"
	"curate/pipeline"
	"curate/stage"
	"curate/translate"
	"curate/translate/backends"
	"curate/translate/check"
	"curate/translate/protect"
	"curate/translate/rows"
)

// translateCommands are the verbs of curate translate beside translating; each is a file cmd_translate_NAME.go.
func translateCommands(env environment) []*cobra.Command {
	return []*cobra.Command{
		newTranslateApply(env),
		newTranslateCalibrate(env),
		newTranslateEval(env),
		newTranslateFetch(env),
		newTranslateMemory(env),
		newTranslateQuantize(env),
		newTranslateSegments(env),
	}
}

func newTranslate(env environment) *cobra.Command {
	flags := stageFlags{summary: "translated", recordCost: translateRecordCost}
	var t translating
	cmd := &cobra.Command{
		Use:   "translate --from en --to eu --backend NAME [INPUT…]",
		Short: "Translate instruction, preference and other rows; break nothing that must survive",
		Long: `Translate the texts of rows and leave everything else byte for byte. Rows are recognised by their keys:
` + wrapList(rows.Names()) + `; --fields names the texts of any other.

A text is cut into segments around a skeleton that stays (list markers, tables, code blocks), and what must
survive in a segment (code, URLs, formulas, placeholders, names of functions) is masked. Each distinct
segment is asked for once, whatever the number of rows that hold it; the answer is checked, asked for again
in other ways where a check refuses it, and kept in the memory. A row goes out whole or is quarantined with
its reason; prompt, chosen and rejected stand or fall together.

The memory (--memory-dir) is what a run goes on from: after a kill, or with a larger budget, the same
command asks for nothing that was answered. Corrections by people win over everything else.

Backends: openai is any server that speaks OpenAI's API; its key comes from the environment alone. command
reads a segment a line and writes its translation. marian is a MarianMT model in this process, on -j cores:
--model is its folder. memory asks nobody.

Rows whose task is bound to the source language are not translated; --task says what becomes of them:
` + wrapList(check.TaskNames()) + `.

` + inputHelp,
		Example: `  export OPENAI_API_KEY=…
  curate translate --from en --to eu --backend openai --base-url http://localhost:8000/v1 --model gemma --memory-dir tm instruct.jsonl -o instruct.eu/
  curate translate --from en --to eu --backend openai --base-url https://api.example.org/v1 --model m --dry-run --price-in 0.5 --price-out 1.5 instruct.jsonl
  curate translate --from en --to eu --backend marian --model mt-en-eu --memory-dir tm instruct.jsonl -o instruct.eu/
  curate translate --from en --to eu --backend memory --tm parallel.en-eu.jsonl.zst < preference.jsonl > preference.eu.jsonl`,
		SuggestionsMinimumDistance: 2,
		Args:                       cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if t.dry {
				flags.dry, flags.summary = true, "counted"
			}
			return t.run(cmd, env, &flags, args, func(o *opened) []stage.Stage { return []stage.Stage{o} })
		},
	}
	t.register(cmd)
	cmd.Flags().BoolVar(&t.dry, "dry-run", false, "count rows, distinct segments, tokens and cost; ask nobody, write no rows")
	flags.register(cmd)
	t.adapt(cmd)
	for _, c := range translateCommands(env) {
		cmd.AddCommand(c)
	}
	return cmd
}

// run is the body of curate translate and its steps; stages makes them of what was opened, and they close it.
func (t *translating) run(cmd *cobra.Command, env environment, flags *stageFlags, args []string, stages func(o *opened) []stage.Stage) error {
	t.cfg.Annotate = flags.annotate
	if t.cfg.From == "" || t.cfg.To == "" {
		return usage("--from and --to are missing: the languages, as in --from en --to eu")
	}
	switch given := cmd.Flags().Changed; {
	case t.policy.Retries < 0:
		return usage("--retries %d: not below 0", t.policy.Retries)
	case t.policy.Retries == 0:
		t.policy.Retries = -1 // none; 0 would be the default
	case t.cfg.MaxAttempts == 0:
		return usage("--max-attempts 0: at least 1")
	case given("price-cached") && t.policy.PriceCached < 0:
		return usage("--price-cached %v: not below 0", t.policy.PriceCached)
	case given("text-field") && len(t.cfg.Rows.Fields) == 0:
		return usage("--text-field %s: rows are known by their keys; name their texts with --fields /%[1]s", flags.textField)
	}
	if len(t.dirs) > 0 {
		t.dir, t.also = t.dirs[0], t.dirs[1:]
	}
	t.computed.workers = max(0, flags.workers)
	if err := t.check(); err != nil {
		return usage("%s: %v", strings.TrimPrefix(cmd.CommandPath(), "curate "), err)
	}
	defer func() { _ = t.closeLocal() }() // where no stage has taken it over
	if n, err := parseSize("--memory", flags.memory); err == nil {
		t.limit = n
	}
	flags.reserved, flags.reservedFor = t.reserved()
	var o *opened
	began := time.Now()
	if t.asks() {
		flags.live = func() string { return liveLine(t, o, began) }
	}
	flags.values = t.values
	flags.say = func(log *slog.Logger) { sayTranslation(log, t, o, began) }
	flags.count = func(log *slog.Logger, c *pipeline.Counts) { sayCounts(log, c, t, o) }
	var log *slog.Logger
	err := runStages(cmd.Context(), cmd, env, flags, args, func(s *settings) ([]stage.Stage, error) {
		log = s.log
		var err error
		if o, err = t.open(s.log); err != nil {
			return nil, err
		}
		return stages(o), nil
	})
	if errors.As(err, new(*backends.Error)) || errors.As(err, new(interrupted)) {
		sayTranslation(log, t, o, began) // what it has cost
	}
	return t.budgetHint(err)
}

// register is for curate translate and its steps: all take the same flags, so that one list of them serves all. The steps' own and
// those of stageFlags come behind.
func (t *translating) register(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.StringVar(&t.cfg.From, "from", "", "`CODE` of the language that the rows are in, such as en")
	fs.StringVar(&t.cfg.To, "to", "", "`CODE` of the language that they get, such as eu")
	fs.StringVar(&t.backend, "backend", "", "`NAME` of what translates: "+strings.Join(translateBackends, ", "))
	fs.StringVar(&t.openai.BaseURL, "base-url", "", "`URL` of the server, up to and with /v1")
	fs.StringVar(&t.openai.Model, "model", "", "`NAME` of the model (of the deployment, with --azure-version); the folder of a model in this process")
	fs.StringVar(&t.keyEnv, "api-key-env", defaultKeyEnv, "`NAME` of the environment variable with the key; it is in no output and no message")
	fs.StringArrayVar(&t.dirs, "memory-dir", nil, "`DIR` of the translation memory, which is made if need be; memories in folders of it, as ranks leave them, are read, too. May be repeated: what is in the others is only read")
	fs.StringSliceVar(&t.tms, "tm", nil, "`FILES` of parallel texts ({\"en\":…,\"eu\":…} or {\"source\":…,\"target\":…}) or exported memories that are used before anybody is asked")
	fs.StringSliceVar(&t.corrections, "corrections", nil, "`FILES` of the same kind whose translations win over all others")
	fs.StringVar(&t.cfg.Rows.Schema, "schema", "", "`NAME` of the rows' schema, instead of recognising each row: "+strings.Join(rows.Names(), ", "))
	fs.StringArrayVar(&t.cfg.Rows.Fields, "fields", nil, "`POINTER` to texts, such as /messages/*/content; may be repeated; no schema is looked for then")
	fs.BoolVar(&t.cfg.Rows.ToolDescriptions, "tool-descriptions", false, "translate the descriptions in tools, too")
	fs.BoolVar(&t.cfg.Rows.ToolResults, "tool-results", false, "and what tools have answered")
	fs.StringVar(&t.cfg.OnFail, "on-fail", translate.OnFailQuarantine, "what becomes of a row that could not be translated: quarantine, or keep-source, which lets it through as it is and says so in it")
	fs.BoolVar(&t.cfg.KeepSource, "keep-source", false, "write the source texts into the rows, under \"curate\"")
	fs.StringArrayVar(&t.tasks, "task", nil, "`TASK=ACTION` for rows bound to the source language; actions: "+strings.Join(translate.Actions, ", ")+"; default copy for language-id and translation, drop for the others")

	fs.StringVar(&t.openai.Mode, "prompt", "chat", "`MODE`: chat (JSON in and out, several segments a request), plain (one segment, text in and out, for small models), completions (examples, for base models)")
	fs.StringVar(&t.openai.Structured, "structured", "auto", "`WHEN` a JSON schema for answers is sent: auto, on, off")
	fs.StringVar(&t.system, "system-prompt", "", "`FILE` with the instructions for the model, instead of the built-in ones")
	fs.StringVar(&t.shots, "shots", "", "`FILE` of examples, {\"source\":…,\"target\":…} a line, instead of the built-in ones")
	fs.StringVar(&t.body, "body", "", "`JSON` object of more fields for each request, such as {\"top_k\":1}")
	fs.StringVar(&t.openai.AzureVersion, "azure-version", "", "`VERSION` of the API of an Azure deployment")
	fs.IntVar(&t.openai.MaxSegments, "segments-per-request", 0, "`N` at most; default 20")
	fs.IntVar(&t.openai.MaxTokens, "tokens-per-request", 0, "`N` source tokens at most; default 1500")
	fs.StringVar(&t.command.Line, "command", "", "`COMMAND` line of the backend command; it answers each line at once, as sed -u and python3 -u do")
	fs.StringVar(&t.command.Engine, "command-name", "", "`NAME` by which the memory knows the command; default a digest of the line")
	fs.IntVar(&t.command.Processes, "processes", 0, "`N` of the command at a time; default 1")
	t.computed.flags(fs)
	fs.StringVar(&t.fallback, "fallback-command", "", "`COMMAND` that is asked for what the backend cannot do")

	fs.DurationVar(&t.policy.Timeout, "timeout", 0, "`TIME` for an answer, such as 90s; default a minute, more for long ones; five for up to 32 lines of a command")
	fs.IntVar(&t.policy.Retries, "retries", 5, "`N` times that a request is repeated which failed for a reason that may pass; 0 is never")
	fs.IntVar(&t.policy.MaxConcurrency, "max-concurrency", 0, "`N` requests at a time at most; default 64")
	fs.Int64Var(&t.policy.MaxRequests, "max-requests", 0, "`N` requests in one run, which then ends with exit code 1; the same command goes on; 0 is no limit")
	fs.Int64Var(&t.policy.MaxTokens, "max-tokens", 0, "`N` tokens, in and out, likewise")
	fs.Float64Var(&t.policy.MaxCost, "max-cost", 0, "`COST` in the currency of the prices, likewise")
	fs.Float64Var(&t.policy.PriceIn, "price-in", 0, "`PRICE` of a million tokens in")
	fs.Float64Var(&t.policy.PriceOut, "price-out", 0, "`PRICE` of a million tokens out")
	fs.Float64Var(&t.policy.PriceCached, "price-cached", -1, "`PRICE` of a million tokens in that the server had cached; default that of the others")

	fs.IntVar(&t.cfg.MaxAttempts, "max-attempts", translate.DefaultMaxAttempts, "`N` requests for one segment at most")
	fs.StringVar(&t.cfg.Placeholder, "placeholder", "", "`FORM` in which masks are sent first: "+formNames()+"; "+protect.Aligned().Name+" (a model in this process): they are not sent, and put back where the words beside them went")
	fs.BoolVar(&t.cfg.Numbers, "mask-numbers", false, "mask numbers of two digits and more, for models that change them")
	fs.BoolVar(&t.cfg.Sentences, "sentences", false, "ask for each sentence alone, for models that know no more (always with --backend command)")
	fs.StringVar(&t.glossary, "glossary", "", "`FILE` of terms: TERM, TAB, TRANSLATION a line; a TERM alone stays as it is")
	fs.StringVar(&t.calibration, "calibration", "", "`FILE` that curate translate calibrate has written: the form of placeholders and the checks' thresholds")
	fs.StringVar(&t.profile, "checks", "", "`FILE` of thresholds; default those of the pair of languages, or general ones")
	fs.StringVar(&t.judge, "judge", "", "`NAME` of who scores translations from 0 to 1: "+strings.Join(translateJudges, ", "))
	fs.StringVar(&t.judgeURL, "judge-at", "", "`URL` of the judge, or the command that translates back; llm: default --base-url")
	fs.StringVar(&t.judgeModel, "judge-model", "", "`NAME` of the judge's model; default --model")
	fs.Float64Var(&t.cfg.MinScore, "min-score", 0, "`SCORE` below which a translation is refused")
	fs.BoolVar(&t.cfg.RetryFailed, "retry-failed", false, "ask again for segments that an earlier run has given up")
	tasks := []string{}
	for _, task := range check.TaskNames() {
		for _, action := range translate.Actions {
			tasks = append(tasks, task+"="+action)
		}
	}
	completeFlags(cmd, map[string][]string{
		"task": tasks, "placeholder": append(strings.Fields(formNames()), protect.Aligned().Name), "precision": localPrecisions,
		"backend": translateBackends, "schema": rows.Names(), "prompt": {"chat", "completions", "plain"}, "structured": {"auto", "off", "on"},
		"on-fail": {translate.OnFailKeepSource, translate.OnFailQuarantine}, "judge": translateJudges,
	})
}

// adapt says of flags that all stages have what they are to rows.
func (t *translating) adapt(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.Lookup("annotate").Usage = "write backend, checks and attempts into every row, under \"curate\", and drop nothing"
	fs.Lookup("split-size").Usage = "`SIZE` of input that becomes one part, 1MiB by default; a killed run redoes it from the memory"
	fs.Lookup("split-size").DefValue = ""
	fs.Lookup("text-field").Usage = "`PATH` of the key that lines of text get, if they are not to be \"text\"; with --fields"
}

// completeFlags lets a shell offer the values that flags take.
func completeFlags(cmd *cobra.Command, values map[string][]string) {
	for flag, list := range values {
		_ = cmd.RegisterFlagCompletionFunc(flag, func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return list, cobra.ShellCompDirectiveNoFileComp
		}) // it fails only for a flag that is not there
	}
}

// translateRecordCost: the line, its texts, their segments and masks, their translations, and the line made of these.
const translateRecordCost = 24

func formNames() string {
	var names []string
	for _, f := range protect.Forms() {
		names = append(names, f.Name)
	}
	return strings.Join(names, " ")
}

// wrapList writes names for a help text of 100 columns.
func wrapList(names []string) string {
	var b strings.Builder
	width := 0
	for i, n := range names {
		if i > 0 {
			b.WriteString(",")
			if width++; width+1+len(n) > 96 {
				b.WriteString("\n")
				width = 0
			} else {
				b.WriteString(" ")
				width++
			}
		}
		b.WriteString(n)
		width += len(n)
	}
	return b.String()
}

// liveLine is what the progress says beside records.
func liveLine(t *translating, o *opened, began time.Time) string {
	if o == nil || o.Stage == nil || o.stats == nil {
		return ""
	}
	s, done := o.stats(), o.Settled()
	line := fmt.Sprintf(", %.1f segments/s, %d requests, %d in flight of %d", float64(done)/max(time.Since(began).Seconds(), 1e-3), s.Requests, s.InFlight, s.Limit)
	if t.backend == "command" && s.Requests == 0 && time.Since(began) > 5*time.Second {
		return line + "; the command has not answered yet: it must answer each line at once (sed -u, python3 -u)"
	}
	return line + costLine(s.Cost, t.policy)
}

// sayCounts says what the stage has counted.
func sayCounts(log *slog.Logger, c *pipeline.Counts, t *translating, o *opened) {
	for _, s := range c.Stages {
		n := s.Tallies
		switch s.Name {
		case "translate", "fetch":
		case "segments":
			saySegments(log, n, t)
			continue
		default:
			continue
		}
		if s.Name == "translate" && n[translate.TallySegments] == 0 && n[translate.TallyCopied] == 0 && c.Kept > 0 {
			log.Warn("no text was found in any row: all are as they were; look at --schema and --fields")
		}
		if t.dry {
			total, distinct, known := n[translate.TallySegments], n[translate.DryDistinct], n[translate.DryKnown]
			msg := fmt.Sprintf("%s segments, %s distinct (%.1f %%), of them %s known; to ask for: %s, about %s tokens in and as many out",
				human.Thousands(total), human.Thousands(distinct+known), percent(distinct+known, total), human.Thousands(known), human.Thousands(distinct), human.Thousands(n[translate.DryTokens]))
			log.Info(msg + t.guess(n[translate.DryTokens]))
			continue
		}
		spent := s.Spent
		line := fmt.Sprintf("%s segments, %s of them known", human.Thousands(n[translate.TallySegments]), human.Thousands(spent[translate.TallyKnown]))
		for _, g := range []struct{ word, prefix string }{{"accepted", translate.TallyRung}, {"given up", translate.TallyFailed}, {"noted", translate.TallyNoted}, {"tasks", translate.TallyTask}} {
			if names, counts := translate.Counters(n, g.prefix); len(names) > 0 {
				var list []string
				for _, name := range names {
					list = append(list, name+" "+human.Thousands(counts[name]))
				}
				line += "; " + g.word + ": " + strings.Join(list, ", ")
			}
		}
		if left := n[translate.TallyCopied] + n[translate.TallyKept]; left > 0 {
			line += fmt.Sprintf("; %s left in their language: %d could not be translated, %d by --task", plural(int(left), "row", "rows"), n[translate.TallyKept], n[translate.TallyCopied])
		}
		log.Info(line)
		if all := spent[translate.TallyRequests]; o.stats != nil && all > o.stats().Requests {
			log.Info(fmt.Sprintf("for these rows, with judge, fallback and earlier runs: %s requests, %s tokens in, %s out%s", human.Thousands(all),
				human.Thousands(spent[translate.TallyPrompt]), human.Thousands(spent[translate.TallyOutput]), costLine(spent[translate.TallyCost], t.policy)))
		}
	}
}

// saySegments says what there is to ask for.
func saySegments(log *slog.Logger, n map[string]int64, t *translating) {
	all, known, own := n[translate.TallySegments], n[translate.TallyKnown], n[translate.TallyOwn]
	log.Info(fmt.Sprintf("%s segments in rows, %s of them known; distinct ones to ask for: %s (%.1f %% of the rest are repeated), with %s characters, about %s tokens in and as many out; requests: %s%s",
		human.Thousands(all), human.Thousands(known), human.Thousands(own), percent(all-known-own, all-known), human.Thousands(n[translate.TallyCharacters]), human.Thousands(n[translate.TallyTokens]), human.Thousands(n[translate.TallyAsked]), t.guess(n[translate.TallyTokens])))
}

// guess is what so many tokens cost, in and out.
func (t *translating) guess(tokens int64) string {
	if t.policy.PriceIn == 0 && t.policy.PriceOut == 0 {
		return ""
	}
	return fmt.Sprintf(", cost about %.2f without prompts and repetitions", float64(tokens)/1e6*(t.policy.PriceIn+t.policy.PriceOut))
}

func percent(n, of int64) float64 {
	if of == 0 {
		return 0
	}
	return 100 * float64(n) / float64(of)
}
