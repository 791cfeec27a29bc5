package check

import (
	"crypto/sha1"
	"fmt"
	"math/big"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

func names(list []Finding) string {
	var out []string
	for _, f := range list {
		if f.Hard {
			out = append(out, f.Check)
		} else {
			out = append(out, f.Check+"~")
		}
	}
	return strings.Join(out, " ")
}

func TestTablesAreSorted(t *testing.T) {
	for i := range signals {
		if i > 0 && signals[i-1].Name >= signals[i].Name {
			t.Errorf("signal %s stands behind %s", signals[i].Name, signals[i-1].Name)
		}
		if s := signals[i]; s.Measure == "" || s.Source == "" || s.Hard == "" && s.Soft == "" || s.segment == nil && s.row == nil {
			t.Errorf("signal %s is not whole", s.Name)
		}
	}
	for i := range thresholds {
		if i > 0 && thresholds[i-1].key >= thresholds[i].key {
			t.Errorf("threshold %s stands behind %s", thresholds[i].key, thresholds[i-1].key)
		}
	}
	if !slices.IsSorted(TaskNames()) {
		t.Errorf("tasks are not sorted: %v", TaskNames())
	}
	if len(Signals()) != len(signals) {
		t.Error("Signals leaves some out")
	}
}

// signalCases name, for each pair, findings that must be there: soft ones have a ~, and then there is no hard one; "" has no
// hard one either.
var signalCases = []struct{ from, to, source, target, want string }{
	{"en", "eu", "Choose the file.", "Hautatu fitxategia.", ""},
	{"en", "eu", "Choose the file.", "", "empty"},
	{"en", "eu", "Choose the file.", " . ", "empty"},
	{"en", "eu", "Up Arrow", "↑", "empty~"},
	{"en", "eu", "1250", "1250", ""},
	{"en", "eu", "Choose the file.", "Hautatu\nfitxategia.", "newline"},
	{"en", "eu", "Choose the file.", "Hautatu\u2028fitxategia.", "newline"},
	{"en", "eu", "It costs 1,250 euros.", "1.250 euro balio du.", ""},
	{"en", "eu", "It costs 1,250 euros.", "1250 euro balio du.", ""},
	{"en", "eu", "It costs 1,250 euros.", "1 250 euro balio du.", ""},
	{"en", "eu", "It costs 1,250 euros.", "2.361 euro balio du.", "numbers"},
	{"en", "eu", "It costs 1,250 euros.", "Asko balio du.", "numbers"},
	{"en", "eu", "They are 12 friends.", "Hamabi lagun dira.", "numbers~"},
	{"en", "eu", "They are 12 friends.", "13 lagun dira.", "numbers"},
	{"en", "eu", "They are 2 friends.", "3 lagun dira.", "numbers"},
	{"en", "eu", "A line of 0.05 pt.", "1.16 pt-ko lerroa.", "numbers"},
	{"en", "eu", "The names of SQL92 are short.", "SQL03ren izenak laburrak dira.", "numbers"},
	{"en", "eu", "Press F11 now please.", "Sakatu orain, mesedez.", "numbers"},
	{"en", "eu", "Press F11 now please.", "Sakatu F11 F11 orain, mesedez.", "numbers"},
	{"en", "eu", "Press F11 twice.", "Sakatu F11 tekla 2 aldiz.", "numbers~"},
	{"en", "eu", "From 2001-01-25 to 2002-01-31.", "2001.01.25etik 2002.01.31ra.", ""},
	{"en", "eu", "Come at 10:30 pm.", "Etorri 22:30ean.", "numbers~"},
	{"en", "eu", "In the 19th century there were two.", "XIX. mendean 2 zeuden.", "numbers~"},
	{"en", "ar", "It costs 250 euros and it is worth it.", "يكلف ٢٥٠ يورو وهو يستحق ذلك.", ""},
	{"en", "eu", "Choose the file.", "Sure! Here is the translation: Hautatu fitxategia.", "chatter"},
	{"en", "eu", "Choose the file.", "Itzulpena: hautatu fitxategia.", "chatter"},
	{"en", "eu", "Choose the file.", `{"translations":[{"id":0,"text":"Hautatu fitxategia."}]}`, "chatter"},
	{"en", "eu", "Choose the file.", "Hautatu fitxategia.<|im_end|>", "chatter"},
	{"en", "eu", "Choose the file.", "```Hautatu fitxategia.```", "chatter"},
	{"en", "eu", "Here is the translation of the poem:", "Hona hemen poemaren itzulpena:", ""},
	{"en", "eu", "Choose the file.", "I'm sorry, but I can't help with that.", "refusal"},
	{"en", "eu", "Choose the file.", "Sentitzen dut, baina ezin dut hori itzuli.", "refusal"},
	{"en", "es", "Choose the file.", "Lo siento, pero no puedo ayudarte con eso.", "refusal"},
	{"en", "eu", "I'm sorry, but I can't come.", "Sentitzen dut, baina ezin naiz etorri.", ""},
	{"en", "eu", "Then the old house near the river burnt down.", "Gero. etxe zaharra erre zen", ""},
	{"en", "eu", "column: An array with many items.", "euskara: Elementu askoko matrizea.", ""},
	{"en", "eu", "An array with many items.", "Euskara: Elementu askoko matrizea.", "chatter"},
	{"en", "eu", "Is it raining today?", "Gaur euria ari du.", "final_mark~"},
	{"en", "ru", "The river is old and very quiet.", "Ibaia zaharra da eta oso lasaia.", "script"},
	{"en", "ru", "The river is old and very quiet.", "Река старая и очень тихая.", ""},
	{"en", "ru", "LibreOffice Writer", "LibreOffice Writer", ""},
	{"en", "eu", "Say something about rain.", "Bai bai bai bai bai.", "repetition"},
	{"en", "eu", "Use  and then  to change the  message.", "Bai, berehala.  Bai, berehala.  Bai, berehala.", "repetition"},
	{"en", "eu", "Row the boat! Row the boat! Row the boat!", "Egin arraun! Egin arraun! Egin arraun!", ""},
	{"en", "eu", "no no no no no", "ez ez ez ez ez", ""},
	{"en", "eu", "See you tomorrow.", "See you tomorrow.", "echo"},
	{"en", "eu", "Good evening.", "good evening", "echo"},
	{"en", "eu", "Tell me about knives.", "Tell me about knives.", "echo"},
	{"en", "eu", "It costs $1,250 today.", "It costs $1,250 today.", "echo"},
	{"en", "eu", "LibreOffice Writer", "LibreOffice Writer", ""},
	{"en", "eu", "Access2Base", "Access2Base", ""},
	{"en", "eu", "Lord of the Rings", "Lord of the Rings", ""},
	{"en", "eu", "Bank of England", "Bank of England", ""},
	{"en", "eu", "Microsoft Word 97/2000/XP", "Microsoft Word 97/2000/XP", ""},
	{"en", "eu", "svc.GetName(filename: str): str", "svc.GetName(filename: str): str", ""},
	{"en", "eu", "The elder brother left the village in the spring and the younger one stayed to tend the fields until winter came.",
		"Anaia zaharrenak herria utzi zuen udaberrian eta", "truncated"},
	{"en", "eu", "The elder brother left the village in the spring and the younger one stayed to tend the fields until winter came.",
		"El hermano mayor dejó el pueblo en primavera y el menor se quedó para cuidar los campos hasta el invierno.", "language"},
	{"en", "eu", "Hello.", strings.Repeat("Kaixo guztioi eta ongi etorri gure etxera. ", 4), "length_ratio repetition"},
}

func TestSignals(t *testing.T) {
	for _, c := range signalCases {
		got := checkerFor(t, c.from, c.to).Segment(nil, Pair{From: c.from, To: c.to, Source: c.source, Target: c.target})
		found := strings.Fields(names(got))
		for _, want := range strings.Fields(c.want) {
			if !slices.Contains(found, want) {
				t.Errorf("%q -> %q: %v, want %s", c.source, c.target, got, want)
			}
		}
		if hard := len(got) > 0 && got[0].Hard; hard != (c.want != "" && !strings.Contains(c.want, "~")) {
			t.Errorf("%q -> %q: %v, want %q", c.source, c.target, got, c.want)
		}
		for i, f := range got {
			if f.Detail == "" || i > 0 && f.Hard && !got[i-1].Hard {
				t.Errorf("%q: findings %+v", c.source, got)
			}
		}
	}
}

func TestValuesMayStay(t *testing.T) {
	p := Pair{From: "en", To: "eu", Source: "the quick brown fox", Target: "the quick brown fox", Values: []string{"the quick", "brown fox"}}
	if got := checkerFor(t, "en", "eu").Segment(nil, p); slices.ContainsFunc(got, func(f Finding) bool { return f.Hard && f.Check == "echo" }) {
		t.Errorf("protected words make an echo: %v", got)
	}
}

var letterRun = regexp.MustCompile(`[\p{L}]{2,}`)

// pseudo translates word by word as a fake server may do: each run of letters becomes a word of the list, chosen by hash.
func pseudo(s, list string) string {
	words := strings.Fields(list)
	return letterRun.ReplaceAllStringFunc(s, func(w string) string {
		sum := sha1.Sum([]byte(strings.ToLower(w)))
		n := new(big.Int).SetBytes(sum[:])
		out := words[n.Mod(n, big.NewInt(int64(len(words)))).Int64()]
		if r := []rune(w); unicode.IsUpper(r[0]) {
			o := []rune(out)
			return string(unicode.ToUpper(o[0])) + string(o[1:])
		}
		return out
	})
}

const (
	basqueWords  = "eta da etxea lana ura egun gizon emakume haur mendi itsaso bide zuhaitz liburu hitz argi ilun berri zahar handi txiki ona eder gorri zuri beltz urdin berde etorri joan egin esan ikusi jakin nahi behar ahal gaur bihar atzo hemen hor han zer nor non noiz nola zergatik beste asko gutxi bakar lehen azken arte gabe bezala baina edo ere oso hau hori hura gure zure euskara herri kale ate leiho mahai aulki"
	spanishWords = "el la de que y en un ser se no haber por con su para como estar tener le lo todo pero más hacer o poder decir este ir otro ese si me ya ver porque dar cuando él muy sin vez mucho saber qué sobre mi alguno mismo yo también hasta año dos querer entre así primero desde grande eso ni nos llegar pasar tiempo ella sí día uno bien poco deber entonces poner cosa tanto hombre parecer nuestro tan donde ahora parte después vida quedar siempre creer hablar llevar dejar nada cada seguir menos nuevo encontrar"
)

// corruptions are what backends do to translations, with the least share that some finding, and that a hard one, must catch.
var corruptions = []struct {
	name      string
	corrupt   func(i int, pairs []helpPair) string
	any, hard float64
}{
	{"second half lost", func(i int, p []helpPair) string {
		w := strings.Fields(p[i].EU)
		return strings.Join(w[:(len(w)+1)/2], " ")
	}, 0.982, 0.80},
	{"two thirds lost", func(i int, p []helpPair) string {
		w := strings.Fields(p[i].EU)
		return strings.Join(w[:(len(w)+2)/3], " ")
	}, 0.99, 0.95},
	{"loop of four", func(i int, p []helpPair) string { return strings.Repeat(p[i].EU+" ", 4) }, 0.997, 0.997},
	{"loop at the end", func(i int, p []helpPair) string {
		w := strings.Fields(p[i].EU)
		return p[i].EU + strings.Repeat(" "+strings.Join(w[max(0, len(w)-3):], " "), 8)
	}, 0.997, 0.997},
	{"text of another row", func(i int, p []helpPair) string { return p[(i+len(p)/2)%len(p)].EU }, 0.75, 0.25},
	{"English left", func(i int, p []helpPair) string { return p[i].EN }, 0.99, 0.97},
	{"English left but for a word", func(i int, p []helpPair) string {
		w := strings.Fields(p[i].EN)
		w[len(w)/2] = "etxea"
		return strings.Join(w, " ")
	}, 0.99, 0.96},
	{"English in the second half", func(i int, p []helpPair) string {
		a, b := strings.Fields(p[i].EU), strings.Fields(p[i].EN)
		return strings.Join(a[:len(a)/2], " ") + " " + strings.Join(b[len(b)/2:], " ")
	}, 0.97, 0.55},
	{"Spanish words", func(i int, p []helpPair) string { return pseudo(p[i].EN, spanishWords) }, 0.99, 0.97},
	{"chatter", func(i int, p []helpPair) string {
		return "Sure! Here is the translation:\n\n\"" + p[i].EU + "\""
	}, 1, 1},
}

func TestCorruptions(t *testing.T) {
	c := checkerFor(t, "en", "eu")
	pairs := readRows[helpPair](t, "testdata/pairs.jsonl.zst")
	for _, k := range corruptions {
		any, hard := 0, 0
		for i, p := range pairs {
			q := p.pair()
			q.Target = k.corrupt(i, pairs)
			if found := c.Segment(nil, q); len(found) > 0 {
				any++
				if found[0].Hard {
					hard++
				}
			}
		}
		n := float64(len(pairs))
		t.Logf("%-28s any %.1f %%, hard %.1f %%", k.name, 100*float64(any)/n, 100*float64(hard)/n)
		if float64(any)/n < k.any || float64(hard)/n < k.hard {
			t.Errorf("%s: any %d, hard %d of %.0f, want %.1f %% and %.1f %%", k.name, any, hard, n, 100*k.any, 100*k.hard)
		}
	}
	rejected, altered, caught := 0, 0, 0
	for _, p := range pairs {
		if found := c.Segment(nil, p.pair()); len(found) > 0 && found[0].Hard {
			rejected++
			t.Logf("human translation rejected: %v", found[0])
		}
		q := p.pair()
		q.Target = strings.Map(func(r rune) rune {
			if '0' <= r && r <= '9' {
				return '0' + (r-'0'+1)%10
			}
			return r
		}, p.EU)
		if q.Target != p.EU && strings.ContainsAny(p.EN, "0123456789") {
			altered++
			if found := c.Segment(nil, q); len(found) > 0 && found[0].Hard {
				caught++
			}
		}
	}
	t.Logf("human translations rejected: %d of %d; altered digits caught: %d of %d", rejected, len(pairs), caught, altered)
	if float64(rejected) > 0.01*float64(len(pairs)) {
		t.Errorf("%d of %d human translations are rejected", rejected, len(pairs))
	}
	if altered < 20 || float64(caught) < 0.95*float64(altered) {
		t.Errorf("altered digits: %d of %d caught", caught, altered)
	}
}

func TestRow(t *testing.T) {
	c := checkerFor(t, "en", "eu")
	for _, k := range []struct{ source, target, want string }{
		{"Good evening to all.\nSee you tomorrow.", "Gabon guztioi.\nBihar arte.", ""},
		{"Good evening to all.\nUse  and  there now.", "Bai, berehala.\nBai, berehala.  Bai, berehala. Bai, berehala.", "same_target"},
		{"Show markdown.\nExample:\nDone now.", "Bai, berehala.\nBai, berehala.\nBai, berehala.", "same_target"},
		{"Yes.\nRight.\nIndeed.\nWhat a day it was!", "Bai.\nBai.\nBai.\nA zer eguna!", ""},
		{"Good evening to all.\nSee you tomorrow.", "Bai, berehala.\nBai, berehala.", "same_target"},
		{"Thank you very much.\nThank you, friend.", "Eskerrik asko.\nEskerrik asko.", ""},
		{"Fine.\nFine.", "Ondo.\nOndo.", ""},
		{"Yes, please.\nOf course, it is.\nThe river runs through the valley.\nWe walked home late at night.",
			"Bai.\nBai.\nIbaia haranean zehar doa.\nGauean berandu joan ginen etxera.", ""},
		{"Summarise the story of the two brothers.\nThe elder brother left the village.", "Resume la historia de los dos hermanos.\nEl hermano mayor dejó el pueblo.", "language"},
	} {
		got := c.Row(nil, Pair{From: "en", To: "eu", Source: k.source, Target: k.target})
		if s := names(got); !strings.HasPrefix(s, k.want) || k.want == "" && len(got) > 0 && got[0].Hard {
			t.Errorf("%q -> %q: %v, want %q", k.source, k.target, got, k.want)
		}
	}
}

func TestAppendsToDst(t *testing.T) {
	c := checkerFor(t, "en", "eu")
	dst := []Finding{{Check: "mine"}}
	dst = c.Segment(dst, Pair{From: "en", To: "eu", Source: "Choose it.", Target: ""})
	if len(dst) < 2 || dst[0].Check != "mine" {
		t.Errorf("%v", dst)
	}
}

// TestLinear gives every signal a megabyte; something quadratic would take minutes.
func TestLinear(t *testing.T) {
	c := checkerFor(t, "en", "eu")
	for name, s := range map[string]string{
		"one word":   strings.Repeat("a", 1<<20),
		"letters":    strings.Repeat("a ", 1<<19),
		"numbers":    strings.Repeat("1,", 1<<19),
		"lines":      strings.Repeat("ab cd efghij\n", 1<<16),
		"quotes":     strings.Repeat(`"'`, 1<<19),
		"chatter":    strings.Repeat("Sure! Here is the translation: ", 1<<15),
		"paragraphs": strings.Repeat("Note: x\n\n", 1<<16),
		"marks":      strings.Repeat("a\u0301", 1<<19),
		"broken":     strings.Repeat("\xff\xc3", 1<<19),
		"text":       strings.Repeat("The river is old and very quiet. ", 1<<15),
	} {
		t.Run(name, func(t *testing.T) {
			p := Pair{From: "en", To: "eu", Source: s[:len(s)/4], Target: s, Values: []string{s[:len(s)/8]}}
			c.Segment(nil, p)
			c.Row(nil, p)
			Repair("a", p.Target)
			Tasks(s, []string{s})
			var f Fit
			f.Add(p)
		})
	}
}

func FuzzCheck(f *testing.F) {
	for _, c := range signalCases {
		f.Add(c.source, c.target)
	}
	for _, c := range repairCases {
		f.Add(c.source, c.target)
	}
	f.Add("\xff\xfe", "a\xc3")
	f.Add("٣٤٥ 𝟗𝟗", "\u0301\u0301 İ")
	checkers := []*Checker{checkerFor(f, "en", "eu"), checkerFor(f, "eu", "zh"), checkerFor(f, "xx", "yy")}
	languages := [][2]string{{"en", "eu"}, {"eu", "zh"}, {"xx", "yy"}}
	f.Fuzz(func(t *testing.T, source, target string) {
		for i, c := range checkers {
			p := Pair{From: languages[i][0], To: languages[i][1], Source: source, Target: target, Values: []string{source}}
			a, b := c.Segment(nil, p), c.Segment(nil, p)
			if fmt.Sprint(a) != fmt.Sprint(b) {
				t.Fatalf("two answers: %v, %v", a, b)
			}
			c.Row(nil, p)
		}
		mended, did := Repair(source, target)
		if (mended != target) != (len(did) > 0) {
			t.Fatalf("Repair changes %q to %q and says %v", target, mended, did)
		}
		if len(mended) > len(target) || digitsOf(mended) != digitsOf(target) {
			t.Fatalf("Repair takes digits away: %q, %q", target, mended)
		}
		Tasks(source, []string{target})
		var fit Fit
		fit.Add(Pair{From: "en", To: "eu", Source: source, Target: target})
		fit.Percentiles()
	})
}

func digitsOf(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsDigit(r) {
			return r
		}
		return -1
	}, s)
}
