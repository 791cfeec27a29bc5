package chat

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"curate/tokenize/jinja"
)

// maxFile bounds a configuration or a template. The largest known tokenizer_config.json has 0.2 MB, and 1 MB where a
// thousand added tokens are described.
const maxFile = 16 << 20

// Names of a set's templates, from transformers' get_chat_template: the second one is for chats with tools.
const (
	nameDefault = "default"
	nameTools   = "tool_use"
)

// specialNames are the special tokens that templates see as variables, in the order of transformers'
// PreTrainedTokenizerBase.SPECIAL_TOKENS_ATTRIBUTES.
var specialNames = []string{"bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"}

// Templates are the chat templates of a model and the special tokens that they may name. They are immutable.
type Templates struct {
	origin  string // for messages: a file, or a built-in name
	named   []named
	special []special
	digest  string
	lacks   string // why there is no template, if there is none
}

type named struct {
	name     string
	origin   string
	source   string
	template *jinja.Template
	err      error // where it is none: documents can be encoded all the same
}

type special struct{ name, content string }

// Open reads what lies beside the tokenizer at path, a file or its folder, in the order of transformers 5: the files
// chat_template.jinja and additional_chat_templates/NAME.jinja; else chat_template of tokenizer_config.json, one template
// or a list of named ones; else chat_template of chat_template.json, which older processors have. Special tokens are those
// of tokenizer_config.json, and for names that it lacks those of special_tokens_map.json. A model without a template is
// no error: see Empty.
func Open(path string) (*Templates, error) {
	dir := path
	if st, err := os.Stat(path); err != nil {
		// PATH#ENCODING, of tiktoken's ranks.
		if i := strings.LastIndexByte(path, '#'); i > 0 {
			return Open(path[:i])
		}
	} else if !st.IsDir() {
		dir = filepath.Dir(path)
	}
	t := &Templates{origin: dir}
	config, err := readConfig(filepath.Join(dir, "tokenizer_config.json"))
	if err != nil {
		return nil, err
	}
	if err := t.addSpecial(config, filepath.Join(dir, "tokenizer_config.json")); err != nil {
		return nil, err
	}
	specials, err := readConfig(filepath.Join(dir, "special_tokens_map.json"))
	if err != nil {
		return nil, err
	}
	if err := t.addSpecial(specials, filepath.Join(dir, "special_tokens_map.json")); err != nil {
		return nil, err
	}
	if err := t.addFiles(dir); err != nil {
		return nil, err
	}
	if len(t.named) == 0 {
		if err := t.addConfig(config, filepath.Join(dir, "tokenizer_config.json")); err != nil {
			return nil, err
		}
	}
	if len(t.named) == 0 {
		name := filepath.Join(dir, "chat_template.json")
		old, err := readConfig(name)
		if err != nil {
			return nil, err
		}
		if err := t.addConfig(old, name); err != nil {
			return nil, err
		}
	}
	if len(t.named) == 0 {
		t.lacks = "no chat template in tokenizer_config.json, chat_template.jinja or chat_template.json of " + dir
	}
	t.seal()
	return t, nil
}

// Empty says whether there is no template.
func (t *Templates) Empty() bool { return len(t.named) == 0 }

// Origin says where the templates come from.
func (t *Templates) Origin() string { return t.origin }

// Digest is the sha256 of templates and special tokens, in hex.
func (t *Templates) Digest() string { return t.digest }

// Default is the source of the template that chats without tools are rendered with; "" if there is none.
func (t *Templates) Default() string {
	if n, err := t.pick(false); err == nil {
		return n.source
	}
	return ""
}

// Special is the content of the special token called name, such as eos_token; "" if there is none.
func (t *Templates) Special(name string) string {
	for _, s := range t.special {
		if s.name == name {
			return s.content
		}
	}
	return ""
}

// Choose gives the same special tokens with another template: one of the set by its name, a built-in one, or a file. A
// file is what holds a slash or a dot, or lies there.
func (t *Templates) Choose(name string) (*Templates, error) {
	out := &Templates{special: t.special}
	for _, n := range t.named {
		if n.name == name {
			if n.err != nil {
				return nil, n.err
			}
			n.name = nameDefault
			out.origin, out.named = n.origin, []named{n}
			out.seal()
			return out, nil
		}
	}
	var source, origin string
	if text, ok := builtin(name); ok {
		source, origin = text, "built-in "+name
	} else {
		b, err := readFile(name)
		switch {
		case errors.Is(err, fs.ErrNotExist) && !strings.ContainsAny(name, "./\\"):
			return nil, fmt.Errorf("%s is no template: built in are %s%s; else name a file", name, strings.Join(Builtins(), ", "), t.ownNames())
		case errors.Is(err, fs.ErrNotExist):
			return nil, fmt.Errorf("%s: no such file; built-in templates are %s", name, strings.Join(Builtins(), ", "))
		case err != nil:
			return nil, err
		}
		source, origin = string(b), name
		if strings.HasSuffix(name, ".json") {
			config := map[string]jsontext.Value{}
			if err := json.Unmarshal(b, &config); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			if err := out.addConfig(config, name); err != nil {
				return nil, err
			}
			if out.Empty() {
				return nil, fmt.Errorf("%s: no chat_template in it", name)
			}
			out.origin = name
			out.seal()
			return out, out.broken()
		}
	}
	out.origin = origin
	out.add(nameDefault, origin, source)
	out.seal()
	return out, out.broken()
}

func (t *Templates) ownNames() string {
	if len(t.named) < 2 {
		return ""
	}
	var names []string
	for _, n := range t.named {
		names = append(names, n.name)
	}
	return "; the model's own are " + strings.Join(names, ", ")
}

