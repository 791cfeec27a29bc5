package dedup

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/cespare/xxhash/v2"
	"github.com/go-json-experiment/json/jsontext"

	"curate/internal/human"
	"curate/record"
	"curate/stage"
)

// Findings says what is written beside the decision (stage.FindingsDir). A summary always is: docs/formats/
// dedup-summary.md is its page, dedup-evidence.md that of the other two. It decides nothing about a record, and is no part
// of a stage's identity.
type Findings struct {
	// Name begins the files' names; "dedup" by default. Where a run has several methods each has its own, SeveralName.
	Name string
	// Evidence asks for a row for each dropped document, Clusters for a row for each cluster.
	Evidence, Clusters bool
	// Alarm is the share of a source's documents, from 0 to 1, beyond which its loss is a warning; 0 means DefaultAlarm.
	Alarm float64
	// None writes and says nothing: another stage makes something of the decisions.
	None bool
}

// DefaultAlarm is that half of a source goes. Of a web corpus it is no surprise (SlimPajama lost 63.8 % of its Common
// Crawl), and worth a look all the same.
const DefaultAlarm = 0.5

// SeveralName is the Name of Findings of a method that is one of several in a run.
func SeveralName(method string) string { return "dedup_" + method }

// SummaryName, EvidenceName and ClustersName are the names of the files of Findings with that Name.
func SummaryName(name string) string  { return cmp.Or(name, "dedup") + ".json" }
func EvidenceName(name string) string { return cmp.Or(name, "dedup") + ".evidence.jsonl.zst" }
func ClustersName(name string) string { return cmp.Or(name, "dedup") + ".clusters.jsonl.zst" }

// findings are Findings of a method.
type findings struct {
	Findings
	method   string
	keep     keepOrder
	annotate bool
}

func newFindings(f Findings, method string, keep keepOrder, annotate bool) (findings, error) {
	if f.Alarm == 0 {
		f.Alarm = DefaultAlarm
	}
	if !(f.Alarm > 0 && f.Alarm <= 1) {
		return findings{}, fmt.Errorf("dedup: alarm %v is no share above 0 and at most 1", f.Alarm)
	}
	return findings{f, method, keep, annotate}, nil
}

// files are the names of what is made.
func (f *findings) files() []string {
	if f.None {
		return nil
	}
	list := []string{SummaryName(f.Name)}
	if f.Evidence {
		list = append(list, EvidenceName(f.Name))
	}
	if f.Clusters {
		list = append(list, ClustersName(f.Name))
	}
	return list
}

const (
	// findingsBytes is what the sources, the map and the samples take of Finish's memory.
	findingsBytes = 1 << 20
	// maxSamples are chosen by the hash of their IDs, so that nobody's order chooses them.
	maxSamples = 20
	// maxFlows are the pairs of sources that are told apart, of which those with the least hashes are; see maxSources.
	maxFlows = 4096
	// fewPairs: a point of the found S-curve is the mean of so many pairs at least. The standard error of a share from 20
	// is 0.11 at worst.
	fewPairs = 20
)

// The summary's members, in order.
type summary struct {
	Version          int              `json:"version"`
	Method           string           `json:"method"`
	Threshold        float64          `json:"threshold,omitempty"`
	Bands            int              `json:"bands,omitempty"`
	Rows             int              `json:"rows,omitempty"`
	Verify           string           `json:"verify,omitempty"`
	Keep             string           `json:"keep"`
	Priority         []string         `json:"priority,omitempty"`
	Documents        int64            `json:"documents"`
	Bytes            int64            `json:"bytes"`
	DroppedDocuments int64            `json:"dropped_documents"`
	DroppedBytes     int64            `json:"dropped_bytes"`
	Unordered        int64            `json:"dropped_without_number,omitempty"`
	Candidates       *int64           `json:"candidates,omitempty"`
	Pairs            *pairCounts      `json:"pairs,omitempty"`
	Histogram        []histogramBin   `json:"histogram,omitempty"`
	SCurve           *sCurve          `json:"scurve,omitempty"`
	Clusters         clusterCounts    `json:"clusters"`
	Sources          []sourceRates    `json:"sources"`
	Map              []flow           `json:"map"`
	Samples          []jsontext.Value `json:"samples"`
}

type pairCounts struct {
	Compared int64 `json:"compared"`
	Similar  int64 `json:"similar"`
	Below    int64 `json:"below"` // whose lengths alone say so
}

