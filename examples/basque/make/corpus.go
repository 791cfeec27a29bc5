package main

import (
	"bytes"
	"crypto/sha1"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

const basque = "eu"

// noiseLanguages are what a crawl for Basque brings along.
var noiseLanguages = []string{"ca", "de", "en", "es", "fr", "gl", "it", "pt"}

// A page is one line of the source.
type page struct {
	line []byte
	id   string
	text string
	meta jsontext.Value
}

// plan says how much of what is made.
type plan struct {
	noise    int       // pages of each other language
	targets  []float64 // similarities that pairs are aimed at, ascending
	pairs    int       // pairs a target
	off      float64   // how far from its target a pair may be
	families int       // pages with a geometric number of copies
	stop     float64   // probability that a family ends after each copy
	words    [2]int    // fewest and most words of a page that is copied
	alone    float64   // pages that are copied are below this similar to every other page
	files    int
}

func defaultPlan() plan {
	return plan{
		noise:   430,
		targets: []float64{.30, .35, .40, .45, .50, .55, .60, .65, .70, .75, .80, .85, .90, .95, 1},
		pairs:   30, off: .02,
		families: 120, stop: .35,
		words: [2]int{90, 600}, alone: .15,
		files: 4,
	}
}

// truth is what is known about a copy.
type truth struct {
	A          string  `json:"a"` // the page
	B          string  `json:"b"` // its copy
	Similarity float64 `json:"similarity"`
	Set        string  `json:"set"`  // pair: the page has this copy alone; family: one of a page's copies
	Kind       string  `json:"kind"` // how the copy was made
}

// corpus is what is written.
type corpus struct {
	files  [][][]byte // lines of each raw file
	truth  []truth
	counts map[string]int
}

// heldOut tells whether the page of an id serves for evaluation and must not be trained on: the SHA-1 of its path,
// read as one big-endian number, is divisible by ten. The path is the id without "lohelp/LANG/" and without what follows a "#".
func heldOut(id string) bool {
	path, _, _ := strings.Cut(id, "#")
	if rest, ok := strings.CutPrefix(path, "lohelp/"); ok {
		_, path, _ = strings.Cut(rest, "/")
	}
	return divisibleByTen(path)
}

func divisibleByTen(path string) bool {
	sum := sha1.Sum([]byte(path))
	return new(big.Int).Mod(new(big.Int).SetBytes(sum[:]), big.NewInt(10)).Sign() == 0
}

// copyID names a copy. Numbers whose whole id would be taken for a held-out page by a reader that does not cut it
// at "#" are passed over.
func copyID(id string, kind string, used map[string]bool) string {
	path := id[strings.Index(id, "/")+1:]
	path = path[strings.Index(path, "/")+1:]
	for n := 1; ; n++ {
		suffix := fmt.Sprintf("#%s-%d", kind, n)
		if !used[id+suffix] && !divisibleByTen(path+suffix) {
			used[id+suffix] = true
			return id + suffix
		}
	}
}

// parsePages reads the lines of name and leaves the held-out pages out.
func parsePages(name string, lines [][]byte) ([]page, error) {
	var pages []page
	for i, line := range lines {
		var r struct {
			ID   string         `json:"id"`
			Text string         `json:"text"`
			Meta jsontext.Value `json:"meta"`
		}
		if err := json.Unmarshal(line, &r); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, i+1, err)
		}
		if !strings.HasPrefix(r.ID, "lohelp/") {
			return nil, fmt.Errorf("%s:%d: the id %q does not begin with lohelp/", name, i+1, r.ID)
		}
		if !heldOut(r.ID) {
			pages = append(pages, page{line, r.ID, r.Text, r.Meta})
		}
	}
	return pages, nil
}

