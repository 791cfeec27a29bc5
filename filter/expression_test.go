package filter

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"curate/record"
)

var testSignals = []string{"mean_word_length", "sentences", "top_4_gram", "words"}

func parsedRecord(t testing.TB, line string) *record.Record {
	t.Helper()
	b := &record.Batch{}
	b.Append(1, 1, []byte(line))
	b.Parse()
	r := &b.Records[0]
	if r.Outcome != record.Keep {
		t.Fatal(r.Err)
	}
	return r
}

const licensed = `{"id":"a","text":"ab","license":null,"source":"wiki","url":"https://eu.example/1","n":5,"ok":true,"words":"field",` +
	`"meta":{"license":"cc-by","year":2021,"tags":["x","y"],"a.b":{"c":1},"empty":"","n":[1,3.0,0.5]},"esc":"a\"b"}`

// TestExpressions asks each expression about one record; words is 120, mean_word_length 4.5, sentences 0, and
// top_4_gram does not apply.
func TestExpressions(t *testing.T) {
	for _, c := range []struct {
		expression string
		want       string // true, false, or part of the error of an evaluation
	}{
		{`meta.license in ["cc0", "cc-by"] && words > 100`, "true"},
		{`meta.license in ["cc0", "cc-by"] && words > 120`, "false"},
		{`words >= 120 and words == 120`, "true"},
		{`words / 2 == 60 and words - 1 > 118`, "true"},
		{`mean_word_length * 2 == 9.0`, "true"},
		{`source == "wiki"`, "true"},
		{`source != "wiki"`, "false"},
		{`url startsWith "https://eu." and url contains "example"`, "true"},
		{`url matches "^https://[a-z]+\\.example/"`, "true"},
		{`license == nil`, "true"},             // JSON's null
		{`licence == nil`, "true"},             // no such field
		{`meta.nothing.at.all == nil`, "true"}, // at any depth
		{`source.below == nil`, "true"},        // below a text
		{`meta?.license == "cc-by"`, "true"},   // as people who know the language write it
		{`meta["license"] == "cc-by"`, "true"}, //
		{`record.words == "field"`, "true"},    // a field with the name of a signal
		{`record["words"] == "field"`, "true"}, //
		{`record.meta["a.b"].c == 1`, "true"},  //
		{`meta["a.b"]["c"] == 1`, "true"},      //
		{`record["meta"].year in [2020, 2021]`, "true"},
		{`meta.year in 2000..2030`, "true"},
		{`meta.year == 2021.0 and meta.year % 2 == 1`, "true"},
		{`meta.year in ["2021"]`, "false"}, // kinds are kept apart
		{`license in ["", "x"]`, "false"},  // nil is no text
		{`license in [nil, "x"]`, "true"},
		{`license not in ["cc0"]`, "true"},
		{`n in [-5, 5.0]`, "true"},
		{`ok in [true]`, "true"},
		{`all(meta.n, # == 0.5 or # % 2 == 1)`, "true"},
		{`ok`, "true"},
		{`!ok`, "false"},
		{`not ok or words > 3`, "true"},
		{`license`, "false"}, // nil does not hold
		{`license contains "cc"`, "false"},
		{`license matches "cc"`, "false"},
		{`(license ?? "none") == "none"`, "true"},
		{`(meta.score ?? 0) > 3`, "false"},
		{`"x" in meta.tags`, "true"},
		{`any(meta.tags, # == "y")`, "true"},
		{`len(meta.tags) == 2 and all(meta.tags, len(#) == 1)`, "true"},
		{`esc == "a\"b"`, "true"},
		{`meta.empty == ""`, "true"},
		{`lower(source) == "wiki" ? words > 1 : false`, "true"},
		{`split(url, "/")[2] == "eu.example"`, "true"},
		{`len("ñandú") == 5`, "true"},
		// A signal that does not apply.
		{`top_4_gram > 0.1`, "false"},
		{`top_4_gram < 0.1`, "false"},
		{`top_4_gram <= 0.1 or top_4_gram == 0`, "false"},
		{`top_4_gram == nil`, "true"},
		{`nil == top_4_gram`, "true"},
		{`top_4_gram != nil`, "false"},
		{`words == nil`, "false"},
		{`words != nil`, "true"},
		{`(top_4_gram ?? 0) < 0.1`, "true"},
		{`(words ?? 0) == 120`, "true"},
		// Errors of an evaluation.
		{`meta.score > 3`, `column 12: `},
		{`license < "x"`, `column 9: `},
		{`words > 1 and source + 1 > 2`, `column 22: `},
		{`n && ok`, `column 3: `},
		{`n`, `bool(int)`},
		{`meta.tags[7] == "x"`, "index out of range"},
		{`len(license) > 0`, "column 1: "},
		{`any(license, # == 1)`, "column 1: "},
		{`count(1..1000000, # > 5) > 0`, "memory budget exceeded"},
	} {
		t.Run(c.expression, func(t *testing.T) {
			p, err := compileCondition(Condition{Name: "c", Expression: c.expression}, testSignals)
			if err != nil {
				t.Fatal(err)
			}
			e := newEvaluator()
			for range 2 { // the second with what is left of the first
				e.setSignal("words", 120, true)
				e.setSignal("mean_word_length", 4.5, true)
				e.setSignal("sentences", 0, true)
				e.setSignal("top_4_gram", 0.5, false)
				got, err := e.eval(p, parsedRecord(t, licensed))
				if err != nil {
					if !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "; it is: "+c.expression) || !strings.HasPrefix(err.Error(), `expression "c": `) {
						t.Errorf("error %v", err)
					}
					if !errors.As(err, new(*ExpressionError)) {
						t.Errorf("%T", err)
					}
					continue
				}
				if fmt.Sprint(got) != c.want {
					t.Errorf("%v, want %s", got, c.want)
				}
			}
		})
	}
}

