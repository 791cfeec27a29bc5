package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"

	"curate/record"
	"curate/translate/check"
	"curate/translate/protect"
	"curate/translate/rows"
	"curate/translate/score"
)

// evaluation is what curate translate eval prints.
type evaluation struct {
	Rows     int              `json:"rows"`     // that both have
	Missing  int              `json:"missing"`  // of the reference's rows, those that are not in the translation
	Extra    int              `json:"extra"`    // of the translation's, those that are not in the reference
	Repeated int              `json:"repeated"` // ids of the reference that several rows have, here or there: nothing says which belong together
	Lacking  int              `json:"lacking"`  // rows of the translation that --baseline does not have
	Segments int              `json:"segments"` // texts that were compared
	Unpaired int              `json:"unpaired"` // texts of the reference that the same row of the translation, or of --baseline, lacks
	Scores   []evalScore      `json:"scores"`
	Checks   map[string]rate  `json:"checks,omitempty"` // with --source: how many texts each signal finds fault with
	Versus   []evalComparison `json:"versus,omitempty"` // with --baseline
}

type evalScore struct {
	Metric    string  `json:"metric"`
	Score     float64 `json:"score"` // 0 to 100
	Signature string  `json:"signature"`
}

type rate struct {
	Hard  int     `json:"hard"`
	Soft  int     `json:"soft"`
	Share float64 `json:"share"` // of the texts, both
}

type evalComparison struct {
	Metric     string  `json:"metric"`
	Score      float64 `json:"score"`
	Baseline   float64 `json:"baseline"`
	CI95       float64 `json:"ci95"` // half the width, around the mean of the resamples
	BaselineCI float64 `json:"baseline_ci95"`
	P          float64 `json:"p"`
	Samples    int     `json:"samples"`
}

func newTranslateEval(env environment) *cobra.Command {
	var (
		t                              translationEval
		ref, source, baseline, idField string
		schema                         string
		fields                         []string
		asJSON                         bool
	)
	cmd := &cobra.Command{
		Use:   "eval --ref REFERENCE [TRANSLATION…]",
		Short: "Score translated rows against a reference: BLEU, chrF, chrF++",
		Long: `Score translated rows against the same rows in a reference, matched by their ids: BLEU, chrF and chrF++ as
sacrebleu computes them, a text of a row being a segment. Rows that only one side has are counted and not
scored, and neither are rows whose id is not theirs alone: a translation that lost its hard rows looks
better than it is. Rows that stayed in the source's language are scored as they are.

With --source, the checks of curate translate say how many texts they find fault with; with --baseline,
paired bootstrap resampling compares with another translation, and all scores are of the texts that both
translations have.

Score rows that neither the model nor the memory has seen. TRANSLATION is files, directories or globs; none
or - is standard input.`,
		Example: `  curate translate eval --ref instruct.eu-reference.jsonl.zst instruct.eu/
  curate translate eval --ref reference.jsonl --source instruct.en.jsonl --from en --to eu --baseline other.jsonl --json mine.jsonl`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if ref == "" {
				return usage("--ref is missing: the rows to compare with")
			}
			if source != "" && (t.from == "" || t.to == "") {
				return usage("--source needs --from and --to: the checks go by the languages")
			}
			if t.samples < 1 {
				return usage("--samples %d: at least 1", t.samples)
			}
			t.reference, t.source, t.baseline = []string{ref}, given(source), given(baseline)
			args, err := inputsOr(env.stdin, args, "the translation is")
			if err != nil {
				return err
			}
			id, err := record.ParsePath(idField)
			if err != nil {
				return usage("--id-field: %v", err)
			}
			reader, err := rows.New(rows.Options{Schema: schema, Fields: fields})
			if err != nil {
				return usage("translate eval: %v", err)
			}
			t.evaluator, t.translation = evaluator{reader: reader, id: id}, args
			result, err := t.run(cmd.Context(), env.stdin)
			if err != nil {
				return err
			}
			if asJSON {
				b, err := result.json()
				if err != nil {
					return err
				}
				_, err = cmd.OutOrStdout().Write(b)
				return err
			}
			_, err = io.WriteString(cmd.OutOrStdout(), result.text())
			return err
		},
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.StringVar(&ref, "ref", "", "`PATH` of the reference")
	fs.StringVar(&source, "source", "", "`PATH` of the rows before they were translated, for the checks")
	fs.StringVar(&baseline, "baseline", "", "`PATH` of another translation, for a comparison")
	fs.StringVar(&t.from, "from", "", "`CODE` of the source's language")
	fs.StringVar(&t.to, "to", "", "`CODE` of the translation's language")
	fs.StringVar(&schema, "schema", "", "`NAME` of the rows' schema, instead of recognising each row")
	fs.StringArrayVar(&fields, "fields", nil, "`POINTER` to texts, instead of a schema")
	fs.StringVar(&idField, "id-field", "id", "dotted `PATH` of a row's id")
	fs.IntVar(&t.samples, "samples", defaultSamples, "`N` resamples of the bootstrap")
	fs.Uint64Var(&t.seed, "seed", defaultSampleSeed, "`N` for the bootstrap")
	fs.BoolVar(&asJSON, "json", false, "print one JSON object")
	completeFlags(cmd, map[string][]string{"schema": rows.Names()})
	return cmd
}

