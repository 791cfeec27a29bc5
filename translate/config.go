package translate

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"

	"curate/translate/backends"
	"curate/translate/check"
	"curate/translate/protect"
	"curate/translate/rows"
)

// Config is what the results depend on, beside the memory.
type Config struct {
	From string       `json:"from"` // ISO 639-1
	To   string       `json:"to"`
	Rows rows.Options `json:"rows"`
	// Numbers protects numbers of two digits and more, for backends that change them.
	Numbers bool `json:"mask_numbers"`
	// Sentences asks for each sentence alone: for backends that know no more than one.
	Sentences bool `json:"sentences"`
	// Placeholder is the form of holes that is tried first, of those that the backend takes; "" is its own choice.
	Placeholder string        `json:"placeholder"`
	Profile     check.Profile `json:"checks"`
	// MaxAttempts is how many requests one segment may take, its rungs of the ladder. One that was too much for the server, or
	// failed, with other segments in it is not counted: they are asked for with fewer, or alone.
	MaxAttempts int `json:"max_attempts"`
	// MinScore of a judge, 0 to 1; what it scores lower is asked again, and given up in the end.
	MinScore float64 `json:"min_score"`
	// OnFail is what becomes of a row of which a text could not be translated: "quarantine", or "keep-source", which lets
	// it through as it is, and says so in the record.
	OnFail string `json:"on_fail"`
	// KeepSource writes the source texts into the record.
	KeepSource bool `json:"keep_source"`
	// Annotate writes into every record what was done, and drops nothing.
	Annotate bool `json:"annotate"`
	// Tasks are what becomes of rows whose task is bound to the source language, sorted by task.
	Tasks []TaskAction `json:"tasks"`
	// RetryFailed asks again for segments that an earlier run has given up.
	RetryFailed bool `json:"retry_failed"`
}

// TaskAction is "copy" (the row stays in its language, and says so), "drop" or "translate" (and says so).
type TaskAction struct {
	Task   string `json:"task"`
	Action string `json:"action"`
}

// Actions that a task may have.
var Actions = []string{"copy", "drop", "translate"}

// copied are the tasks that make sense in the source language alone and teach something there; of the others nothing is
// left when they are translated (tloen/alpaca-lora issue 180: corrected sentences equal the faulty ones).
var copied = []string{"language-id", "translation"}

// Values of Config.OnFail.
const (
	OnFailQuarantine = "quarantine"
	OnFailKeepSource = "keep-source"
)

// DefaultMaxAttempts lets a segment up the whole ladder once.
const DefaultMaxAttempts = 5

// Resolve fills in what is left out and checks the rest.
func (c Config) Resolve() (Config, error) {
	if c.From == "" || c.To == "" {
		return c, fmt.Errorf("from and to are missing: the languages, as in en and eu")
	}
	if c.From == c.To {
		return c, fmt.Errorf("from %s to %s: two languages, please", c.From, c.To)
	}
	if c.Profile.Name == "" {
		c.Profile = check.ProfileFor(c.From, c.To)
	}
	if err := c.Profile.Validate(); err != nil {
		return c, err
	}
	if c.Placeholder != "" {
		if _, err := protect.FormNamed(c.Placeholder); err != nil {
			return c, err
		}
	}
	switch c.MaxAttempts {
	case 0:
		c.MaxAttempts = DefaultMaxAttempts
	default:
		if c.MaxAttempts < 1 || c.MaxAttempts > 100 {
			return c, fmt.Errorf("%d attempts: from 1 to 100", c.MaxAttempts)
		}
	}
	if !(c.MinScore >= 0 && c.MinScore <= 1) {
		return c, fmt.Errorf("a least score of %v: from 0 to 1", c.MinScore)
	}
	if c.OnFail == "" {
		c.OnFail = OnFailQuarantine
	}
	if c.OnFail != OnFailQuarantine && c.OnFail != OnFailKeepSource {
		return c, fmt.Errorf("on fail %q: %s or %s", c.OnFail, OnFailQuarantine, OnFailKeepSource)
	}
	var tasks []TaskAction
	for _, name := range check.TaskNames() {
		action := "drop"
		if slices.Contains(copied, name) {
			action = "copy"
		}
		if c.Annotate && action == "drop" {
			action = "translate"
		}
		tasks = append(tasks, TaskAction{name, action})
	}
	for _, t := range c.Tasks {
		i := slices.IndexFunc(tasks, func(k TaskAction) bool { return k.Task == t.Task })
		if i < 0 {
			return c, fmt.Errorf("no task is called %q; there are %s", t.Task, strings.Join(check.TaskNames(), ", "))
		}
		if !slices.Contains(Actions, t.Action) {
			return c, fmt.Errorf("task %s: %q is none of %s", t.Task, t.Action, strings.Join(Actions, ", "))
		}
		if c.Annotate && t.Action == "drop" {
			return c, fmt.Errorf("task %s: nothing is dropped while annotating", t.Task)
		}
		tasks[i] = t
	}
	c.Tasks = tasks
	if _, err := rows.New(c.Rows); err != nil {
		return c, err
	}
	return c, nil
}

// formsOf are the forms of placeholders in which a backend is asked, in the order in which they are tried: the one of a name first,
// "" for the backend's own choice.
func formsOf(b backends.Backend, name string) (first string, forms []protect.Form, err error) {
	names := formNames()
	c, computed := b.(Computed)
	if computed {
		names = c.Forms()
	}
	if name == "" {
		name = names[0]
	}
	if _, err := protect.FormNamed(name); err != nil {
		return "", nil, err
	}
	i := slices.Index(names, name)
	switch {
	case i >= 0:
		names = slices.Insert(slices.Delete(slices.Clone(names), i, i+1), 0, name)
	case computed:
		return "", nil, fmt.Errorf("placeholder %s: the model has no pieces for it, so it vanishes; it knows %s", name, strings.Join(names, ", "))
	default:
		return "", nil, ErrAligned
	}
	for _, n := range names {
		f, err := protect.FormNamed(n)
		if err != nil {
			return "", nil, err
		}
		forms = append(forms, f)
	}
	return name, forms, nil
}

// ErrAligned is the error of protect.Aligned for a backend that is not Computed.
var ErrAligned = fmt.Errorf("placeholder %s is for models in this process, which know which word became which; known for others are %s",
	protect.Aligned().Name, strings.Join(formNames(), ", "))

func formNames() (names []string) {
	for _, f := range protect.Forms() {
		names = append(names, f.Name)
	}
	return names
}

// strictness identifies all that decides whether an answer is given up: a segment that failed under other rules is asked
// again.
func (c Config) strictness(p Parts) string {
	by := struct {
		Profile         check.Profile
		MaxAttempts     int
		MinScore        float64
		Placeholder     string
		Fallback, Judge string
	}{Profile: c.Profile, MaxAttempts: c.MaxAttempts, MinScore: c.MinScore, Placeholder: c.Placeholder}
	if p.Fallback != nil {
		by.Fallback = p.Fallback.Engine()
	}
	if p.Judge != nil {
		by.Judge = p.Judge.Name()
	}
	b, err := json.Marshal(by, json.Deterministic(true))
	if err != nil {
		panic(err) // numbers and names marshal
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8])
}
