package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/goccy/go-yaml"

	"curate/corpus/download"
	"curate/corpus/store"
	"curate/internal/human"
	"curate/langid"
	"curate/stage"
	"curate/translate"
	"curate/translate/backends"
	"curate/translate/check"
	"curate/translate/memory"
	"curate/translate/protect"
	"curate/translate/score"
	"curate/translate/segment"
)

// translating is how curate translate and the recipe's key of that name are set: as typed, nothing opened.
type translating struct {
	cfg translate.Config

	backend                     string
	openai                      backends.OpenAI // its Model is also the folder of a model in this process
	keyEnv                      string
	system, shots               string // files
	body                        string // JSON
	command                     backends.Command
	computed                    computedTranslation
	fallback                    string // a command
	judge, judgeURL, judgeModel string
	policy                      backends.Policy

	dirs                 []string // as typed: dir, also
	dir                  string   // of the memory
	also                 []string // others, which are only read
	limit                int64    // --memory, 0 if it was not given
	inRecipe             bool
	step                 translateStep
	rank, world          int  // of stepFetch; a recipe's rank
	ranked               bool // as a recipe's rank
	setAside             bool // of stepApply: rows that lack a segment are quarantined
	tms, corrections     []string
	glossary             string
	profile, calibration string
	tasks                []string
	dry                  bool
}

// Backends by name, sorted.
var translateBackends = []string{"command", "marian", "memory", "openai"}

// Judges by name, sorted.
var translateJudges = []string{"back-translation", "comet", "llm"}

const (
	defaultKeyEnv      = "OPENAI_API_KEY"
	defaultConcurrency = 64 // requests at a time
)

// translateStep is what a command does of translating.
type translateStep uint8

const (
	stepAll      translateStep = iota
	stepSegments               // says what there is to ask for
	stepFetch                  // asks for it
	stepApply                  // puts rows together
)

// asks says whether the step asks anybody.
func (t *translating) asks() bool {
	return t.backend != "memory" && !t.dry && t.step != stepSegments && t.step != stepApply
}

// nowhere is the address of a server that is only named.
const nowhere = "http://localhost:1/v1"

// memoryIndex is what the index of a memory may take at least: 40 bytes and less a segment.
const memoryIndex = 96 << 20

// indexBytes is what the index of the memories may take: what those that are there need (an entry of 31 bytes of index has more than
// twice as much in the log, but for the shortest), or an eighth of --memory.
func (t *translating) indexBytes() int64 {
	if t.inRecipe { // which has set aside no more
		return memoryIndex
	}
	n := max(memoryIndex, t.limit/8)
	dirs, err := t.memories()
	if err != nil {
		return n // open says it
	}
	size := int64(0)
	for _, dir := range dirs {
		if st, err := os.Stat(filepath.Join(dir, memory.LogName)); err == nil {
			size += st.Size()
		}
	}
	return max(n, memoryIndex/2+size/2)
}

// memories are the folders of the memories that are there.
func (t *translating) memories() ([]string, error) {
	var list []string
	for i, dir := range slices.Concat([]string{t.dir}, t.also) {
		if dir == "" || store.IsURL(dir) { // a URL is refused when it is opened
			continue
		}
		in, err := memory.Folders(dir)
		if err != nil {
			return nil, err
		}
		if len(in) == 0 && (i > 0 || t.step == stepApply) {
			return nil, fmt.Errorf("%s: no translation memory is there", dir)
		}
		list = append(list, in...)
	}
	return list, nil
}

// ownMemory is the folder of the memory that takes answers; "" for a temporary one.
func (t *translating) ownMemory() string {
	switch {
	case t.step == stepSegments || t.step == stepApply:
		return ""
	case t.ranked, t.step == stepFetch && t.world > 0:
		return filepath.Join(t.dir, fmt.Sprintf("rank-%05d", t.rank))
	}
	return t.dir
}

