package segment

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestSameStructure(t *testing.T) {
	list := "# Title\n\n- one\n- two  \n\n| a | b |\n|---|---|\n| c | d |\n\n> said\n\n```\ncode\n```\nend"
	units := Units(nil, list)
	if len(units) != 9 {
		t.Fatal(len(units))
	}
	for _, c := range []struct {
		unit         int
		target, want string
	}{
		{0, "Izenburua", ""},
		{0, "- Izenburua", `line 1 begins with marker "# - " instead of "# "`},
		{0, "Izenburua #", `line 1 ends in " #" instead of ""`},
		{1, "bat", ""},
		{1, "1. bat", `line 3 begins with marker "- 1. " instead of "- "`},
		{1, "", "line 3 is empty"},
		{1, "bat  ", `line 3 ends in "  " instead of ""`},
		{1, "bat -- bi # hiru | lau 1. bost", ""},
		{3, "a | b", "line 6 has 3 cells instead of 2"},
		{3, `a \| b`, ""},
		{3, "`a | b`", ""},
		{5, "", ""},
		{7, "> esan", `line 10 begins with marker "> > " instead of "> "`},
		{7, "```", "line 10 is fence instead of prose: \"> ```\""},
		{8, "amaiera", ""},
		{8, "$$", `line 15 is math instead of prose: "$$"`},
		{8, "<br>", `line 15 is markup instead of prose: "<br>"`},
		{8, "---", `line 15 is rule instead of prose: "---"`},
		{8, "am\naiera", "16 lines instead of 15"},
		{8, "am\taiera", "line 15 has 1 tab instead of 0"},
		{8, "am\u2028aiera", "16 lines instead of 15"},
		{8, "print(\"kaixo\")", ""}, // code is a guess
		{8, "— bai", ""},
		{8, "XIX. mendean", ""},
		{1, "(a) XIX. mendean", ""},
		{8, "19. mendean", `line 15 begins with marker "19. " instead of ""`},
		{8, "\u200fbai", ""},
	} {
		targets := make([]string, len(units))
		for i, u := range units {
			targets[i] = u.Text(list)
		}
		targets[c.unit] = c.target
		if got := SameStructure(list, Replace(list, units, targets)); got != c.want {
			t.Errorf("unit %d as %q: %q, not %q", c.unit, c.target, got, c.want)
		}
	}
	for _, c := range []struct{ source, target, want string }{
		{"a\nb", "a\n\nb", "3 lines instead of 2"},
		{"Read [it](x) now", "Orain irakurri [hau](x)", ""},
		{"Read [it](x) now", "Orain](x) hau [irakurri", `line 1 has "](" before its "["`},
		{"Press <b>it</b> now", "Orain <b>hau</b> sakatu", ""},
		{"Press <b>it</b> now", "Orain</b> hau <b>sakatu", `line 1 has "</b>" before its "<b>"`},
		{"| [a](b) |\n|---|", "|](b) [a |\n|---|", `line 1 has "](" before its "["`},
		{"it</b> now, `x`", "orain</b>, `x`", ""},
		{"Use `](` or <b>`</b>`</b>", "Erabili <b>`](` edo `</b>`</b>", ""},
		{"a\r\nb", "a\nb", `line 1 ends with "\n" instead of "\r\n"`},
		{"x\n```\na = 1\n```", "x\n```\na = 2\n```", "line 3 was to stay \"a = 1\", but is \"a = 2\""},
		{"x\n\n    a = f(1);", "x\n\n    a = f(2);", "line 3 was to stay \"    a = f(1);\", but is \"    a = f(2);\""},
		{"x\n42", "x\n43", "line 2 was to stay \"42\", but is \"43\""},
		{"x\n---\ny", "x\n----\ny", "line 2 was to stay \"---\", but is \"----\""},
		{"In the 19th century it grew.", "19. mendean hazi zen.", ""},
		{"In that century it grew.", "19. mendean hazi zen.", "line 1 begins with marker \"19. \" instead of \"\""},
		{"x\n  - y", "x\n- y", "line 2 begins with marker \"- \" instead of \"  - \""},
	} {
		if got := SameStructure(c.source, c.target); got != c.want {
			t.Errorf("%q and %q: %q, not %q", c.source, c.target, got, c.want)
		}
	}
}