// given is a list of what there is.
func given(path string) []string {
	if path == "" {
		return nil
	}
	return []string{path}
}

// Of the bootstrap, as sacrebleu's command has them.
const (
	defaultSamples    = 1000
	defaultSampleSeed = 12345
)

// translationEval is what is compared with what: files, directories or globs each; source and baseline may be nil.
type translationEval struct {
	evaluator
	translation, reference, source, baseline []string
	from, to                                 string
	samples                                  int
	seed                                     uint64
}

func (t *translationEval) run(ctx context.Context, stdin io.Reader) (*evaluation, error) {
	var err error
	read := func(inputs []string) (map[string][]string, []string) {
		if err != nil || inputs == nil {
			return nil, nil
		}
		var texts map[string][]string
		var order []string
		texts, order, err = t.texts(ctx, stdin, inputs)
		return texts, order
	}
	reference, order := read(t.reference)
	translation, _ := read(t.translation)
	source, _ := read(t.source)
	baseline, _ := read(t.baseline)
	if err != nil {
		return nil, err
	}
	return evaluate(order, reference, translation, source, baseline, t.from, t.to, t.samples, t.seed)
}

type evaluator struct {
	reader *rows.Reader
	id     record.Path
}

// texts are the texts of rows by id; a text is preceded by its JSON pointer and a NUL. An id that several rows have has none.
func (e *evaluator) texts(ctx context.Context, stdin io.Reader, inputs []string) (map[string][]string, []string, error) {
	texts := map[string][]string{}
	var order []string
	var row rows.Row
	err := eachRecord(ctx, stdin, inputs, func(file string, r *record.Record) error {
		id, ok := r.Value(e.id)
		if !ok {
			return fmt.Errorf("%s:%d: the row has no %q to know it by; --id-field names another field", file, r.LineNo, e.id)
		}
		key := string(id)
		if _, had := texts[key]; had {
			texts[key] = nil
			return nil
		}
		if err := e.reader.Read(r, &row); err != nil {
			return fmt.Errorf("%s:%d: %w", file, r.LineNo, err)
		}
		list := []string{}
		for _, n := range row.Nodes {
			list = append(list, n.Path+"\x00"+n.Text)
		}
		texts[key] = list
		order = append(order, key)
		return nil
	})
	return texts, order, err
}

// match finds the text at the place of want, "" and false if there is none.
func match(list []string, want string) (string, bool) {
	path := want[:indexNUL(want)+1]
	for _, t := range list {
		if len(t) >= len(path) && t[:len(path)] == path {
			return t[len(path):], true
		}
	}
	return "", false
}

func indexNUL(s string) int {
	for i := range len(s) {
		if s[i] == 0 {
			return i
		}
	}
	return len(s) - 1
}