// translateGC is the percentage for debug.SetGCPercent: hundreds of waiting goroutines make each collection dear, and the heap
// small. --memory bounds it all the same.
const translateGC = 400

// requestMemory is what a request in flight takes, with its answer, its buffers and its row.
const requestMemory = 128 << 10

// computedGC is translateGC where a model is in the process: what it computes in, tens of MB, would be kept several times over. Its
// weights are outside of the heap.
const computedGC = 100

// reserved is what the stage holds of the memory from beginning to end, and why.
func (t *translating) reserved() (int64, string) {
	n := t.indexBytes()
	what := "the translation memory's index, language models and requests in flight"
	if t.local() != nil {
		n += t.localMemory()
		what = "the translation model, " + what
	}
	if cfg, ok := t.languages(); ok && t.step != stepSegments { // which checks nothing
		n += cfg.Memory()
	}
	// In steps, since --max-record goes by what is left, and a run goes on with another concurrency.
	const step = 64
	requests := int64(t.inFlight()+step-1) / step * step
	return n + requests*requestMemory, what
}

func (t *translating) inFlight() int {
	switch {
	case t.backend == "memory" || t.dry || t.step == stepSegments:
		return 0
	case t.step == stepApply: // nobody is waited for
		return 4 * runtime.GOMAXPROCS(0)
	case t.backend == "command":
		return max(1, t.command.Processes)
	case t.local() != nil:
		return translate.LocalInFlight(t.localWorkers())
	case t.policy.MaxConcurrency > 0:
		return t.policy.MaxConcurrency
	}
	return defaultConcurrency
}

// languages are what texts in doubt may be in; ok is false where the engine does not know the target.
func (t *translating) languages() (langid.Config, bool) {
	cfg, err := langid.Config{Engine: "lingua", Keep: []string{t.cfg.To, t.cfg.From}}.Resolve()
	return cfg, err == nil
}

// check is what can be said before anything is opened but a model in this process, which stays open for open.
func (t *translating) check() error {
	if !slices.Contains(translateBackends, t.backend) {
		if t.backend == "" {
			return fmt.Errorf("which backend? %s", strings.Join(translateBackends, ", "))
		}
		return stage.UnknownName("backend", t.backend, translateBackends)
	}
	if t.step != stepAll && t.backend == "memory" {
		return errors.New("backend memory asks nobody, so that there is nothing to share; name the backend whose answers they are")
	}
	if t.step == stepFetch && t.dir == "" {
		return errors.New("--memory-dir is missing: where answers are kept")
	}
	if t.step == stepApply && t.dir == "" && len(t.tms)+len(t.corrections) == 0 {
		return errors.New("--memory-dir is missing: where curate translate fetch has kept the answers")
	}
	if _, err := t.memories(); err != nil {
		return err
	}
	switch t.backend {
	case "openai":
		if t.openai.BaseURL == "" && !t.asks() && t.step != stepAll {
			t.openai.BaseURL = nowhere
		}
		if t.openai.BaseURL == "" || t.openai.Model == "" {
			return errors.New("backend openai needs a base URL and a model, as in http://localhost:8000/v1 and google/gemma-3-27b-it")
		}
	case "command":
		if t.command.Line == "" {
			return errors.New("backend command needs a command, which reads a segment a line and writes its translation")
		}
	case "memory":
		if len(t.tms)+len(t.corrections) == 0 && t.dir == "" {
			return errors.New("backend memory needs a translation memory: parallel texts (tm), or the directory of an earlier run's memory")
		}
		if t.judge != "" || t.fallback != "" {
			return errors.New("backend memory asks nobody: it takes neither a judge nor a fallback")
		}
	}
	if err := t.checkLocal(); err != nil {
		return err
	}
	if t.command.Line != "" && t.backend != "command" {
		return fmt.Errorf("a command is for backend command, and the backend is %s; a program for what that cannot do is the fallback command", t.backend)
	}
	switch isURL := strings.HasPrefix(t.judgeURL, "http://") || strings.HasPrefix(t.judgeURL, "https://"); {
	case t.judge == "" && (t.judgeURL != "" || t.judgeModel != ""):
		return fmt.Errorf("whose address or model is it? Name the judge: %s", strings.Join(translateJudges, ", "))
	case t.judge == "":
	case !slices.Contains(translateJudges, t.judge):
		return stage.UnknownName("judge", t.judge, translateJudges)
	case t.judge == "comet" && !isURL:
		return errors.New("judge comet needs its address, as in http://localhost:8080/score")
	case t.judge == "back-translation" && (t.judgeURL == "" || isURL):
		return errors.New("judge back-translation needs the command that translates back, which reads a text a line")
	}
	if t.cfg.MinScore > 0 && t.judge == "" {
		return errors.New("a least score needs a judge")
	}
	if t.policy.MaxCost > 0 && t.policy.PriceIn == 0 && t.policy.PriceOut == 0 {
		return errors.New("a limit of cost needs prices, of a million tokens in and out")
	}
	if err := t.inRange(); err != nil {
		return err
	}
	if _, err := t.resolve(); err != nil {
		return err
	}
	for _, name := range slices.Concat(t.tms, t.corrections) {
		if err := isThere(name); err != nil {
			return err
		}
	}
	if _, err := t.terms(); err != nil {
		return err
	}
	// What is wrong with an address or a file of examples is said now, and not when the step comes.
	o, p := &opened{}, translate.Parts{}
	if err := errors.Join(t.askers(&p, o, func(string, ...any) {}), o.Close()); err != nil {
		return err
	}
	return t.openLocal()
}