// TestBadExpressions are refused before anything runs.
func TestBadExpressions(t *testing.T) {
	for _, c := range []struct{ expression, want string }{
		{`word > 100`, `column 1: no signal is called "word"; did you mean "words"? A field of the record with this name is record.word`},
		{`ok and wrods > 100`, `column 8: no signal is called "wrods"; did you mean "words"`},
		{`words > "a"`, `mismatched types float64 and string`},
		{`words > `, `column`},
		{`words + 1`, `expected bool, but got float64`},
		{`words.x == 1`, `"words" is a signal, a number; the field of this name is record.words`},
		{`now() > 1`, `column 1: no function is called "now"`},
		{`date("2020-01-01") > 1`, `no function is called "date"`},
		{`repeat(source, 1000000) == "x"`, `no function is called "repeat"`},
		{`reduce(meta.tags, # + 1, 0) == 1`, `no function is called "reduce"`},
		{`lenn(source) > 1`, `did you mean "len"?`},
		{`meta.tags.pop() == 1`, `no function is called "meta.tags.pop"`},
		{`$env.words == 1`, `$env is not possible here`},
		{`record[source] == 1`, `takes the name of a field in quotes`},
		{`let x = 1; x == 1`, `let is not possible`},
		{`words > 1; words > 2`, `an expression is one`},
		{`source matches meta.pattern`, `the pattern of matches is a text in quotes`},
		{`source matches "("`, `missing closing )`},
		{`any(meta.tags, any(meta.tags, # == "x"))`, `a predicate inside a predicate`},
		{`any(meta.tags, # in meta.other)`, `in a list of the record inside a predicate`},
		{strings.Repeat("words > 1 and ", 400) + "true", "more than 4096 bytes"},
		{strings.Repeat("1+", 1500) + "1 == 2", "exceeds maximum allowed nodes"},
		{`record == 1`, `record is the whole record`},
		{``, `unexpected`},
	} {
		_, err := compileCondition(Condition{Name: "c", Expression: c.expression}, testSignals)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.60q: error %v, want %s", c.expression, err, c.want)
		}
	}
}

// TestExpressionNeeds: only what a program asks for is looked at.
func TestExpressionNeeds(t *testing.T) {
	p, err := compileCondition(Condition{Name: "c", Expression: `words > 1 and meta.a.b == "x" and source == nil and top_4_gram == nil and record["x.y"].z != 1`}, testSignals)
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(p.signals, p.fields); got != `[top_4_gram words] [meta.a.b source x\.y.z]` {
		t.Error(got)
	}
}

// TestExpressionCost: a list of a record as long as may be costs no more than a moment, a longer one is refused.
func TestExpressionCost(t *testing.T) {
	p, err := compileCondition(Condition{Name: "c", Expression: `any(meta.tags, # == "z") or "z" in meta.tags`}, testSignals)
	if err != nil {
		t.Fatal(err)
	}
	e := newEvaluator()
	list := `{"meta":{"tags":[` + strings.Repeat(`"a",`, expressionValue/4-2) + `"a"]}}`
	if got, err := e.eval(p, parsedRecord(t, list)); got || err != nil {
		t.Error(got, err)
	}
	list = `{"meta":{"tags":[` + strings.Repeat(`"a",`, expressionValue/4) + `"a"]}}`
	if _, err := e.eval(p, parsedRecord(t, list)); err == nil || !strings.Contains(err.Error(), `field "meta.tags" has 65541 bytes`) {
		t.Error(err)
	}
}

func FuzzExpression(f *testing.F) {
	f.Add(`meta.license in ["cc0", "cc-by"] && words > 100`, licensed)
	f.Add(`any(meta.tags, len(#) > 1) ? (n ?? 3) > 2 : split(url, "/")[0] == nil`, `{"n":1e400,"url":"a"}`)
	f.Add(`record["a.b"]?.c matches "x" or top_4_gram == nil`, `{"a.b":{"c":"x"}}`)
	f.Fuzz(func(t *testing.T, expression, line string) {
		p, err := compileCondition(Condition{Name: "c", Expression: expression}, testSignals)
		if err != nil {
			return
		}
		b := &record.Batch{}
		b.Append(1, 1, []byte(line))
		b.Parse()
		r := &b.Records[0]
		if r.Outcome != record.Keep {
			return
		}
		e := newEvaluator()
		for _, s := range testSignals {
			e.setSignal(s, 1, s != "top_4_gram")
		}
		began := time.Now()
		one, errOne := e.eval(p, r)
		two, errTwo := e.eval(p, r)
		if one != two || (errOne == nil) != (errTwo == nil) {
			t.Errorf("asked twice: %v, %v; %v, %v", one, errOne, two, errTwo)
		}
		if d := time.Since(began); d > 20*time.Second {
			t.Errorf("took %v", d)
		}
	})
}

func BenchmarkExpression(b *testing.B) {
	for name, expression := range map[string]string{
		"fields and signal": `meta.license in ["cc0", "cc-by"] && words > 100`,
		"field":             `license == nil`,
		"long":              `source == "wiki" and url startsWith "https://" and (meta.year ?? 0) > 2000 and any(meta.tags, # == "y") and mean_word_length < 12`,
	} {
		b.Run(name, func(b *testing.B) {
			p, err := compileCondition(Condition{Name: "c", Expression: expression}, testSignals)
			if err != nil {
				b.Fatal(err)
			}
			e, r := newEvaluator(), parsedRecord(b, licensed)
			b.ReportAllocs()
			for i := range b.N {
				e.setSignal("words", float64(i), true)
				e.setSignal("mean_word_length", 4.5, true)
				if _, err := e.eval(p, r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
