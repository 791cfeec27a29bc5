package pipeline

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path"
	"regexp"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"curate/corpus"
	"curate/corpus/store"
	"curate/internal/human"
	"curate/stage"
)

// An output directory grows when its command is repeated with more files: those that it has keep their numbers and parts, the
// new ones come behind them, and only these are read. That is so where all stages are Mappers, since what becomes of a file
// does not depend on the others then. The directory has the bytes of one that was made at once of the files in that order;
// its config.json says beside that what it was before (generation), so that a step which reads it sees which parts it knows.
//
// A kill in between: done goes first, so that nobody takes the directory for a whole one while parts are added; then comes
// config.json, then manifest.json, then parts. Between these two writes the configuration is ahead of the manifest by a
// generation, which continues tells by the identities; no part of a new file is there then. The files that a directory was growing by
// when it was stopped may be others when it goes on, since one of them may have been what stopped it: then what is there of them goes
// first, the manifest is what it was before, and so is all else. A disk that fails while a file is replaced may leave none (store.Writer), so
// the two that are replaced are kept until both are there.

// generation is what an output directory was before it grew.
type generation struct {
	Files    int    `json:"files"`    // it had the first ones of the manifest
	Identity string `json:"identity"` // that it had with them
}

// ends are the places in the manifest at which the directory has grown.
func ends(chain []generation) (list []int) {
	for _, g := range chain {
		list = append(list, g.Files)
	}
	return list
}

// continuation is how a job goes on with a directory that has grown, or will.
type continuation struct {
	files    *corpus.Manifest // in the directory's order
	had      int              // of these files
	config   config
	manifest []byte
	grows    bool   // manifest and configuration are yet to be written
	withdraw []byte // the manifest without the files by which the directory was growing, which are to go; else nil
}

// added are the files that the directory has not got yet.
func (c *continuation) added() []corpus.File { return c.files.Files[c.had:] }

func (c *continuation) String() string {
	return Growth(len(c.added()), c.had)
}

func count64(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return human.Thousands(int64(n)) + " " + noun
}