type histogramBin struct {
	From     float64 `json:"from"`
	To       float64 `json:"to"`
	Compared int64   `json:"compared"`
	Similar  int64   `json:"similar"`
}

type sCurve struct {
	Points []curvePoint `json:"points"`
	// FewPairs: of bins with fewer pairs nothing is said, and so many there are.
	FewPairs int `json:"few_pairs"`
	Skipped  int `json:"skipped"`
}

type curvePoint struct {
	Similarity float64 `json:"similarity"`
	Pairs      int64   `json:"pairs"`
	Expected   float64 `json:"expected"`
	Found      float64 `json:"found"`
}

type clusterCounts struct {
	Count int64         `json:"count"`
	Sizes []clusterSize `json:"sizes"`
}

type clusterSize struct {
	Size     int64 `json:"size"`
	Clusters int64 `json:"clusters"`
	Dropped  int64 `json:"dropped"`
}

type sourceRates struct {
	Source           *string `json:"source"` // null: all beyond maxSources
	Documents        int64   `json:"documents"`
	Bytes            int64   `json:"bytes"`
	DroppedDocuments int64   `json:"dropped_documents"`
	DroppedBytes     int64   `json:"dropped_bytes"`
}

type flow struct {
	Dropped   *string `json:"dropped"`
	Kept      *string `json:"kept"`
	Indexed   bool    `json:"indexed,omitempty"` // kept are documents of the index, whose sources nobody knows
	Documents int64   `json:"documents"`
}

// evidence is about a dropped document.
type evidence struct {
	dropped, kept, cluster    record.ID
	similarity                uint32 // in millionths; unknown without
	droppedSource, keptSource uint64
	droppedOwn, keptOwn       []byte // JSON; empty without
	droppedBytes              int64
	origin                    *IndexOrigin // of the kept one, if it is one of the index
	unordered                 bool         // the dropped one has nothing that Keep could order it by
}

// append appends the row.
func (e *evidence) append(dst []byte, method string, names sources) []byte {
	id := func(key string, id record.ID) {
		dst = append(dst, key...)
		dst = strconv.AppendInt(dst, int64(id), 10)
		dst = append(dst, '"')
	}
	id(`{"dropped":"`, e.dropped)
	kept := func(key string) {
		dst = append(e.origin.appendName(append(dst, key...)), '"')
	}
	if e.origin != nil {
		kept(`,"kept":"`)
	} else {
		id(`,"kept":"`, e.kept)
	}
	if e.similarity != unknown {
		dst = append(dst, `,"similarity":`...)
		dst = appendSimilarity(dst, e.similarity)
	}
	if e.cluster == e.kept && e.origin != nil {
		kept(`,"cluster":"`)
	} else {
		id(`,"cluster":"`, e.cluster)
	}
	for _, s := range []struct {
		key   string
		value uint64
	}{{`,"source_dropped":`, e.droppedSource}, {`,"source_kept":`, e.keptSource}} {
		if name := names.name(s.value); name != nil {
			dst = append(dst, s.key...)
			dst, _ = jsontext.AppendQuote(dst, name) // appendSource has seen that it is UTF-8
		}
	}
	if e.origin != nil {
		dst = append(dst, `,"file_kept":`...)
		dst, _ = jsontext.AppendQuote(dst, e.origin.File) // paths came out of JSON
	}
	if len(e.droppedOwn) > 0 {
		dst = append(append(dst, `,"id_dropped":`...), e.droppedOwn...)
	}
	if len(e.keptOwn) > 0 {
		dst = append(append(dst, `,"id_kept":`...), e.keptOwn...)
	}
	dst = append(dst, `,"method":"`...)
	dst = append(dst, method...)
	return append(dst, '"', '}')
}

// fromIndex stands for the source of a kept document of the index. It is odd, and so nobody's number.
const fromIndex = math.MaxUint64

// tallied adds up evidence.
type tallied struct {
	method  string
	sources sources
	lost    map[uint64]*source // by number
	flows   map[[2]uint64]int64
	samples []sample // by hash, ascending
	// documents and bytes that are dropped
	documents, bytes int64
	unordered        int64 // of the documents
}

type sample struct {
	hash uint64
	row  []byte
}

func newTallied(method string, all sources) *tallied {
	return &tallied{method: method, sources: all, lost: map[uint64]*source{}, flows: map[[2]uint64]int64{}}
}

