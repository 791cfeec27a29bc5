// Package exec lets a program of the user's decide about records: a classifier in whatever language.
//
// The program runs as a worker. It reads one JSON object a line and answers each with one JSON object a line, in
// order, written out at once. It goes on until its input ends. [Exec] is the stage; [Config] says what is asked and
// what becomes of the answers.
//
// Read answer.go (what an answer may say and what follows from it), then process.go (the program and its pipes), then
// worker.go, which brings the two together.
package exec

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	osexec "os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"curate/record"
	"curate/stage"
)

// Config of the stage.
type Config struct {
	// Command is the program and its arguments; no shell sees it.
	Command []string
	// Shell is a line for sh -c (cmd /C on Windows), in place of Command.
	Shell string
	// Name is the rule's in the ledger's "RULE:REASON", and what the signals' names begin with; "exec" by default.
	Name string
	// Files are those whose contents decide what the program answers: script, model. Their digests are in the
	// identity of the stage; the program's own changes are not seen otherwise.
	Files []string

	// TextField is where a record has its text, "text" by default; IDField its id, "id" by default. A record needs no id.
	TextField, IDField record.Path
	// Fields are sent beside id and text, under these very names, where a record has them.
	Fields []record.Path
	// Whole sends the record as it would be written now, in place of id, text and fields. It needs no text then.
	Whole bool

	// Min and Max are thresholds of signals: a record with less, or more, is dropped. An answer must have those signals.
	Min, Max []Threshold
	// KeepLabels are the labels that stay; DropLabels are those that go. An answer must have a label if one is given.
	KeepLabels, DropLabels []string

	// Annotate drops nothing: verdict and signals are written into every record.
	Annotate bool
	// Verdicts writes them into dropped records. Ask for it when somebody keeps them; it changes no decision, so it is
	// no part of the stage's identity.
	Verdicts bool
	// Histograms tallies each signal that has a threshold, as "SIGNAL@BIN" with the bins of stage.Bin. It is no part of
	// the identity either.
	Histograms bool

	// Processes run at a time, 1 by default; each is started when there is work for it.
	Processes int
	// Timeout is how long an answer may take, a minute by default. StartTimeout is the same for the first of a process,
	// which may have a model to load: five minutes by default.
	Timeout, StartTimeout time.Duration
	// Restarts are how often a program that has crashed or did not answer is started again for the same record: 3 by
	// default, below 0 never.
	Restarts int
	// Log takes what the program says on standard error, and what happens to it; it may be nil.
	Log func(line string)
}

// Threshold of a signal; "score" is one.
type Threshold struct {
	Signal string
	Value  float64
}

// Defaults.
const (
	DefaultName         = "exec"
	DefaultTimeout      = time.Minute
	DefaultStartTimeout = 5 * time.Minute
	DefaultRestarts     = 3
)

// ParseThreshold reads "score=0.5".
func ParseThreshold(s string) (Threshold, error) {
	name, value, ok := strings.Cut(s, "=")
	if !ok || !isName(name) {
		return Threshold{}, fmt.Errorf("%q: give SIGNAL=NUMBER, such as score=0.5", s)
	}
	v, ok := finite([]byte(strings.TrimSpace(value)))
	if !ok {
		return Threshold{}, fmt.Errorf("%q: %q is no number", s, value)
	}
	return Threshold{name, v}, nil
}

// Exec is the stage. It is immutable but for its processes, and serves any number of goroutines.
type Exec struct {
	cfg   Config
	tests []test
	hist  []string // signals with thresholds, as the program calls them
	spec  stage.Spec
	pool  *pool
	words *words
}

// test compares a signal with a threshold.
type test struct {
	signal    string // as the program calls it
	below     bool   // fails below the threshold, else above it
	threshold float64
	reason    string
	hist      int // in Exec.hist
}

