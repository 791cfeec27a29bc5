package dedup

import (
	"cmp"
	"slices"
	"strings"

	"github.com/cespare/xxhash/v2"
)

// match is an item that was found in a document.
type match struct {
	item   uint32
	method string
	share  uint32 // of the passage's n-grams or shingles, in millionths; a similarity where that is measured
	at     int    // word at which it was found first
	words  int    // that the method looked at there
}

// stretch is a run of words, from lo to before hi.
type stretch struct{ lo, hi int }

// matcher looks for items in documents. It holds memory, and serves one goroutine.
type matcher struct {
	set   *Benchmarks
	spans bool // wants stretches
	// common are n-grams, by their numbers, that find nothing (contamination_common.go).
	common bitSet

	plain     plainWords
	scratch   Scratch // of datatrove's words
	hits      []gramHit
	firsts    []gramHit // the first of each key, by key
	tallied   []passageHit
	passing   []uint32
	shingles  []uint64
	ordered   []uint64
	near      []uint32
	found     []match
	stretches []stretch
}

// gramHit is an n-gram of the document that some passage has.
type gramHit struct{ key, at uint32 }

type passageHit struct{ passage, key, at uint32 }

// match finds the items in a text, each once, with the strongest method that finds it: those that begin first come first. What
// it returns is valid until the next call.
func (m *matcher) match(text []byte) []match {
	set := m.set
	m.found, m.stretches = m.found[:0], m.stretches[:0]
	datatrove := set.cfg.Convention == DatatroveConvention
	if set.cfg.has(MatchExact) || set.cfg.has(MatchNear) || set.cfg.has(MatchNgram) && !datatrove {
		m.plain.cut(text)
	}
	if set.cfg.has(MatchExact) {
		m.exact()
	}
	if set.cfg.has(MatchNgram) {
		if datatrove {
			m.scratch.reserve(text)
			simplifiedNormal(&m.scratch, text)
		}
		for k := range set.grams {
			m.ngrams(k, datatrove)
		}
	}
	if set.cfg.has(MatchNear) {
		m.nearby()
	}
	if len(m.found) < 2 {
		return m.found
	}
	// Methods were asked in the order of their strength.
	slices.SortStableFunc(m.found, func(a, b match) int { return cmp.Compare(a.item, b.item) })
	m.found = slices.CompactFunc(m.found, func(a, b match) bool { return a.item == b.item })
	slices.SortFunc(m.found, func(a, b match) int {
		if datatrove { // of tasks with the same n-gram the last file's is its answer, and files come by their names
			if c := strings.Compare(m.name(&b), m.name(&a)); a.at == b.at && c != 0 {
				return c
			}
		}
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.item, b.item))
	})
	return m.found
}

func (m *matcher) name(f *match) string { return m.set.list[m.set.items[f.item].benchmark].name }

func (m *matcher) add(passage uint32, method string, share uint32, at, words int) {
	m.found = append(m.found, match{m.set.passages[passage].item, method, share, at, words})
}

func (m *matcher) stretch(lo, hi int) {
	if !m.spans {
		return
	}
	if n := len(m.stretches); n > 0 && lo >= m.stretches[n-1].lo && lo <= m.stretches[n-1].hi {
		m.stretches[n-1].hi = max(m.stretches[n-1].hi, hi)
		return
	}
	m.stretches = append(m.stretches, stretch{lo, hi})
}

// exact finds passages that are the document, and parts of them that it contains.
func (m *matcher) exact() {
	p, set := &m.plain, m.set
	all := len(p.words)
	if all == 0 {
		return
	}
	if k := set.wholes.find(p.sums[all]); k >= 0 {
		for _, passage := range set.wholes.of(k) {
			m.add(passage, MatchExact, million, 0, all)
		}
		m.stretch(0, all)
	}
	least := set.cfg.LeastWords
	power := gramPower(least)
	for i := 0; i+least <= all; i++ {
		k := set.anchors.find(p.window(i, least, power))
		if k < 0 {
			continue
		}
		for _, number := range set.anchors.of(k) {
			t := &set.targets[number]
			if i+t.words <= all && p.window(i, t.words, gramPower(t.words)) == t.hash {
				if n := len(m.found); n == 0 || m.found[n-1].item != set.passages[t.passage].item { // repeats of one passage
					m.add(t.passage, MatchExact, million, i, t.words)
				}
				m.stretch(i, i+t.words)
			}
		}
	}
}