// inRange refuses numbers that mean nothing.
func (t *translating) inRange() error {
	p := &t.policy
	for _, n := range []struct {
		what string
		n    float64
	}{
		{"a timeout", p.Timeout.Seconds()}, {"max concurrency", float64(p.MaxConcurrency)}, {"max requests", float64(p.MaxRequests)},
		{"max tokens", float64(p.MaxTokens)}, {"max cost", p.MaxCost}, {"price in", p.PriceIn}, {"price out", p.PriceOut},
		{"segments per request", float64(t.openai.MaxSegments)}, {"tokens per request", float64(t.openai.MaxTokens)},
		{"processes", float64(t.command.Processes)},
	} {
		if !(n.n >= 0) {
			return fmt.Errorf("%s of %v: not below 0", n.what, n.n)
		}
	}
	for _, code := range []string{t.cfg.From, t.cfg.To} {
		if !languageCode.MatchString(code) {
			return fmt.Errorf("language %q: a language is its code in small letters, such as eu or pt-BR", code)
		}
	}
	return nil
}

// languageCode is the form of BCP 47 tags, as far as anything here looks at them.
var languageCode = regexp.MustCompile(`^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$`)

// terms reads the glossary, nil without one.
func (t *translating) terms() (*protect.Glossary, error) {
	if t.glossary == "" {
		return nil, nil
	}
	text, err := smallFile(t.glossary)
	if err != nil {
		return nil, err
	}
	return protect.ReadGlossary(t.glossary, text)
}

