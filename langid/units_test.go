package langid

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"curate/record"
	"curate/stage/stagetest"
)

// initials is an engine for tests of what is around engines: a part's language is that of its first letter, "b" for
// Basque, "s" for Spanish, and Und for others; its score is 1 with a full stop in it, else 0.5.
type initials struct{ languages []string }

func (e initials) Languages() []string       { return e.languages }
func (e initials) Load()                     {}
func (e initials) NewIdentifier() Identifier { return e }
func (e initials) Identify(text []byte) Answer {
	a := Answer{Language: Und}
	for i := 0; i < len(text); {
		letter, size := letterAt(text, i)
		if letter {
			switch text[i] {
			case 'b':
				a.Language = "eu"
			case 's':
				a.Language = "es"
			default:
				return a
			}
			a.Score = 0.5
			if bytes.IndexByte(text, '.') >= 0 {
				a.Score = 1
			}
			return a
		}
		i += size
	}
	return a
}

// basque and spanish are paragraphs of n letters.
func basque(n int) string  { return "b" + strings.Repeat("a", n-1) }
func spanish(n int) string { return "s" + strings.Repeat("o", n-1) }

func TestMixed(t *testing.T) {
	for _, c := range []struct {
		name, unit, text, want string
		left                   string // in Basque
	}{
		{"one", Paragraph, basque(30), "eu 30 0.50", basque(30)},
		{"two paragraphs", Paragraph, basque(30) + ".\n\n" + spanish(60), "es 60 0.50, eu 30 1.00", basque(30) + "."},
		{"lines are no paragraphs", Paragraph, basque(30) + "\n" + spanish(60), "eu 90 0.50", basque(30) + "\n" + spanish(60)},
		{"lines", Line, basque(30) + "\n" + spanish(60) + "\n" + basque(20), "es 60 0.50, eu 50 0.50", basque(30) + "\n" + basque(20)},
		{"as much of either", Line, basque(30) + "\n" + spanish(30), "es 30 0.50, eu 30 0.50", basque(30)},
		{"a heading goes with what follows", Paragraph, spanish(30) + "\n\nSar\n\n" + basque(40), "eu 43 0.50, es 30 0.50", "Sar\n\n" + basque(40)},
		{"the end goes with what is before", Paragraph, basque(40) + "\n\n" + spanish(30) + "\n\nFin", "eu 40 0.50, es 33 0.50", basque(40)},
		{"blank lines with spaces", Paragraph, basque(30) + "\n \t\r\n" + spanish(30) + "\n\n\n\n" + basque(31), "eu 61 0.50, es 30 0.50", basque(30) + "\n \t\r\n" + basque(31)},
		{"all short", Line, basque(5) + "\n" + spanish(6), "eu 11 0.50", basque(5) + "\n" + spanish(6)},
		{"no letters", Line, "12\n34\n", "und 0 0.00", ""},
		{"nothing", Paragraph, "", "und 0 0.00", ""},
		{"undecided", Line, "z" + basque(30) + "\n" + basque(20), "und 31 0.00, eu 20 0.50", basque(20)},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := NewMixed(initials{})
			var got []string
			for _, s := range m.Identify([]byte(c.text), c.unit) {
				got = append(got, fmt.Sprintf("%s %d %.2f", s.Language, s.Letters, s.Score))
			}
			if s := strings.Join(got, ", "); s != c.want {
				t.Errorf("%s, want %s", s, c.want)
			}
			if left := m.appendKept(nil, []byte(c.text), func(code string) bool { return code == "eu" }); string(left) != c.left {
				t.Errorf("what is left is %q, want %q", left, c.left)
			}
		})
	}
}

// TestParts: the parts are the text, whatever it is, and no letter is lost.
func TestParts(t *testing.T) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	pieces := []string{"a", "é", "\n", "\n\n", " ", "\t", "\r\n", ".", "日本", "1", strings.Repeat("bat ", 9)}
	m := NewMixed(initials{})
	for range 2000 {
		var b strings.Builder
		for range rng.IntN(20) {
			b.WriteString(pieces[rng.IntN(len(pieces))])
		}
		text := []byte(b.String())
		for _, unit := range []string{Paragraph, Line} {
			shares := m.Identify(text, unit)
			var joined []byte
			letters := 0
			for _, p := range m.Parts() {
				joined = append(joined, text[p.Lo:p.Hi]...)
				letters += p.Letters
				if p.Answer.Language == "" {
					t.Fatalf("seed %d: %q: a part without an answer", seed, text)
				}
			}
			for _, s := range shares {
				letters -= s.Letters
			}
			if !bytes.Equal(joined, text) || letters != 0 || len(shares) == 0 {
				t.Fatalf("seed %d: %q by %s: parts %q, %d letters too many, %d shares", seed, text, unit, joined, letters, len(shares))
			}
			if all := m.appendKept(nil, text, func(string) bool { return true }); !bytes.HasPrefix(text, all) || !isBlank(text[len(all):]) {
				t.Fatalf("seed %d: %q: with all kept %q is left", seed, text, all)
			}
		}
	}
}

