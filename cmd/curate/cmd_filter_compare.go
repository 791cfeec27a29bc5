package main

import (
	"bytes"
	"fmt"
	"io"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"

	"curate/corpus/parquet"
	"curate/filter"
	"curate/record"
)

func newFilterCompare(env environment) *cobra.Command {
	var textField, idField, out string
	var examples int
	var asJSON, signals bool
	cmd := &cobra.Command{
		Use:   "compare A B [INPUT…]",
		Short: "Say which documents two profiles decide about differently, and why",
		Long: `Say which documents change between two profiles, A and B, and why: how many both keep, one alone keeps and
none keeps; what the reasons are under A and under B where they differ; and examples of each, with the signal
that decided, its value and the threshold.

With --signals the INPUT is sidecars of curate filter --signals, and no text is read.

` + inputHelp,
		Example: `  curate filter compare basque mine.yaml pages.eu.jsonl.zst
  curate filter compare gopher strict.yaml --signals signals.parquet --json`,
		Args: func(_ *cobra.Command, args []string) error {
			switch len(args) {
			case 0:
				return fmt.Errorf("profiles A and B are missing: two profiles are compared, as in curate filter compare A B [INPUT…]")
			case 1:
				return fmt.Errorf("profile B is missing: %q is A, and two profiles are compared, as in curate filter compare A B [INPUT…]", args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := notEmpty(cmd, "output", "text-field", "id-field"); err != nil {
				return err
			}
			if examples < 0 {
				return usage("--examples %d: 0 or more", examples)
			}
			field, err := record.ParsePath(textField)
			if err != nil {
				return usage("--text-field: %v", err)
			}
			cfg := filterConfig(cmd.Context(), field)
			if cfg.IDField, err = record.ParsePath(idField); err != nil {
				return usage("--id-field: %v", err)
			}
			x := comparing{signals: signals, textField: cfg.TextField.Names()[0], idField: cfg.IDField}
			x.sum.Examples = examples
			for i, name := range args[:2] {
				x.names[i] = name
				if x.filters[i], err = filterNamed(name, cfg); err != nil {
					return usage("%v", err)
				}
			}
			inputs, err := inputsOr(env.stdin, args[2:], "the documents are")
			if err != nil {
				return err
			}
			if err := x.run(cmd, env, inputs); err != nil {
				return err
			}
			var b []byte
			if asJSON {
				b, err = x.json()
			} else {
				b = x.text()
			}
			if err != nil {
				return err
			}
			if out != "" && out != "-" {
				return writeWhole(cmd.Context(), out, func(w io.Writer) error { _, err := w.Write(b); return err })
			}
			_, err = env.stdout.Write(b)
			return err
		},
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.BoolVar(&signals, "signals", false, "the INPUT is sidecars (curate filter --signals), not text")
	fs.BoolVar(&asJSON, "json", false, "write JSON instead of a table")
	fs.IntVar(&examples, "examples", 3, "`N` examples of each change, at most")
	fs.StringVarP(&out, "output", "o", "", "`PATH` of the result; default standard output")
	fs.StringVar(&textField, "text-field", "text", "dotted `PATH` of the text in a record")
	fs.StringVar(&idField, "id-field", "id", "dotted `PATH` of the id that an example is shown with, if the record has one")
	return cmd
}

// comparing is a comparison of two profiles.
type comparing struct {
	signals     bool
	textField   string
	idField     record.Path
	names       [2]string
	filters     [2]*filter.Filter
	sum         filter.Comparing
	quarantined int64
}

func (x *comparing) run(cmd *cobra.Command, env environment, inputs []string) error {
	if x.signals {
		return x.sidecars(cmd, env, inputs)
	}
	a, b := x.filters[0].NewDecider(), x.filters[1].NewDecider()
	l := looking{maxRecord: lookRecord, textField: x.textField, bad: func(string, *record.Record) error { x.quarantined++; return nil }}
	return l.each(cmd.Context(), env.stdin, inputs, func(file string, r *record.Record) error {
		ga, err := a.Record(r)
		if err != nil {
			x.quarantined++
			return nil
		}
		gb, err := b.Record(r)
		if err != nil {
			return err // the text is the same
		}
		x.sum.Add(ga, gb, func() string {
			if id, ok := r.Value(x.idField); ok && id[0] != '{' && id[0] != '[' && len(id) < 1<<10 {
				return shownID(id)
			}
			return fmt.Sprintf("%s:%d", file, r.LineNo)
		})
		return nil
	})
}

// shownID is an id without the quotes of JSON.
func shownID(id []byte) string {
	var s string
	if json.Unmarshal(id, &s) == nil {
		return s
	}
	return string(id)
}

func (x *comparing) sidecars(cmd *cobra.Command, env environment, inputs []string) error {
	var d [2]*decider
	var names []string
	for i, f := range x.filters {
		var err error
		if d[i], err = newDecider(f); err != nil {
			return usage("%v", err)
		}
		names = d[i].reads(names)
	}
	return eachSignals(cmd.Context(), env.stdin, inputs, names, nil, func(rows *signalRows) error {
		var first [2][]int32
		for i := range d {
			var err error
			if first[i], err = d[i].decide(rows); err != nil {
				return err
			}
		}
		for i := range rows.n {
			if first[0][i] == quarantinedRow {
				x.quarantined++
				continue
			}
			var g [2]filter.Grounds
			for k := range g {
				var signal int
				if g[k], signal = d[k].t.Grounds(first[k][i]); signal >= 0 {
					g[k].Value = d[k].values[signal][i]
				}
			}
			x.sum.Add(g[0], g[1], func() string {
				if id := rows.ids.Of(i); len(id) > 0 {
					return shownID(id)
				}
				if id := rows.records[i]; id != parquet.NoInt {
					return "record " + strconv.FormatInt(id, 10)
				}
				return fmt.Sprintf("%s:%d", rows.file, rows.first+int64(i)+1)
			})
		}
		return nil
	})
}

// verdictName is a decision in words.
func verdictName(name string) string {
	if name == "" {
		return "keep"
	}
	return name
}

func (x *comparing) text() []byte {
	d := x.sum.Differences()
	var b bytes.Buffer
	wide := max(len(x.names[0]), len(x.names[1])) + len(" keeps it")
	fmt.Fprintf(&b, "%s\n\n", count(d.Documents, "document"))
	fmt.Fprintf(&b, "%*s  %15s  %15s\n", wide, "", x.names[1]+" keeps", "drops")
	fmt.Fprintf(&b, "%*s  %15d  %15d\n", wide, x.names[0]+" keeps", d.BothKeep, d.OnlyA)
	fmt.Fprintf(&b, "%*s  %15d  %15d\n", wide, "drops", d.OnlyB, d.BothDrop)
	if x.quarantined > 0 {
		fmt.Fprintf(&b, "\n%s without text or signals: not looked at\n", count(x.quarantined, "record"))
	}
	if len(d.Changes) == 0 {
		b.WriteString("\nno document changes\n")
	}
	for _, c := range d.Changes {
		fmt.Fprintf(&b, "\n%d: %s -> %s\n", c.Documents, verdictName(c.A), verdictName(c.B))
		for _, e := range c.Examples {
			fmt.Fprintf(&b, "  %s", e.ID)
			for i, g := range []filter.Grounds{e.A, e.B} {
				if g.Signal != "" {
					fmt.Fprintf(&b, "; %s: %s %s %s", x.names[i], g.Signal, shownValue(g.Value), g.Condition())
				}
			}
			b.WriteByte('\n')
		}
	}
	return b.Bytes()
}

func shownValue(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// jsonGrounds are grounds in JSON.
type jsonGrounds struct {
	Verdict   string   `json:"verdict"`
	Rule      string   `json:"rule,omitempty"`
	Reason    string   `json:"reason,omitempty"`
	Signal    string   `json:"signal,omitempty"`
	Value     *float64 `json:"value,omitempty"`
	Compare   string   `json:"compare,omitempty"`
	Threshold *float64 `json:"threshold,omitempty"`
}

func groundsJSON(g filter.Grounds) jsonGrounds {
	if g.Kept() {
		return jsonGrounds{Verdict: "keep"}
	}
	j := jsonGrounds{Verdict: "drop", Rule: g.Rule, Reason: g.Reason, Signal: g.Signal, Compare: string(g.Compare)}
	if g.Signal != "" {
		j.Value, j.Threshold = &g.Value, &g.Threshold
	}
	return j
}

func (x *comparing) json() ([]byte, error) {
	d := x.sum.Differences()
	type example struct {
		ID string      `json:"id"`
		A  jsonGrounds `json:"a"`
		B  jsonGrounds `json:"b"`
	}
	type change struct {
		A         string    `json:"a"`
		B         string    `json:"b"`
		Documents int64     `json:"documents"`
		Examples  []example `json:"examples"`
	}
	result := struct {
		A           string   `json:"a"`
		B           string   `json:"b"`
		Documents   int64    `json:"documents"`
		BothKeep    int64    `json:"both_keep"`
		OnlyA       int64    `json:"only_a"`
		OnlyB       int64    `json:"only_b"`
		BothDrop    int64    `json:"both_drop"`
		Quarantined int64    `json:"quarantined"`
		Changes     []change `json:"changes"`
	}{x.names[0], x.names[1], d.Documents, d.BothKeep, d.OnlyA, d.OnlyB, d.BothDrop, x.quarantined, []change{}}
	for _, c := range d.Changes {
		to := change{verdictName(c.A), verdictName(c.B), c.Documents, []example{}}
		for _, e := range c.Examples {
			to.Examples = append(to.Examples, example{e.ID, groundsJSON(e.A), groundsJSON(e.B)})
		}
		result.Changes = append(result.Changes, to)
	}
	b, err := json.Marshal(result, json.Deterministic(true), jsontext.WithIndent("  "))
	return append(b, '\n'), err
}
