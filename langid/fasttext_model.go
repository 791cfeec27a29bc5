package langid

import (
	"crypto/sha256"
	_ "embed" // the model
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"curate/fasttext"
	"curate/stage"
)

// Model is a fastText model whose labels are languages. It is immutable.
type Model struct {
	name   string
	digest string
	ft     *fasttext.Model
	codes  []string // by label
	sorted []string // without Und
}

// labelPrefix stands before the labels of a file.
const labelPrefix = "__label__"

// ReadModel reads a model, .bin or .ftz, of size bytes. Its languages are its labels without "__label__"; name is
// for messages.
func ReadModel(name string, r io.Reader, size int64) (*Model, error) {
	h := sha256.New()
	ft, err := fasttext.Read(io.TeeReader(r, h), size)
	if err != nil {
		return nil, err
	}
	m := &Model{name: name, digest: hex.EncodeToString(h.Sum(nil)), ft: ft}
	for _, label := range ft.Labels() {
		code := strings.TrimPrefix(label, labelPrefix)
		if code == "" || !utf8.ValidString(code) {
			return nil, fmt.Errorf("the label %q is no name of a language", label)
		}
		m.codes = append(m.codes, code)
		if code != Und {
			m.sorted = append(m.sorted, code)
		}
	}
	slices.Sort(m.sorted)
	if slices.Contains(m.sorted, "") || len(slices.Compact(slices.Clone(m.sorted))) != len(m.sorted) {
		return nil, errors.New("two labels are the same")
	}
	if len(m.sorted) < 2 {
		return nil, fmt.Errorf("its labels are %q: no languages to tell apart", ft.Labels())
	}
	return m, nil
}

// Digest is the SHA-256 of the file, in hexadecimal.
func (m *Model) Digest() string { return m.digest }

// Languages are its codes, sorted, without Und.
func (m *Model) Languages() []string { return m.sorted }

// lid is fastText's model for language identification: models/README.md has its licence and where it is from.
//
//go:embed models/lid.176.ftz
var lid string

const (
	lidName   = "lid.176.ftz"
	lidDigest = "8f3472cfe8738a7b6099e8e999c3cbfae0dcd15696aac7d7738a8039db603e83"
)

// lidLanguages are the labels of lid.176.ftz. They stand here so that names are checked before it is read.
var lidLanguages = strings.Fields(`
	af als am an ar arz as ast av az azb ba bar bcl be bg bh bn bo bpy br bs bxr ca cbk ce ceb ckb co cs cv cy da de
	diq dsb dty dv el eml en eo es et eu fa fi fr frr fy ga gd gl gn gom gu gv he hi hif hr hsb ht hu hy ia id ie ilo
	io is it ja jbo jv ka kk km kn ko krc ku kv kw ky la lb lez li lmo lo lrc lt lv mai mg mhr min mk ml mn mr mrj ms
	mt mwl my myv mzn nah nap nds ne new nl nn no oc or os pa pam pfl pl pms pnb ps pt qu rm ro ru rue sa sah sc scn
	sco sd sh si sk sl so sq sr su sv sw ta te tg th tk tl tr tt tyv ug uk ur uz vec vep vi vls vo wa war wuu xal xmf
	yi yo yue zh`)

// readLid reads lid.176.ftz once for all.
var readLid = sync.OnceValue(func() *Model {
	m, err := ReadModel(lidName, strings.NewReader(lid), int64(len(lid)))
	if err != nil {
		panic("langid: " + lidName + ": " + err.Error()) // it is part of the program
	}
	return m
})

// lidMemory is what lid.176.ftz takes, in bytes, with what a few goroutines remember of it (measured with Go 1.26
// on amd64: 6 MiB, and 3.3 MiB for each).
const lidMemory = 16 << 20

// fasttextKnown finds one of the languages that fastText's model answers for.
func fasttextKnown(c *Config, code string) (string, error) {
	name, codes := lidName, lidLanguages
	if c.Model != nil {
		name, codes = c.Model.name, c.Model.sorted
	}
	if _, ok := slices.BinarySearch(codes, code); ok {
		return code, nil
	}
	meant := func(known string) error {
		if _, ok := slices.BinarySearch(codes, known); !ok {
			return nil
		}
		return fmt.Errorf("no language of %s has the code %q; did you mean %q?", name, code, known)
	}
	if code == "nb" {
		if err := meant("no"); err != nil {
			return "", err
		}
	}
	for _, l := range linguaLanguages {
		if strings.EqualFold(l.Code3, code) || strings.EqualFold(l.Name, code) || strings.EqualFold(l.Code, code) {
			if err := meant(l.Code); err != nil {
				return "", err
			}
		}
	}
	for _, u := range linguaUnknown {
		if strings.EqualFold(u.name, code) || strings.EqualFold(u.code, code) {
			if err := meant(u.code); err != nil {
				return "", err
			}
		}
	}
	return "", stage.UnknownName("language of "+name, code, codes)
}
