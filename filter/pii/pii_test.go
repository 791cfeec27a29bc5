package pii

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/klauspost/compress/zstd"
)

func found(f *Finder, doc string, kinds Set) string {
	var out []string
	for _, s := range f.Find([]byte(doc), kinds) {
		out = append(out, s.Kind.String()+":"+doc[s.Lo:s.Hi])
	}
	return strings.Join(out, " | ")
}

const everything = Set(1<<Kinds - 1)

func TestFind(t *testing.T) {
	var f Finder
	for _, c := range []struct{ doc, want string }{
		{"", ""},
		{"Write to jon.doe+x@mail.euskadi.eus.", "email:jon.doe+x@mail.euskadi.eus"},
		{"<a@b.io>, (c_d@e-f.org); mailto:g@h.co?subject=x", "email:a@b.io | email:c_d@e-f.org | email:g@h.co"},
		{"muñoz@ehu.eus and O'Neil@x.ie", "email:muñoz@ehu.eus | email:O'Neil@x.ie"},
		{"«jon@ehu.eus» “jon@ehu.eus”", "email:jon@ehu.eus | email:jon@ehu.eus"},
		{"'jon@ehu.eus' .jon@ehu.eus jon.@ehu.eus a..b@ehu.eus", "email:jon@ehu.eus | email:jon@ehu.eus | email:b@ehu.eus"},
		{"user@example.com me@test.example.org you@localhost icon@2x.png v@1.2.3", ""},
		{"@mention a@b @x.com a@.com a@b.c a@-b.com", ""},
		{"a@b.com@c.org", "email:a@b.com"},
		{"a@xn--d1acufc.xn--p1ai", "email:a@xn--d1acufc.xn--p1ai"},
		{"電子メール：taro@yahoo.co.jp。", "email:taro@yahoo.co.jp"},
		{strings.Repeat("a", 200) + "@b.org", "email:" + strings.Repeat("a", 64) + "@b.org"},

		{"from 130.206.5.1, 8.8.8.8: yes", "ipv4:130.206.5.1"},
		{"10.0.0.1 127.0.0.1 192.168.1.1 172.16.9.9 169.254.3.4 100.64.0.9 203.0.113.4 224.0.0.251 255.255.255.0", ""},
		{"172.15.9.200 172.32.99.1 192.0.1.77 223.9.9.9.", "ipv4:172.15.9.200 | ipv4:172.32.99.1 | ipv4:192.0.1.77 | ipv4:223.9.9.9"},
		{"version 4.12.3.1, 1.2.3.4 and v130.206.5.1 130.206.5.1.7 130.206.5.01 130.206.5.256 1130.206.5.1 a130.206.5.1 130.206.5.1a -130.206.5.1", ""},
		{"http://130.206.5.1:8080/x 130.206.5.1/24 (130.206.5.1)", "ipv4:130.206.5.1 | ipv4:130.206.5.1 | ipv4:130.206.5.1"},

		{"2a02:9130::1 and 2001:4860:4860::8888.", "ipv6:2a02:9130::1 | ipv6:2001:4860:4860::8888"},
		{"[2a02:9130:1:2:3:4:5:6]:443", "ipv6:2a02:9130:1:2:3:4:5:6"},
		{"2001:db8::1 fe80::1 ::1 fd00::1 3fff:1::2 2001:10::1 2024:10:22 2a02:9130:1 2a02:9130::1::2x", ""},
		{"2a02:9130:1:2:3:4:5:6:7", ""},
		{"2a02::", "ipv6:2a02::"},

		{"tel. +34 943 00 12 34.", "phone:+34 943 00 12 34"},
		{"+34943001234, +34-943-001-234; +34.943.00.12.34", "phone:+34943001234 | phone:+34-943-001-234 | phone:+34.943.00.12.34"},
		{"+44 (0)20 7946 0958 +44 20 7946 0958", "phone:+44 (0)20 7946 0958 | phone:+44 20 7946 0958"},
		{"+1 (415) 555-2671 or (415) 555-2671 or +1-415-555-2671", "phone:+1 (415) 555-2671 | phone:(415) 555-2671 | phone:+1-415-555-2671"},
		{"+34\u00a0943\u00a000\u00a012\u00a034", "phone:+34\u00a0943\u00a000\u00a012\u00a034"},
		{"a+34943001234 ++34943001234 +349430012 +34 943 00 12 345 +999 12 34 +0 123456789 1+2 +280 123 456 789", ""},
		{"943 00 12 34, 415-555-2671, (015) 555-2671, (415) 055-2671, (415) 555-26712, C++11 20 30 40 50 60", ""},
		{"+1 234 567 890 people, +12345678 %", ""},
		{"+353 1 234 5678 +7 495 123-45-67", "phone:+353 1 234 5678 | phone:+7 495 123-45-67"},

		{"IBAN ES91 2100 0418 4502 0005 1332.", "iban:ES91 2100 0418 4502 0005 1332"},
		{"DE89370400440532013000, GB82 WEST 1234 5698 7654 32", "iban:DE89370400440532013000 | iban:GB82 WEST 1234 5698 7654 32"},
		{"NO9386011117947 MT84MALT011000012345MTLCAST001S", "iban:NO9386011117947 | iban:MT84MALT011000012345MTLCAST001S"},
		{"ES92 2100 0418 4502 0005 1332 XX89370400440532013000 DE8937040044053201300 ADE89370400440532013000 DE893704004405320130001", ""},
		{"DE89 37 0400440532013000", ""},

		{"4111 1111 1111 1111, 4111111111111111; 4111-1111-1111-1111.", "card:4111 1111 1111 1111 | card:4111111111111111 | card:4111-1111-1111-1111"},
		{"3782 822463 10005 and 378282246310005", "card:3782 822463 10005 | card:378282246310005"},
		{"5555555555554444 2223003122003222 6011111111111117 3530111333300000 30569309025904 6200000000000005",
			"card:5555555555554444 | card:2223003122003222 | card:6011111111111117 | card:3530111333300000 | card:30569309025904 | card:6200000000000005"},
		{"4111 1111 1111 1112 1234567812345670 4111 11111111 1111 41111111111111111111 x4111111111111111 id=4111111111111111 4111111111111111.5", ""},
		{"0.4111111111111111 4111 1111-1111 1111 4111 1111 1111 1111 1111", ""},
	} {
		if got := found(&f, c.doc, everything); got != c.want {
			t.Errorf("%q:\n%s, want\n%s", c.doc, got, c.want)
		}
	}
	if got := found(&f, "jon@ehu.eus 130.206.5.1", Of(IPv4)); got != "ipv4:130.206.5.1" {
		t.Errorf("of one kind: %s", got)
	}
}

