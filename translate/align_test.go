package translate

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"curate/translate/marian"
	"curate/translate/protect"
	"curate/translate/translatetest"
)

// holed reads "Open <0> now." as a template.
func holed(text string) protect.Template {
	t := protect.Template{Text: []string{""}}
	for text != "" {
		if len(text) > 2 && text[0] == '<' && text[2] == '>' {
			t.Holes = append(t.Holes, int(text[1]-'0'))
			t.Text = append(t.Text, "")
			text = text[3:]
			continue
		}
		t.Text[len(t.Holes)] += text[:1]
		text = text[1:]
	}
	return t
}

// shown is the other way round.
func shown(t protect.Template) string {
	var b strings.Builder
	for k, s := range t.Text {
		b.WriteString(s)
		if k < len(t.Holes) {
			b.WriteString("<" + string(rune('0'+t.Holes[k])) + ">")
		}
	}
	return b.String()
}

func TestTakeOut(t *testing.T) {
	for _, c := range []struct{ in, plain string }{
		{"Open <0> now.", "Open now."},
		{"Open <0>.", "Open."},
		{"Open the file (<0>) now.", "Open the file now."},
		{"Open “<0>” and **<1>** now.", "Open and now."},
		{"Open (see <0>) now.", "Open (see) now."},
		{"Open (<0> or so) now.", "Open (or so) now."},
		{"Compare <0>, <1> - <2> with each other.", "Compare with each other."},
		{"<0> opens the door.", "opens the door."},
		{"All <0>s are open.", "All are open."},
		{"Read <0>'s page.", "Read page."},
		{"Click [the button<0> now.", "Click [the button now."},
		{"Press <0>here<1> now.", "Press here now."},
		{"foo<0>bar", "foo bar"},
		{"打开<0>文件。", "打开文件。"},
		{"Take <0> (s<1>) now.", "Take (s) now."},
		{"Take <0>x “<1>” now.", "Take x now."},
		{"Take <0>s “<1>” now.", "Take now."},
		{"Take (<0>s<1>) now.", "Take () now."}, // what is around both is around neither alone
	} {
		plain, atoms := takeOut(holed(c.in))
		if plain != c.plain {
			t.Errorf("%s: %q, want %q", c.in, plain, c.plain)
		}
		for _, a := range atoms {
			if a.left > a.right || a.right > len(plain) || !utf8.ValidString(plain[:a.left]) || !utf8.ValidString(plain[:a.right]) {
				t.Errorf("%s: an atom between %d and %d of %q", c.in, a.left, a.right, plain)
			}
		}
	}
}

// TestPutBack: the translation's words are the source's, in the order that is given, so that a mask's place can be read off.
func TestPutBack(t *testing.T) {
	for _, c := range []struct{ in, target, want string }{
		{"Open <0> now.", "now Open.", "<0> now Open."},
		{"Open <0>.", "Open.", "Open <0>."},
		{"Open the file (<0>) now.", "now the file Open.", "(<0>) now the file Open."},
		{"Open (<0> file) now.", "(file) now Open.", "(<0> file) now Open."},
		{"Use “<0>” for this.", "this for Use.", "this “<0>” for Use."},
		{"Click [the button<0> now.", "now [the button Click.", "now [the button<0> Click."},
		{"Press <0>here<1> now.", "now here Press.", "now <0>here<1> Press."},
		{"Press <0>red button<1> now.", "button red Press now.", "button <0>red<1> Press now."},
		{"<0> opens the door.", "the door opens.", "<0> the door opens."},
		{"The door of <0>", "door The.", "door The. <0>"},
		{"Is it <0>, or not?", "or not, Is it?", "or not <0>, Is it?"},
		{"Open <0> gone.", "Open.", "Open <0>."},        // its neighbour has no translation, the other has
		{"Take <0> away <1> home!", "x!", "x <0> <1>!"}, // none has
		{"Count 3,5 <0> times.", "3,5 times Count.", "3,5 <0> times Count."},
		{"All <0>s here.", "here All.", "<0>s here All."},
		{"Compare <0>, <1> with it.", "it with Compare.", "it <0>, <1> with Compare."},
		{"Use <0> here.", "Use la-here.", "Use <0> la-here."}, // not inside a word
		{"A <0> b.", "b (A).", "<0> b (A)."},
	} {
		plain, atoms := takeOut(holed(c.in))
		tr := &marian.Translation{Text: c.target, Source: wordPieces(plain)}
		for _, p := range wordPieces(c.target) {
			p.Source = slices.IndexFunc(tr.Source, func(s marian.Piece) bool { return plain[s.From:s.To] == c.target[p.From:p.To] })
			tr.Target = append(tr.Target, p)
		}
		if got := shown(putBack(tr, plain, atoms)); got != c.want {
			t.Errorf("%s, by %q: %s, want %s", c.in, c.target, got, c.want)
		}
	}
}

// wordPieces are words and marks.
func wordPieces(s string) (list []marian.Piece) {
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		from := i
		for i < len(s) && inWord(r) {
			i += n
			r, n = utf8.DecodeRuneInString(s[i:])
		}
		if i == from {
			i += n
			if r == ' ' {
				continue
			}
		}
		list = append(list, marian.Piece{From: from, To: i})
	}
	return list
}

