package dedup

import (
	"encoding/json"
	"fmt"
	"math"

	"github.com/go-json-experiment/json/jsontext"

	"curate/record"
	"curate/stage"
)

// Rule and reason of a document that is verified to be similar to another that is kept.
const (
	MinHashRule   = "minhash"
	MinHashReason = "near_duplicate"
)

// Constants of the method. They are part of its identity, since other values give other results.
const (
	// maxRehubs: those of a bucket that are not similar to its hub are compared among themselves, with a hub of
	// their own, at most so many times. The first hub comes before that.
	maxRehubs = 3
	// maxExtra is how many kept documents of its cluster a document is compared with when no kept one was among its
	// candidates. It keeps a page that 100,000 documents are like linear.
	maxExtra = 16
)

// MinHashConfig of near-duplicate removal.
type MinHashConfig struct {
	// Field holds the text; "text" by default. A record where it is no string is quarantined.
	Field record.Path
	// Scheme makes shingles and signatures of a text; DefaultScheme by default. See Schemes.
	Scheme string
	// Bands and Rows, Values and Short take the place of the scheme's own. See SchemeOptions.
	Bands, Rows, Values int
	Short               string
	// Threshold is the least similarity of duplicates, above 0 and at most 1, of which six digits count; 0 means
	// DefaultThreshold. Similarity is Jaccard's, of the sets of shingles: common ones over all.
	Threshold float64
	// Verify says how candidates are compared: VerifyExact, the default, VerifySketch or VerifyNone.
	Verify string
	// Keep says which of a cluster is looked at first, and so stays: KeepFirst, the default, or another of KeepUsage.
	Keep string
	// Priority are the sources of KeepSourceOrder, the one that stays first. Others come behind them all.
	Priority []string
	// SourceField is where a record's source stands; DefaultSourceField by default. See Findings.
	SourceField record.Path
	// IDField is where a record has an id of its own, for the evidence; "id" by default.
	IDField record.Path
	// Findings says what is written beside the decision.
	Findings Findings
	// Annotate drops nothing: the verdict is written into every record.
	Annotate bool
	// Verdicts writes the verdict into dropped records. Ask for it when somebody keeps them; it changes no
	// decision, so it is no part of the stage's identity.
	Verdicts bool
}

// DefaultThreshold is datatrove's and NeMo Curator's 0.8 (FineWeb: 14 bands of 8 rows, "at least 75 %"; SlimPajama:
// 0.8).
const DefaultThreshold = 0.8

// MinHash removes near-duplicates: a document goes only if it is verified to be similar to one that is kept. It is
// two Reducers in a row, since text crosses no shuffle: the first finds candidates by the bands of their signatures
// (candidates.go), the second compares the shingles of those alone (sets.go, rounds.go) and decides (components.go, cluster.go). It is immutable.
type MinHash struct {
	cfg       MinHashConfig
	scheme    *Scheme
	threshold uint32 // in millionths
	keep      keepOrder
	width     int // of a document's sealed values, in bytes
	found     findings

	candidatesSpec, spec stage.Spec
	index                *indexUse // nil without one

	// Constants, but in tests; see ranged.
	rangeSize int64
	spillSize int
	largeSet  int // shingles that are held of a set at a time
}

