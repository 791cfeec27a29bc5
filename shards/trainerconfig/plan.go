package trainerconfig

import (
	"bytes"
	"fmt"
	"path"
	"strings"
	"text/template"

	"curate/shards"
	"curate/shards/format"
)

// plan is a stage of the schedule with what follows from it for a trainer.
type plan struct {
	Number int // from 1
	Length int
	Dir    string // of the set, absolute
	// Rows of a step; 1 if the schedule does not say.
	Rows int64
	// Samples are the rows that the trainer sees, and Steps the full steps that they make.
	Samples, Steps int64
	// Run are the steps that are made of the stage, and Before the sum of those of earlier ones. They are Steps, unless Training
	// says something else. 0 is not known.
	Run, Before int64
	// Rest is 1 if rows are left over that do not fill a step.
	Rest int64
	// Share of the schedule, and how many stages it has.
	Share    float64
	Of       int
	Manifest *shards.Manifest
	// Known says that the schedule has the rows of a step.
	Known bool
}

// Name of the stage and, with a suffix, of its file.
func (p *plan) Name() string { return fmt.Sprintf("pretrain-%d-length-%d", p.Number, p.Length) }

// First is the first step of the stage, counted from 1.
func (p *plan) First() int64 { return p.Before + 1 }

// Last is its last step, counted from 1.
func (p *plan) Last() int64 { return p.Before + p.Run }

// Files are the paths of the shards' files with that suffix, absolute.
func (p *plan) Files(suffix string) []string {
	if len(p.Manifest.Shards) == 0 { // they are not built yet
		return []string{path.Join(p.Dir, "*"+suffix)}
	}
	var files []string
	for i := range p.Manifest.Shards {
		files = append(files, path.Join(p.Dir, p.Manifest.Shards[i].Name+suffix))
	}
	return files
}

// plans of all stages. samples says how many rows of a length a trainer cuts out of a shard.
func (in *Input) plans(samples func(m *shards.Manifest, s *shards.ShardRecord) (int64, error)) ([]*plan, error) {
	if len(in.Manifests) == 0 {
		return nil, fmt.Errorf("shards: %s has no stage: there is nothing to train on but preference pairs", shards.ScheduleFile)
	}
	var all []*plan
	var before int64
	for i, m := range in.Manifests {
		stage := &in.Schedule.Stages[i]
		p := &plan{
			Number: i + 1, Length: m.Length, Dir: path.Join(in.Root, stage.Dir), Manifest: m,
			Rows: max(1, stage.RowsPerStep), Known: stage.RowsPerStep > 0, Before: before, Share: stage.Share, Of: len(in.Manifests),
		}
		for k := range m.Shards {
			n, err := samples(m, &m.Shards[k])
			if err != nil {
				return nil, fmt.Errorf("%s: %w", stage.Dir, err)
			}
			p.Samples += n
		}
		if p.Run = p.Samples / p.Rows; p.Run*p.Rows < p.Samples {
			p.Rest = 1
		}
		if p.Steps = p.Run; p.Steps == 0 && !in.Planned {
			return nil, fmt.Errorf("shards: %s has %d rows of %d tokens, fewer than the %d of a step: build it with more tokens, or fewer a step",
				stage.Dir, p.Samples, p.Length, p.Rows)
		}
		before += p.Steps
		all = append(all, p)
	}
	if in.Training != nil {
		return all, in.Training.run(all, !in.Planned)
	}
	return all, nil
}

// rows of a table are what a trainer of tables sees: each sequence.
func rows(_ *shards.Manifest, s *shards.ShardRecord) (int64, error) { return s.Sequences, nil }

// tokenSize is the bytes of an id.
func tokenSize(m *shards.Manifest) (int64, error) {
	dtype, ok := format.DtypeNamed(m.Dtype)
	if !ok {
		return 0, fmt.Errorf("shards: its manifest has the dtype %q", m.Dtype)
	}
	return int64(dtype.Size()), nil
}

// storedTokens is how many ids the shard's file of tokens has, padding included.
func storedTokens(m *shards.Manifest, s *shards.ShardRecord) (int64, error) {
	size, err := tokenSize(m)
	if err == nil && len(s.Files) == 0 {
		err = fmt.Errorf("shards: its manifest has no files for %s", s.Name)
	}
	if err != nil {
		return 0, err
	}
	return s.Files[0].Size / size, nil
}

// longest length of the schedule: what the model's positions must reach.
func longest(all []*plan) (n int) {
	for _, p := range all {
		n = max(n, p.Length)
	}
	return n
}

// lastStep of the schedule, counted from 1.
func lastStep(all []*plan) int64 { return all[len(all)-1].Last() }

// maxSeed is the greatest that numpy.random.RandomState and torch.manual_seed take alike, less what trainers add to it
// for each rank.
const maxSeed = 1<<31 - 1

// seed is the shards' own where trainers take it, and else a number below maxSeed made of it. It is not 0, which
// Megatron refuses.
func seed(s uint64) uint64 {
	if s >= 1 && s <= maxSeed {
		return s
	}
	return s%maxSeed + 1
}

// choose stands where a trainer wants a name that nobody but the user knows. Hugging Face's loaders would take it for
// the name of a model, find none, and say so.
const choose = "choose-a-model"

// fill executes a template. Its functions quote for the language that the file is in.
func fill(name, text string, data any) (File, error) {
	t, err := template.New(name).Funcs(template.FuncMap{"yaml": quoteYAML, "shell": quoteShell, "python": quoteYAML}).Parse(text)
	if err != nil {
		return File{}, err
	}
	var b bytes.Buffer
	if err := t.Execute(&b, data); err != nil {
		return File{}, err
	}
	return File{name, b.Bytes()}, nil
}

// quoteYAML writes a string that YAML and Python read alike: in double quotes, with what is no printable ASCII escaped.
func quoteYAML(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ' || r >= 0x7f && r < 0xa0:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r == 0x2028 || r == 0x2029 || r == 0xfeff:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// quoteShell writes a string in single quotes for a POSIX shell.
func quoteShell(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// comment makes a string that may stand in a comment: in one line.
func comment(s string) string { return strings.Map(oneLine, s) }

func oneLine(r rune) rune {
	if r < ' ' {
		return ' '
	}
	return r
}
