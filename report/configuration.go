package report

import (
	"context"
	"crypto/sha256"
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"curate/corpus"
	"curate/internal/human"
	"curate/record"
)

// Configuration is what a step was made with.
type Configuration struct {
	Inputs     int64         `json:"inputs"`      // files
	InputBytes int64         `json:"input_bytes"` // as stored; -1 where one of them was a stream
	Digest     string        `json:"digest"`      // sha256 of the stages as canonical JSON
	Stages     []StageConfig `json:"stages"`
	files      map[int]string
	names      []string
}

// StageConfig is a stage with every value in force.
type StageConfig struct {
	Name    string         `json:"name"`
	Version int            `json:"version"`
	Config  jsontext.Value `json:"config"`
}

const configName = corpus.Dir + "/config.json"

// settings is config.json.
type settings struct {
	Program string `json:"program"`
	Step    struct {
		Stages []StageConfig     `json:"stages"`
		Fields map[string]string `json:"fields"`
		Inputs map[string]string `json:"inputs"` // of a step that reads no records
		// SplitSize is in bytes of the uncompressed input.
		SplitSize int64 `json:"split_size"`
	} `json:"step"`
}

// task says whether the step reads no records.
func (s *settings) task() bool { return s.Step.Inputs != nil }

// readSettings comes before all sections, since more than one rests upon it.
func (s *Step) readSettings(ctx context.Context, in files) error {
	if err := in.json(ctx, configName, &s.settings); err != nil {
		return err
	}
	s.Program = s.settings.Program
	return nil
}

// stageConfig is that of a stage by its name; nil if it has none.
func (s *Step) stageConfig(name string) jsontext.Value {
	for _, c := range s.settings.Step.Stages {
		if c.Name == name {
			return c.Config
		}
	}
	return nil
}

// textField is where the records have their text: as a stage has it, or the top-level field of the run.
func (s *Step) textField() (record.Path, error) {
	for _, c := range s.settings.Step.Stages {
		var cfg struct {
			TextField string `json:"text_field"`
		}
		if json.Unmarshal(c.Config, &cfg) == nil && cfg.TextField != "" {
			return record.ParsePath(cfg.TextField)
		}
	}
	if f := s.settings.Step.Fields["text"]; f != "" {
		return record.ParsePath(f)
	}
	return record.MustPath("text"), nil
}

func readConfiguration(ctx context.Context, in files, s *Step) error {
	var m corpus.Manifest
	if err := in.json(ctx, corpus.Dir+"/manifest.json", &m); err != nil {
		return err
	}
	c := &Configuration{Inputs: int64(len(m.Files)), InputBytes: m.Size(), Stages: s.settings.Step.Stages, files: map[int]string{}}
	for _, f := range m.Files {
		c.files[f.Number] = f.Path
		c.names = append(c.names, f.Path)
	}
	// Not the step's identity: the times of files are in it, which would make the reports of two equal runs differ.
	b, err := json.Marshal(c.Stages, json.Deterministic(true))
	if err != nil {
		return damaged(in.path(configName), err)
	}
	canonical := jsontext.Value(b)
	if err := canonical.Canonicalize(); err != nil {
		return damaged(in.path(configName), err)
	}
	c.Digest = fmt.Sprintf("%x", sha256.Sum256(canonical))
	s.Configuration = c
	return nil
}

// input is the file of a number in the manifest.
func (s *Step) input(number int) string {
	if s.Configuration == nil {
		return "" // not read yet
	}
	if name, ok := s.Configuration.files[number]; ok {
		return name
	}
	return fmt.Sprintf("file %d", number)
}

func hasConfiguration(s *Step) bool { return s.Configuration != nil }

// configLimit is how many characters of a stage's configuration are shown, inputLimit how many names of inputs.
const (
	configLimit = 20000
	inputLimit  = 20
)

func (c StageConfig) pretty() string {
	v := c.Config.Clone()
	if err := v.Indent(jsontext.WithIndent("  ")); err != nil {
		return cut(string(c.Config), configLimit)
	}
	return cut(string(v), configLimit)
}

// inputs are the first names.
func (c *Configuration) inputs() []string {
	var list []string
	for i, name := range c.names {
		if i == inputLimit && len(c.names) > inputLimit+1 {
			return append(list, fmt.Sprintf("… %s more", human.Thousands(int64(len(c.names)-i))))
		}
		list = append(list, name)
	}
	return list
}

const configurationAbout = `What the bytes of each step depend on, and the versions that made them.`

const configurationPage = `
<p>{{.Program}}; digest of the configuration <code>{{.Configuration.Digest}}</code></p>
<p>{{group .Configuration.Inputs}} input {{if eq .Configuration.Inputs 1}}file{{else}}files{{end}}{{if ge .Configuration.InputBytes 0}}, {{group .Configuration.InputBytes}} bytes as stored{{end}}:
{{range $i, $n := inputs .Configuration}}{{if $i}}, {{end}}{{$n}}{{end}}</p>
{{range .Configuration.Stages}}<details><summary>{{.Name}}, version {{.Version}}</summary><pre>{{pretty .}}</pre></details>
{{end}}`
