package report

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/cespare/xxhash/v2"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"curate/corpus"
	"curate/corpus/split"
	"curate/record"
)

// SideBySide is a translated row beside its source.
type SideBySide struct {
	ID     string `json:"id,omitzero"`
	Part   string `json:"part"`   // where it is, below the step
	Offset int64  `json:"offset"` // of its line in the uncompressed part
	Texts  int    `json:"texts"`  // that it has
	First  []Pair `json:"first"`  // of them
	rank   int    // 0 where the reference has the row
	hash   uint64
	place  place
	key    string // the whole id, by which the reference is found
}

// Pair is one text of a row.
type Pair struct {
	Path      string   `json:"path"` // JSON pointer in the row
	Source    Excerpt  `json:"source"`
	Target    *Excerpt `json:"target,omitzero"`    // absent where no string is there any more
	Reference *Excerpt `json:"reference,omitzero"` // absent where there is none
	pointer   string   // the whole path
	values    []string // what was masked
}

// Excerpt is the beginning of a text.
type Excerpt struct {
	Text       string   `json:"text"`
	Characters int      `json:"characters"`      // of the whole text, in code points
	Masked     [][2]int `json:"masked,omitzero"` // [from, to) in Text, in code points
}

// ReferenceRows is what there was to set beside the rows.
type ReferenceRows struct {
	File  string `json:"file"`
	Rows  int64  `json:"rows"`
	Found int    `json:"found"` // of the rows that are shown
}

// Reference is a file of rows as somebody else has translated them: JSON Lines, or what else is read as input. A row is
// found by its "id", a text of it by the JSON pointer at which the step has that text.
type Reference struct {
	Step string // name of the step; "" where the directory is a single one
	File string
}

const (
	sideLimit = 12   // rows of a step
	maskLimit = 6    // of them, those that are taken since something is masked, as it may be in few rows
	pairLimit = 6    // texts of a row
	pairChars = 1200 // characters of a text
)

var translatedPath = record.MustPath(record.CurateKey + "." + translateStage)

// sourceText is one of the texts that a row had, as the stage keeps them.
type sourceText struct {
	Path      string   `json:"path"`
	Text      string   `json:"text"`
	Protected [][2]int `json:"protected"` // [from, to) in code points
}

// readSideBySide chooses the rows whose line has the smallest hash, among those that have their source: first those that
// the reference has, for it may be small; then some in which something is masked; then any.
func (t *Translation) readSideBySide(ctx context.Context, in files, s *Step) error {
	var ids map[uint64]struct{}
	if s.reference != "" {
		ids = map[uint64]struct{}{}
		t.Reference = &ReferenceRows{File: s.reference}
		err := in.reference(ctx, s.reference, func(rec *record.Record) {
			t.Reference.Rows++
			if id, ok := rowID(rec); ok && len(ids) < keptLimit {
				ids[xxhash.Sum64String(id)] = struct{}{}
			}
		})
		if err != nil {
			return err
		}
		if len(ids) == 0 {
			return fmt.Errorf("reference %s: none of its %d rows has an id, by which rows are matched; give each the id that it has in the step's output", s.reference, t.Reference.Rows)
		}
	}
	var batch record.Batch
	var all, masked []SideBySide
	err := in.kept(ctx, func(p place, line []byte) error {
		row := SideBySide{Part: p.part, Offset: p.offset, hash: xxhash.Sum64(line), place: p}
		if ids == nil {
			row.rank = 1
		}
		wants := func() bool {
			return row.fits(all, sideLimit) || row.fits(masked, maskLimit) && bytes.Contains(line, []byte(`"protected"`))
		}
		if !wants() || !bytes.Contains(line, []byte(`"`+translateStage+`"`)) {
			return nil // not even if the reference has it
		}
		batch.Reset()
		batch.Append(0, 0, line)
		batch.Parse()
		defer batch.Shrink(16 << 20)
		rec := &batch.Records[0]
		if rec.Outcome != record.Keep {
			return rec.Err
		}
		var known bool
		if row.key, known = rowID(rec); known {
			_, known = ids[xxhash.Sum64String(row.key)]
		}
		row.rank = 0
		if !known {
			row.rank = 1
		}
		if !wants() {
			return nil
		}
		v, ok := rec.Value(translatedPath)
		if !ok || v[0] != '{' {
			return nil
		}
		var note struct {
			Source []sourceText `json:"source"`
		}
		if json.Unmarshal(v, &note) != nil || len(note.Source) == 0 {
			return nil // another's member of that name, or a row that was not translated
		}
		row.ID, row.key, row.Texts = cut(row.key, 200), strings.Clone(row.key), len(note.Source)
		for _, source := range note.Source[:min(len(note.Source), pairLimit)] {
			pair := Pair{Path: cut(source.Path, 200), pointer: source.Path}
			pair.Source, pair.values = sourceExcerpt(source)
			if target, ok := stringAt(rec.Line, source.Path); ok {
				pair.Target = excerpt(target, pair.values)
			}
			row.First = append(row.First, pair)
		}
		all = row.into(all, sideLimit)
		if slices.ContainsFunc(row.First, func(p Pair) bool { return p.Source.Masked != nil }) {
			masked = row.into(masked, maskLimit)
		}
		return nil
	})
	if err != nil {
		return err
	}
	t.SideBySide = chosen(all, masked)
	if ids == nil {
		return nil
	}
	at := map[string][]*SideBySide{} // until it is found
	for i := range t.SideBySide {
		if row := &t.SideBySide[i]; row.rank == 0 {
			at[row.key] = append(at[row.key], row)
		}
	}
	return in.reference(ctx, s.reference, func(rec *record.Record) {
		id, ok := rowID(rec)
		if !ok {
			return
		}
		for _, row := range at[id] {
			t.Reference.Found++
			for i := range row.First {
				p := &row.First[i]
				if text, ok := stringAt(rec.Line, p.pointer); ok {
					p.Reference = excerpt(text, p.values)
				}
			}
		}
		delete(at, id)
	})
}