func TestAppendReplaced(t *testing.T) {
	var f Finder
	doc := []byte("jon@ehu.eus, 130.206.5.1 and miren@ehu.eus")
	texts := [Kinds]string{Email: "<EMAIL>", IPv4: "<IP>"}
	if got := string(AppendReplaced([]byte("x"), doc, f.Find(doc, everything), &texts)); got != "x<EMAIL>, <IP> and <EMAIL>" {
		t.Errorf("%q", got)
	}
}

// answer is what the references said of a text.
type answer struct {
	Text      string   `json:"text"`
	Datatrove string   `json:"datatrove"`
	All       string   `json:"datatrove_all"`
	Dolma     [][3]any `json:"dolma"`
	Fast      [][3]any `json:"dolma_fast"`
}

func answers(t testing.TB) (all []answer) {
	t.Helper()
	in, err := os.Open("testdata/oracle.jsonl.zst")
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	z, err := zstd.NewReader(in)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	for dec := json.NewDecoder(z); ; {
		var a answer
		if err := dec.Decode(&a); err == io.EOF {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, a)
	}
}

// list writes spans as the oracle has them: kind and places in characters.
func list(doc string, spans []Span) string {
	var out []string
	for _, s := range spans {
		out = append(out, fmt.Sprint(s.Kind, utf8.RuneCountInString(doc[:s.Lo]), utf8.RuneCountInString(doc[:s.Hi])))
	}
	return strings.Join(out, ", ")
}

func listed(rows [][3]any) string {
	var out []string
	for _, r := range rows {
		out = append(out, fmt.Sprint(r[0], " ", r[1], " ", r[2]))
	}
	return strings.Join(out, ", ")
}

// TestOracle compares with what the references said of generated texts.
func TestOracle(t *testing.T) {
	var f Finder
	all := answers(t)
	for _, a := range all {
		doc := []byte(a.Text)
		if got, _ := f.AppendDatatrove(nil, doc, DatatroveEmailTexts, DatatroveIPTexts, true); string(got) != a.Datatrove {
			t.Errorf("%q: %q, datatrove %q", a.Text, got, a.Datatrove)
		}
		if got, _ := f.AppendDatatrove(nil, doc, DatatroveEmailTexts, DatatroveIPTexts, false); string(got) != a.All {
			t.Errorf("%q: all addresses: %q, datatrove %q", a.Text, got, a.All)
		}
		if got, want := list(a.Text, f.AppendDolma(nil, doc)), listed(a.Dolma); got != want {
			t.Errorf("%q: %s; dolma %s", a.Text, got, want)
		}
		if got, want := list(a.Text, f.AppendDolmaFast(nil, doc)), listed(a.Fast); got != want {
			t.Errorf("%q: %s; dolma's fast tagger %s", a.Text, got, want)
		}
	}
	if len(all) < 5000 {
		t.Errorf("%d texts only", len(all))
	}
}