// pick is transformers' get_chat_template.
func (t *Templates) pick(tools bool) (*named, error) {
	if t == nil || len(t.named) == 0 {
		why := "no chat template"
		if t != nil && t.lacks != "" {
			why = t.lacks
		}
		return nil, fmt.Errorf("%s; name one of %s, or a file, with --chat-template", why, strings.Join(Builtins(), ", "))
	}
	find := func(name string) *named {
		i := slices.IndexFunc(t.named, func(n named) bool { return n.name == name })
		if i < 0 {
			return nil
		}
		return &t.named[i]
	}
	if tools {
		if n := find(nameTools); n != nil {
			return n, n.err
		}
	}
	if n := find(nameDefault); n != nil {
		return n, n.err
	}
	return nil, fmt.Errorf("none of the templates of %s is the default%s; name one with --chat-template", t.origin, t.ownNames())
}

// add makes a template ready. What is wrong with it is told when a chat wants it.
func (t *Templates) add(name, origin, source string) {
	tmpl, err := jinja.Parse(source)
	if err != nil {
		err = fmt.Errorf("%s: %w", origin, err)
	}
	t.named = append(t.named, named{name, origin, source, tmpl, err})
}

// broken is the error of the first template that is none.
func (t *Templates) broken() error {
	for _, n := range t.named {
		if n.err != nil {
			return n.err
		}
	}
	return nil
}

func (t *Templates) addFiles(dir string) error {
	name := filepath.Join(dir, "chat_template.jinja")
	b, err := readFile(name)
	switch {
	case err == nil:
		t.add(nameDefault, name, string(b))
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	// ReadDir sorts by name.
	more := filepath.Join(dir, "additional_chat_templates")
	files, err := os.ReadDir(more)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, f := range files {
		n, ok := strings.CutSuffix(f.Name(), ".jinja")
		if !ok {
			continue
		}
		file := filepath.Join(more, f.Name())
		b, err := readFile(file)
		if err != nil {
			return err
		}
		t.add(n, file, string(b))
	}
	return nil
}

// addConfig reads chat_template: a string, or a list of {"name", "template"}, or an object by name.
func (t *Templates) addConfig(config map[string]jsontext.Value, file string) error {
	v := config["chat_template"]
	origin := file + ": chat_template"
	switch v.Kind() {
	case 'n', 0:
		return nil
	case '"':
		var source string
		if err := json.Unmarshal(v, &source); err != nil {
			return fmt.Errorf("%s: %w", origin, err)
		}
		t.add(nameDefault, origin, source)
		return nil
	case '[':
		var list []struct {
			Name     string `json:"name"`
			Template string `json:"template"`
		}
		if err := json.Unmarshal(v, &list); err != nil {
			return fmt.Errorf("%s: %w", origin, err)
		}
		for i, e := range list {
			// As in a dict, the last of a name counts.
			t.named = slices.DeleteFunc(t.named, func(n named) bool { return n.name == e.Name })
			t.add(e.Name, fmt.Sprintf("%s[%d]", origin, i), e.Template)
		}
		return nil
	case '{':
		d := map[string]string{}
		if err := json.Unmarshal(v, &d); err != nil {
			return fmt.Errorf("%s: %w", origin, err)
		}
		for _, name := range sortedKeys(d) {
			t.add(name, origin+"."+name, d[name])
		}
		return nil
	}
	return fmt.Errorf("%s is neither a string nor a list of named templates", origin)
}

func sortedKeys(m map[string]string) []string {
	var names []string
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// addSpecial reads the special tokens that are strings or {"content": …} and are not known yet.
func (t *Templates) addSpecial(config map[string]jsontext.Value, file string) error {
	for _, name := range specialNames {
		v := config[name]
		if t.Special(name) != "" || v.Kind() == 'n' || v.Kind() == 0 {
			continue
		}
		var content string
		switch v.Kind() {
		case '"':
			if err := json.Unmarshal(v, &content); err != nil {
				return fmt.Errorf("%s: %s: %w", file, name, err)
			}
		case '{':
			var added struct {
				Content string `json:"content"`
			}
			if err := json.Unmarshal(v, &added); err != nil {
				return fmt.Errorf("%s: %s: %w", file, name, err)
			}
			content = added.Content
		default:
			return fmt.Errorf("%s: %s is neither a string nor a token's description", file, name)
		}
		t.special = append(t.special, special{name, content})
	}
	return nil
}

func (t *Templates) seal() {
	h := sha256.New()
	for _, n := range t.named {
		fmt.Fprintf(h, "%q %q\n", n.name, n.source)
	}
	for _, s := range t.special {
		fmt.Fprintf(h, "%s %q\n", s.name, s.content)
	}
	t.digest = hex.EncodeToString(h.Sum(nil))
}

// readConfig reads an object; a file that is not there is an empty one.
func readConfig(name string) (map[string]jsontext.Value, error) {
	b, err := readFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	m := map[string]jsontext.Value{}
	// Python's reader lets names stand twice and takes the last.
	if err := json.Unmarshal(b, &m, jsontext.AllowDuplicateNames(true)); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return m, nil
}

func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxFile {
		return nil, fmt.Errorf("%s: larger than %d MiB: neither a configuration nor a template", name, maxFile>>20)
	}
	return b, nil
}

//go:embed builtin/*.jinja
var builtinFiles embed.FS

// Builtins are the names of the templates that need no file, sorted.
func Builtins() []string {
	files, err := builtinFiles.ReadDir("builtin")
	if err != nil {
		panic(err) // they are part of the program
	}
	var names []string
	for _, f := range files {
		names = append(names, strings.TrimSuffix(f.Name(), ".jinja"))
	}
	return names
}

func builtin(name string) (string, bool) {
	b, err := builtinFiles.ReadFile("builtin/" + name + ".jinja")
	return string(b), err == nil
}