// before is the order in which rows are chosen.
func (row *SideBySide) before(o *SideBySide) int {
	if c := cmp.Or(cmp.Compare(row.rank, o.rank), cmp.Compare(row.hash, o.hash)); c != 0 || row.place == o.place {
		return c
	}
	if row.place.before(o.place) {
		return -1
	}
	return 1
}

// fits says whether a row is among the first of a list that is sorted, and as long as limit at most.
func (row *SideBySide) fits(list []SideBySide, limit int) bool {
	return len(list) < limit || row.before(&list[limit-1]) < 0
}

// into puts a row that fits into the list, if it is not there.
func (row *SideBySide) into(list []SideBySide, limit int) []SideBySide {
	k, there := slices.BinarySearchFunc(list, row, func(a SideBySide, b *SideBySide) int { return a.before(b) })
	if there || k == limit {
		return list
	}
	return slices.Insert(list, k, *row)[:min(len(list)+1, limit)]
}

// chosen are those of both lists: by rank, and of each rank the masked ones first, as far as there is room.
func chosen(all, masked []SideBySide) (list []SideBySide) {
	for rank := range 2 {
		for _, from := range [][]SideBySide{masked, all} {
			for i := range from {
				if from[i].rank == rank && len(list) < sideLimit {
					list = from[i].into(list, sideLimit)
				}
			}
		}
	}
	return list
}

// rowID is the record's id: a string, or what else is there as it is written. An object or an array is none.
func rowID(rec *record.Record) (string, bool) {
	v, ok := rec.Value(idPath)
	if !ok {
		return "", false
	}
	return idOf(v)
}

// idOf is the same of the id as JSON.
func idOf(v jsontext.Value) (string, bool) {
	if len(v) == 0 || v[0] == '{' || v[0] == '[' || v[0] == 'n' {
		return "", false
	}
	if v[0] != '"' {
		return string(v), true
	}
	s, err := jsontext.AppendUnquote(nil, v)
	return string(s), err == nil
}

// characters splits s after n code points.
func characters(s string, n int) (first, rest string) {
	for i := range s {
		if n == 0 {
			return s[:i], s[i:]
		}
		n--
	}
	return s, ""
}