// continues says how the job goes on with the directory that old began, where the same stages do the same with the same files, in the
// directory's order, and maybe with more of them; nil where that is not so. now is the job as it would begin one.
func (d *runDir) continues(ctx context.Context, old, now config) (*continuation, error) {
	was, is := old.Step, now.Step
	was.Manifest, is.Manifest = "", ""
	a, err := canonical(was)
	if err != nil {
		return nil, err
	}
	b, err := canonical(is)
	if err != nil || !bytes.Equal(a, b) || d.job.Manifest.HasStream() {
		return nil, err
	}
	raw, err := d.current(ctx, manifestFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	has := &corpus.Manifest{}
	if json.Unmarshal(raw, has) != nil {
		return nil, nil // it is refused, with the difference
	}
	before, err := identify(old.Step, raw)
	if err != nil {
		return nil, err
	}
	chain := old.Grown
	switch last := len(chain) - 1; {
	case before.Identity == old.Identity:
	case last >= 0 && before.Identity == chain[last].Identity: // killed between the two writes of grow
		chain = chain[:last]
	default:
		return nil, nil
	}
	c := &continuation{manifest: raw}
	c.files = has.Continued(d.job.Manifest, ends(chain))
	if last := len(chain) - 1; c.files == nil && last >= 0 && before.Identity == old.Identity && d.missing(ctx, corpus.Done) {
		if chain[last].Files > len(has.Files) {
			return nil, nil
		}
		has = &corpus.Manifest{Files: has.Files[:chain[last].Files]}
		if c.withdraw, err = marshalManifest(has); err != nil {
			return nil, err
		}
		if before, err = identify(old.Step, c.withdraw); err != nil || before.Identity != chain[last].Identity {
			return nil, err
		}
		c.files, c.manifest, chain = has.Continued(d.job.Manifest, ends(chain[:last])), c.withdraw, chain[:last]
	}
	if c.files == nil {
		return nil, nil
	}
	c.had = len(has.Files)
	if len(c.added()) > 0 {
		if d.whyNot, err = d.cannotGrow(ctx, c); d.whyNot != "" || err != nil {
			return nil, err
		}
		chain = append(chain[:len(chain):len(chain)], generation{len(has.Files), before.Identity})
		if c.manifest, err = marshalManifest(c.files); err != nil {
			return nil, err
		}
	}
	if c.config, err = identify(old.Step, c.manifest); err != nil {
		return nil, err
	}
	c.config.Program, c.config.Phases, c.config.Grown = old.Program, now.Phases, chain
	c.grows = len(c.added()) > 0 || c.config.Identity != old.Identity
	return c, nil
}

// cannotGrow says why a directory that lacks nothing but new files is not made whole by reading these; "" where it can be.
func (d *runDir) cannotGrow(ctx context.Context, c *continuation) (string, error) {
	for _, s := range d.job.Stages {
		if _, maps := s.(stage.Mapper); !maps {
			why := fmt.Sprintf("%s, and %s looks at all documents of all files together", c, strings.TrimSuffix(s.Spec().Name, "_candidates"))
			if how := s.Spec().Growing; how != "" {
				why += "; " + how
			}
			return why, nil
		}
	}
	byRanks, err := d.ofRanks(ctx)
	if byRanks {
		return fmt.Sprintf("%s, and ranks have not finished with those that they were started on", c), err
	}
	return "", err
}

// identify is the configuration of a step with the manifest.
func identify(step identity, manifest []byte) (config, error) {
	sum := sha256.Sum256(manifest)
	step.Manifest = hex.EncodeToString(sum[:])
	b, err := canonical(step)
	if err != nil {
		return config{}, err
	}
	sum = sha256.Sum256(b)
	return config{Identity: hex.EncodeToString(sum[:]), Step: step}, nil
}

func marshalManifest(m *corpus.Manifest) ([]byte, error) {
	b, err := json.Marshal(m, json.Deterministic(true), jsontext.WithIndent("  "))
	return append(b, '\n'), err
}

// grow makes the directory one that is to have the new files, too.
func (d *runDir) grow(ctx context.Context, phs []phase, maxRecord int) error {
	j, c := d.job, d.goes
	if len(c.added()) > 0 {
		fresh := *j
		fresh.Manifest = &corpus.Manifest{Files: c.added()}
		r, err := fresh.newRun(maxRecord, 1, phs[0], nil, &voice{log: j.Log})
		if err != nil {
			return err
		}
		if err := r.probe(ctx); err != nil {
			return err
		}
		j.Log.Info(fmt.Sprintf("%s: %s; only what is new is read", d.root, c))
	}
	for _, name := range []string{configFile, manifestFile} {
		now, err := d.current(ctx, name)
		if err == nil {
			err = d.write(ctx, previousName(name), now)
		}
		if err != nil {
			return err
		}
	}
	if err := j.Store.Remove(ctx, path.Join(d.own, corpus.Done)); err != nil {
		return err
	}
	if c.withdraw != nil {
		j.Log.Info(fmt.Sprintf("%s: was growing by other files; what is there of them is removed", d.root))
		if err := d.withdraw(ctx, phs); err != nil {
			return err
		}
	}
	if err := d.write(ctx, configFile, c.config); err != nil {
		return err
	}
	return d.write(ctx, manifestFile, c.manifest)
}

// settle puts back what is gone since replacing it has failed, and removes what was kept for that.
func (d *runDir) settle(ctx context.Context) error {
	for _, name := range []string{configFile, manifestFile} {
		if d.missing(ctx, previousName(name)) {
			continue
		}
		now, err := d.current(ctx, name)
		if err == nil && d.missing(ctx, name) {
			err = d.write(ctx, name, now)
		}
		if err == nil {
			err = d.job.Store.Remove(ctx, path.Join(d.own, previousName(name)))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// previousName is what a file of the run's own folder is called that is being replaced.
func previousName(name string) string {
	return strings.TrimSuffix(name, ".json") + ".previous.json"
}

// current reads a file that growing replaces.
func (d *runDir) current(ctx context.Context, name string) ([]byte, error) {
	raw, err := d.read(ctx, name)
	if errors.Is(err, fs.ErrNotExist) {
		return d.read(ctx, previousName(name))
	}
	return raw, err
}

var numberedName = regexp.MustCompile(`^\.?(?:part|copy)-(\d{5,})-\d{5,}(?:\.|$)`)

// withdraw removes what there is of the files by which the directory was growing. Their splits leave the journals before their parts go,
// and the manifest names them until nothing of them is there.
func (d *runDir) withdraw(ctx context.Context, phs []phase) error {
	j, had := d.job, d.goes.had
	for n, ph := range phs {
		name := journalOf(n+1, ph)
		raw, err := d.read(ctx, name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		entries, _, err := readFrames[Entry](raw)
		if err != nil {
			return fmt.Errorf("%s: %w", path.Join(d.own, name), err)
		}
		var kept []byte
		for i := range entries {
			if entries[i].File > had {
				continue
			}
			if kept, err = appendEntry(kept, &entries[i]); err != nil {
				return err
			}
		}
		if err := d.write(ctx, name, kept); err != nil {
			return err
		}
	}
	files, err := j.Store.List(ctx, d.root)
	if err != nil {
		return err
	}
	for _, f := range files {
		name := path.Clean(f.Name)
		m := numberedName.FindStringSubmatch(path.Base(name))
		if m == nil || path.Dir(name) != d.root && !strings.HasPrefix(name, d.own+"/") {
			continue
		}
		if n, err := strconv.Atoi(m[1]); err != nil || n <= had {
			continue
		}
		if err := j.Store.Remove(ctx, f.Name); err != nil {
			return err
		}
	}
	return errors.Join(d.write(ctx, manifestFile, d.goes.withdraw), d.write(ctx, previousName(manifestFile), d.goes.withdraw))
}

// wholeFiles are the files of a job of several phases whose last parts are all in place: what the phases before have
// copied of them is not asked for any more.
func (d *runDir) wholeFiles(ctx context.Context, phs []phase) (map[int]bool, error) {
	for _, ph := range phs {
		if ph.reducer != nil {
			return nil, nil // which looks at all files
		}
	}
	raw, err := d.read(ctx, journalFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	entries, _, err := readFrames[Entry](raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path.Join(d.own, journalFile), err)
	}
	quiet := slog.New(slog.DiscardHandler) // the phase tells what it makes again
	if entries, err = inPlace(ctx, d.job.Store, d.root, entries, quiet, all); err != nil {
		return nil, err
	}
	ended := map[int]bool{}
	for _, e := range entries {
		if e.EOF {
			ended[e.File] = true
		}
	}
	return ended, nil
}

// New is what a job whose directory [Grows] has to read: the files that it has not got yet.
func (j *Job) New(ctx context.Context) ([]corpus.File, error) {
	d := j.dir()
	if _, _, _, err := d.compare(ctx); err != nil || d.goes == nil {
		return nil, err
	}
	return d.goes.added(), nil
}

// Inputs are those of an output directory as they were when it was made, and whether that is whole. One that no run has begun is
// fs.ErrNotExist.
func Inputs(ctx context.Context, st store.Store, dir string) (m *corpus.Manifest, whole bool, err error) {
	d := (&Job{Store: st, Out: Target{Path: dir}}).dir()
	if _, err := d.current(ctx, configFile); err != nil {
		return nil, false, err
	}
	raw, err := d.current(ctx, manifestFile)
	if err != nil {
		return nil, false, err
	}
	m = &corpus.Manifest{}
	if err := json.Unmarshal(raw, m); err != nil {
		return nil, false, fmt.Errorf("%s: %w; --restart begins anew", path.Join(d.own, manifestFile), err)
	}
	return m, !d.missing(ctx, corpus.Done), nil
}

// Makers says of each file in an output directory which identity this had when it got the file: identity, which it has
// now, or an earlier one, of the parts that it had before it grew. These stay as they are. A file of an addition is that one's.
func Makers(ctx context.Context, st store.Store, dir, identity string) (func(name string) string, error) {
	additions, err := Additions(ctx, st, dir)
	if err != nil {
		return nil, err
	}
	ids := map[string]string{} // by the additions' folders
	all := make([]string, 1, len(additions)+1)
	for _, a := range additions {
		id, err := Identity(ctx, st, a)
		if err != nil {
			return nil, err
		}
		ids[path.Clean(a)], all = id, append(all, id)
	}
	d := (&Job{Store: st, Out: Target{Path: dir}}).dir()
	raw, err := d.read(ctx, configFile)
	if err != nil {
		return nil, err
	}
	var c config
	if err := json.Unmarshal(raw, &c); err != nil {
		return nil, &damagedConfig{path.Join(d.own, configFile), err}
	}
	all[0] = c.Identity
	if JoinIdentities(all) != identity { // another run has changed it meanwhile
		return func(string) string { return identity }, nil
	}
	return func(name string) string {
		if id := ids[path.Dir(path.Clean(name))]; id != "" {
			return id
		}
		if file, ok := partFile(path.Base(name)); ok {
			for _, g := range c.Grown {
				if file <= g.Files {
					return g.Identity
				}
			}
		}
		return c.Identity
	}, nil
}

// partFile is the number of the file that a part was made of, by the part's name.
func partFile(base string) (int, bool) {
	number, ok := strings.CutPrefix(base, "part-")
	if !ok {
		return 0, false
	}
	number, _, ok = strings.Cut(number, "-")
	n, err := strconv.Atoi(number)
	return n, ok && err == nil && n > 0
}