// TestEachHoleOnce: whatever a template, and whatever an alignment says, each hole comes back once, and the translation is all
// there.
func TestEachHoleOnce(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	r := rand.New(rand.NewPCG(seed, 1))
	bits := []string{"open", "the ", "file ", " ", ",", ". ", "(", ")", "“", "”", "s", "'s ", "*", "日本", "é", "3", "-", "x", " at", "\u00a0", "¿", "…"}
	letters := func(s string) string {
		return strings.Map(func(r rune) rune {
			if wordOrNumber(r) {
				return r
			}
			return -1
		}, s)
	}
	for range 5000 {
		tpl := protect.Template{Text: []string{""}}
		for range 1 + r.IntN(12) {
			if r.IntN(4) == 0 && len(tpl.Holes) < 6 {
				tpl.Holes, tpl.Text = append(tpl.Holes, len(tpl.Holes)), append(tpl.Text, "")
			} else {
				tpl.Text[len(tpl.Holes)] += bits[r.IntN(len(bits))]
			}
		}
		plain, atoms := takeOut(tpl)
		inAtoms := ""
		for _, a := range atoms {
			inAtoms += strings.Join(a.template.Text, "")
		}
		e := &translatetest.Engine{Reverse: r.IntN(2) == 0}
		if r.IntN(2) == 0 {
			e.Scrambled = r
		}
		out, err := e.Translate(t.Context(), []string{plain}, true)
		if err != nil {
			t.Fatal(err)
		}
		got := putBack(&out[0], plain, atoms)
		text := strings.Join(got.Text, "")
		if !sameHoles(got, len(tpl.Holes)) || len(letters(text)) != len(letters(out[0].Text))+len(letters(inAtoms)) || !utf8.ValidString(text) {
			t.Fatalf("seed %d: %q %v by %+v: %q %v", seed, tpl.Text, tpl.Holes, out[0], got.Text, got.Holes)
		}
		for k, s := range got.Text { // a hole is inside no word of the translation
			if k > 0 && len(atoms) == len(tpl.Holes) && inAtoms == "" && !slices.ContainsFunc(atoms, func(a atom) bool { return a.wordLeft || a.wordRight }) {
				before, _ := utf8.DecodeLastRuneInString(got.Text[k-1])
				after, _ := utf8.DecodeRuneInString(s)
				if inWord(before) || inWord(after) {
					t.Fatalf("seed %d: %q %v by %+v: %q %v", seed, tpl.Text, tpl.Holes, out[0], got.Text, got.Holes)
				}
			}
		}
	}
}

// FuzzAlign: the same for any text, translation and alignment. Holes are U+E000, a number, U+E001; pieces are triples of bytes.
func FuzzAlign(f *testing.F) {
	f.Add("Open \ue0000\ue001 now.", "Ireki orain.", []byte{0, 4, 0, 5, 8, 0, 8, 9, 0}, []byte{0, 5, 0, 6, 11, 1, 11, 12, 2})
	f.Add("(\ue0000\ue001) \ue0001\ue001s x", " ¿ah? ", []byte{0, 200, 1}, []byte{255, 3, 7})
	f.Add("x (\ue0000\ue001s\ue0001\ue001) y", "a b", []byte{0, 9, 0}, []byte{0, 1, 0, 2, 3, 0})
	f.Add("打开\ue0000\ue001文件。", "ireki 文件", []byte{0, 6, 0}, []byte{1, 2, 0})
	f.Fuzz(func(t *testing.T, source, target string, from, to []byte) {
		source, target = strings.ToValidUTF8(source, "?"), strings.ToValidUTF8(target, "?")
		tpl := protect.Aligned().Read(source)
		for k := range tpl.Holes {
			tpl.Holes[k] = k
		}
		for _, p := range cutAt(tpl, nil) { // without white space at its edges, and only what has letters
			if !p.ask || strings.TrimSpace(target) == "" {
				continue
			}
			plain, atoms := takeOut(p.template)
			pieces := func(b []byte) (list []marian.Piece) {
				for ; len(b) >= 3; b = b[3:] {
					list = append(list, marian.Piece{From: int(int8(b[0])), To: int(int8(b[1])), Source: int(int8(b[2]))})
				}
				return list
			}
			n := len(p.template.Holes)
			got := putBack(&marian.Translation{Text: target, Source: pieces(from), Target: pieces(to)}, plain, atoms)
			if !sameHoles(got, n) || !utf8.ValidString(strings.Join(got.Text, "|")) {
				t.Fatalf("%q %v", got.Text, got.Holes)
			}
			// The translation is all there, in its order, and so is what was taken out with the holes.
			all := strings.Join(got.Text, "")
			for _, r := range strings.TrimSpace(target) {
				if i := strings.IndexRune(all, r); i >= 0 {
					all = all[i+utf8.RuneLen(r):]
				} else {
					t.Fatalf("%q is not whole in %q", target, got.Text)
				}
			}
		}
	})
}