// resolve reads the small files and settles the configuration.
func (t *translating) resolve() (translate.Config, error) {
	c := t.cfg
	if t.calibration != "" {
		cal, err := readCalibration(t.calibration)
		if err != nil {
			return c, err
		}
		if cal.From != c.From || cal.To != c.To {
			return c, fmt.Errorf("%s: was measured from %s to %s, and rows go from %s to %s; calibrate for these", t.calibration, cal.From, cal.To, c.From, c.To)
		}
		if c.Placeholder == "" && len(cal.Forms) > 0 {
			c.Placeholder = cal.Forms[0].Form
			if c.Placeholder == protect.Aligned().Name && t.local() == nil {
				return c, fmt.Errorf("%s: was measured with a model in this process (%s), and the backend is %s; calibrate with that, or name a --placeholder", t.calibration, cal.Engine, t.backend)
			}
		}
		if cal.Profile != nil {
			c.Profile = *cal.Profile
		}
	}
	if t.profile != "" {
		b, err := smallFile(t.profile)
		if err != nil {
			return c, err
		}
		if c.Profile, err = check.ReadProfile(t.profile, b); err != nil {
			if _, e := readCalibration(t.profile); e == nil {
				return c, fmt.Errorf("%s: holds more than thresholds: it is a calibration, give it as such", t.profile)
			}
			return c, err
		}
	}
	for _, s := range t.tasks {
		name, action, ok := strings.Cut(s, "=")
		if !ok {
			return c, fmt.Errorf("task %q: TASK=ACTION, as in grammar=translate; tasks are %s, actions %s", s, strings.Join(check.TaskNames(), ", "), strings.Join(translate.Actions, ", "))
		}
		c.Tasks = append(c.Tasks, translate.TaskAction{Task: name, Action: action})
	}
	if t.backend == "command" {
		c.Sentences = true
		if c.Placeholder == "" {
			c.Placeholder = "XQ0" // survives in small translation models where others do not
		}
	}
	return c.Resolve()
}

// opened is a stage and what must be closed behind it.
type opened struct {
	*translate.Stage
	closers []io.Closer
	stats   func() backends.Stats // nil where nobody is asked
	memory  *memory.Store
	say     func() // what a recipe's step has to say at its end; may be nil
	percent int    // for debug.SetGCPercent, of whoever comes behind; 0 if it was not changed
	limit   int64  // likewise, for debug.SetMemoryLimit
}

// Close gives back what the stage worked with.
func (o *opened) Close() error {
	if o.say != nil {
		o.say()
		o.say = nil
	}
	var errs []error
	for _, c := range slices.Backward(o.closers) {
		errs = append(errs, c.Close())
	}
	if o.memory != nil {
		errs = append(errs, o.memory.Close())
	}
	o.closers, o.memory = nil, nil
	if o.percent != 0 {
		debug.SetGCPercent(o.percent)
		o.percent = 0
	}
	if o.limit != 0 {
		debug.SetMemoryLimit(o.limit)
		o.limit = 0
	}
	return errors.Join(errs...)
}

// open makes the stage. The memory is opened, and filled, when the first record comes.
func (t *translating) open(log *slog.Logger) (_ *opened, err error) {
	cfg, err := t.resolve()
	if err != nil {
		return nil, err
	}
	o := &opened{}
	defer func() {
		if err != nil {
			err = errors.Join(err, o.Close())
		}
	}()
	say := func(format string, args ...any) { log.Warn(fmt.Sprintf(format, args...)) }
	p := translate.Parts{Kind: t.backend, Dry: t.dry, InFlight: t.inFlight(), Model: t.openai.Model, Offline: t.step == stepApply, SetAside: t.setAside}
	if t.backend != "openai" {
		p.Model = ""
	}
	if p.Glossary, err = t.terms(); err != nil {
		return nil, err
	}
	for _, code := range []string{cfg.From, cfg.To} {
		if _, err := (langid.Config{Engine: "lingua", Keep: []string{code}}).Resolve(); err != nil && !check.Knows(code) {
			log.Warn(fmt.Sprintf("nothing here tells %q from other languages: answers in a wrong one are not found (languages are ISO 639-1 codes, such as eu)", code))
		}
	}
	if err := t.askers(&p, o, say); err != nil {
		return nil, err
	}
	if err := t.takeLocal(&p, o); err != nil {
		return nil, err
	}
	if p.TM, err = digest("tm", t.tms); err != nil {
		return nil, err
	}
	if p.Corrections, err = digest("corrections", t.corrections); err != nil {
		return nil, err
	}
	p.Schema = saySchemas(log)
	p.Identify = t.identify()
	p.Memory = func(ctx context.Context) (*memory.Store, error) { return t.openMemory(ctx, o, cfg, p, log) }
	if o.Stage, err = translate.New(cfg, p); err == nil {
		percent := translateGC
		if t.local() != nil {
			percent = computedGC
		}
		o.percent = debug.SetGCPercent(percent)
	}
	return o, err
}

