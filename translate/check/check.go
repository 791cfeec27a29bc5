// Package check says what is wrong with a translation, without a model: named signals and the thresholds at which they
// reject. It also knows which tasks are bound to a language.
//
// Read check.go first, then signals.go (the table; one file a signal that needs more than a line), profile.go (thresholds
// and where they come from), language.go, repair.go, tasks.go.
package check

// Pair is a segment or a whole row, protected spans taken out.
type Pair struct {
	From, To       string // ISO 639-1
	Source, Target string
	Values         []string // of the protected spans, which may stand in both
}

// Finding is a signal beyond its threshold.
type Finding struct {
	Check  string // "length_ratio", "echo", "repetition", "language", "numbers", "chatter", …
	Hard   bool   // the translation is not accepted; a soft one is only noted
	Value  float64
	Detail string // "0.31 times as long as the source, at least 0.5"
}

// Profile is a set of thresholds for a pair of languages. It is written as JSON by `curate translate calibrate`.
type Profile struct {
	Name string `json:"name"` // "en-eu", "general", or of the file
}

// ProfileFor is the built-in one: calibrated ones where there are any, general defaults elsewhere.
func ProfileFor(from, to string) Profile { panic("unwritten") }

// ReadProfile reads JSON; an unknown key is an error that names the nearest one.
func ReadProfile(name string, b []byte) (Profile, error) { panic("unwritten") }

// Validate says which threshold makes no sense.
func (p Profile) Validate() error { panic("unwritten") }

// Identify says how sure an engine is of a text being in languages a and b, 0 to 1 each. It is asked only where cheap evidence
// does not decide. nil: it is never asked, and doubt accepts.
type Identify func(text string, a, b string) (pa, pb float64)

// Checker checks. It is immutable and may be shared.
type Checker struct{}

// New makes one.
func New(p Profile, identify Identify) (*Checker, error) { panic("unwritten") }

// Segment appends what is wrong with one translated segment to dst.
func (c *Checker) Segment(dst []Finding, p Pair) []Finding { panic("unwritten") }

// Row appends what can only be said of a row's texts together, such as their language.
func (c *Checker) Row(dst []Finding, p Pair) []Finding { panic("unwritten") }

// Ratio is the length of the target in letters for one of the source, and whether the source is long enough to say it.
func Ratio(p Pair) (float64, bool) { panic("unwritten") }

// Repair mends what is surely no translation: chatter around it, quotes and fences that the source has not, a list marker that
// came along, line feeds. It names what it did. It comes before the placeholders are read, and touches none.
func Repair(source, target string) (repaired string, did []string) { panic("unwritten") }

// Fit makes a profile from parallel texts in hand.
type Fit struct{}

// Add takes in one pair.
func (f *Fit) Add(p Pair) { panic("unwritten") }

// Profile gives thresholds at the percentiles of what was added; an error with fewer than 200 pairs.
func (f *Fit) Profile(name string) (Profile, error) { panic("unwritten") }

// Percentiles are what `translate calibrate` prints: for each signal p0.1, p1, p5, p50, p95, p99, p99.9.
func (f *Fit) Percentiles() map[string][]float64 { panic("unwritten") }

// Tasks are what binds a request to its language: "translation", "grammar", "spelling", "constraint" (letters, syllables,
// word counts), "rhyme", "wordplay", "language-id". instruction and the texts that answer it are in language from.
func Tasks(instruction string, answers []string) []string { panic("unwritten") }

// TaskNames are all of them, sorted.
func TaskNames() []string { panic("unwritten") }
