package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json"

	"curate/record"
)

// Duplicates is the evidence of a deduplication.
type Duplicates struct {
	Documents    int64            `json:"documents"`                   // dropped for another one that is kept
	Methods      map[string]int64 `json:"methods"`                     // of those
	Similarities []int64          `json:"similarities"`                // from 0 to 1 in steps of .05; the last is 1 itself, and of methods that find only that
	Unknown      int64            `json:"unknown_similarity,omitzero"` // not verified
	Clusters     int64            `json:"documents_with_more"`         // kept documents with more than one duplicate
	Largest      int64            `json:"most_of_one"`                 // duplicates of one document
	Closest      []Duplicate      `json:"least_similar"`               // the ten most doubtful
	kept         map[string]int64
}

// Duplicate is a dropped document beside the one that is kept.
type Duplicate struct {
	Example
	Similarity float64 `json:"similarity"`
	Kept       string  `json:"kept"` // record ID of the one that is kept
	KeptFile   string  `json:"kept_file"`
	KeptOffset int64   `json:"kept_offset"`
}

const (
	similarityBins = 20
	duplicateLimit = 10
	// keptLimit bounds the memory for counting by kept document.
	keptLimit = 1 << 20
)

func takeDuplicates(s *Step) func(*dropped) {
	return func(d *dropped) {
		if d.verdict == nil {
			return
		}
		is := struct {
			Method      string   `json:"method"`
			DuplicateOf string   `json:"duplicate_of"`
			Measured    *float64 `json:"similarity"`
		}{}
		if json.Unmarshal(d.verdict, &is) != nil || is.DuplicateOf == "" {
			return // the verdict of another kind of stage
		}
		s.takeSample(d, is.DuplicateOf)
		u := s.Duplicates
		if u == nil {
			u = &Duplicates{Methods: map[string]int64{}, Similarities: make([]int64, similarityBins+1), kept: map[string]int64{}}
			s.Duplicates = u
		}
		u.Documents++
		u.Methods[is.Method]++
		similarity, known := 1.0, is.Method != "minhash" // what finds only equal ones does not say so
		if is.Measured != nil {
			similarity, known = *is.Measured, true
		}
		if known {
			u.Similarities[int(math.Floor(min(max(similarity, 0), 1)*similarityBins+1e-9))]++
		} else {
			u.Unknown++
		}
		if n, ok := u.kept[is.DuplicateOf]; ok || len(u.kept) < keptLimit {
			u.kept[is.DuplicateOf] = n + 1
			if n == 1 {
				u.Clusters++
			}
			u.Largest = max(u.Largest, n+1)
		}
		if !known {
			return
		}
		k, _ := slices.BinarySearchFunc(u.Closest, d, func(e Duplicate, d *dropped) int {
			if c := cmp.Or(cmp.Compare(e.Similarity, similarity), cmp.Compare(e.hash, d.hash)); c != 0 {
				return c
			}
			if e.place.before(d.place) {
				return -1
			}
			return 1
		})
		if k == duplicateLimit {
			return
		}
		dup := Duplicate{Example: s.example(d), Similarity: similarity, Kept: cut(is.DuplicateOf, 40)}
		dup.Verdict = nil // it is told in full
		if id, err := strconv.ParseUint(is.DuplicateOf, 10, 63); err == nil {
			dup.KeptFile, dup.KeptOffset = s.input(record.ID(id).File()), record.ID(id).Offset()
		}
		u.Closest = slices.Insert(u.Closest, k, dup)[:min(len(u.Closest)+1, duplicateLimit)]
	}
}

func hasDuplicates(s *Step) bool { return s.Duplicates != nil || len(s.Dedups) > 0 }

// rows are the similarities that occur.
func (u *Duplicates) rows() []similarityRow {
	var list []similarityRow
	for k, n := range u.Similarities {
		if n == 0 {
			continue
		}
		name := "1"
		if k < similarityBins {
			name = fmt.Sprintf("%.2f to %.2f", float64(k)/similarityBins, float64(k+1)/similarityBins)
		}
		list = append(list, similarityRow{name, n})
	}
	slices.Reverse(list)
	return list
}

type similarityRow struct {
	Name      string
	Documents int64
}

const duplicatesAbout = `How similar dropped documents are to the one that was kept instead, and the ten least similar.`

const duplicatesPage = `{{range .Dedups}}{{template "dedup" .}}{{end}}{{with .Duplicates}}{{$u := .}}
<p>{{group $u.Documents}} duplicates ({{range $m, $n := $u.Methods}}{{$m}} {{group $n}}; {{end}}{{group $u.Clusters}} kept documents have more than one, the most is {{group $u.Largest}}).</p>
<table><tr><th>similarity<th class="n">documents<th>
{{range similarities $u}}<tr><td>{{.Name}}<td class="n">{{group .Documents}}<td>{{bar .Documents $u.Documents}}
{{end}}{{if $u.Unknown}}<tr><td>not known<td class="n">{{group $u.Unknown}}<td>{{bar $u.Unknown $u.Documents}}
{{end}}</table>
<details><summary>the least similar</summary>
{{range $u.Closest}}<p>similarity {{number .Similarity}} to record {{.Kept}}{{if .KeptFile}}: <bdi>{{.KeptFile}}</bdi>, byte {{group .KeptOffset}}{{end}}</p>
{{template "example" .Example}}{{end}}</details>{{end}}`