func (t *translating) openMemory(ctx context.Context, o *opened, cfg translate.Config, p translate.Parts, log *slog.Logger) (m *memory.Store, err error) {
	dir := t.ownMemory()
	for _, d := range slices.Concat([]string{t.dir}, t.also) {
		if err := localOnly("--memory-dir", d); err != nil {
			return nil, err
		}
	}
	if t.dry && dir != "" && isThere(filepath.Join(dir, memory.LogName)) != nil {
		dir = "" // a dry run leaves nothing behind
	}
	read, err := t.memories()
	if err != nil {
		return nil, err
	}
	m, err = memory.Open(ctx, dir, memory.Options{Read: read, MaxIndex: t.indexBytes(), Note: func(text string) { log.Warn(text) }, Waiting: func(owner string) {
		log.Info(fmt.Sprintf("%s is in use by %s; waiting for it", dir, owner))
	}})
	if err != nil {
		return nil, err
	}
	o.memory = m
	if limit := debug.SetMemoryLimit(-1); t.local() != nil && limit < math.MaxInt64 { // the collector does not see the model's weights
		o.limit = debug.SetMemoryLimit(max(limit-t.localMemory(), memoryIndex))
	}
	if n := m.Len(); n > 0 {
		of := ""
		if len(read) > 1 {
			of = fmt.Sprintf(" and %d more memories", len(read)-1)
		}
		log.Info(fmt.Sprintf("%s%s: %s segments are known already", cmp.Or(t.dir, "memory"), of, human.Thousands(int64(n))))
	} else if t.dir == "" && t.asks() {
		again := "asked for, and paid, again"
		if t.local() != nil {
			again = "translated again"
		}
		log.Warn("without --memory-dir nothing of what is translated survives a killed run: it would be " + again)
	}
	for _, list := range []struct {
		engine string
		files  []string
		word   string
	}{{p.TM, t.tms, "translation memory"}, {"", t.corrections, "corrections"}} {
		if err := o.fill(cfg, p, list.engine, list.files, list.word, log); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// askers makes the backend, if it is not in this process (takeLocal), the fallback and the judge.
func (t *translating) askers(p *translate.Parts, o *opened, say func(string, ...any)) (err error) {
	policy := t.policy
	if t.step == stepFetch && t.world > 0 {
		if policy, err = policy.Share(t.rank, t.world); err != nil {
			return err
		}
	}
	policy.Purse = backends.NewPurse(policy) // one for all that are asked
	api := t.openai
	api.Policy, api.Log = policy, say
	api.Key = os.Getenv(t.keyEnv)
	if t.system != "" {
		b, err := smallFile(t.system)
		if err != nil {
			return err
		}
		api.System = string(b)
	}
	if t.shots != "" {
		if api.Shots, err = readPairs(t.shots); err != nil {
			return err
		}
	}
	if t.body != "" {
		if err := json.Unmarshal([]byte(t.body), &api.Extra); err != nil || api.Extra == nil {
			return fmt.Errorf("body %s: give a JSON object of more fields for each request, such as {\"top_k\":1}", t.body)
		}
	}
	command := func(line string) backends.Command {
		c := t.command
		c.Line, c.Policy, c.Log, c.Key, c.Timeout = line, policy, say, api.Key, policy.Timeout
		return c
	}
	switch t.backend {
	case "openai":
		p.Backend, err = backends.NewOpenAI(api)
	case "command":
		p.Backend, err = backends.NewCommand(command(t.command.Line))
	}
	if err != nil {
		return err
	}
	if p.Backend != nil {
		o.closers, o.stats = append(o.closers, p.Backend), p.Backend.Stats
	}
	if t.fallback != "" {
		c := command(t.fallback)
		c.Engine = ""
		if p.Fallback, err = backends.NewCommand(c); err != nil {
			return err
		}
		o.closers = append(o.closers, p.Fallback)
	}
	switch t.judge {
	case "llm":
		if t.judgeURL != "" {
			api.BaseURL = t.judgeURL
		}
		if t.judgeModel != "" {
			api.Model = t.judgeModel
		}
		if api.BaseURL == "" || api.Model == "" {
			return errors.New("judge llm needs a URL and a model")
		}
		api.System, api.Shots, api.Mode = "", nil, "chat"
		p.Judge, err = backends.NewLLMJudge(api)
	case "comet":
		p.Judge, err = backends.NewCometJudge(t.judgeURL, policy, say)
	case "back-translation":
		c := command(t.judgeURL)
		c.Engine = ""
		var back backends.Backend
		if back, err = backends.NewCommand(c); err == nil {
			p.Judge = &backTranslation{back}
		}
	}
	if err != nil {
		return err
	}
	if p.Judge != nil {
		o.closers = append(o.closers, p.Judge)
	}
	return nil
}

// fill imports files of translations.
func (o *opened) fill(cfg translate.Config, p translate.Parts, engine string, files []string, word string, log *slog.Logger) error {
	for _, name := range files {
		im := importer(cfg, p.Glossary, engine)
		im.All = true // an exported memory holds other engines' answers
		in, err := importFile(o.memory, name, im)
		if err != nil {
			return err
		}
		log.Info(fmt.Sprintf("%s: %s; %s", name, word, importedLine(in)))
	}
	return nil
}

// importer reads texts as the stage would: the same units, the same masks.
func importer(cfg translate.Config, g *protect.Glossary, engine string) memory.Importer {
	return memory.Importer{
		From: cfg.From, To: cfg.To, Engine: engine,
		Mask: func(text string) protect.Masked {
			return protect.Mask(text, protect.Options{Numbers: cfg.Numbers, Glossary: g})
		},
		Cut: func(text string) []string {
			var list []string
			for _, u := range segment.Units(nil, text) {
				list = append(list, u.Text(text))
			}
			return list
		},
	}
}

func importFile(m *memory.Store, name string, im memory.Importer) (memory.Imported, error) {
	if err := isThere(name); err != nil {
		return memory.Imported{}, usage("%v", err)
	}
	f, err := os.Open(name)
	if err != nil {
		return memory.Imported{}, err
	}
	defer f.Close()
	r, err := decompressed(f)
	if err != nil {
		return memory.Imported{}, fmt.Errorf("%s: %w", name, err)
	}
	defer r.Close()
	return m.Import(name, r, im)
}

// digest names files by their content; "" for none.
func digest(word string, files []string) (string, error) {
	if len(files) == 0 {
		return "", nil
	}
	h := sha256.New()
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			return "", err
		}
		n, err := io.Copy(h, f)
		f.Close()
		if err != nil {
			return "", err
		}
		fmt.Fprintf(h, "\x00%d\x00", n)
	}
	return word + " " + hex.EncodeToString(h.Sum(nil)[:8]), nil
}