// check holds what is true of any text.
func check(t *testing.T, f *Finder, doc []byte) {
	t.Helper()
	var texts [Kinds]string
	for k := range Kinds {
		spans := f.Find(doc, Of(k))
		at := int32(0)
		for _, s := range spans {
			if s.Lo < at || s.Hi <= s.Lo || int(s.Hi) > len(doc) || s.Kind != k {
				t.Fatalf("%q: %s: spans %v", doc, k, spans)
			}
			if utf8.Valid(doc) && !utf8.Valid(s.Of(doc)) {
				t.Fatalf("%q: %s: span %q cuts a character", doc, k, s.Of(doc))
			}
			at = s.Hi
		}
		texts[k] = "<" + strings.ToUpper(k.String()) + ">"
	}
	masked := AppendReplaced(nil, doc, f.Find(doc, everything), &texts)
	if utf8.Valid(doc) && !utf8.Valid(masked) {
		t.Fatalf("%q: masked: %q", doc, masked)
	}
	for _, fast := range []bool{false, true} {
		at := int32(0)
		spans, count := f.FindDolma(doc, everything, fast)
		for _, s := range spans {
			if s.Lo < at || s.Hi <= s.Lo || int(s.Hi) > len(doc) {
				t.Fatalf("%q: dolma: spans %v", doc, spans)
			}
			at = s.Hi
		}
		if count < len(spans) {
			t.Fatalf("%q: %d of %d", doc, len(spans), count)
		}
	}
	f.AppendDatatrove(nil, doc, DatatroveEmailTexts, DatatroveIPTexts, true)
}

func FuzzFind(f *testing.F) {
	for _, s := range []string{"jon@ehu.eus 130.206.5.1 2a02:9130::1 +34 943 00 12 34", "IBAN ES91 2100 0418 4502 0005 1332 4111 1111 1111 1111", "x@[1.2.3.4] @@.@ \xff\u00a0", "(415) 555-2671 \u0663"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		var fd Finder
		check(t, &fd, doc)
	})
}

// TestRandom runs the checks of the fuzz target on texts of the signs that scanners look at.
func TestRandom(t *testing.T) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	t.Logf("seed %d", seed)
	signs := []string{"a", "Z", "0", "1", "4", "9", "25", ".", "@", ":", "::", "+34", "(", ")", "-", " ", "\n", "é", "\u00a0", "ES91", "[", "]", "#", "\xff"}
	var f Finder
	for range 5000 {
		var doc []byte
		for range rng.IntN(60) {
			doc = append(doc, signs[rng.IntN(len(signs))]...)
		}
		check(t, &f, doc)
	}
}

// TestLinear: 128 KiB of any one sign, or of two, is read in time that is linear in it. A scanner that went back for each of them
// would take minutes.
func TestLinear(t *testing.T) {
	var f Finder
	for _, s := range []string{"@", ".", "1", "a", " ", "-@", "a@", ".@", "@a.", "a.b@", "1.", "1.1.1.", "1 ", "2a02:", ":", "+1", "+", "(", "(415) ", "ES91", "4111 ", "-", "é@", " @ ", "(.", "@.\n", "\u00a0@", "+34 9", "a1."} {
		doc := bytes.Repeat([]byte(s), 1<<17/len(s))
		f.Find(doc, everything)
		f.FindDolma(doc, everything, false)
		f.FindDolma(doc, everything, true)
		f.FindDatatrove(doc, everything, true)
	}
}

func TestAllocs(t *testing.T) {
	var f Finder
	doc := []byte("jon@ehu.eus 130.206.5.1 2a02:9130::1 +34 943 00 12 34 ES91 2100 0418 4502 0005 1332 4111 1111 1111 1111")
	var out []byte
	if n := testing.AllocsPerRun(100, func() {
		f.Find(doc, everything)
		f.FindDolma(doc, everything, true)
		f.FindDolma(doc, everything, false)
		out, _ = f.AppendDatatrove(out[:0], doc, DatatroveEmailTexts, DatatroveIPTexts, true)
	}); n != 0 {
		t.Errorf("%v allocations a document", n)
	}
}

func BenchmarkFind(b *testing.B) {
	var doc []byte
	for _, a := range answersText(b) {
		doc = append(doc, a...)
	}
	for _, k := range []struct {
		name string
		find func(f *Finder)
	}{
		{"curate", func(f *Finder) { f.Find(doc, everything) }},
		{"datatrove", func(f *Finder) { f.FindDatatrove(doc, everything, true) }},
		{"dolma_fast", func(f *Finder) { f.FindDolma(doc, everything, true) }},
	} {
		b.Run(k.name, func(b *testing.B) {
			var f Finder
			b.SetBytes(int64(len(doc)))
			for b.Loop() {
				k.find(&f)
			}
		})
	}
}

// answersText is a megabyte of prose with an address here and there.
func answersText(b *testing.B) []string {
	return []string{strings.Repeat("Hautatu idazten ari zarenean akatsak automatikoki zuzentzeko aukerak, eta ondoren sakatu Ados botoia (2.1. atala). ", 80), "Idatzi jon@ehu.eus helbidera edo deitu +34 943 00 12 34 zenbakira. "}
}