func withInitials(t testing.TB, cfg Config) *Stage {
	t.Helper()
	cfg.Engine, cfg.Languages = "lingua", []string{"es", "eu"}
	cfg, err := cfg.Resolve()
	if err != nil {
		t.Fatal(err)
	}
	s, err := newStage(cfg, initials{cfg.Languages})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestUnitsStage(t *testing.T) {
	half := `{"text":"` + basque(30) + `\n\n` + spanish(30) + `"}`
	third := `{"text":"` + basque(30) + `\n\n` + spanish(60) + `.","n":1}`
	for _, c := range []struct {
		name, line string
		cfg        Config
		want       string // the line, or rule and reason
	}{
		{"half is enough", half, Config{Keep: []string{"eu"}}, `{"text":"` + basque(30) + `\n\n` + spanish(30) + `","curate":{"langid":{"engine":"lingua","verdict":"keep","language":"eu","score":0.5,"unit":"paragraph","shares":{"es":0.5,"eu":0.5}}},"language":"eu","language_score":0.5}`},
		{"a third is not", third, Config{Keep: []string{"eu"}}, "langid language_es"},
		{"unless it is asked for", third, Config{Keep: []string{"eu"}, MinShare: 0.3, Cut: true}, `{"text":"` + basque(30) + `","n":1,"curate":{"langid":{"engine":"lingua","verdict":"keep","language":"eu","score":0.5,"unit":"paragraph","shares":{"es":0.6667,"eu":0.3333}}},"language":"eu","language_score":0.5}`},
		{"mixed", third, Config{Keep: []string{"es"}, MinShare: 0.7}, "langid mixed"},
		{"both", third, Config{Keep: []string{"es", "eu"}, Cut: true}, `{"text":"` + basque(30) + `\n\n` + spanish(60) + `.","n":1,"curate":{"langid":{"engine":"lingua","verdict":"keep","language":"es","score":1,"unit":"paragraph","shares":{"es":0.6667,"eu":0.3333}}},"language":"es","language_score":1}`},
		{"no letters", `{"text":"1"}`, Config{Keep: []string{"eu"}}, "langid language_und"},
		{"no letters, kept", `{"text":"1"}`, Config{Keep: []string{"eu", "und"}}, `{"text":"1","curate":{"langid":{"engine":"lingua","verdict":"keep","language":"und","score":0,"unit":"paragraph","shares":{"und":1}}},"language":"und","language_score":0}`},
		{"annotated", third, Config{Keep: []string{"eu"}, Annotate: true}, `{"text":"` + basque(30) + `\n\n` + spanish(60) + `.","n":1,"curate":{"langid":{"engine":"lingua","verdict":"drop","rule":"langid","reason":"language_es","language":"es","score":1,"unit":"paragraph","shares":{"es":0.6667,"eu":0.3333}}},"language":"es","language_score":1}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.cfg.Unit = Paragraph
			w := withInitials(t, c.cfg).NewWorker()
			var b record.Batch
			b.Append(record.MakeID(1, 0), 1, []byte(c.line))
			b.Parse()
			if err := w.Map(t.Context(), &b); err != nil {
				t.Fatal(err)
			}
			r := &b.Records[0]
			got := r.Rule + " " + r.Reason
			if r.Outcome == record.Keep {
				got = strings.TrimSuffix(string(r.AppendLine(nil)), "\n")
			}
			if got != c.want {
				t.Errorf("%s\nwant %s", got, c.want)
			}
		})
	}
}

func TestUnitsStageLaws(t *testing.T) {
	var lines [][]byte
	for i := range 60 {
		lines = append(lines, fmt.Appendf(nil, `{"id":%d,"text":"%s\n\n%s"}`, i, basque(20+i%7), spanish(20+i%11)))
	}
	stagetest.Mapper(t, withInitials(t, Config{Unit: Paragraph, Keep: []string{"eu"}, Cut: true}), lines)
}

func TestUnitsConfig(t *testing.T) {
	for _, c := range []struct {
		cfg  Config
		want string
	}{
		{Config{Unit: "sentence"}, `no unit is called "sentence"; there are: document, line, paragraph`},
		{Config{Cut: true}, "a document as a whole has one language; to cut it, or to ask for a share, name the unit paragraph or line"},
		{Config{MinShare: 0.2}, "a document as a whole has one language; to cut it, or to ask for a share, name the unit paragraph or line"},
		{Config{Unit: Line, Cut: true}, "to cut, name the languages to keep"},
		{Config{Unit: Line, MinShare: 1.5}, "a least share of 1.5: from 0 to 1"},
	} {
		if _, err := c.cfg.Resolve(); err == nil || err.Error() != c.want {
			t.Errorf("%+v: %v, want %s", c.cfg, err, c.want)
		}
	}
	if c, err := (Config{Unit: Line}).Resolve(); err != nil || c.MinShare != 0.5 {
		t.Errorf("without a share: %v, %v", c.MinShare, err)
	}
	if !slices.IsSorted(units) {
		t.Error("units are not sorted")
	}
}
