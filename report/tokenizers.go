package report

import (
	"context"
	"fmt"
	"html/template"
)

// Tokenizers is what a step has measured of tokenizers: the file tokenizers.json of curate tokenizer eval.
type Tokenizers struct {
	By    string          `json:"by,omitzero"`
	Names []TokenizerName `json:"tokenizers"`
	// Groups are those with the most bytes, in the order of their names; the last is all of them together.
	Groups []TokenizerGroup `json:"groups"`
	Left   int              `json:"left_out,omitzero"` // groups that are not told of
}

// TokenizerName is a tokenizer that was measured.
type TokenizerName struct {
	Name      string `json:"name"`
	VocabSize int64  `json:"vocab_size"`
}

// TokenizerGroup is what was measured on the documents of a group.
type TokenizerGroup struct {
	Group      *string         `json:"group,omitzero"`
	Documents  int64           `json:"documents"`
	Bytes      int64           `json:"bytes"`
	Words      int64           `json:"words"`
	Tokenizers []TokenizerFits `json:"tokenizers"` // in the order of Names
}

// Title is the group's name.
func (g *TokenizerGroup) Title() string {
	if g.Group == nil {
		return "all"
	}
	return *g.Group
}

// TokenizerFits is what a tokenizer makes of a group.
type TokenizerFits struct {
	Tokens         int64   `json:"tokens"`
	Unknown        int64   `json:"unknown"`
	BytesPerToken  float64 `json:"bytes_per_token"`
	TokensPerWord  float64 `json:"tokens_per_word"`
	ContinuedShare float64 `json:"continued_share"`
}

const tokenizerGroups = 40

func readTokenizers(ctx context.Context, in files, s *Step) error {
	const name = "tokenizers.json"
	if there, err := in.exists(ctx, name); err != nil || !there {
		return err
	}
	t := new(Tokenizers)
	if err := in.json(ctx, name, t); err != nil {
		return err
	}
	for i := range t.Names {
		t.Names[i].Name = cut(t.Names[i].Name, 80)
	}
	for len(t.Groups) > tokenizerGroups+1 { // a page is for people; the smallest go
		least := 0
		for i := range t.Groups[:len(t.Groups)-1] {
			if t.Groups[i].Bytes < t.Groups[least].Bytes {
				least = i
			}
		}
		t.Groups = append(t.Groups[:least], t.Groups[least+1:]...)
		t.Left++
	}
	for i := range t.Groups {
		g := &t.Groups[i]
		if len(g.Tokenizers) != len(t.Names) {
			return fmt.Errorf("%s: group %q has %d tokenizers, and the file %d", name, g.Title(), len(g.Tokenizers), len(t.Names))
		}
		if g.Group != nil {
			short := cut(*g.Group, 80)
			g.Group = &short
		}
	}
	s.Tokenizers = t
	return nil
}

func hasTokenizers(s *Step) bool { return s.Tokenizers != nil && len(s.Tokenizers.Groups) > 0 }

// Bar is how wide the bar of a value is, drawn against the largest of all groups.
func (t *Tokenizers) Bar(value float64) template.HTML {
	most := 0.0
	for _, g := range t.Groups {
		for _, f := range g.Tokenizers {
			most = max(most, f.BytesPerToken)
		}
	}
	return bar(int64(1e6*value), int64(1e6*most))
}

const tokenizersAbout = `How well tokenizers fit the texts. More bytes a token mean shorter sequences and more text in a context; a word is cut if more than one token has a part of it.`

const tokenizersPage = `
{{$t := .Tokenizers}}<table><tr><th>{{or $t.By "documents"}}<th>tokenizer<th class="n">vocabulary<th class="n">documents<th class="n">tokens<th class="n">bytes a token<th><th class="n">tokens a word<th class="n">words cut<th class="n">unknown
{{range $g := $t.Groups}}{{range $i, $f := .Tokenizers}}{{$n := index $t.Names $i}}<tr><td>{{if eq $i 0}}{{$g.Title}}{{end}}<td>{{$n.Name}}<td class="n">{{group $n.VocabSize}}<td class="n">{{group $g.Documents}}<td class="n">{{group $f.Tokens}}<td class="n">{{printf "%.3f" $f.BytesPerToken}}<td>{{$t.Bar $f.BytesPerToken}}<td class="n">{{printf "%.3f" $f.TokensPerWord}}<td class="n">{{percentOf $f.ContinuedShare}}<td class="n">{{group $f.Unknown}}
{{end}}{{end}}</table>{{if $t.Left}}
<p>{{$t.Left}} smaller groups are not shown.</p>{{end}}`