// add counts a row, which is then the caller's again.
func (t *tallied) add(e *evidence) {
	t.documents++
	t.bytes += e.droppedBytes
	if e.unordered {
		t.unordered++
	}
	from, to := t.sources.fold(e.droppedSource), uint64(fromIndex)
	if e.origin == nil {
		to = t.sources.fold(e.keptSource)
	}
	lost := t.lost[from]
	if lost == nil {
		lost = &source{}
		t.lost[from] = lost
	}
	lost.documents++
	lost.bytes += e.droppedBytes
	t.flows[[2]uint64{from, to}]++
	if len(t.flows) > 2*maxFlows {
		t.prune()
	}
	var ids [16]byte
	binary.LittleEndian.PutUint64(ids[:], uint64(e.dropped))
	binary.LittleEndian.PutUint64(ids[8:], uint64(e.kept))
	hash := xxhash.Sum64(ids[:])
	if len(t.samples) == maxSamples && hash >= t.samples[maxSamples-1].hash {
		return
	}
	at, _ := slices.BinarySearchFunc(t.samples, hash, func(s sample, h uint64) int { return cmp.Compare(s.hash, h) })
	t.samples = slices.Insert(t.samples, at, sample{hash, e.append(nil, t.method, t.sources)})
	t.samples = t.samples[:min(len(t.samples), maxSamples)]
}

// prune leaves maxFlows pairs of sources, and the sum of the others.
func (t *tallied) prune() {
	rest := [2]uint64{otherSources, otherSources}
	hash := func(p [2]uint64) uint64 { return p[0] ^ p[1]*0x9e3779b97f4a7c15 } // both are hashes: any mixture will do
	var pairs [][2]uint64
	for p := range t.flows {
		if p != rest {
			pairs = append(pairs, p)
		}
	}
	if len(pairs) <= maxFlows {
		return
	}
	slices.SortFunc(pairs, func(a, b [2]uint64) int { return cmp.Or(cmp.Compare(hash(a), hash(b)), slices.Compare(a[:], b[:])) })
	for _, p := range pairs[maxFlows:] {
		t.flows[rest] += t.flows[p]
		delete(t.flows, p)
	}
}

// into fills in what the rows say.
func (t *tallied) into(s *summary) {
	t.prune()
	pointer := func(n uint64) *string {
		if n == otherSources || n == fromIndex {
			return nil
		}
		name := string(t.sources.name(n))
		return &name
	}
	s.Sources, s.Map, s.Samples = []sourceRates{}, []flow{}, []jsontext.Value{}
	for n, all := range t.sources {
		r := sourceRates{Source: pointer(n), Documents: all.documents, Bytes: all.bytes}
		if lost := t.lost[n]; lost != nil {
			r.DroppedDocuments, r.DroppedBytes = lost.documents, lost.bytes
		}
		s.Documents += all.documents
		s.Bytes += all.bytes
		s.Sources = append(s.Sources, r)
	}
	s.DroppedDocuments, s.DroppedBytes, s.Unordered = t.documents, t.bytes, t.unordered
	slices.SortFunc(s.Sources, func(a, b sourceRates) int { return byName(a.Source, b.Source) })
	for p, n := range t.flows {
		s.Map = append(s.Map, flow{pointer(p[0]), pointer(p[1]), p[1] == fromIndex, n})
	}
	slices.SortFunc(s.Map, func(a, b flow) int {
		c := cmp.Or(byName(a.Dropped, b.Dropped), byName(a.Kept, b.Kept))
		if c == 0 && a.Indexed != b.Indexed { // of two that are nil
			if c = -1; a.Indexed {
				c = 1
			}
		}
		return c
	})
	for _, x := range t.samples {
		s.Samples = append(s.Samples, x.row)
	}
}

// byName orders names of sources, nil last.
func byName(a, b *string) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return 1
	case b == nil:
		return -1
	}
	return strings.Compare(*a, *b)
}

// sized counts clusters by their sizes.
type sized map[int64]*clusterSize

func (s sized) add(size, dropped int64) {
	c := s[size]
	if c == nil {
		c = &clusterSize{Size: size}
		s[size] = c
	}
	c.Clusters++
	c.Dropped += dropped
}

func (s sized) counts() clusterCounts {
	c := clusterCounts{Sizes: []clusterSize{}}
	for _, n := range s {
		c.Count += n.Clusters
		c.Sizes = append(c.Sizes, *n)
	}
	slices.SortFunc(c.Sizes, func(a, b clusterSize) int { return cmp.Compare(a.Size, b.Size) })
	return c
}