// New makes the stage, and looks for the program. Processes start with the first record; Close ends them.
func New(cfg Config) (*Exec, error) {
	cfg.Name = cmp.Or(cfg.Name, DefaultName)
	if !isName(cfg.Name) {
		return nil, fmt.Errorf("name %q: give letters, digits and _", cfg.Name)
	}
	if cfg.TextField.String() == "" {
		cfg.TextField = record.MustPath("text")
	}
	if cfg.IDField.String() == "" {
		cfg.IDField = record.MustPath("id")
	}
	if cfg.Processes == 0 {
		cfg.Processes = 1
	}
	cfg.Timeout = cmp.Or(cfg.Timeout, DefaultTimeout)
	cfg.StartTimeout = max(cmp.Or(cfg.StartTimeout, DefaultStartTimeout), cfg.Timeout)
	cfg.Restarts = cmp.Or(cfg.Restarts, DefaultRestarts)
	if err := cfg.check(); err != nil {
		return nil, err
	}
	e := &Exec{cfg: cfg, words: &words{seen: map[string]struct{}{}}}
	e.pool = newPool(&e.cfg)
	add := func(list []Threshold, below bool, word string) {
		for _, t := range list {
			at := slices.Index(e.hist, t.Signal)
			if at < 0 {
				at = len(e.hist)
				e.hist = append(e.hist, t.Signal)
			}
			e.tests = append(e.tests, test{t.Signal, below, t.Value, word + t.Signal, at})
		}
	}
	add(cfg.Min, true, "below_min_")
	add(cfg.Max, false, "above_max_")
	config, err := e.identity()
	if err != nil {
		return nil, err
	}
	e.spec = stage.Spec{Name: "exec", Version: 1, Config: config, Uses: append([]record.Path{cfg.IDField}, cfg.Fields...), InFlight: cfg.Processes}
	if !cfg.Whole {
		e.spec.Needs = []record.Path{cfg.TextField}
	}
	return e, nil
}

func (c *Config) check() error {
	switch {
	case len(c.Command) == 0 && c.Shell == "":
		return errors.New("no command is named; give the program that reads a JSON object a line and answers each with one")
	case len(c.Command) > 0 && c.Shell != "":
		return errors.New("a command and a line for the shell: give one of them")
	case c.Processes < 0 || c.Processes > 1000:
		return fmt.Errorf("processes is %d; give 1 to 1000", c.Processes)
	case c.Timeout < 0 || c.StartTimeout < 0:
		return errors.New("a timeout is a time above 0")
	case len(c.KeepLabels) > 0 && len(c.DropLabels) > 0:
		return errors.New("labels to keep and labels to drop: give one of them")
	case c.Whole && len(c.Fields) > 0:
		return errors.New("fields are named, and the whole record is to be sent: give one of them")
	}
	if len(c.Command) > 0 {
		if _, err := osexec.LookPath(c.Command[0]); err != nil {
			return fmt.Errorf("%s cannot be run: %w", c.Command[0], errors.Unwrap(err))
		}
	}
	for i, f := range c.Fields {
		if f.String() == "id" || f.String() == "text" {
			return fmt.Errorf("field %q: id and text are sent already", f.String())
		}
		if slices.ContainsFunc(c.Fields[:i], func(o record.Path) bool { return o.String() == f.String() }) {
			return fmt.Errorf("field %q is named twice", f.String())
		}
	}
	for _, list := range [][]Threshold{c.Min, c.Max} {
		for i, t := range list {
			if !isName(t.Signal) || t.Value-t.Value != 0 {
				return fmt.Errorf("threshold %s=%v: give the name of a signal and a number", t.Signal, t.Value)
			}
			if slices.ContainsFunc(list[:i], func(o Threshold) bool { return o.Signal == t.Signal }) {
				return fmt.Errorf("signal %q has two thresholds of a kind", t.Signal)
			}
		}
	}
	for _, l := range slices.Concat(c.KeepLabels, c.DropLabels) {
		if !isWord([]byte(l)) {
			return fmt.Errorf("label %q: give 1 to %d bytes of text without control characters", l, maxWord)
		}
	}
	return nil
}

