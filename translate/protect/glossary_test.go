package protect

import (
	"strings"
	"testing"
)

func TestGlossary(t *testing.T) {
	g := glossary(t, "# a comment\n\ndialog box\telkarrizketa-koadro\nbox\tkutxa\r\nWriter\nmail\tposta\nC#\tC#\npop-up menu\tlaster-menu\nAPI\tAPI\nñandú\tostruka\nCalc\t\n")
	for _, c := range []struct{ text, marked, targets string }{
		{"Open the dialog box now", "Open the ⟪dialog box⟫ now", "elkarrizketa-koadro"},
		{"Open the Dialog Box now", "Open the ⟪Dialog Box⟫ now", "Elkarrizketa-koadro"},
		{"Open the DIALOG  BOX now", "Open the ⟪DIALOG  BOX⟫ now", "ELKARRIZKETA-KOADRO"},
		{"The box, boxes, sandbox and boxing", "The ⟪box⟫, boxes, sandbox and boxing", "kutxa"},
		{"Writer and writer", "⟪Writer⟫ and writer", "Writer"},
		{"Writer-en eta mail-order e-mail", "⟪Writer⟫-en eta mail-order e-mail", "Writer"},
		{"a pop-up menu in C# here", "a ⟪pop-up menu⟫ in ⟪C#⟫ here", "laster-menu C#"},
		{"The API, api", "The ⟪API⟫, api", "API"},
		{"El ñandú y Ñandú", "El ⟪ñandú⟫ y ⟪Ñandú⟫", "ostruka Ostruka"},
		{"Use `dialog box` in Calc", "Use ⟪`dialog box`⟫ in ⟪Calc⟫", "`dialog box` Calc"},
		{"dialog", "dialog", ""},
		{"box_name box.name()", "⟪box_name⟫ ⟪box.name()⟫", "box_name box.name()"},
	} {
		o := Options{Glossary: g}
		got, _ := marked(c.text, o)
		var targets []string
		for _, p := range spans(nil, c.text, o) {
			targets = append(targets, o.target(c.text, p))
		}
		if got != c.marked || strings.Join(targets, " ") != c.targets {
			t.Errorf("\n got %s, %q\nwant %s, %q", got, targets, c.marked, c.targets)
		}
	}

	m := Mask("The dialog box", Options{Glossary: g})
	if got := m.Template.Fill(m.Targets); got != "The elkarrizketa-koadro" || m.Kinds[0] != "glossary" {
		t.Errorf("%s, %v", got, m.Kinds)
	}
}

func TestNumbers(t *testing.T) {
	for _, text := range []string{
		"It costs ⟪1,250.50⟫ euros, 5 each, ⟪12⟫ or ⟪31/12/2024⟫ at ⟪10:30⟫.", "⟪25⟫% of MAX10, 3D, 10th, ⟪1\u00a0000⟫ and x86.",
	} {
		if got, _ := marked(unmark.Replace(text), Options{Numbers: true}); got != text {
			t.Errorf("\n got %s\nwant %s", got, text)
		}
	}
}

func TestReadGlossary(t *testing.T) {
	for _, c := range []struct{ lines, want string }{
		{"a\tb\tc\n", "terms.tsv:1: more than two columns"},
		{"ok\tbai\n\tb\n", "terms.tsv:2: no term"},
		{"ok\tbai\n# x\nok\tados\n", `terms.tsv:3: "ok" has another translation in line 1`},
		{"a\xff\n", "terms.tsv:1: invalid UTF-8"},
		{strings.Repeat("a ", 40) + "\n", "terms.tsv:1: a term of 79"},
	} {
		if _, err := ReadGlossary("terms.tsv", []byte(c.lines)); err == nil || !strings.HasPrefix(err.Error(), c.want) || !strings.Contains(err.Error(), "; ") {
			t.Errorf("%q: %v, want %s", c.lines, err, c.want)
		}
	}
	a, b := glossary(t, "x\ty\nz\n"), glossary(t, "\ufeff# other\nz\r\n  x\ty\nx\ty")
	if a.Digest() != b.Digest() || a.Digest() == glossary(t, "x\ty\nz\tz\n").Digest() || (*Glossary)(nil).Digest() != "" {
		t.Error("digests")
	}
}
