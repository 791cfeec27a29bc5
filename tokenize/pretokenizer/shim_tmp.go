package pretokenizer

import (
	"github.com/go-json-experiment/json/jsontext"
	"encoding/json"
	"curate/tokenize/component"
)

type shim struct { s *Scanner; space bool; kind string }
func (s *shim) Type() string { return s.kind }
func (s *shim) Split(p *Pieces) error {
	if s.space && p.Text.B[0] != ' ' {
		p.Text.Begin(); first := 1; _ = first
		n := 1
		for n < len(p.Text.B) && p.Text.B[n]&0xc0 == 0x80 { n++ }
		p.Text.Replace(n, " "+string(p.Text.B[:n])); p.Text.End()
	}
	p.Ends = p.Ends[:0]
	if s.s == nil { p.Ends = append(p.Ends, len(p.Text.B)); return nil }
	for i := 0; i < len(p.Text.B); { i = s.s.Next(p.Text.B, i); p.Ends = append(p.Ends, i) }
	return nil
}
func shimNew(path string, v jsontext.Value) (PreTokenizer, error) {
	var x struct{ Type string; Add *bool `json:"add_prefix_space"`; Use *bool `json:"use_regex"`; Pretokenizers []json.RawMessage; Pattern struct{Regex string} }
	if err := json.Unmarshal(v, &x); err != nil { return nil, err }
	s := &shim{kind: x.Type}
	on := func(b *bool) bool { return b == nil || *b }
	switch x.Type {
	case "ByteLevel":
		s.space = on(x.Add)
		if on(x.Use) { s.s, _ = NewScanner("gpt2") }
		return s, nil
	case "Sequence":
		var y struct{ Pattern struct{Regex string} }
		if len(x.Pretokenizers) == 2 { json.Unmarshal(x.Pretokenizers[0], &y); s.s = ForPattern(y.Pattern.Regex); if s.s != nil { return s, nil } }
	}
	return nil, &component.UnsupportedError{path, "shim"}
}
func Fast(p PreTokenizer) (*Scanner, bool, bool) { s := p.(*shim); return s.s, s.space, true }
type Pattern struct { Regex, Scanner string }
func Patterns(p PreTokenizer) []Pattern { s := p.(*shim); if s.s == nil { return nil }; return []Pattern{{s.s.Pattern(), s.s.Name()}} }