// saySchemas says each schema once, when its first row comes.
func saySchemas(log *slog.Logger) func(string) {
	var said sync.Map
	return func(name string) {
		if _, had := said.LoadOrStore(name, true); !had {
			if name == "fields" {
				log.Info("rows of which --fields name the texts")
			} else {
				log.Info("rows of schema " + name)
			}
		}
	}
}

// identify asks lingua, whose models are read when the first text is in doubt.
func (t *translating) identify() check.Identify {
	cfg, ok := t.languages()
	if !ok {
		return nil
	}
	engine, err := langid.NewEngine(cfg)
	if err != nil { // a binary without one
		return nil
	}
	pool := sync.Pool{New: func() any { return engine.NewIdentifier() }}
	return func(text, a, b string) (pa, pb float64) {
		id := pool.Get().(langid.Identifier)
		defer pool.Put(id)
		switch ans := id.Identify([]byte(text)); ans.Language {
		case a:
			return ans.Score, 1 - ans.Score
		case langid.Und:
			return math.NaN(), math.NaN()
		default: // b, or another one that is not a either
			return 1 - ans.Score, ans.Score
		}
	}
}

// backTranslation scores with chrF of the text translated back against its source.
type backTranslation struct{ backends.Backend }

func (b *backTranslation) Name() string { return "back-translation " + b.Engine() }

