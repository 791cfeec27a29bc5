// Command wc asks the wc of this machine how it counts words and writes what it saw: the table of
// text.WordsWC and the answers that its test compares with. Run it from the root of the repository, on a
// system with GNU coreutils and glibc:
//
//	go run ./text/testdata/wc
//
// It needs nothing but the Go toolchain and wc, takes about half a minute, and its output is committed. Another
// version of coreutils or of glibc may answer otherwise; that is a change of text.WordsWC and so of the version
// of each stage that uses it.
package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"go/format"
	"log"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
)

// What a character does to words.
const (
	neutral = iota // neither begins nor ends one
	word
	space
)

const (
	last  = 0x10FFFF
	block = 64 // code points whose classes are one entry of the table
)

func main() {
	log.SetFlags(0)
	classes, blocks := observe()
	runs := runsOf(classes)
	version := fmt.Sprintf("%s, %s, %s", firstLine("wc", "--version"), firstLine("ldd", "--version"), runtime.GOARCH)
	writeTable(version, classes)
	writeAnswers(version, classes, runs, blocks)
	var n [3]int
	for r, c := range classes {
		if !surrogate(rune(r)) {
			n[c]++
		}
	}
	log.Printf("%s: %d code points of words, %d spaces, %d neutral, in %d runs", version, n[word], n[space], n[neutral], len(runs))
}

func surrogate(r rune) bool { return r >= 0xD800 && r <= 0xDFFF }

func firstLine(name string, arg ...string) string {
	out, err := exec.Command(name, arg...).Output()
	if err != nil {
		log.Fatalf("%s: %v", name, err)
	}
	line, _, _ := strings.Cut(string(out), "\n")
	return line
}

// count is what `LC_ALL=C.UTF-8 wc -w` says about each text: a file each, thousands a process.
func count(texts []string) []int {
	dir, err := os.MkdirTemp("", "wc")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	var answers []int
	for len(texts) > 0 {
		n := min(len(texts), 4096)
		var names bytes.Buffer
		for i, t := range texts[:n] {
			name := filepath.Join(dir, strconv.Itoa(i))
			if err := os.WriteFile(name, []byte(t), 0o600); err != nil {
				log.Fatal(err)
			}
			names.WriteString(name + "\x00")
		}
		cmd := exec.Command("wc", "-w", "--files0-from=-")
		for _, e := range os.Environ() {
			if !strings.HasPrefix(e, "LC_") && !strings.HasPrefix(e, "POSIXLY_CORRECT") {
				cmd.Env = append(cmd.Env, e)
			}
		}
		cmd.Env = append(cmd.Env, "LC_ALL=C.UTF-8")
		cmd.Stdin = &names
		out, err := cmd.Output()
		if err != nil {
			log.Fatalf("wc: %v", err)
		}
		lines := strings.Split(string(out), "\n")
		for i := range n {
			words, err := strconv.Atoi(strings.Fields(lines[i])[0])
			if err != nil {
				log.Fatal(err)
			}
			answers = append(answers, words)
		}
		texts = texts[n:]
	}
	return answers
}

// blockAnswers are what wc says about 64 code points at once: each alone between spaces, and each between two
// letters. The first counts the word characters, the second one more for each space. Index is the code point
// divided by 64; surrogates, which valid text cannot hold, have zeros.
type blockAnswers struct {
	Alone   []int `json:"alone"`
	Between []int `json:"between"`
}

func observe() (classes []uint8, answers blockAnswers) {
	classes = make([]uint8, last+1)
	var texts []string
	for lo := rune(0); lo <= last; lo += block {
		var alone, between strings.Builder
		for r := lo; r < lo+block && !surrogate(r); r++ {
			alone.WriteString(string(r) + " ")
			between.WriteString("a" + string(r) + "b ")
		}
		texts = append(texts, alone.String(), between.String())
	}
	counts := count(texts)
	var mixed []rune
	for lo := rune(0); lo <= last; lo += block {
		alone, between := counts[0], counts[1]
		counts = counts[2:]
		answers.Alone = append(answers.Alone, alone)
		answers.Between = append(answers.Between, between)
		class := uint8(neutral)
		switch {
		case alone == block:
			class = word
		case alone == 0 && (between == block || surrogate(lo)):
		case alone == 0 && between == 2*block:
			class = space
		default:
			for r := lo; r < lo+block; r++ {
				mixed = append(mixed, r)
			}
			continue
		}
		for r := lo; r < lo+block; r++ {
			classes[r] = class
		}
	}
	texts = texts[:0]
	for _, r := range mixed {
		texts = append(texts, string(r), "a"+string(r)+"b", "a "+string(r)+" b")
	}
	counts = count(texts)
	for i, r := range mixed {
		switch c := [3]int(counts[3*i:]); c {
		case [3]int{1, 1, 3}:
			classes[r] = word
		case [3]int{0, 2, 2}:
			classes[r] = space
		case [3]int{0, 1, 2}:
			classes[r] = neutral
		default:
			log.Fatalf("U+%04X is of no class: wc answers %v", r, c)
		}
	}
	return classes, answers
}

// runsOf are the first and the last code point of each run of one class.
func runsOf(classes []uint8) (runs [][2]rune) {
	lo := rune(0)
	for r := rune(1); r <= last+1; r++ {
		if r > last || classes[r] != classes[lo] {
			runs = append(runs, [2]rune{lo, r - 1})
			lo = r
		}
	}
	return runs
}