// clusterRow is a row of the table of clusters.
type clusterRow struct {
	cluster             record.ID
	origin              *IndexOrigin // of that document, if it is one of the index
	size, kept, dropped int64
	least               uint32 // similarity of a dropped document to the one it goes for; unknown without
}

func (c *clusterRow) append(dst []byte, method string) []byte {
	dst = append(dst, `{"cluster":"`...)
	if c.origin != nil {
		dst = c.origin.appendName(dst)
	} else {
		dst = strconv.AppendInt(dst, int64(c.cluster), 10)
	}
	for _, n := range []struct {
		key   string
		value int64
	}{{`","size":`, c.size}, {`,"kept":`, c.kept}, {`,"dropped":`, c.dropped}} {
		dst = append(dst, n.key...)
		dst = strconv.AppendInt(dst, n.value, 10)
	}
	if c.least != unknown {
		dst = append(dst, `,"least_similarity":`...)
		dst = appendSimilarity(dst, c.least)
	}
	dst = append(append(dst, `,"method":"`...), method...)
	return append(dst, '"', '}')
}

// shape of the compared pairs: how similar they are and how many bands they share.
type shape struct {
	bins   [100]struct{ compared, similar, bands int64 }
	counts pairCounts
}

func (s *shape) add(measured, similarity, shared uint32) {
	s.counts.Compared++
	if similarity > 0 {
		s.counts.Similar++
	}
	if measured == unknown {
		s.counts.Below++
		return
	}
	b := &s.bins[min(measured/(million/100), 99)]
	b.compared++
	b.bands += int64(shared)
	if similarity > 0 {
		b.similar++
	}
}

func (s *shape) into(sum *summary, bands, rows int) {
	sum.Pairs = &s.counts
	sum.Histogram, sum.SCurve = []histogramBin{}, &sCurve{Points: []curvePoint{}, FewPairs: fewPairs}
	for i, b := range s.bins {
		if b.compared == 0 {
			continue
		}
		sum.Histogram = append(sum.Histogram, histogramBin{float64(i) / 100, float64(i+1) / 100, b.compared, b.similar})
		if b.compared < fewPairs {
			sum.SCurve.Skipped++
			continue
		}
		middle := (float64(i) + 0.5) / 100
		sum.SCurve.Points = append(sum.SCurve.Points, curvePoint{
			middle, b.compared, sixDigits(chance(power(middle, rows), bands)), sixDigits(foundChance(float64(b.bands)/float64(b.compared), bands)),
		})
	}
}

func sixDigits(v float64) float64 { return math.Round(v*1e6) / 1e6 }

// power is x^n, with the same bits on every machine.
func power(x float64, n int) float64 {
	y := 1.0
	for range n {
		y = float64(y * x)
	}
	return y
}

// chance is that of sharing at least one of so many bands where each is shared with chance p.
func chance(p float64, bands int) float64 { return 1 - power(1-p, bands) }

// foundChance is the chance to be found of pairs that, having been found, share mean bands: of a binomial distribution
// without its zeros the mean is bands*p/chance(p), which grows with p, and says p.
func foundChance(mean float64, bands int) float64 {
	lo, hi := 0.0, 1.0
	for range 60 { // more digits than a float64 has
		p := (lo + hi) / 2
		if float64(float64(bands)*p) < float64(mean*chance(p, bands)) {
			lo = p
		} else {
			hi = p
		}
	}
	return chance((lo+hi)/2, bands)
}

// write makes the summary's bytes.
func (s *summary) write(w io.Writer) error {
	b, err := json.MarshalIndent(s, "", "  ")
	if err == nil {
		_, err = w.Write(append(b, '\n'))
	}
	return err
}

// read reads the summary that was made.
func (f *findings) read(ctx context.Context, ws stage.Workspace) (s summary, err error) {
	r, size, err := ws.Open(ctx, stage.FindingsDir+SummaryName(f.Name))
	if err != nil {
		return s, err
	}
	b, err := io.ReadAll(io.NewSectionReader(r, 0, size))
	if err = errors.Join(err, r.Close()); err == nil {
		err = json.NewDecoder(bytes.NewReader(b)).Decode(&s)
	}
	if err != nil {
		return s, fmt.Errorf("%s: %w", SummaryName(f.Name), err)
	}
	return s, nil
}

