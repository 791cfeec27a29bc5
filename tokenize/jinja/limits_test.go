package jinja

import (
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

// hostile templates must end with an *Error, soon and without taking much memory.
func TestHostile(t *testing.T) {
	deep := `{% set ns = namespace(x=[]) %}{% for i in range(2000) %}{% set ns.x = [ns.x] %}{% endfor %}`
	wide := `{% set ns = namespace(x=[1]) %}{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}`
	tuples := `{% set ns = namespace(x=(1,)) %}{% for i in range(60) %}{% set ns.x = (ns.x, ns.x) %}{% endfor %}`
	mega := `{% set s = 'ab' * 500000 %}`
	for name, source := range map[string]string{
		"repeat":             `{{ 'a' * 10**9 }}`,
		"repeat big":         `{{ 'a' * 10**30 }}`,
		"repeat list":        `{{ [0] * 10**9 }}`,
		"repeat list twice":  `{% set l = [0] * 10**6 %}{{ l * 10**6 }}`,
		"power":              `{{ 10 ** (10 ** 10) }}`,
		"power of power":     `{{ 9 ** (9 ** (9 ** 9)) }}`,
		"print large":        `{{ 2 ** 20000 }}`,
		"square":             `{% set ns = namespace(x=3) %}{% for i in range(100) %}{% set ns.x = ns.x * ns.x %}{% endfor %}`,
		"loops":              `{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}`,
		"loops that write":   `{% for i in range(100000) %}{% for j in range(100000) %}` + strings.Repeat("x", 1000) + `{% endfor %}{% endfor %}`,
		"range":              `{{ range(10**7) }}`,
		"range far":          `{{ range(-9223372036854775807, 9223372036854775807) }}`,
		"recursion":          `{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}`,
		"recursion of two":   `{% macro m() %}{{ n() }}{% endmacro %}{% macro n() %}{{ m() }}{{ m() }}{% endmacro %}{{ m() }}`,
		"recursive loop":     `{% set l = [1] %}{% for i in l recursive %}{{ loop(l) }}{% endfor %}`,
		"tree of macros":     `{% macro m(n) %}{% if n > 0 %}{{ m(n-1) }}{{ m(n-1) }}{% endif %}{% endmacro %}{{ m(100) }}`,
		"doubling":           `{% set ns = namespace(s='x') %}{% for i in range(60) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}`,
		"doubling with +":    `{% set ns = namespace(s='x') %}{% for i in range(60) %}{% set ns.s = ns.s + ns.s %}{% endfor %}`,
		"doubling lists":     `{% set ns = namespace(s=[1]) %}{% for i in range(60) %}{% set ns.s = ns.s + ns.s %}{% endfor %}`,
		"doubling in a set":  `{% set s = 'x' %}` + strings.Repeat(`{% set s %}{{ s }}{{ s }}{% endset %}`, 60),
		"growing":            `{% set ns = namespace(s='x' * 1000) %}{% for i in range(100000) %}{% set ns.s = ns.s ~ 'x' %}{% endfor %}`,
		"deep print":         deep + `{{ ns.x }}`,
		"deep JSON":          deep + `{{ ns.x|tojson }}`,
		"deep equality":      deep + `{{ ns.x == [ns.x] }}`,
		"wide print":         wide + `{{ ns.x }}`,
		"wide JSON":          wide + `{{ ns.x|tojson }}`,
		"wide equality":      wide + `{% set a = ns.x %}` + strings.ReplaceAll(wide, "ns", "other") + `{{ a == other.x }}`,
		"wide order":         wide + strings.ReplaceAll(wide, "ns", "other") + `{{ ns.x < other.x }}`,
		"wide key":           tuples + `{{ {ns.x: 1} }}`,
		"wide unique":        tuples + `{{ [ns.x]|unique|list }}`,
		"join":               mega + `{{ s.join(s) }}`,
		"join filter":        mega + `{{ s|join(s) }}`,
		"replace":            mega + `{{ s.replace('a', s) }}`,
		"replace nothing":    mega + `{{ s|replace('', s) }}`,
		"center":             `{{ 'a'.center(10**9) }}`,
		"zfill":              `{{ 'a'.zfill(10**9) }}`,
		"tabs":               `{{ ('\t' * 1000).expandtabs(10**9) }}`,
		"printf width":       `{{ '%999999999d' % 1 }}`,
		"printf precision":   `{{ '%.999999999f' % 1 }}`,
		"printf star":        `{{ '%*d' % (10**9, 1) }}`,
		"printf many":        mega + `{{ ('%(s)s' * 10000) % {'s': s} }}`,
		"format width":       `{{ '{:999999999}'.format(1) }}`,
		"format of formats":  `{{ '{:{:{:{}}}}'.format(1, 2, 3, 4) }}`,
		"format many":        mega + `{{ ('{0}' * 10000).format(s) }}`,
		"indent":             mega + `{{ ('\n' * 100000)|indent(s) }}`,
		"indent width":       `{{ 'a'|indent(10**9, true) }}`,
		"JSON indent":        `{{ [1]|tojson(indent=10**9) }}`,
		"JSON indents":       mega + wide + `{{ ns.x|tojson(indent=s) }}`,
		"JSON separators":    mega + `{{ range(1000)|list|tojson(separators=(s, s)) }}`,
		"batch":              `{{ [1]|batch(10**9, 0)|list }}`,
		"slice":              `{{ [1]|slice(10**9)|list }}`,
		"split":              mega + `{% for i in range(1000) %}{% set x = s.split('a') %}{% endfor %}`,
		"characters":         mega + `{% for i in range(1000) %}{% set x = s|list %}{% endfor %}`,
		"search":             mega + `{% for i in range(100000) %}{% set x = 'c' in s %}{% endfor %}`,
		"index":              mega + `{% for i in range(100000) %}{% set x = s[i] %}{% endfor %}`,
		"keys":               mega + `{% set d = {s: 1, 1:1, 2:2, 3:3, 4:4, 5:5, 6:6, 7:7, 8:8, 9:9} %}{% for i in range(100000) %}{% set x = d[s] %}{% endfor %}`,
		"length":             mega + `{% for i in range(100000) %}{% set x = s|length %}{% endfor %}`,
		"lower":              mega + `{% for i in range(100000) %}{% set x = s|lower %}{% endfor %}`,
		"escape":             `{% set s = '&' * 10**6 %}{% for i in range(1000) %}{% set s = s|forceescape %}{% endfor %}{{ s|forceescape|forceescape|forceescape|forceescape }}{% for i in range(1000) %}{{ s|e }}{% endfor %}`,
		"wrap":               mega + `{% for i in range(1000) %}{% set x = s|wordwrap(1) %}{% endfor %}`,
		"wrap blanks":        `{% for i in range(1000) %}{% set x = (' ' * 500000)|wordwrap(1) %}{% endfor %}`,
		"wrap hyphens":       `{% for i in range(1000) %}{% set x = ('a-' * 500000)|wordwrap(3) %}{% endfor %}`,
		"round":              `{% for i in range(100000) %}{% for j in range(1000) %}{% set x = 1e300|round(-300) %}{% endfor %}{% endfor %}`,
		"divide":             `{% set a = 7 ** 20000 %}{% set b = 3 ** 20000 %}{% for i in range(100000) %}{% set x = a // b %}{% endfor %}`,
		"spans":              `{% for i in range(100000) %}{% for j in range(100000) %}{% generation %}{% endgeneration %}{% endfor %}{% endfor %}`,
		"names":              `{% for i in range(100000) %}{% for j in range(100) %}{% if j == 200 %}` + manyNames(50000) + `{% endif %}{% endfor %}{% endfor %}`,
		"arguments":          `{% macro m() %}{{ varargs }}{% endmacro %}{% set l = range(100000)|list %}{% for i in l %}{{ m(*l) }}{% endfor %}`,
		"sort":               `{% for i in range(1000) %}{% set x = range(100000)|sort(reverse=true) %}{% endfor %}`,
		"length of nothing":  `{% for i in range(100000) %}{% for j in range(100000) if j > 100000 %}{% endfor %}{% endfor %}`,
		"strftime":           `{{ strftime_now('%c' * 10**6) }}{{ strftime_now('%c' * 10**7) }}`,
		"parentheses":        `{{ ` + strings.Repeat("(", 200000),
		"closed parentheses": `{{ ` + strings.Repeat("(", 100000) + `1` + strings.Repeat(")", 100000) + ` }}`,
		"lists":              `{{ ` + strings.Repeat("[", 200000) + strings.Repeat("]", 200000) + ` }}`,
		"dicts":              `{{ ` + strings.Repeat("{1:", 200000),
		"not":                `{{ ` + strings.Repeat("not ", 200000) + `1 }}`,
		"minus":              `{{ ` + strings.Repeat("-", 200000) + `1 }}`,
		"sum":                `{{ 1` + strings.Repeat("+1", 200000) + ` }}`,
		"or":                 `{{ 1` + strings.Repeat(" or 1", 100000) + ` }}`,
		"if":                 `{{ 1` + strings.Repeat(" if 1 else 1", 50000) + ` }}`,
		"attributes":         `{{ a` + strings.Repeat(".b", 200000) + ` }}`,
		"items":              `{{ a` + strings.Repeat("[0]", 200000) + ` }}`,
		"calls":              `{{ a` + strings.Repeat("()", 200000) + ` }}`,
		"filters":            `{{ a` + strings.Repeat("|e", 200000) + ` }}`,
		"tests":              `{{ a` + strings.Repeat(" is odd(", 100000) + ` }}`,
		"test of tests":      `{% if ` + strings.Repeat("a is in a is in ", 30000) + `a %}{% endif %}`,
		"targets":            `{% set ` + strings.Repeat("(", 200000) + ` %}`,
		"chain in a chain":   `{{ ` + strings.Repeat("(", 400) + `1` + strings.Repeat(strings.Repeat("+1", 400)+")", 400) + ` }}`,
		"ifs":                strings.Repeat(`{% if 1 %}`, 50000),
		"fors":               strings.Repeat(`{% for a in b %}`, 50000),
		"macros":             strings.Repeat(`{% macro a() %}`, 50000),
		"generations":        strings.Repeat(`{% generation %}`, 50000),
		"comments":           strings.Repeat(`{#`, 500000),
		"raws":               strings.Repeat(`{% raw %}`, 100000),
		"tags of blanks":     strings.Repeat("{%"+strings.Repeat(" ", 1000), 1000),
		"strings":            `{{ ` + strings.Repeat(`'`, 300001),
		"long":               strings.Repeat("a", 2<<20),
		"not UTF-8":          "a\xff",
		"half a pair":        `{{ '\ud83d' }}`,
	} {
		parsed, err := Parse(source)
		if err == nil {
			_, err = parsed.Render([]Var{{"b", listOf([]Value{none})}}, Options{Now: now, MaxSteps: 500_000, MaxOutput: 4 << 20})
		}
		if e, ok := err.(*Error); !ok || e.Raised {
			t.Errorf("%s: %v, want an *Error", name, err)
		}
	}
}

func manyNames(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString("{{ n_")
		b.WriteString(strings.Repeat("a", i%7))
		b.WriteString(string(rune('a' + i%26)))
		b.WriteString(string(rune('a' + i/26%26)))
		b.WriteString(" }}")
	}
	return b.String()
}

