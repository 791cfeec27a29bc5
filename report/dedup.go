package report

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"curate/corpus"
	"curate/internal/human"
	"curate/record"
)

// Dedup is what a deduplication has found out about all documents: the summary that it leaves beside its decision
// (docs/formats/dedup-summary.md), cut to what a page can hold, and the words in which some dropped documents differ from
// those that were kept.
type Dedup struct {
	File string `json:"file"`          // its name in _curate
	Note string `json:"note,omitzero"` // what is wrong with it; then nothing else is known

	Method           string   `json:"method,omitzero"`
	Threshold        float64  `json:"threshold,omitzero"`
	Bands            int      `json:"bands,omitzero"`
	Rows             int      `json:"rows,omitzero"`
	Verify           string   `json:"verify,omitzero"`
	Keep             string   `json:"keep,omitzero"`
	Priority         []string `json:"priority,omitzero"`
	Documents        int64    `json:"documents"`
	Bytes            int64    `json:"bytes"` // of text
	DroppedDocuments int64    `json:"dropped_documents"`
	DroppedBytes     int64    `json:"dropped_bytes"`
	// WithoutNumber are dropped documents that had none in the field by whose number the kept one was chosen.
	WithoutNumber int64  `json:"dropped_without_number,omitzero"`
	Candidates    *int64 `json:"candidates,omitzero"`

	Pairs     *PairCounts `json:"pairs,omitzero"`
	Histogram []PairBin   `json:"histogram,omitzero"`
	Curve     *SCurve     `json:"scurve,omitzero"`
	Clusters  *Clusters   `json:"clusters,omitzero"`

	Sources        []DedupSource `json:"sources,omitzero"` // those that lose most
	SourcesLeftOut int           `json:"sources_left_out,omitzero"`
	Map            []DedupFlow   `json:"map,omitzero"` // most first
	MapLeftOut     int           `json:"map_left_out,omitzero"`

	Differences []WordDiff `json:"differences,omitzero"`

	matrix *matrix
	stage  dedupStage
}

// PairCounts are the pairs of candidates.
type PairCounts struct {
	Compared int64 `json:"compared"`
	Similar  int64 `json:"similar"` // at the threshold or above
	Below    int64 `json:"below"`   // whose lengths alone say so; they are in no bin
}

// PairBin are the compared pairs whose similarity is from From to below To.
type PairBin struct {
	From     float64 `json:"from"`
	To       float64 `json:"to"`
	Compared int64   `json:"compared"`
	Similar  int64   `json:"similar"` // of them, at the threshold or above
}

// SCurve is the chance that a pair becomes a candidate, by its similarity.
type SCurve struct {
	Points   []CurvePoint `json:"points"`
	FewPairs int          `json:"few_pairs"` // of bins with fewer pairs nothing is said
	Skipped  int          `json:"skipped"`   // bins
}

// CurvePoint is one of its points.
type CurvePoint struct {
	Similarity float64 `json:"similarity"`
	Pairs      int64   `json:"pairs"`
	Expected   float64 `json:"expected"`
	Found      float64 `json:"found"`
}

// Clusters are those of near-duplicates.
type Clusters struct {
	Count     int64          `json:"count"`
	Documents int64          `json:"documents"`
	Largest   ClusterSizes   `json:"largest"`
	Sizes     []ClusterSizes `json:"sizes"` // by powers of two
}

// ClusterSizes are the clusters of from Least to Most documents.
type ClusterSizes struct {
	Least     int64 `json:"least"`
	Most      int64 `json:"most"`
	Clusters  int64 `json:"clusters"`
	Documents int64 `json:"documents"`
	Dropped   int64 `json:"dropped"`
}

// DedupSource is what a source loses.
type DedupSource struct {
	Source           *string `json:"source"` // null: all that the summary does not tell apart
	Documents        int64   `json:"documents"`
	Bytes            int64   `json:"bytes"`
	DroppedDocuments int64   `json:"dropped_documents"`
	DroppedBytes     int64   `json:"dropped_bytes"`
}