// sourceExcerpt is the beginning of a source with its masks, and the strings that these stand for.
func sourceExcerpt(s sourceText) (e Excerpt, values []string) {
	e = Excerpt{Text: cut(s.Text, pairChars), Characters: utf8.RuneCountInString(s.Text)}
	rest, at := s.Text, 0 // of rest, in code points
	for _, p := range s.Protected {
		// Masks a little beyond what is shown, too: in the target they may stand further to the front. No more, and none
		// longer than what is shown, so that looking for them takes a bounded time.
		if p[0] < at || p[1] <= p[0] || p[0] >= 2*pairChars {
			continue // none that the stage writes: they ascend
		}
		_, rest = characters(rest, p[0]-at)
		value, _ := characters(rest, min(p[1]-p[0], pairChars))
		if value == "" {
			break
		}
		values = append(values, strings.Clone(value)) // a text may be large
		if p[0] < pairChars {
			e.mask(p[0], min(p[1], e.Characters, pairChars))
		}
		_, rest = characters(rest, p[1]-p[0])
		at = p[1]
	}
	return e, values
}

// mask adds a span, joined with the one before where they touch.
func (e *Excerpt) mask(from, to int) {
	if n := len(e.Masked); n > 0 && e.Masked[n-1][1] == from {
		e.Masked[n-1][1] = to
		return
	}
	e.Masked = append(e.Masked, [2]int{from, to})
}

// excerpt is the beginning of a text in which the values are masked wherever they stand, the longest first.
func excerpt(text string, values []string) *Excerpt {
	e := &Excerpt{Text: cut(text, pairChars), Characters: utf8.RuneCountInString(text)}
	window, _ := characters(text, 2*pairChars)
	byFirst := map[byte][]string{}
	for _, v := range values {
		if !slices.Contains(byFirst[v[0]], v) {
			byFirst[v[0]] = append(byFirst[v[0]], v)
		}
	}
	for _, list := range byFirst {
		slices.SortFunc(list, func(a, b string) int { return len(b) - len(a) })
	}
	for at := 0; window != "" && at < pairChars; {
		step := 1
		for _, v := range byFirst[window[0]] {
			if strings.HasPrefix(window, v) {
				step = utf8.RuneCountInString(v)
				e.mask(at, min(at+step, pairChars))
				break
			}
		}
		_, window = characters(window, step)
		at += step
	}
	return e
}

// piece is a stretch of a text that is masked, or is not.
type piece struct {
	Text   string
	Masked bool
}

func pieces(e Excerpt) []piece {
	var list []piece
	add := func(text string, masked bool) {
		if text != "" {
			list = append(list, piece{text, masked})
		}
	}
	rest, at := e.Text, 0
	for _, m := range e.Masked {
		var text string
		text, rest = characters(rest, m[0]-at)
		add(text, false)
		text, rest = characters(rest, m[1]-m[0])
		add(text, true)
		at = m[1]
	}
	add(rest, false)
	return list
}

// isCut says whether the text goes on.
func isCut(e Excerpt) bool { return e.Characters > pairChars }

// stringAt finds the string at a JSON pointer (RFC 6901) in a line that was found valid.
func stringAt(line []byte, pointer string) (string, bool) {
	d := jsontext.NewDecoder(bytes.NewBuffer(line), jsontext.AllowDuplicateNames(true))
	for pointer != "" {
		if pointer[0] != '/' {
			return "", false
		}
		var name string
		name, pointer = pointer[1:], ""
		if end := strings.IndexByte(name, '/'); end >= 0 {
			name, pointer = name[:end], name[end:]
		}
		name = strings.ReplaceAll(strings.ReplaceAll(name, "~1", "/"), "~0", "~")
		open, err := d.ReadToken()
		if err != nil {
			return "", false
		}
		switch open.Kind() {
		case '{':
			for found := false; !found; {
				key, err := d.ReadToken()
				if err != nil || key.Kind() != '"' {
					return "", false
				}
				if found = key.String() == name; !found && d.SkipValue() != nil {
					return "", false
				}
			}
		case '[':
			n, err := strconv.ParseUint(name, 10, 31)
			if err != nil || strconv.FormatUint(n, 10) != name {
				return "", false
			}
			for ; n > 0; n-- {
				if d.PeekKind() == ']' || d.SkipValue() != nil {
					return "", false
				}
			}
		default:
			return "", false
		}
	}
	t, err := d.ReadToken()
	if err != nil || t.Kind() != '"' {
		return "", false
	}
	return t.String(), true
}

// What is read of a reference at a time, and the longest row of it, in bytes.
const (
	referenceChunk  = 256 << 10
	referenceRecord = 64 << 20
	referenceWindow = 128 << 20
)