func (b *backTranslation) Score(ctx context.Context, from, to string, sources, targets []string) ([]float64, backends.Spent, error) {
	chrf := score.Metrics()[1]
	scores := make([]float64, len(sources))
	var sum backends.Spent
	for at, end := 0, 0; at < len(sources); at = end {
		end = min(at+b.MaxSegments(), len(sources))
		ans, err := b.Translate(ctx, &backends.Request{From: to, To: from, Segments: targets[at:end]})
		if err != nil {
			if e, ours := errors.AsType[*backends.Error](err); ours {
				sum.Add(e.Spent)
			}
			return nil, sum, err
		}
		sum.Add(ans.Spent)
		for i := at; i < end; i++ {
			if scores[i] = math.NaN(); !ans.Missing[i-at] {
				scores[i] = chrf.Score(chrf.Segment(ans.Texts[i-at], []string{sources[i]})) / 100
			}
		}
	}
	return scores, sum, nil
}

// values are what --print-config shows of the way to the backend. No key is among them: it stays in the environment.
func (t *translating) values() yaml.MapSlice {
	at := t.openai.BaseURL
	if u, err := url.Parse(at); err == nil {
		u.User, u.RawQuery = nil, ""
		at = u.String()
	}
	p := t.policy
	return yaml.MapSlice{{Key: "backend", Value: yaml.MapSlice{
		{Key: "name", Value: t.backend}, {Key: "base_url", Value: at}, {Key: "model", Value: t.openai.Model}, {Key: "prompt", Value: t.openai.Mode},
		{Key: "structured", Value: t.openai.Structured}, {Key: "api_key_env", Value: t.keyEnv}, {Key: "command", Value: t.command.Line},
		{Key: "beams", Value: t.computed.beams}, {Key: "precision", Value: t.computed.precision}, {Key: "kernels", Value: t.computed.kernels},
		{Key: "memory_dir", Value: t.dir}, {Key: "read_memories", Value: t.also}, {Key: "tm", Value: t.tms}, {Key: "corrections", Value: t.corrections}, {Key: "glossary", Value: t.glossary},
		{Key: "timeout", Value: p.Timeout.String()}, {Key: "retries", Value: p.Retries}, {Key: "max_concurrency", Value: t.inFlight()},
		{Key: "max_requests", Value: p.MaxRequests}, {Key: "max_tokens", Value: p.MaxTokens}, {Key: "max_cost", Value: p.MaxCost},
		{Key: "price_in", Value: p.PriceIn}, {Key: "price_out", Value: p.PriceOut}, {Key: "price_cached", Value: p.PriceCached},
	}}}
}

// runMemory is where a recipe's translations are kept: beside the steps, so that it survives a changed one.
// It is a file that grows, which object storage does not have: of a run there it lies in this machine's folder for caches, by
// the run's URL.
func runMemory(run string) string {
	if !store.IsURL(run) {
		return filepath.Join(run, "_curate", "translations")
	}
	cache := os.Getenv(download.CacheVariable)
	if cache == "" {
		cache, _ = os.UserCacheDir() // without one it is the folder that the command was called in
		cache = filepath.Join(cache, "curate")
	}
	sum := sha256.Sum256([]byte(path.Clean(run)))
	return filepath.Join(cache, "translations-"+hex.EncodeToString(sum[:8]))
}

