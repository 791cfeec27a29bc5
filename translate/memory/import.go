package memory

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"curate/translate/protect"
)

// Imported counts what Import did. Read counts lines, the others units: a line is one, unless Cut has cut it.
type Imported struct {
	Read, Kept, Known int64 // Known: the memory had a final answer, or just this one
	// Refused, by reason: "empty" (a side without a letter to translate), "untranslated" (both sides are the same four words or
	// more), "edges" (what is protected at the beginning or the end is not the same on both sides), "placeholders" (what is
	// protected inside is not), "failed" (an engine has given it up).
	Refused map[string]int64
}

// Importer says how lines are read.
type Importer struct {
	From, To string                           // languages; with them lines such as {"en":"…","eu":"…"} and {"source":"…","target":"…"} are read as texts, masked by Mask
	Engine   string                           // for lines that name none; "" makes them corrections
	All      bool                             // Engine is for lines that name one, too; what that one has given up is passed over
	Mask     func(text string) protect.Masked // nil protects nothing
	Cut      func(text string) []string       // the units of a text, nil takes it whole. Used where both sides have as many
}

// maxLine bounds a line: a coded entry, each byte of it six in JSON at worst.
const maxLine = 6 * maxEntry

// Import reads JSON Lines: what Export writes, or texts in two languages. name is for errors, which say name:line; a bad line is
// an error. What was read before it stays. Blank lines are passed over, and so are members that it does not know.
//
// A line that has an "engine", or whose "source" is an array, is an Entry, and its templates are taken as they are. Any other is a
// pair of texts: "source" and "target", with "from" and "to" if they are not the Importer's, or members named by the languages.
func (s *Store) Import(name string, r io.Reader, im Importer) (Imported, error) {
	done := Imported{Refused: map[string]int64{}}
	in := bufio.NewReaderSize(r, 64<<10)
	var line []byte
	for n := int64(1); ; n++ {
		var err error
		line, err = readLine(in, line[:0])
		if err == io.EOF {
			return done, s.Sync()
		}
		if err == nil {
			if n == 1 {
				line = bytes.TrimPrefix(line, []byte("\ufeff"))
			}
			if len(bytes.TrimSpace(line)) == 0 {
				continue
			}
			err = s.importLine(line, im, &done)
		}
		if err != nil {
			return done, errors.Join(fmt.Errorf("%s:%d: %w", name, n, err), s.Sync())
		}
		done.Read++
	}
}

// readLine reads a line without its end; io.EOF says that there is none.
func readLine(in *bufio.Reader, line []byte) ([]byte, error) {
	for {
		part, err := in.ReadSlice('\n')
		line = append(line, part...)
		if len(line) > maxLine {
			return line, fmt.Errorf("the line is longer than %d bytes", maxLine)
		}
		switch {
		case err == bufio.ErrBufferFull:
		case err == io.EOF && len(line) > 0:
			return line, nil
		case err == nil:
			return line[:len(line)-1], nil
		default:
			return line, err
		}
	}
}

func (s *Store) importLine(line []byte, im Importer, done *Imported) error {
	var members map[string]jsontext.Value
	if err := json.Unmarshal(line, &members); err != nil {
		return err
	}
	if members == nil {
		return errors.New("null is no entry")
	}
	_, named := members["engine"]
	if named || members["source"].Kind() == '[' {
		e := Entry{Engine: im.Engine}
		if err := json.Unmarshal(line, &e); err != nil {
			return err
		}
		if members["target"] == nil || members["source"] == nil || e.From == "" || e.To == "" {
			return errors.New(`an entry has "from", "to", "source" and "target"`)
		}
		if im.All {
			if e.Failed != "" {
				done.Refused["failed"]++
				return nil
			}
			e.Engine = im.Engine
		}
		return s.take(&e, done)
	}
	p, err := readPair(members, im)
	if err != nil {
		return err
	}
	return s.importPair(p, im, done)
}

func (s *Store) take(e *Entry, done *Imported) error {
	kept, err := s.put(e)
	switch {
	case err != nil:
		return err
	case kept:
		done.Kept++
	default:
		done.Known++
	}
	return nil
}

// pair is texts in two languages.
type pair struct{ from, to, source, target string }

func readPair(members map[string]jsontext.Value, im Importer) (p pair, err error) {
	text := func(name string, to *string) {
		v := members[name]
		switch {
		case err != nil:
		case v == nil:
			err = fmt.Errorf(`there is no %q; a line has "source" and "target", or texts named by their languages %q and %q, or is an entry of an export`, name, p.from, p.to)
		case v.Kind() != '"' && v.Kind() != 'n': // null is empty
			err = fmt.Errorf("%q is no text", name)
		default:
			err = json.Unmarshal(v, to)
		}
	}
	p.from, p.to = im.From, im.To
	source, target := "source", "target"
	if members[source] == nil && members[target] == nil {
		source, target = im.From, im.To
	} else {
		if members["from"] != nil {
			text("from", &p.from)
		}
		if members["to"] != nil {
			text("to", &p.to)
		}
	}
	if err == nil && (p.from == "" || p.to == "") {
		return p, errors.New(`the line does not say its languages; give them, or write "from" and "to" into it`)
	}
	if err == nil && p.from == p.to {
		return p, fmt.Errorf("%q is translated to itself", p.from)
	}
	text(source, &p.source)
	text(target, &p.target)
	return p, err
}

// manyWords is how many words both sides may not share to the letter: fewer may be a name or a term that stays.
const manyWords = 4

func untranslated(source, target string) bool {
	source, target = strings.TrimSpace(source), strings.TrimSpace(target)
	return source == target && len(strings.Fields(source)) >= manyWords
}

func (s *Store) importPair(p pair, im Importer, done *Imported) error {
	if untranslated(p.source, p.target) {
		done.Refused["untranslated"]++
		return nil
	}
	sources, targets := []string{p.source}, []string{p.target}
	if im.Cut != nil {
		a, b := im.Cut(p.source), im.Cut(p.target)
		if len(a) == len(b) && len(a) > 0 {
			sources, targets = a, b
		}
	}
	for i := range sources {
		e := Entry{Engine: im.Engine, From: p.from, To: p.to}
		reason := ""
		if untranslated(sources[i], targets[i]) {
			reason = "untranslated"
		} else {
			e.Source, e.Target, reason = align(sources[i], targets[i], im.Mask)
		}
		if reason != "" {
			done.Refused[reason]++
			continue
		}
		if err := s.take(&e, done); err != nil {
			return err
		}
	}
	return nil
}

// align makes templates of a text and its translation, or says why not.
func align(source, target string, mask func(string) protect.Masked) (from, to protect.Template, refused string) {
	if mask == nil {
		mask = func(text string) protect.Masked {
			core := strings.TrimSpace(text)
			at := strings.Index(text, core)
			return protect.Masked{Before: text[:at], After: text[at+len(core):], Template: protect.Template{Text: []string{core}}}
		}
	}
	a, b := mask(source), mask(target)
	if !a.Template.Letters() || !b.Template.Letters() {
		return from, to, "empty"
	}
	if strings.TrimSpace(a.Before) != strings.TrimSpace(b.Before) || strings.TrimSpace(a.After) != strings.TrimSpace(b.After) {
		return from, to, "edges"
	}
	// The target's holes are where the source's values are, which need not be what a mask would find in it.
	to, ok := protect.Locate(target[len(b.Before):len(target)-len(b.After)], a.Values)
	if !ok {
		return from, to, "placeholders"
	}
	return a.Template, to, ""
}