// Long templates and long values that are no attack take little time.
func TestLong(t *testing.T) {
	for name, source := range map[string]string{
		"text":      strings.Repeat("{ text }\n", 100000),
		"prints":    strings.Repeat("{{ 1 }}", 100000),
		"sets":      strings.Repeat("{% set a = 1 %}\n", 50000),
		"ifs":       strings.Repeat("{% if x %}{% set b = 1 %}{% endif %}", 20000),
		"names":     manyNames(50000),
		"adjacent":  "{{ " + strings.Repeat("'a' ", 200000) + "}}",
		"list":      "{{ [" + strings.Repeat("1,", 300000) + "]|length }}",
		"sigmas":    "{{ '" + strings.Repeat("Σ", 300000) + "'|lower|length }}{{ '" + strings.Repeat("Σ'", 1) + "|lower }}",
		"ignorable": "{{ '" + strings.Repeat("Σ.", 200000) + "'|lower|length }}",
	} {
		if _, err := render(source, nil); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOptions(t *testing.T) {
	parsed, err := Parse(`{% macro m() %}12345{% endmacro %}{% for i in range(3) %}{{ m() }}{% endfor %}`)
	if err != nil {
		t.Fatal(err)
	}
	if r, err := parsed.Render(nil, Options{MaxOutput: 15}); err != nil || string(r.Text) != "123451234512345" {
		t.Errorf("%q, %v", r.Text, err)
	}
	if r, err := parsed.Render(nil, Options{MaxOutput: 14}); err == nil {
		t.Errorf("%q is longer than its limit", r.Text)
	}
	if r, err := parsed.Render(nil, Options{MaxSteps: 10}); err == nil {
		t.Errorf("%q takes more than ten steps", r.Text)
	}
	if _, err := parsed.Render(nil, Options{MaxOutput: 1<<63 - 1, MaxSteps: 1<<63 - 1}); err != nil {
		t.Error(err)
	}
	if r, err := render("{{ strftime_now('%Y') }}", nil); err != nil || string(r.Text) != "2026" {
		t.Errorf("%q, %v", r.Text, err)
	}
	clock, err := Parse("{{ strftime_now('%Y') }}")
	if err != nil {
		t.Fatal(err)
	}
	if r, err := clock.Render(nil, Options{}); err == nil {
		t.Errorf("%q without a time", r.Text)
	}
}

func TestFromJSON(t *testing.T) {
	for _, c := range []struct{ json, want string }{
		{`null`, `None`},
		{`[1, -0, 1.0, 1e2, 1E400, -1e400]`, `[1, 0, 1.0, 100.0, inf, -inf]`},
		{`[9223372036854775807, 9223372036854775808, -9223372036854775809]`, `[9223372036854775807, 9223372036854775808, -9223372036854775809]`},
		{`{"b": 1, "a": {"z": [], "y": {}}, "b": 2}`, `{'b': 2, 'a': {'z': [], 'y': {}}}`},
		{`"\u00e9\ud83d\ude00"`, `é😀`},
		{` true `, `True`},
		{strings.Repeat("9", maxIntDigits), strings.Repeat("9", maxIntDigits)},
	} {
		v, err := FromJSON(jsontext.Value(c.json))
		if err != nil {
			t.Errorf("%.50s: %v", c.json, err)
			continue
		}
		r, err := render("{{ v }}", []Var{{"v", v}})
		if err != nil || string(r.Text) != c.want {
			t.Errorf("%.50s: %.50q, %v; want %.50q", c.json, r.Text, err, c.want)
		}
	}
	for _, wrong := range []string{
		``, `[`, `1 2`, `{"a"}`, `[1,]`, `"\ud83d"`, "\"\xff\"", strings.Repeat("[", 1000) + strings.Repeat("]", 1000),
		strings.Repeat("9", maxIntDigits+2),
	} {
		if v, err := FromJSON(jsontext.Value(wrong)); err == nil {
			t.Errorf("%.50q is read as %v", wrong, v)
		}
	}
}

func TestAbout(t *testing.T) {
	source := `{% set a = b %}{% for c in d %}{{ a }}{{ c }}{{ e }}{{ range(1) }}{% endfor %}{% generation %}{{ f }}{% endgeneration %}{% if g %}{% set h = 1 %}{% endif %}{{ h }}{% macro m(i, j=k) %}{{ i }}{{ varargs }}{% endmacro %}`
	parsed, err := Parse(source)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(parsed.Variables(), " "); got != "b d e f g h k" {
		t.Errorf("variables %q", got)
	}
	if !parsed.HasGeneration() || parsed.Source() != source {
		t.Error("source or generation")
	}
	if plain, err := Parse("{# {% generation %} #}"); err != nil || plain.HasGeneration() {
		t.Error(err)
	}
	for source, line := range map[string]int{"a\nb\n{{ 1 + }}": 3, "\n\n{{ missing.x }}\n": 3, "{% if 1 %}\n{{ raise_exception('x') }}\n{% endif %}": 2} {
		_, err := render(source, nil)
		if e, ok := err.(*Error); !ok || e.Line != line {
			t.Errorf("%q: %v, want line %d", source, err, line)
		}
	}
}