// identity is the resolved configuration in canonical JSON: what decides about records, and not how the program is run.
func (e *Exec) identity() (json.RawMessage, error) {
	type file struct {
		Name   string `json:"name"`
		SHA256 string `json:"sha256"`
	}
	type testConfig struct {
		Compare   string  `json:"compare"`
		Reason    string  `json:"reason"`
		Rule      string  `json:"rule"`
		Signal    string  `json:"signal"`
		Threshold float64 `json:"threshold"`
	}
	c := &e.cfg
	resolved := struct {
		Annotate   bool          `json:"annotate"`
		Command    []string      `json:"command,omitempty"`
		DropLabels []string      `json:"drop_labels,omitempty"`
		Fields     []record.Path `json:"fields,omitempty"`
		Files      []file        `json:"files,omitempty"`
		IDField    record.Path   `json:"id_field"`
		KeepLabels []string      `json:"keep_labels,omitempty"`
		Name       string        `json:"name"`
		Shell      string        `json:"shell,omitempty"`
		Tests      []testConfig  `json:"tests,omitempty"` // as package report reads a filter's
		TextField  record.Path   `json:"text_field"`
		Whole      bool          `json:"whole"`
	}{Annotate: c.Annotate, Command: c.Command, DropLabels: c.DropLabels, Fields: c.Fields, IDField: c.IDField, KeepLabels: c.KeepLabels,
		Name: c.Name, Shell: c.Shell, TextField: c.TextField, Whole: c.Whole}
	for _, name := range c.Files {
		sum, err := digest(name)
		if err != nil {
			return nil, err
		}
		resolved.Files = append(resolved.Files, file{name, sum})
	}
	for _, t := range e.tests {
		compare := "above"
		if t.below {
			compare = "below"
		}
		resolved.Tests = append(resolved.Tests, testConfig{compare, t.reason, c.Name, c.signal(t.signal), t.threshold})
	}
	raw, err := json.Marshal(resolved)
	if err != nil {
		return nil, err
	}
	canonical := jsontext.Value(raw) // RFC 8785
	err = canonical.Canonicalize()
	return json.RawMessage(canonical), err
}

// signal is what a signal is called outside: a program's "score" is not another's.
func (c *Config) signal(name string) string { return c.Name + "_" + name }

func digest(name string) (string, error) {
	f, err := os.Open(name)
	if errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("%s: no such file", name)
	}
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// line is the command as messages show it.
func (c *Config) line() string {
	if c.Shell != "" {
		return c.Shell
	}
	return Join(c.Command)
}

// Spec is the same at every call.
func (e *Exec) Spec() stage.Spec { return e.spec }

// NewWorker implements stage.Mapper.
func (e *Exec) NewWorker() stage.Worker {
	w := &worker{e: e, paths: map[string]record.Path{}}
	if e.cfg.Histograms {
		w.counts = make([]uint32, len(e.hist)*stage.Bins)
		w.names = make([]string, len(w.counts))
	}
	return w
}

// Close ends the processes: the end of their input tells them to, and those that stay are killed with all that they
// have started. An answer that nobody asked for is an error even now, since it says that earlier ones were others'.
func (e *Exec) Close() error { return e.pool.close() }

// maxWords is how many different reasons, labels and names of signals a program may use: the ledger has a line for each.
const maxWords = 1000

// words are those that all processes have used.
type words struct {
	mu   sync.Mutex
	seen map[string]struct{}
}

// use notes a word, and says whether it is one too many.
func (w *words) use(word string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen[word] = struct{}{}
	if len(w.seen) > maxWords {
		return fmt.Errorf("it has answered with more than %d different reasons, labels and names of signals, the last being %q; they are counted in the ledger, so each is a word for many records", maxWords, word)
	}
	return nil
}