// ngrams finds passages by the n-grams of the kth index.
func (m *matcher) ngrams(k int, datatrove bool) {
	g := &m.set.grams[k]
	m.hits = m.hits[:0]
	hit := func(i int, hash uint64) {
		if key := g.index.find(hash); key >= 0 && !m.common.has(g.first+uint32(key)) {
			m.hits = append(m.hits, gramHit{uint32(key), uint32(i)})
		}
	}
	if datatrove {
		lo, words, ends := 0, m.scratch.words, m.scratch.ends
		for i := g.n - 1; i < len(ends); i++ {
			hit(i-g.n+1, xxhash.Sum64(words[lo:ends[i]]))
			lo = int(ends[i-g.n+1]) + 1
		}
	} else {
		power := gramPower(g.n)
		for i := 0; i+g.n <= len(m.plain.words); i++ {
			hit(i, m.plain.window(i, g.n, power))
		}
	}
	if len(m.hits) == 0 {
		return
	}
	// Each passage's different n-grams, and where the first of them stands. A text may repeat one that many passages have, so
	// that its first place alone counts.
	m.firsts = append(m.firsts[:0], m.hits...)
	slices.SortFunc(m.firsts, func(a, b gramHit) int { return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.at, b.at)) })
	m.firsts = slices.CompactFunc(m.firsts, func(a, b gramHit) bool { return a.key == b.key })
	m.tallied = m.tallied[:0]
	for _, h := range m.firsts {
		for _, passage := range g.index.of(int(h.key)) {
			m.tallied = append(m.tallied, passageHit{passage, h.key, h.at})
		}
	}
	slices.SortFunc(m.tallied, func(a, b passageHit) int {
		return cmp.Or(cmp.Compare(a.passage, b.passage), cmp.Compare(a.key, b.key), cmp.Compare(a.at, b.at))
	})
	m.passing = m.passing[:0]
	for lo := 0; lo < len(m.tallied); {
		passage := m.tallied[lo].passage
		different, at := 0, m.tallied[lo].at
		hi := lo
		for ; hi < len(m.tallied) && m.tallied[hi].passage == passage; hi++ {
			if hi == lo || m.tallied[hi].key != m.tallied[hi-1].key {
				different++
			}
			at = min(at, m.tallied[hi].at)
		}
		lo = hi
		if all := m.set.passages[passage].grams; float64(different) >= m.set.cfg.MinShare*float64(all) {
			m.passing = append(m.passing, passage)
			m.add(passage, MatchNgram, millionths(different, all, different), int(at), g.n)
		}
	}
	if !m.spans || len(m.passing) == 0 {
		return
	}
	m.firsts = slices.DeleteFunc(m.firsts, func(h gramHit) bool { // what is left are n-grams of passages that are found
		return !slices.ContainsFunc(g.index.of(int(h.key)), func(passage uint32) bool {
			_, ok := slices.BinarySearch(m.passing, passage)
			return ok
		})
	})
	for _, h := range m.hits {
		if _, ok := slices.BinarySearchFunc(m.firsts, h.key, func(f gramHit, key uint32) int { return cmp.Compare(f.key, key) }); ok {
			m.stretch(int(h.at), int(h.at)+g.n)
		}
	}
}

// nearby finds passages by their shingles.
func (m *matcher) nearby() {
	near := m.set.near
	m.shingles = appendWindows(m.shingles[:0], m.plain.sums, nearWords)
	m.near = near.candidates(m.near[:0], m.shingles)
	if len(m.near) == 0 {
		return
	}
	m.ordered = Set(append(m.ordered[:0], m.shingles...))
	for _, passage := range m.near {
		v := near.similarity(passage, m.ordered)
		if v == 0 {
			continue
		}
		set, first := near.set(passage), -1
		for i, s := range m.shingles {
			if _, ok := slices.BinarySearch(set, s); !ok {
				continue
			}
			if first < 0 {
				first = i
			}
			if !m.spans {
				break
			}
			m.stretch(i, min(i+nearWords, len(m.plain.words)))
		}
		m.add(passage, MatchNear, v, first, min(nearWords, len(m.plain.words)))
	}
}

// words of what was found, for people: as they stand in the text, or datatrove's as it joins them.
func (m *matcher) words(text []byte, f *match) []byte {
	if f.method == MatchNgram && m.set.cfg.Convention == DatatroveConvention {
		lo := 0
		if f.at > 0 {
			lo = int(m.scratch.ends[f.at-1]) + 1
		}
		return m.scratch.words[lo:m.scratch.ends[f.at+f.words-1]]
	}
	return text[m.plain.words[f.at].lo:m.plain.words[f.at+f.words-1].hi]
}

// shrink gives the memory of a giant text back.
func (m *matcher) shrink(text []byte) {
	if len(text) > scratchLimit || 8*(cap(m.shingles)+cap(m.ordered)+cap(m.hits)+2*cap(m.tallied)) > scratchLimit {
		*m = matcher{set: m.set, spans: m.spans, common: m.common}
	}
}