// DedupFlow is how many documents of a source went for one of another, or of the same.
type DedupFlow struct {
	Dropped   *string `json:"dropped"`
	Kept      *string `json:"kept"`
	Documents int64   `json:"documents"`
}

// WordDiff is a dropped document beside the one that was kept for it.
type WordDiff struct {
	Dropped       string   `json:"dropped"`             // record ID
	DroppedID     string   `json:"dropped_id,omitzero"` // its own
	DroppedSource *string  `json:"dropped_source,omitzero"`
	Kept          string   `json:"kept"`
	KeptID        string   `json:"kept_id,omitzero"`
	KeptSource    *string  `json:"kept_source,omitzero"`
	Similarity    *float64 `json:"similarity,omitzero"`

	Note string `json:"note,omitzero"` // why there is no more
	// DroppedWords and KeptWords are those that were compared, OnlyDropped and OnlyKept those of them that the other has not.
	DroppedWords int       `json:"dropped_words,omitzero"`
	KeptWords    int       `json:"kept_words,omitzero"`
	OnlyDropped  int       `json:"only_dropped,omitzero"`
	OnlyKept     int       `json:"only_kept,omitzero"`
	Cut          bool      `json:"cut,omitzero"`    // only the beginnings were compared
	Coarse       bool      `json:"coarse,omitzero"` // too many words differ to be told apart
	Equal        bool      `json:"equal,omitzero"`  // to the byte
	Stretches    []Stretch `json:"stretches,omitzero"`

	dropped, kept sampled
}

// sampled is a document of a sample.
type sampled struct {
	id    record.ID
	index bool   // it is one of an index, and not of this run
	own   string // its own id, as rowID has it
	known bool   // it has one
	path  record.Path
	text  string // the beginning
	whole bool   // that is all
	found int    // records that it may be
}

const (
	dedupBytes      = 32 << 20 // of a summary; with 1,000 sources it has about 1 MB
	dedupFiles      = 8        // of a step
	dedupSources    = 60
	dedupFlows      = 200
	dedupMatrix     = 14 // sources that have a row and a column
	dedupDiffs      = 20
	dedupSourceName = 80 // characters
	dedupText       = 256 << 10
	// mostCount is far beyond any number of documents or bytes, and far enough from the end of int64 that sums are right.
	mostCount = 1 << 52
)