func evaluate(order []string, reference, translation, source, baseline map[string][]string, from, to string, samples int, seed uint64) (*evaluation, error) {
	e := &evaluation{}
	metrics := score.Metrics()
	mine, others := make([][][]int64, len(metrics)), make([][][]int64, len(metrics))
	var checker *check.Checker
	if source != nil {
		var err error
		if checker, err = check.New(check.ProfileFor(from, to), nil); err != nil {
			return nil, err
		}
		e.Checks = map[string]rate{}
	}
	for _, id := range order {
		got, ok := translation[id]
		switch {
		case !ok:
			e.Missing++
			continue
		case got == nil || reference[id] == nil:
			e.Repeated++
			continue
		}
		if other, ok := baseline[id]; baseline != nil && !ok {
			e.Lacking++
			continue
		} else if baseline != nil && other == nil {
			e.Repeated++
			continue
		}
		e.Rows++
		for _, r := range reference[id] {
			hyp, ok := match(got, r)
			if !ok {
				e.Unpaired++
				continue
			}
			text := r[indexNUL(r)+1:]
			if baseline != nil {
				other, ok := match(baseline[id], r)
				if !ok {
					e.Unpaired++
					continue
				}
				for i, m := range metrics {
					others[i] = append(others[i], m.Segment(other, []string{text}))
				}
			}
			e.Segments++
			for i, m := range metrics {
				mine[i] = append(mine[i], m.Segment(hyp, []string{text}))
			}
			if src, ok := match(source[id], r); ok && checker != nil {
				masked := protect.Mask(src, protect.Options{})
				seen := map[string]bool{}
				for _, f := range checker.Segment(nil, check.Pair{From: from, To: to, Source: src, Target: hyp, Values: masked.Values}) {
					if seen[f.Check] || f.Check == "newline" {
						continue
					}
					seen[f.Check] = true
					k := e.Checks[f.Check]
					if f.Hard {
						k.Hard++
					} else {
						k.Soft++
					}
					e.Checks[f.Check] = k
				}
			}
		}
	}
	for id := range translation {
		if _, ok := reference[id]; !ok {
			e.Extra++
		}
	}
	if e.Segments == 0 {
		why := "do their ids match?"
		if e.Rows > 0 {
			why = "their rows have no key in common"
		} else if e.Repeated > 0 {
			why = fmt.Sprintf("%s several rows have; score one translation at a time", plural(e.Repeated, "id", "ids"))
		} else if e.Lacking > 0 {
			why = "the baseline has none of the rows"
		}
		return nil, fmt.Errorf("there is no text to compare: %s", why)
	}
	for name, k := range e.Checks {
		k.Share = math.Round(float64(k.Hard+k.Soft)/float64(e.Segments)*1e6) / 1e6
		e.Checks[name] = k
	}
	for i, m := range metrics {
		e.Scores = append(e.Scores, evalScore{m.Name(), m.Score(sums(mine[i])), m.Signature()})
		if baseline != nil {
			b := score.Paired(m, mine[i], others[i], samples, seed)
			e.Versus = append(e.Versus, evalComparison{m.Name(), b.A, b.B, b.CI95A, b.CI95B, b.P, b.Samples})
		}
	}
	return e, nil
}

func sums(list [][]int64) []int64 {
	sum := slices.Clone(list[0])
	for _, s := range list[1:] {
		for i, n := range s {
			sum[i] += n
		}
	}
	return sum
}

func (e *evaluation) json() ([]byte, error) {
	b, err := json.Marshal(e, json.Deterministic(true), jsontext.WithIndent("  "))
	return append(b, '\n'), err
}

func (e *evaluation) text() string {
	w := &strings.Builder{}
	fmt.Fprintf(w, "%s, %s", plural(e.Rows, "row", "rows"), plural(e.Segments, "text", "texts"))
	for _, not := range []struct {
		n         int
		one, many string
	}{
		{e.Missing, "row of the reference is missing", "rows of the reference are missing"},
		{e.Extra, "row is not in the reference", "rows are not in the reference"},
		{e.Lacking, "row is not in the baseline", "rows are not in the baseline"},
		{e.Repeated, "id that several rows have is left out", "ids that several rows have are left out"},
		{e.Unpaired, "text has no counterpart in its row", "texts have no counterpart in their rows"},
	} {
		if not.n > 0 {
			fmt.Fprint(w, "; ", plural(not.n, not.one, not.many))
		}
	}
	fmt.Fprintln(w)
	for _, s := range e.Scores {
		fmt.Fprintf(w, "%-7s %6.2f  %s\n", s.Metric, s.Score, s.Signature)
	}
	for _, v := range e.Versus {
		fmt.Fprintf(w, "%-7s %6.2f ± %.2f, baseline %.2f ± %.2f, p = %.4f (%d resamples)\n", v.Metric, v.Score, v.CI95, v.Baseline, v.BaselineCI, v.P, v.Samples)
	}
	var names []string
	for name := range e.Checks {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		k := e.Checks[name]
		fmt.Fprintf(w, "%-18s %6.2f %%  (refused %d, noted %d)\n", name, 100*k.Share, k.Hard, k.Soft)
	}
	return w.String()
}