func TestWrap(t *testing.T) {
	source := "I am writing to tell you that the meeting of next week had to be moved to\n" +
		"the following Thursday, since the room that we had booked is needed for an\n" +
		"examination.\nOther"
	units := Units(nil, source)
	if len(units) != 2 || len(units[0].Lines) != 3 {
		t.Fatal(units)
	}
	for _, c := range []struct{ target, want string }{
		{units[0].Text(source), source[:strings.Index(source, "\nOther")]},
		{"Idazten dizut esateko datorren asteko bilera hurrengo ostegunera aldatu behar izan dela, erreserbatu genuen gela azterketa baterako behar delako.",
			"Idazten dizut esateko datorren asteko bilera hurrengo ostegunera\naldatu behar izan dela, erreserbatu genuen gela azterketa baterako behar\ndelako."},
		{"bat bi hiru", "bat\nbi\nhiru"},
		{"bat bi", "bat\nbi\n"},
		{"", "\n\n"},
		{" bat  bi hiru lau ", "bat  bi\nhiru\nlau"},
		// No line begins with what would be a marker, or ends within code, a formula, a tag or a link.
		{"aaaa bbbb cccc - dddd eeee ffff # gggg hhhh", "aaaa bbbb cccc - dddd\neeee ffff # gggg\nhhhh"},
		{"aa `b c d e f g h i j k l m n o p q r s` t u", "aa\n`b c d e f g h i j k l m n o p q r s`\nt u"},
		{"aa $b c d e f + h i j k$ l <a href=\"x y z\">m</a> n", "aa $b c d e f + h i j k$\nl <a href=\"x y z\">m</a>\nn"},
		{"1. 2. 3.", "1.\n2.\n3."}, // there is no better place
		{"我写信告诉你下周的会议不得不改到星期四因为我们预订的房间需要用来考试", "我写信告诉你下周的会议不得不改\n到星期四因为我们预订的房间需要用\n来考试"},
	} {
		got := strings.TrimSuffix(Replace(source, units, []string{c.target, "Other"}), "\nOther")
		if got != c.want {
			t.Errorf("%q is wrapped to\n%s\nand not to\n%s", c.target, got, c.want)
		}
	}
}

func TestSentences(t *testing.T) {
	for _, c := range []string{
		"One. |Two! |Three? |Four",
		"Mr. Smith met Dr. Jones. |They spoke.",
		"It costs 3.14 euros. |See example.org now. |Fine.",
		"It took 200 ms. |Then Ms. Jones came.",
		"J. R. R. Tolkien wrote it. |He was good.",
		"He works at Acme Inc. Boston is far. |The end.", // cannot be known
		"He works at Acme Inc. |The end.",
		"Use tools, e.g. Vim or Emacs. |Done.",
		"See Fig. 3 and p. 12 and No. 5. |No. |I do not.",
		"\"Why?\" he asked. |\"Because!\" |She left.",
		"Wait... what? |Well... |Then go.",
		"(It is so.) |And this: [see there.] |Yes.",
		"**Bold.** |Next one.",
		"Yahoo! is a company. |OK.",
		"1. First item. |2. Second item.",
		"It was in 1984. |Then it changed.",
		"El Sr. Pérez y la Sra. Ruiz vinieron. |¿Por qué? |¡Porque sí! |Fin.",
		"Vea la pág. 12, p. ej. la tabla. |Gracias.",
		"M. Dupont et Mme. Curie, etc. |Voilà.",
		"Zenbait gauza, adib. sagarrak. |1. kapitulua irakurri. |3. atala ere bai.",
		"Liburuak, aldizkariak, etab. |Hori da dena. |Ikus 12. orrialdea.",
		"これは文です。|次の文です！|はい。",
		"他说：“你好。”|然后走了。",
		"मैं घर गया। |वह आया।",
		"هل هذا صحيح؟ |نعم.",
		"The U.S. Army came. |It left the U.S. |They said so.",
		"no mark at all",
		"  leading. |Two  ",
		"Open [[P0]]. |[[P1]] is next. |`x.y` too.",
		"!!! |Hey",
	} {
		text := strings.ReplaceAll(c, "|", "")
		var got strings.Builder
		at := 0
		ends := Sentences(nil, text)
		for i, e := range ends {
			got.WriteString(text[at:e])
			if i+1 < len(ends) {
				got.WriteByte('|')
			}
			at = e
		}
		if got.String() != c {
			t.Errorf("%q, not %q", got.String(), c)
		}
	}
	if got := Sentences([]int{7}, ""); !slices.Equal(got, []int{7}) {
		t.Error(got)
	}
}