// readDedup reads the summaries of a step.
func readDedup(ctx context.Context, in files, s *Step) error {
	list, err := in.st.List(ctx, in.path(corpus.Dir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var names []string
	for _, info := range list {
		dir, name := path.Split(path.Clean(info.Name))
		if path.Clean(dir) == in.path(corpus.Dir) && strings.HasPrefix(name, "dedup") && strings.HasSuffix(name, ".json") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names[:min(len(names), dedupFiles)] {
		d := &Dedup{File: name}
		content, err := in.start(ctx, corpus.Dir+"/"+name, dedupBytes+1)
		if err != nil {
			return err
		}
		if err := d.parse(content); err != nil {
			note := damaged(corpus.Dir+"/"+name, err).Error()
			if later := (laterVersion{}); errors.As(err, &later) {
				note = fmt.Sprintf("%s/%s: %v", corpus.Dir, name, err)
			}
			d = &Dedup{File: name, Note: note}
		}
		if err := s.knowStage(d); err != nil {
			return damaged(in.path(configName), err)
		}
		s.Dedups = append(s.Dedups, d)
	}
	return s.readKeptTexts(ctx, in)
}

// start reads a file up to a limit.
func (f files) start(ctx context.Context, name string, limit int64) ([]byte, error) {
	r, err := f.st.Open(ctx, f.path(name), 0)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(r, limit))
	return b, errors.Join(err, r.Close())
}

// laterVersion is the version of a summary that another program has written.
type laterVersion struct{ version int }

func (e laterVersion) Error() string {
	return fmt.Sprintf("version %d; this program knows version 1", e.version)
}

// parse takes a summary over. Members that it does not know are those of a later program.
func (d *Dedup) parse(content []byte) error {
	if len(content) > dedupBytes {
		return fmt.Errorf("more than %s bytes", human.Thousands(dedupBytes))
	}
	var file struct {
		Version          int         `json:"version"`
		Method           string      `json:"method"`
		Threshold        float64     `json:"threshold"`
		Bands            int         `json:"bands"`
		Rows             int         `json:"rows"`
		Verify           string      `json:"verify"`
		Keep             string      `json:"keep"`
		Priority         []string    `json:"priority"`
		Documents        int64       `json:"documents"`
		Bytes            int64       `json:"bytes"`
		DroppedDocuments int64       `json:"dropped_documents"`
		DroppedBytes     int64       `json:"dropped_bytes"`
		WithoutNumber    int64       `json:"dropped_without_number"`
		Candidates       *int64      `json:"candidates"`
		Pairs            *PairCounts `json:"pairs"`
		Histogram        []PairBin   `json:"histogram"`
		SCurve           *SCurve     `json:"scurve"`
		Clusters         *struct {
			Count int64 `json:"count"`
			Sizes []struct {
				Size     int64 `json:"size"`
				Clusters int64 `json:"clusters"`
				Dropped  int64 `json:"dropped"`
			} `json:"sizes"`
		} `json:"clusters"`
		Sources []DedupSource `json:"sources"`
		Map     []DedupFlow   `json:"map"`
		Samples []struct {
			Dropped       string         `json:"dropped"`
			Kept          string         `json:"kept"`
			Similarity    *float64       `json:"similarity"`
			SourceDropped *string        `json:"source_dropped"`
			SourceKept    *string        `json:"source_kept"`
			IDDropped     jsontext.Value `json:"id_dropped"`
			IDKept        jsontext.Value `json:"id_kept"`
		} `json:"samples"`
	}
	if err := json.Unmarshal(content, &file); err != nil {
		return err
	}
	if file.Version != 1 {
		return laterVersion{file.Version}
	}
	d.Method, d.Verify, d.Keep, d.Priority = file.Method, file.Verify, file.Keep, file.Priority
	d.Threshold, d.Bands, d.Rows = file.Threshold, file.Bands, file.Rows
	d.Documents, d.Bytes, d.DroppedDocuments, d.DroppedBytes = file.Documents, file.Bytes, file.DroppedDocuments, file.DroppedBytes
	d.WithoutNumber, d.Candidates, d.Pairs, d.Histogram, d.Curve = file.WithoutNumber, file.Candidates, file.Pairs, file.Histogram, file.SCurve
	d.Sources, d.Map = file.Sources, file.Map
	if err := d.check(); err != nil {
		return err
	}
	if c := file.Clusters; c != nil {
		d.Clusters = &Clusters{Count: c.Count}
		for _, n := range c.Sizes {
			if err := counts(n.Size, n.Clusters, n.Dropped); err != nil || n.Size == 0 || n.Clusters > mostCount/n.Size {
				return errors.New("clusters of a size that cannot be")
			}
			d.Clusters.add(n.Size, n.Clusters, n.Dropped)
		}
		slices.SortFunc(d.Clusters.Sizes, func(a, b ClusterSizes) int { return cmp.Compare(a.Least, b.Least) })
	}
	d.Method, d.Verify, d.Keep = cut(d.Method, 80), cut(d.Verify, 80), cut(d.Keep, 200)
	for i := range d.Priority {
		d.Priority[i] = cut(d.Priority[i], dedupSourceName)
	}
	d.Priority = d.Priority[:min(len(d.Priority), dedupSources)]
	d.matrix = newMatrix(d.Map)
	d.shorten()
	for _, sample := range file.Samples[:min(len(file.Samples), dedupDiffs)] {
		w := WordDiff{DroppedSource: cutName(sample.SourceDropped), KeptSource: cutName(sample.SourceKept), Similarity: sample.Similarity}
		for _, of := range []struct {
			id   string
			own  jsontext.Value
			into *sampled
		}{{sample.Dropped, sample.IDDropped, &w.dropped}, {sample.Kept, sample.IDKept, &w.kept}} {
			id, err := strconv.ParseUint(of.id, 10, 63)
			if _, indexed, ok := strings.Cut(of.id, ":"); ok && err != nil { // a document of an index, GENERATION:ID: its text is not here
				_, err = strconv.ParseUint(indexed, 10, 63)
				of.into.index = true
			}
			if err != nil {
				return fmt.Errorf("sample of record %q: %w", cut(of.id, 40), err)
			}
			of.into.id = record.ID(id)
			of.into.own, of.into.known = idOf(of.own)
		}
		w.Dropped, w.Kept = sample.Dropped, sample.Kept
		w.named()
		d.Differences = append(d.Differences, w)
	}
	return nil
}

// named shows the documents' own ids.
func (w *WordDiff) named() {
	w.DroppedID, w.KeptID = cut(w.dropped.own, 200), cut(w.kept.own, 200)
}

// check says what cannot be.
func (d *Dedup) check() error {
	list := []int64{int64(d.Bands), int64(d.Rows), d.Documents, d.Bytes, d.DroppedDocuments, d.DroppedBytes, d.WithoutNumber}
	if d.Candidates != nil {
		list = append(list, *d.Candidates)
	}
	if d.Pairs != nil {
		list = append(list, d.Pairs.Compared, d.Pairs.Similar, d.Pairs.Below)
	}
	part := func(what string, x float64) error {
		if !(x >= 0 && x <= 1) {
			return fmt.Errorf("%s of %v is no share", what, x)
		}
		return nil
	}
	errs := part("threshold", d.Threshold)
	for _, b := range d.Histogram {
		list = append(list, b.Compared, b.Similar, b.Compared-b.Similar)
		errs = cmp.Or(errs, part("similarity", b.From), part("similarity", b.To), part("width of a bin", b.To-b.From))
	}
	if c := d.Curve; c != nil {
		list = append(list, int64(c.FewPairs), int64(c.Skipped))
		for _, p := range c.Points {
			list = append(list, p.Pairs)
			errs = cmp.Or(errs, part("similarity", p.Similarity), part("expected chance", p.Expected), part("found chance", p.Found))
		}
	}
	for _, s := range d.Sources {
		list = append(list, s.Documents, s.Bytes, s.DroppedDocuments, s.DroppedBytes, s.Documents-s.DroppedDocuments, s.Bytes-s.DroppedBytes)
	}
	for _, f := range d.Map {
		list = append(list, f.Documents)
	}
	if errs != nil {
		return errs
	}
	return counts(list...)
}

func counts(list ...int64) error {
	for _, n := range list {
		if n < 0 || n > mostCount {
			return fmt.Errorf("a count of %d, or one above the whole", n)
		}
	}
	return nil
}

// shorten leaves what a page can hold.
func (d *Dedup) shorten() {
	slices.SortStableFunc(d.Sources, func(a, b DedupSource) int {
		return cmp.Or(cmp.Compare(b.DroppedDocuments, a.DroppedDocuments), cmp.Compare(b.Documents, a.Documents))
	})
	d.SourcesLeftOut = max(len(d.Sources)-dedupSources, 0)
	d.Sources = d.Sources[:len(d.Sources)-d.SourcesLeftOut]
	slices.SortStableFunc(d.Map, func(a, b DedupFlow) int { return cmp.Compare(b.Documents, a.Documents) })
	d.MapLeftOut = max(len(d.Map)-dedupFlows, 0)
	d.Map = d.Map[:len(d.Map)-d.MapLeftOut]
	for i := range d.Sources {
		d.Sources[i].Source = cutName(d.Sources[i].Source)
	}
	for i := range d.Map {
		d.Map[i].Dropped, d.Map[i].Kept = cutName(d.Map[i].Dropped), cutName(d.Map[i].Kept)
	}
	slices.SortStableFunc(d.Histogram, func(a, b PairBin) int { return cmp.Compare(a.From, b.From) })
	d.Histogram = d.Histogram[:min(len(d.Histogram), 200)] // the stage makes 100
	if d.Curve != nil {
		slices.SortStableFunc(d.Curve.Points, func(a, b CurvePoint) int { return cmp.Compare(a.Similarity, b.Similarity) })
		d.Curve.Points = d.Curve.Points[:min(len(d.Curve.Points), 200)]
	}
}

func cutName(name *string) *string {
	if name == nil {
		return nil
	}
	s := cut(*name, dedupSourceName)
	return &s
}

// add counts clusters of a size with those of its power of two.
func (c *Clusters) add(size, clusters, dropped int64) {
	c.Documents += size * clusters
	if size > c.Largest.Most {
		c.Largest = ClusterSizes{size, size, clusters, size * clusters, dropped}
	}
	least := int64(1)
	for least*2 <= size-1 { // 2, 3 to 4, 5 to 8, …
		least *= 2
	}
	b := ClusterSizes{Least: least + 1, Most: 2 * least}
	if size == 1 {
		b = ClusterSizes{Least: 1, Most: 1}
	}
	k := slices.IndexFunc(c.Sizes, func(o ClusterSizes) bool { return o.Least == b.Least })
	if k < 0 {
		k = len(c.Sizes)
		c.Sizes = append(c.Sizes, b)
	}
	c.Sizes[k].Clusters += clusters
	c.Sizes[k].Documents += size * clusters
	c.Sizes[k].Dropped += dropped
}

// matrix are the sources of the map as a table.
type matrix struct {
	rows, columns []string
	cells         [][]int64
	sums          []int64 // of the rows
}

// othersName stands for the sources without a row of their own.
const othersName = "others"

// newMatrix takes the sources with the most documents, dropped or kept for dropped ones.
func newMatrix(flows []DedupFlow) *matrix {
	weight := map[string]int64{}
	for _, f := range flows {
		for _, name := range []*string{f.Dropped, f.Kept} {
			if name != nil {
				weight[*name] += f.Documents
			}
		}
	}
	var names []string
	for name := range weight {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(cmp.Compare(weight[b], weight[a]), cmp.Compare(a, b)) })
	names = names[:min(len(names), dedupMatrix)]
	slices.Sort(names)
	at := map[string]int{}
	for i, name := range names {
		at[name] = i
	}
	place := func(name *string) int {
		if name != nil {
			if i, ok := at[*name]; ok {
				return i
			}
		}
		return len(names)
	}
	n := len(names) + 1
	all := make([][]int64, n)
	for i := range all {
		all[i] = make([]int64, n)
	}
	row, column := make([]int64, n), make([]int64, n)
	for _, f := range flows {
		i, k := place(f.Dropped), place(f.Kept)
		all[i][k] += f.Documents
		row[i] += f.Documents
		column[k] += f.Documents
	}
	label := func(i int) string {
		if i == len(names) {
			return othersName
		}
		return cut(names[i], 24)
	}
	m := &matrix{}
	for k := range n {
		if column[k] > 0 {
			m.columns = append(m.columns, label(k))
		}
	}
	for i := range n {
		if row[i] == 0 {
			continue
		}
		var cells []int64
		for k := range n {
			if column[k] > 0 {
				cells = append(cells, all[i][k])
			}
		}
		m.rows, m.cells, m.sums = append(m.rows, label(i)), append(m.cells, cells), append(m.sums, row[i])
	}
	return m
}