// importedLine says what became of a file's lines.
func importedLine(in memory.Imported) string {
	line := fmt.Sprintf("%s, %s new", plural(int(in.Read), "line", "lines"), plural(int(in.Kept), "segment", "segments"))
	if in.Known > 0 {
		line += fmt.Sprintf(", %d known", in.Known)
	}
	var list []string
	for why, n := range in.Refused {
		if words, ok := refusals[why]; ok {
			why = words
		}
		list = append(list, fmt.Sprintf("%s %d", why, n))
	}
	slices.Sort(list)
	if len(list) > 0 {
		line += "; not used: " + strings.Join(list, ", ")
	}
	return line
}

// refusals are the importer's reasons in a reader's words.
var refusals = map[string]string{
	"edges":        "code or marks around the text differ",
	"empty":        "one side has no letters",
	"placeholders": "code, URLs or the like differ",
	"untranslated": "both sides are the same",
}

// sayTranslation is the summary of a run that came to its end, and of one that did not.
func sayTranslation(log *slog.Logger, t *translating, o *opened, began time.Time) {
	p := t.policy
	if o == nil || o.stats == nil {
		return
	}
	s := o.stats()
	if s.Requests == 0 {
		return
	}
	word := "requests"
	if s.Requests == 1 {
		word = "request"
	}
	line := fmt.Sprintf("%s %s in %s, %s, half within %s", human.Thousands(s.Requests), word, time.Since(began).Round(time.Second), retriesLine(s.Retries), s.P50.Round(time.Millisecond))
	if t.backend != "command" || p.PriceIn > 0 || p.PriceOut > 0 { // a command counts no tokens
		line += fmt.Sprintf("; %s tokens in, %s out%s%s", human.Thousands(s.Prompt), human.Thousands(s.Completion), estimated(s.Estimated), costLine(s.Cost, p))
	}
	if t.judge != "" || t.fallback != "" {
		line += "; what judge and fallback took comes on top"
	}
	log.Info(line)
}

func retriesLine(by map[string]int64) string {
	var list []string
	var sum int64
	for class, n := range by {
		list = append(list, fmt.Sprintf("%s %d", class, n))
		sum += n
	}
	if sum == 0 {
		return "none repeated"
	}
	slices.Sort(list)
	return fmt.Sprintf("%d repeated (%s)", sum, strings.Join(list, ", "))
}

func estimated(yes bool) string {
	if yes {
		return " (partly a guess: the server does not say)"
	}
	return ""
}

func costLine(micro int64, p backends.Policy) string {
	if p.PriceIn == 0 && p.PriceOut == 0 {
		return ""
	}
	return fmt.Sprintf(", cost %.4f", float64(micro)/1e6)
}

// budgetHint says how to go on after an error of a backend.
func (t *translating) budgetHint(err error) error {
	if errors.As(err, new(*translate.NotFetchedError)) {
		return fmt.Errorf("%w; curate translate segments and fetch, with the same flags, get what is missing; then repeat the command. --missing quarantine sets rows aside that lack a segment", err)
	}
	if errors.As(err, new(*translate.CutError)) {
		return fmt.Errorf("%w; give the flags that curate translate segments was given, or make the segments anew", err)
	}
	var e *backends.Error
	if !errors.As(err, &e) {
		return err
	}
	switch e.Class {
	case backends.Budget, backends.Down, backends.Denied:
	default:
		return err
	}
	hint := ""
	if e.Status == http.StatusUnauthorized && t.keyEnv != "" {
		if os.Getenv(t.keyEnv) == "" {
			hint = "; the environment has no key in " + t.keyEnv
		} else {
			hint = "; the key is that of " + t.keyEnv
		}
	}
	if t.dir == "" {
		return fmt.Errorf("%w%s; answers were not kept, since there is no --memory-dir", err, hint)
	}
	switch e.Class {
	case backends.Budget:
		hint += "; repeat the command to go on: limits count from 0 in each run"
	case backends.Denied:
		hint += "; mend that and repeat the command to go on"
	}
	return fmt.Errorf("%w%s; answers are kept in %s", err, hint, t.ownMemory())
}