// encode writes a page in the source's style: a space after each colon and comma, nothing escaped that need not be.
func encode(id, text string, meta []byte) ([]byte, error) {
	b := []byte(`{"id": `)
	b, err := jsontext.AppendQuote(b, id)
	if err != nil {
		return nil, err
	}
	b = append(b, `, "text": `...)
	if b, err = jsontext.AppendQuote(b, text); err != nil {
		return nil, err
	}
	return append(append(append(b, `, "meta": `...), meta...), '}'), nil
}

// build puts the corpus together: every Basque page, a sample of the other languages', copies of Basque pages, a few
// broken lines, all in one shuffled order, cut into files.
func build(pages map[string][]page, p plan, seed uint64) (corpus, error) {
	// One generator a part: a change to the one does not move the others.
	parts := uint64(0)
	generator := func() *rand.Rand { parts++; return rand.New(rand.NewPCG(seed, parts)) }
	c := corpus{counts: map[string]int{}}
	var lines [][]byte
	for _, pg := range pages[basque] {
		lines = append(lines, pg.line)
	}
	c.counts["pages of "+basque] = len(lines)
	rng := generator()
	for _, lang := range noiseLanguages {
		of := pages[lang]
		for _, k := range rng.Perm(len(of))[:min(p.noise, len(of))] {
			lines = append(lines, of[k].line)
			c.counts["pages of "+lang]++
		}
	}
	copies, err := c.copies(pages[basque], p, generator())
	if err != nil {
		return corpus{}, err
	}
	c.counts["copies"] = len(copies)
	lines = append(lines, copies...)
	rng = generator()
	rng.Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
	if lines, err = c.breakLines(lines, pages[basque], generator()); err != nil {
		return corpus{}, err
	}
	for i := range p.files {
		c.files = append(c.files, lines[i*len(lines)/p.files:(i+1)*len(lines)/p.files])
	}
	return c, nil
}

// copies makes the pairs and the families and notes their truth.
func (c *corpus) copies(pages []page, p plan, rng *rand.Rand) (lines [][]byte, err error) {
	sets := make([]map[string]bool, len(pages))
	from := &material{}
	distinct := map[string]bool{}
	for i, pg := range pages {
		sets[i] = grams(pg.text)
		runs, at := tokens(pg.text)
		for _, k := range at {
			if !distinct[runs[k]] {
				distinct[runs[k]] = true
				from.words = append(from.words, runs[k])
			}
		}
		for line := range strings.SplitSeq(pg.text, "\n") {
			if n := len(words(line)); n >= 4 && n <= 40 {
				from.lines = append(from.lines, line)
			}
		}
	}
	var bases []int // each is copied in one way only
	alone := lonely(sets, p.alone)
	for _, i := range rng.Perm(len(pages)) {
		if n := len(words(pages[i].text)); alone[i] && n >= p.words[0] && n <= p.words[1] {
			bases = append(bases, i)
		}
	}
	c.counts["pages fit for a copy"] = len(bases)
	used := map[string]bool{}
	add := func(of page, set map[string]bool, group, kind, text string) error {
		id := copyID(of.id, kind, used)
		line, err := encode(id, text, of.meta)
		if err != nil {
			return fmt.Errorf("%s: %w", id, err)
		}
		lines = append(lines, line)
		c.counts[group+" copies by "+kind]++
		c.truth = append(c.truth, truth{of.id, id, rounded(jaccard(set, grams(text))), group, kind})
		return nil
	}
	// The families first: they are not choosy.
	for range p.families {
		if len(bases) == 0 {
			return nil, fmt.Errorf("too few Basque pages for %d families", p.families)
		}
		i := bases[0]
		bases = bases[1:]
		for {
			kind, text := "exact", pages[i].text
			switch rng.IntN(4) {
			case 0:
				kind, text = "format", reformat(pages[i].text, rng)
			case 1:
				kind, text = "substitute", substitute(pages[i].text, .92+.06*rng.Float64(), from, rng)
			}
			if err := add(pages[i], sets[i], "family", kind, text); err != nil {
				return nil, err
			}
			if rng.Float64() < p.stop {
				break
			}
		}
	}
	// Highest similarities first: they need the finest steps, which not every page offers.
	for _, target := range slices.Backward(p.targets) {
		for n := 0; n < p.pairs; n++ {
			kind, text, taken := "", "", -1
			for k, i := range bases {
				if target == 1 {
					if kind, text = "exact", pages[i].text; n%2 == 0 {
						kind, text = "format", reformat(text, rng)
					}
				} else {
					e := edits[n%len(edits)]
					kind, text = e.kind, e.make(pages[i].text, target, from, rng)
				}
				if math.Abs(jaccard(sets[i], grams(text))-target) <= p.off {
					taken = k
					break
				}
			}
			if taken < 0 {
				return nil, fmt.Errorf("too few Basque pages for pair %d at similarity %g", n+1, target)
			}
			i := bases[taken]
			bases = slices.Delete(bases, taken, taken+1)
			if err := add(pages[i], sets[i], "pair", kind, text); err != nil {
				return nil, err
			}
		}
	}
	return lines, nil
}