// tell says what there is to say of the summary that was made.
func (f *findings) tell(ctx context.Context, ws stage.Workspace) error {
	if f.None {
		return nil
	}
	s, err := f.read(ctx, ws)
	if err != nil {
		return err
	}
	said := ws.Tell
	if f.Name == SeveralName(f.method) { // whose line is it?
		said = func(warning bool, line string) { ws.Tell(warning, f.method+": "+line) }
	}
	f.lines(&s, said)
	return nil
}

// maxLines are said of sources.
const maxLines = 20

// lines says what became of the sources, where there are several, and what is a warning.
func (f *findings) lines(s *summary, tell func(warning bool, line string)) {
	loses, dropped := "loses", "dropped"
	if f.annotate {
		loses, dropped = "would lose", "would drop"
	}
	list := slices.Clone(s.Sources)
	folded := len(list) > 0 && list[len(list)-1].Source == nil // and who is among them is not known
	slices.SortStableFunc(list, func(a, b sourceRates) int { return cmp.Compare(b.DroppedDocuments, a.DroppedDocuments) })
	// Where nothing but their inputs tells documents apart, a line for each says little: the summary has them.
	named := func(r sourceRates) bool { return r.Source == nil || !isInput(*r.Source) }
	if len(list) > 1 && slices.ContainsFunc(list, named) {
		for i, r := range list {
			if i == maxLines {
				tell(false, fmt.Sprintf("%s sources more are in %s", human.Thousands(int64(len(list)-i)), SummaryName(f.Name)))
				break
			}
			tell(false, fmt.Sprintf("%s: %s %s of %s documents (%s) and %s of %s bytes (%s)", called(r.Source), dropped, human.Thousands(r.DroppedDocuments), human.Thousands(r.Documents),
				percent(r.DroppedDocuments, r.Documents), human.Thousands(r.DroppedBytes), human.Thousands(r.Bytes), percent(r.DroppedBytes, r.Bytes)))
		}
	}
	for _, name := range f.keep.priority {
		if !folded && !slices.ContainsFunc(s.Sources, func(r sourceRates) bool { return r.Source != nil && *r.Source == name }) {
			tell(true, fmt.Sprintf("the priority names the source %q, and no document has it", name))
		}
	}
	if s.Unordered > 0 && s.Unordered == s.DroppedDocuments {
		tell(true, fmt.Sprintf("none of the %s duplicates has a number at %s, so that the first stays; is that the field?", human.Thousands(s.Unordered), f.keep.field))
	}
	warned := 0
	for _, r := range list {
		if float64(r.DroppedDocuments) <= f.Alarm*float64(r.Documents) {
			continue
		}
		if warned++; warned > maxLines {
			continue
		}
		var to []flow
		for _, m := range s.Map {
			if byName(m.Dropped, r.Source) == 0 {
				to = append(to, m)
			}
		}
		slices.SortStableFunc(to, func(a, b flow) int { return cmp.Compare(b.Documents, a.Documents) })
		var where []string
		for _, m := range to[:min(len(to), 3)] {
			whose := "documents of " + called(m.Kept)
			if m.Indexed {
				whose = "documents of the index"
			} else if byName(m.Kept, r.Source) == 0 {
				whose = "others of its own"
			}
			where = append(where, fmt.Sprintf("%s for %s", human.Thousands(m.Documents), whose))
		}
		tell(true, fmt.Sprintf("%s %s %s of its documents (%s of %s), more than the alarm's %s: %s", called(r.Source), loses, percent(r.DroppedDocuments, r.Documents),
			human.Thousands(r.DroppedDocuments), human.Thousands(r.Documents), human.Percent(f.Alarm), strings.Join(where, ", ")))
	}
	if warned > maxLines {
		tell(true, fmt.Sprintf("and so do %s sources more", human.Thousands(int64(warned-maxLines))))
	}
}

// isInput says whether a source is called as one is that has no name of its own (appendSource).
func isInput(source string) bool {
	number, ok := strings.CutPrefix(source, "input-")
	_, err := strconv.ParseUint(number, 10, 32)
	return ok && err == nil
}

func called(source *string) string {
	if source == nil {
		return "the group of all other sources"
	}
	return "source " + strconv.Quote(*source)
}

func percent(n, of int64) string { return human.Percent(float64(n) / float64(max(of, 1))) }