// TestAdversarial has 128 KiB each of what would be slow if any search began again at each line. The limit is a hundred
// times what is needed, and only there so that a quadratic search does not look like a hanging test.
func TestAdversarial(t *testing.T) {
	const size = 1 << 17
	numbered := func(f string) string {
		var b strings.Builder
		for i := 0; b.Len() < size; i++ {
			fmt.Fprintf(&b, f, i)
		}
		return b.String()
	}
	decreasing := func(mark string) string {
		var b strings.Builder
		for n := 700; n > 2; n-- {
			b.WriteString(strings.Repeat(mark, n) + "\n")
		}
		return b.String()
	}
	full := "and here is one long line of words that ends where no next word fits in it"
	texts := map[string]string{
		"one line":        strings.Repeat("A word, and more. ", size/18),
		"letters":         strings.Repeat("a", size),
		"line feeds":      strings.Repeat("\n", size),
		"short lines":     strings.Repeat("a\n", size/2),
		"items":           strings.Repeat("- an item\n", 25000),
		"open brackets":   strings.Repeat("[\n", size/2),
		"open objects":    strings.Repeat("{\"a\":\n\n", size/7),
		"brackets":        strings.Repeat("[", size),
		"broken json":     strings.Repeat("[1,\n\n", size/5),
		"quotes":          strings.Repeat(">", size),
		"quote lines":     strings.Repeat("> > a\n> b\n", size/10),
		"formulas":        strings.Repeat("\\[ a\n", size/5),
		"formula tails":   strings.Repeat("a \\[\n", size/5),
		"dollars":         strings.Repeat("$", size),
		"dollar lines":    strings.Repeat("$$ a\n\n", size/6),
		"environments":    numbered("\\begin{a%d}\n"),
		"nested":          strings.Repeat("\\begin{a}\n", size/10),
		"calls":           strings.Repeat("a <tool_call>\n", size/14),
		"calls in a line": strings.Repeat("a <tool_call> ", size/14),
		"comments":        strings.Repeat("<!-- a\n", size/7),
		"less than":       strings.Repeat("<", size),
		"tags":            strings.Repeat("<a ", size/3),
		"open tags":       strings.Repeat("<a b=\"\n", size/7),
		"pipes":           strings.Repeat("|", size),
		"rows":            strings.Repeat("| a | b |\n", size/10),
		"uneven rows":     strings.Repeat("| a | b |\n| c |\n", size/16),
		"piped lines":     strings.Repeat("|x|\n", size/4),
		"backticks":       strings.Repeat("`", size),
		"fence lines":     strings.Repeat("a ```b\n", size/7),
		"runs":            "| " + strings.ReplaceAll(decreasing("`"), "\n", " ") + " |\n|---|\n",
		"tildes":          decreasing("~"),
		"tilde quotes":    strings.Repeat("> ~~~\n> a\nb\n", size/12),
		"colons":          strings.Repeat("a():\n", size/5),
		"code and colons": strings.Repeat("x = f(1):\n", size/10),
		"letters items":   strings.Repeat("A. b\n\n", size/6),
		"commas":          strings.Repeat("a,b,c\nd,e\n", size/10),
		"wrapped":         strings.Repeat(full+"\n", size/len(full)),
		"backslashes":     strings.Repeat("\\", size),
		"stops":           strings.Repeat(".", size),
		"initials":        strings.Repeat("A. ", size/3),
		"openers":         strings.Repeat("a. ((((((((((", size/13),
		"gaps":            strings.Repeat("a    ", size/5),
		"prompts":         strings.Repeat(">>> a\nb\n", size/8),
		"tokens":          strings.Repeat("<|a|>", size/5),
		"open json":       strings.Repeat("{\"a\": ", size/6),
		"json tails":      strings.Repeat("a {\n", size/4),
		"markers":         strings.Repeat("- ", size/2),
	}
	for name, text := range texts {
		start := time.Now()
		units := Units(nil, text)
		targets := make([]string, len(units))
		for i, u := range units {
			targets[i] = u.Text(text) + " x"
			Sentences(nil, targets[i])
		}
		SameStructure(text, Replace(text, units, targets))
		d := time.Since(start)
		t.Logf("%-16s %8d units %v", name, len(units), d.Round(time.Millisecond))
		if d > 10*time.Second {
			t.Errorf("%s: %v", name, d)
		}
	}
}