// reference calls take for each record of a file, or of what else an input may be. The record is valid until take returns.
func (f files) reference(ctx context.Context, name string, take func(*record.Record)) error {
	if name == corpus.Stdin {
		return errors.New("reference -: standard input can be read only once; give a file")
	}
	manifest, err := corpus.Expand(ctx, f.st, []string{name})
	if err != nil {
		return fmt.Errorf("reference %w", err)
	}
	for _, file := range manifest.Files {
		if file.Stream {
			return fmt.Errorf("reference %s: a pipe can be read only once; give a file", file.Name())
		}
		if err := f.referenceFile(ctx, file, take); err != nil {
			return fmt.Errorf("reference %w", err)
		}
	}
	return nil
}

func (f files) referenceFile(ctx context.Context, file corpus.File, take func(*record.Record)) (err error) {
	src, err := corpus.Open(ctx, f.st, file, corpus.OpenOptions{MaxWindow: referenceWindow, Options: split.Options{
		File: file.Number, SplitSize: 1 << 40, ChunkSize: referenceChunk, MaxRecord: referenceRecord, MaxHeld: referenceWindow,
	}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, src.Close()) }()
	var batch record.Batch
	c := split.Chunk{Buf: make([]byte, 0, referenceChunk)}
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := src.Next(ctx, &c); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		for at := (split.Cursor{}); !c.Done(at); {
			batch.Reset()
			at = src.Codec().Decode(&c, at, &batch, 64, referenceChunk, "text")
			batch.Parse()
			for i := range batch.Records {
				rec := &batch.Records[i]
				if rec.Outcome != record.Keep {
					if rec.LineNo == 0 {
						return fmt.Errorf("%s: row %d: %w; mend it or take it out", file.Name(), rec.ID.Offset(), rec.Err)
					}
					return fmt.Errorf("%s:%d: %w; mend the line or take it out", file.Name(), rec.LineNo, rec.Err)
				}
				take(rec)
			}
		}
	}
}

// sideBySidePage is the template "side by side", over a Translation. Texts are isolated, so that writing from right to left
// stays in its box; a parser of HTML takes away the line feed that follows <pre>, so one is there that is not the text's.
const sideBySidePage = `{{$t := .}}{{if or $t.SideBySide $t.Reference}}<h4>side by side</h4>
{{with $t.Reference}}<p>Reference: <bdi>{{.File}}</bdi>, {{group .Rows}} {{if eq .Rows 1}}row{{else}}rows{{end}};
{{- if .Found}} it has {{.Found}} of the {{len $t.SideBySide}} rows below.{{else}} none of them has the id of a row of this step.{{end}}</p>
{{end}}{{range $i, $row := $t.SideBySide}}<details{{if lt $i 3}} open{{end}}><summary><bdi>{{if .ID}}{{.ID}}{{else}}(no id){{end}}</bdi></summary>
<div class="example"><p><span>{{.Part}} at byte {{group .Offset}}; {{.Texts}} {{if eq .Texts 1}}text{{else}}texts{{end}}{{if gt .Texts (len .First)}}, the first {{len .First}}{{end}}</span></p>
{{range .First}}<p><code><bdi>{{.Path}}</bdi></code></p>
<div class="pair"><div><p><span>source{{template "cut" .Source}}</span></p><pre dir="auto" lang="{{$t.From}}">
{{template "masked" .Source}}</pre></div>
<div>{{with .Target}}<p><span>target{{template "cut" .}}</span></p><pre dir="auto" lang="{{$t.To}}">
{{template "masked" .}}</pre>{{else}}<p><span>target: no text is there any more</span></p>{{end}}</div>
{{if $t.Reference}}<div>{{with .Reference}}<p><span>reference{{template "cut" .}}</span></p><pre dir="auto" lang="{{$t.To}}">
{{template "masked" .}}</pre>{{else}}<p><span>reference: has no such text</span></p>{{end}}</div>
{{end}}</div>
{{end}}</div></details>
{{end}}{{end}}`

// cutPage and maskedPage are the templates "cut" and "masked", over an Excerpt.
const (
	cutPage    = `{{if isCut .}}, the beginning of {{bytes .Characters}} characters{{end}}`
	maskedPage = `{{range pieces .}}{{if .Masked}}<mark>{{.Text}}</mark>{{else}}{{.Text}}{{end}}{{end}}`
)
