package check

import (
	"cmp"
	"crypto/sha1"
	"flag"
	"fmt"
	"io"
	"math"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/klauspost/compress/zstd"
)

var (
	update = flag.Bool("update", false, "rewrite docs/translate-checks.md, and language_table.go where -lohelp is given")
	lohelp = flag.String("lohelp", "", "folder of the LibreOffice help as LANG.jsonl.zst, for language_table.go and the measurements")
)

// rows reads a file of JSON lines, compressed.
func readRows[T any](t *testing.T, file string) (rows []T) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	d, err := zstd.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	b, err := io.ReadAll(d)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if strings.TrimSpace(line) == "" {
			continue
		}
		var row T
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		rows = append(rows, row)
	}
	return rows
}

// heldOut says that a page is kept for evaluation: the SHA-1 of its path, as a number, is divisible by ten.
func heldOut(page string) bool {
	sum := sha1.Sum([]byte(page))
	n := new(big.Int).SetBytes(sum[:])
	return n.Mod(n, big.NewInt(10)).Sign() == 0
}

type helpPage struct {
	ID   string `json:"id"`
	Text string `json:"text"`
}

func (p helpPage) path() string { return strings.SplitN(p.ID, "/", 3)[2] }

const (
	tableWords    = 120 // of each language
	tableTrigrams = 60  // of each language
	wordsFloor    = 1e-4 / 1.6384
	trigramsFloor = wordsFloor * 2
)

// weights is how many bits a share is above the floor, one digit a language.
func weights(shares []float64, floor float64) string {
	b := make([]byte, len(shares))
	for i, p := range shares {
		b[i] = '0' + byte(max(0, min(9, math.Round(math.Log2(max(p, 1e-12)/floor)))))
	}
	return string(b)
}

type counted struct {
	key   string
	value float64
}

// top sorts by value, then key.
func top(m map[string]float64, n int) []counted {
	list := make([]counted, 0, len(m))
	for k, v := range m {
		list = append(list, counted{k, v})
	}
	slices.SortFunc(list, func(a, b counted) int {
		return cmp.Or(cmp.Compare(b.value, a.value), cmp.Compare(a.key, b.key))
	})
	return list[:min(n, len(list))]
}

// makeLanguageTable counts words in lower case, and the trigrams of distinct words, in the pages that are not held out; lines
// that stand in the English page too are not translated and do not count.
func makeLanguageTable(t *testing.T, folder string) string {
	english := make(map[string]map[string]bool)
	for _, p := range readRows[helpPage](t, filepath.Join(folder, "en.jsonl.zst")) {
		english[p.path()] = make(map[string]bool)
		for line := range strings.SplitSeq(p.Text, "\n") {
			english[p.path()][line] = true
		}
	}
	count := make([]map[string]float64, len(tableLanguages))
	total := make([]float64, len(tableLanguages))
	trigram := make([]map[string]float64, len(tableLanguages))
	trigramTotal := make([]float64, len(tableLanguages))
	for l, language := range tableLanguages {
		count[l], trigram[l] = make(map[string]float64), make(map[string]float64)
		seen := make(map[string]bool)
		for _, p := range readRows[helpPage](t, filepath.Join(folder, language+".jsonl.zst")) {
			if heldOut(p.path()) {
				continue
			}
			for line := range strings.SplitSeq(p.Text, "\n") {
				if seen[line] || language != "en" && english[p.path()][line] {
					continue
				}
				seen[line] = true
				for _, w := range appendWords(nil, line) {
					if !w.capital() {
						count[l][w.lower]++
						total[l]++
					}
				}
			}
		}
		for w, n := range count[l] {
			if n < 2 {
				continue
			}
			eachTrigram(w, func(g string) { trigram[l][g] += math.Round(math.Sqrt(min(n, 20)) * 16) })
		}
		for _, n := range trigram[l] {
			trigramTotal[l] += n
		}
	}
	words, trigrams := make(map[string]string), make(map[string]string)
	shares := func(counts []map[string]float64, total []float64, key string) []float64 {
		s := make([]float64, len(counts))
		for l := range counts {
			s[l] = counts[l][key] / total[l]
		}
		return s
	}
	for l := range tableLanguages {
		n := 0
		for _, c := range top(count[l], 2000) {
			w := weights(shares(count, total, c.key), wordsFloor)
			sorted := []byte(w)
			slices.Sort(sorted)
			if sorted[len(sorted)-1]-sorted[len(sorted)/2] < 3 { // nearly as frequent in most languages
				continue
			}
			words[c.key] = w
			if n++; n == tableWords {
				break
			}
		}
		gain := make(map[string]float64)
		for _, c := range top(trigram[l], 1500) {
			s := shares(trigram, trigramTotal, c.key)
			own := s[l]
			s = slices.Delete(s, l, l+1)
			slices.Sort(s)
			gain[c.key] = own * math.Log2(own/max((s[len(s)-1]+s[len(s)-3])/2, trigramsFloor))
		}
		for _, c := range top(gain, tableTrigrams) {
			trigrams[c.key] = weights(shares(trigram, trigramTotal, c.key), trigramsFloor)
		}
	}
	var b strings.Builder
	b.WriteString("package check\n\n// Made by: go test ./translate/check -run TestLanguageTable -update -lohelp FOLDER; do not edit.\n")
	write := func(name, comment string, m map[string]string) {
		fmt.Fprintf(&b, "\n// %s %s\nconst %s = `", name, comment, name)
		keys := make([]string, 0, len(m))
		for k := range m {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		width := 0
		for _, k := range keys {
			entry := strings.ReplaceAll(k, " ", "_") + " " + m[k]
			if n := utf8.RuneCountInString(entry); width+n > 110 {
				b.WriteString("\n")
				width = n
			} else {
				if width > 0 {
					b.WriteString(" ")
				}
				width += n + 1
			}
			b.WriteString(entry)
		}
		b.WriteString("`\n")
	}
	write("wordTable", "has the words that are frequent in some languages and rare in others, with a weight for each of tableLanguages.", words)
	write("trigramTable", "has trigrams of letters likewise; _ is the edge of a word.", trigrams)
	return b.String()
}

// TestLanguageTable makes the table anew where the corpus is at hand, and otherwise looks at what is committed.
func TestLanguageTable(t *testing.T) {
	if *lohelp != "" {
		made := makeLanguageTable(t, *lohelp)
		if *update {
			if err := os.WriteFile("language_table.go", []byte(made), 0o666); err != nil {
				t.Fatal(err)
			}
			return
		}
		if got, err := os.ReadFile("language_table.go"); err != nil || string(got) != made {
			t.Errorf("language_table.go is not what the corpus says (%v)", err)
		}
	}
	for name, table := range map[string]string{"wordTable": wordTable, "trigramTable": trigramTable} {
		fields := strings.Fields(table)
		if len(fields) < 800 || len(fields)%2 != 0 {
			t.Fatalf("%s has %d fields", name, len(fields))
		}
		for i := 0; i < len(fields); i += 2 {
			if i > 0 && strings.ReplaceAll(fields[i-2], "_", " ") >= strings.ReplaceAll(fields[i], "_", " ") {
				t.Errorf("%s is not sorted at %q", name, fields[i])
			}
			if w := fields[i+1]; len(w) != len(tableLanguages) || strings.Trim(w, "0123456789") != "" || strings.Trim(w, w[:1]) == "" {
				t.Errorf("%s: weights of %q are %s", name, fields[i], w)
			}
		}
	}
}