// NewMinHash makes the method. Errors are about cfg.
func NewMinHash(cfg MinHashConfig) (*MinHash, error) {
	if cfg.Field.String() == "" {
		cfg.Field = record.MustPath("text")
	}
	if cfg.Scheme == "" {
		cfg.Scheme = DefaultScheme
	}
	if cfg.Threshold == 0 {
		cfg.Threshold = DefaultThreshold
	}
	if !(cfg.Threshold >= 1.0/million && cfg.Threshold <= 1) {
		return nil, fmt.Errorf("dedup: threshold %v is no similarity; it lies above 0 and is at most 1", cfg.Threshold)
	}
	threshold := uint32(math.Round(cfg.Threshold * million))
	scheme, err := LookupScheme(cfg.Scheme)
	if err != nil {
		return nil, fmt.Errorf("dedup: %w", err)
	}
	scheme, err = scheme.With(SchemeOptions{Threshold: float64(threshold) / million, Bands: cfg.Bands, Rows: cfg.Rows, Values: cfg.Values, Short: cfg.Short})
	if err != nil {
		return nil, fmt.Errorf("dedup: scheme %s: %w", cfg.Scheme, err)
	}
	if cfg.Keep == "" {
		cfg.Keep = KeepFirst
	}
	if cfg.SourceField.String() == "" {
		cfg.SourceField = record.MustPath(DefaultSourceField)
	}
	if cfg.IDField.String() == "" {
		cfg.IDField = record.MustPath("id")
	}
	keep, err := newKeepOrder(cfg.Keep, cfg.Priority, "minhash")
	if err != nil {
		return nil, err
	}
	width := 0
	switch cfg.Verify {
	case "", VerifyExact:
		cfg.Verify, width = VerifyExact, 8
	case VerifySketch:
		width = scheme.Precision / 8
	case VerifyNone:
	default:
		return nil, fmt.Errorf("dedup: verify %q: exact, sketch or none", cfg.Verify)
	}
	signed, err := canonical(struct {
		Annotate bool   `json:"annotate"`
		Bands    int    `json:"bands"`
		Field    string `json:"field"`
		Rows     int    `json:"rows"`
		Scheme   string `json:"scheme"`
		Version  int    `json:"scheme_version"`
		Short    string `json:"short"`
		Values   int    `json:"values"`
	}{cfg.Annotate, scheme.Bands, cfg.Field.String(), scheme.Rows, scheme.Name, scheme.Version, scheme.Short, scheme.Values})
	if err != nil {
		return nil, err
	}
	decided, err := canonical(struct {
		Annotate  bool     `json:"annotate"`
		Bands     int      `json:"bands"`
		Extra     int      `json:"extra_comparisons"`
		Field     string   `json:"field"`
		IDField   string   `json:"id_field"`
		Keep      string   `json:"keep"`
		Method    string   `json:"method"`
		Priority  []string `json:"priority,omitempty"`
		Rehubs    int      `json:"rehubs"`
		Rows      int      `json:"rows"`
		Scheme    string   `json:"scheme"`
		Version   int      `json:"scheme_version"`
		Short     string   `json:"short"`
		Source    string   `json:"source_field"`
		Threshold float64  `json:"threshold"`
		Values    int      `json:"values"`
		Verify    string   `json:"verify"`
	}{cfg.Annotate, scheme.Bands, maxExtra, cfg.Field.String(), cfg.IDField.String(), cfg.Keep, "minhash", cfg.Priority, maxRehubs, scheme.Rows,
		scheme.Name, scheme.Version, scheme.Short, cfg.SourceField.String(), float64(threshold) / million, scheme.Values, cfg.Verify})
	if err != nil {
		return nil, err
	}
	found, err := newFindings(cfg.Findings, "minhash", keep, cfg.Annotate)
	if err != nil {
		return nil, err
	}
	needs := []record.Path{cfg.Field}
	return &MinHash{
		cfg: cfg, scheme: scheme, threshold: threshold, keep: keep, width: width, found: found,
		candidatesSpec: stage.Spec{Name: "dedup_candidates", Version: 1, Config: signed, Needs: needs, Marks: true, Held: entryID + scheme.Bands*bucketWidth, Growing: growing},
		spec: stage.Spec{
			Name: "dedup", Version: 1, Config: decided, Needs: needs, Uses: append(keep.uses(), cfg.SourceField, cfg.IDField),
			Findings: found.files(), Held: entryID + scheme.Bands*bucketWidth + 64, // heldEntry, and a short text's set
		},
		rangeSize: rangeSize, spillSize: spillSize, largeSet: 64 << 10,
	}, nil
}

// canonical is v as RFC 8785 writes it.
func canonical(v any) (json.RawMessage, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	c := jsontext.Value(raw)
	err = c.Canonicalize()
	return json.RawMessage(c), err
}

// Stages are the two Reducers, to be run one right behind the other.
func (m *MinHash) Stages() []stage.Stage {
	if m.index != nil {
		return m.indexedStages()
	}
	return []stage.Stage{newCandidates(m), &verification{m}}
}

// millionths is a similarity: common shingles over those of both, rounded, half up. The sets have a and b shingles.
func millionths(common, a, b int) uint32 {
	all := uint64(a) + uint64(b) - uint64(common)
	return uint32((2*million*uint64(common) + all) / (2 * all))
}

// appendSimilarity writes millionths as a JSON number without trailing zeros: 0.91, 1.
func appendSimilarity(dst []byte, v uint32) []byte {
	if v >= million {
		return append(dst, '1')
	}
	dst = append(dst, '0')
	if v == 0 {
		return dst
	}
	dst = append(dst, '.')
	for unit := uint32(million / 10); v > 0; unit /= 10 {
		dst = append(dst, byte('0'+v/unit))
		v %= unit
	}
	return dst
}