// breakLines inserts what a crawl has beside pages: six lines that no strict reader takes, each a page that stands
// whole elsewhere, and what every reader should take: a blank line, and pages that end in CR LF.
func (c *corpus) breakLines(lines [][]byte, pages []page, rng *rand.Rand) ([][]byte, error) {
	broken := []struct {
		kind string
		make func(line []byte, text string) []byte
	}{
		{"array", func(line []byte, _ string) []byte { return append(append([]byte("["), line...), ']') }},
		{"duplicate-key", func(line []byte, _ string) []byte {
			return append(bytes.Clone(line[:len(line)-1]), `, "text": ""}`...)
		}},
		{"lone-surrogate", func(line []byte, _ string) []byte {
			return bytes.Replace(line, []byte(`", "meta"`), []byte(`\ud83d", "meta"`), 1)
		}},
		{"nan", func(line []byte, _ string) []byte {
			return append(bytes.Clone(line[:len(line)-1]), `, "score": NaN}`...)
		}},
		{"truncated", func(line []byte, text string) []byte { return line[:len(line)-len(text)/2] }},
		{"utf-8", func(line []byte, _ string) []byte {
			return bytes.Replace(line, []byte(`", "meta"`), []byte("\xff\", \"meta\""), 1)
		}},
	}
	for range 3 {
		k := rng.IntN(len(lines))
		lines[k] = append(bytes.Clone(lines[k]), '\r')
		c.counts["lines that end in CR LF"]++
	}
	used := map[string]bool{}
	for _, b := range broken {
		pg := pages[rng.IntN(len(pages))]
		for n := len(pg.text); n < 200 || n > 1000; n = len(pg.text) {
			pg = pages[rng.IntN(len(pages))]
		}
		line, err := encode(copyID(pg.id, b.kind, used), pg.text, pg.meta)
		if err != nil {
			return nil, err
		}
		lines = slices.Insert(lines, rng.IntN(len(lines)), b.make(line, pg.text))
		c.counts["broken lines"]++
	}
	c.counts["blank lines"]++
	return slices.Insert(lines, rng.IntN(len(lines)), []byte{}), nil
}

// rounded is x to six decimals.
func rounded(x float64) float64 { return math.Round(x*1e6) / 1e6 }

// truthLines are the truths as JSON, one a line, in the order of the pages.
func (c *corpus) truthLines() [][]byte {
	sorted := slices.Clone(c.truth)
	slices.SortFunc(sorted, func(a, b truth) int { return strings.Compare(a.A+"\x00"+a.B, b.A+"\x00"+b.B) })
	var lines [][]byte
	for _, t := range sorted {
		line, err := json.Marshal(t)
		if err != nil {
			panic(err) // strings that JSON gave us, and a number between 0 and 1
		}
		lines = append(lines, line)
	}
	return lines
}
