package report

import (
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"regexp"
	"slices"

	"github.com/go-json-experiment/json"
)

// Quarantine are the records that could not be read or processed.
type Quarantine struct {
	Documents int64         `json:"documents"`
	Errors    []ErrorCount  `json:"errors"` // most first
	First     []Quarantined `json:"first"`  // the ten first, in the order of the inputs
}

// ErrorCount is how often there was such an error. Numbers in it are written as N.
type ErrorCount struct {
	Error     string `json:"error"`
	Documents int64  `json:"documents"`
}

// Quarantined is one of the records.
type Quarantined struct {
	File   string `json:"file"`
	Offset int64  `json:"offset"` // of the line in the uncompressed input
	Line   int64  `json:"line,omitzero"`
	Error  string `json:"error"`
	Raw    string `json:"raw"` // the first characters; what is no UTF-8 is U+FFFD
	number int
}

const (
	quarantineLimit = 10
	errorLimit      = 40
	// errorKinds bounds the memory for different errors.
	errorKinds = 10000
)

// numbers are those that stand alone: "at byte 17", not "UTF-8".
var numbers = regexp.MustCompile(`(^|[ (:])[0-9]+`)

func readQuarantine(ctx context.Context, in files, s *Step) error {
	q := &Quarantine{}
	kinds := map[string]int64{}
	err := in.lines(ctx, "quarantine", func(p place, line []byte) error {
		var is struct {
			File   string  `json:"file"`
			Offset int64   `json:"offset"`
			Line   *int64  `json:"line"`
			Error  string  `json:"error"`
			Raw    *string `json:"raw"`
			Base64 string  `json:"raw_base64"`
		}
		if err := json.Unmarshal(line, &is); err != nil {
			return err
		}
		q.Documents++
		kind := numbers.ReplaceAllString(cut(is.Error, 300), "${1}N")
		if check, ok := failedCheck(is.Error); ok { // what follows is texts; the section about translation has examples
			kind = translationError + check
		}
		if _, known := kinds[kind]; !known && len(kinds) >= errorKinds {
			kind = "other errors"
		}
		kinds[kind]++
		one := Quarantined{File: is.File, Offset: is.Offset, Error: cut(is.Error, 300), number: p.file}
		if is.Line != nil {
			one.Line = *is.Line
		}
		k, _ := slices.BinarySearchFunc(q.First, one, func(a, b Quarantined) int {
			return cmp.Or(cmp.Compare(a.number, b.number), cmp.Compare(a.Offset, b.Offset))
		})
		if k == quarantineLimit {
			return nil
		}
		if is.Raw != nil {
			one.Raw = cut(*is.Raw, textLimit)
		} else {
			raw, err := base64.StdEncoding.DecodeString(is.Base64)
			if err != nil {
				return fmt.Errorf("raw_base64: %w", err)
			}
			one.Raw = cut(string(raw), textLimit)
		}
		q.First = slices.Insert(q.First, k, one)[:min(len(q.First)+1, quarantineLimit)]
		return nil
	})
	if err != nil || q.Documents == 0 {
		return err
	}
	for kind, n := range kinds {
		q.Errors = append(q.Errors, ErrorCount{kind, n})
	}
	slices.SortFunc(q.Errors, func(a, b ErrorCount) int {
		return cmp.Or(cmp.Compare(b.Documents, a.Documents), cmp.Compare(a.Error, b.Error))
	})
	if len(q.Errors) > errorLimit {
		rest := ErrorCount{Error: fmt.Sprintf("%d other kinds", len(q.Errors)-errorLimit)}
		for _, e := range q.Errors[errorLimit:] {
			rest.Documents += e.Documents
		}
		q.Errors = append(q.Errors[:errorLimit:errorLimit], rest)
	}
	s.Quarantine = q
	return nil
}

func hasQuarantine(s *Step) bool { return s.Quarantine != nil }

const quarantineAbout = `Records that could not be read or processed, by error (N stands for a number), and the first ten.`

const quarantinePage = `
<table><tr><th>error<th class="n">records
{{range .Quarantine.Errors}}<tr><td>{{.Error}}<td class="n">{{group .Documents}}
{{end}}</table>
<details><summary>the first {{len .Quarantine.First}}</summary>
{{range .Quarantine.First}}<div class="example"><p><bdi>{{.File}}</bdi>{{if .Line}}:{{.Line}}{{end}} <span>byte {{group .Offset}}: {{.Error}}</span></p>
<pre dir="auto">{{.Raw}}</pre></div>
{{end}}</details>`