// writeTable packs the classes into three levels: 12 bits of the code point choose a row, the next 6 a pair of
// bit sets, the last 6 the bit. In UTF-8 the last two are the last two bytes.
func writeTable(version string, classes []uint8) {
	type sets struct{ word, space uint64 }
	type row [64]int
	var (
		top   []int
		rows  []row
		pairs []sets
		rowOf = map[row]int{}
		setOf = map[sets]int{}
	)
	for hi := 0; hi <= last; hi += 64 * block {
		var r row
		for k := range r {
			var s sets
			for b := range block {
				switch classes[hi+k*block+b] {
				case word:
					s.word |= 1 << b
				case space:
					s.space |= 1 << b
				}
			}
			if _, ok := setOf[s]; !ok {
				setOf[s] = len(pairs)
				pairs = append(pairs, s)
			}
			r[k] = setOf[s]
		}
		if _, ok := rowOf[r]; !ok {
			rowOf[r] = len(rows)
			rows = append(rows, r)
		}
		top = append(top, rowOf[r])
	}
	if len(rows) > 256 || len(pairs) > 1<<16 {
		log.Fatalf("%d rows, %d pairs: the types are too small", len(rows), len(pairs))
	}

	var b bytes.Buffer
	p := func(format string, a ...any) { fmt.Fprintf(&b, format, a...) }
	p("// Code generated by go run ./text/testdata/wc; DO NOT EDIT.\n\npackage text\n\n")
	p("// As observed of %s.\n\n", version)
	p("// wcTop chooses the row of wcRows by the code point's bits from 12 up.\nvar wcTop = [%d]uint8{", len(top))
	for i, v := range top {
		if i%32 == 0 {
			p("\n")
		}
		p("%d,", v)
	}
	p("\n}\n\n// wcRows chooses the entry of wcSets by the bits 6 to 11.\nvar wcRows = [%d][64]uint16{\n", len(rows))
	for _, r := range rows {
		p("{")
		for k, v := range r {
			if k%32 == 0 {
				p("\n")
			}
			p("%d,", v)
		}
		p("\n},\n")
	}
	p("}\n\n// wcSets has a bit for each value of the bits 0 to 5.\nvar wcSets = [%d]wcSet{\n", len(pairs))
	for _, s := range pairs {
		p("{%#016x, %#x},\n", s.word, s.space)
	}
	p("}\n")
	src, err := format.Source(b.Bytes())
	if err != nil {
		log.Fatal(err)
	}
	write("text/words_wc_table.go", src)
	log.Printf("table: %d rows, %d sets, %d bytes", len(rows), len(pairs), len(top)+128*len(rows)+16*len(pairs))
}

func write(name string, data []byte) {
	if err := os.WriteFile(name, data, 0o666); err != nil {
		log.Fatal(err)
	}
}

type answer struct {
	Text  string `json:"text"`
	Words int    `json:"words"`
}

// writeAnswers writes JSON lines: the versions, the blocks, then texts with wc's answer: the ends of each run
// in every construction, neutral characters among words and spaces, and random mixtures.
func writeAnswers(version string, classes []uint8, runs [][2]rune, blocks blockAnswers) {
	texts := []string{
		"", " ", "a", "a b", " a ", "a\nb\n", "eta etxe\u00a0berria\u3000da", "a\u2028b", "a \u2028 b", "\u2028",
		"a\u0085b", "a\u2060b", "a\ufeffb", "\ufeffa", "a\u200bb", "\u200b", "a\u00adb", "x \x00 y", "x\x00y",
		"\x01a\x02 \x03b\x04", "a\x1cb", "a\x7fb", "\x7f", "a \u0378b", "a\u0378 b", "\u0378 \u0378", "a \u0378\u0378 \u0378b",
		"\U0001F600 \U0001F600", "\ue000 \ue000", "e\u0301 \u0301", "日本語 テキスト\u3000です。", "한국어 텍스트",
		"ქართული ტექსტი", "a\ufffdb \ufffd", "\uffff \U0010ffff", "\U0001DF00 \U0001E030", "a\r\nb\r\n", "a\vb\fc\td",
	}
	for _, r := range runs {
		if surrogate(r[0]) && surrogate(r[1]) {
			continue
		}
		var alone, inside, apart string
		for _, c := range r {
			if !surrogate(c) {
				alone += string(c) + " "
				inside += "a" + string(c) + "b "
				apart += "a " + string(c) + " b"
			}
		}
		texts = append(texts, alone+inside+apart, string(r[0]))
	}
	rng := rand.New(rand.NewPCG(9, 1))
	var of [3][]rune
	for _, r := range runs {
		if !surrogate(r[0]) {
			of[classes[r[0]]] = append(of[classes[r[0]]], r[0])
		}
	}
	for i := range 80 {
		var b strings.Builder
		for range 1 + 3*i {
			if class := rng.IntN(5); class < 3 {
				b.WriteRune(of[class][rng.IntN(len(of[class]))])
			} else {
				b.WriteString([]string{"a", " ", "ab ", "\n"}[rng.IntN(4)])
			}
		}
		texts = append(texts, b.String())
	}
	var out bytes.Buffer
	z, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		log.Fatal(err)
	}
	e := json.NewEncoder(z)
	e.SetEscapeHTML(false)
	rows := []any{map[string]string{"source": version + ", LC_ALL=C.UTF-8 wc -w"}, blocks}
	for i, n := range count(texts) {
		rows = append(rows, answer{texts[i], n})
	}
	for _, r := range rows {
		if err := e.Encode(r); err != nil {
			log.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		log.Fatal(err)
	}
	write("text/testdata/wc/answers.jsonl.gz", out.Bytes())
	log.Printf("answers: %d texts, %d bytes", len(texts), out.Len())
}
