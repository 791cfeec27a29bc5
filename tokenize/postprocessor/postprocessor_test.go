package postprocessor

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"curate/tokenize/component"
)

// Parts of the cases. Trim flags: t for a prefix space of the pre-tokenizer's, f for none.
const (
	template  = `{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>","type_id":0}},{"Sequence":{"id":"A","type_id":0}},{"SpecialToken":{"id":"</s>","type_id":0}}],"pair":[],"special_tokens":{"<s>":{"id":"<s>","ids":[1],"tokens":["<s>"]},"</s>":{"id":"</s>","ids":[2,3],"tokens":["<","/s>"]}}}`
	byteLevel = `{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true}`
	bert      = `{"type":"BertProcessing","sep":["[SEP]",102],"cls":["[CLS]",101]}`
	roberta   = `{"type":"RobertaProcessing","sep":["</s>",2],"cls":["<s>",1],"trim_offsets":true,"add_prefix_space":true}`
)

func known(id uint32) bool { return id < 200 }

func TestNew(t *testing.T) {
	for _, c := range []struct {
		name, file    string
		kind          string
		before, after []uint32
		trims         string
	}{
		{"none", "null", "", nil, nil, ""},
		{"nothing", "", "", nil, nil, ""},
		{"byte level", byteLevel, "ByteLevel", nil, nil, "f"},
		{"byte level, defaults", `{"type":"ByteLevel"}`, "ByteLevel", nil, nil, "t"},
		{"byte level, no trim", `{"type":"ByteLevel","trim_offsets":false}`, "ByteLevel", nil, nil, ""},
		{"bert", bert, "BertProcessing", []uint32{101}, []uint32{102}, ""},
		{"roberta", roberta, "RobertaProcessing", []uint32{1}, []uint32{2}, "t"},
		{"roberta, no trim", strings.Replace(roberta, `"trim_offsets":true`, `"trim_offsets":false`, 1), "RobertaProcessing", []uint32{1}, []uint32{2}, ""},
		{"template", template, "TemplateProcessing", []uint32{1}, []uint32{2, 3}, ""},
		{"sequence", `{"type":"Sequence","processors":[` + byteLevel + `,` + template + `,` + bert + `]}`, "Sequence", []uint32{101, 1, 102}, []uint32{102, 2, 3, 102}, "f"},
		{"roberta around each piece", `{"type":"Sequence","processors":[` + template + `,` + roberta + `]}`, "Sequence", []uint32{1, 1, 2, 2}, []uint32{2, 2, 2, 3, 2}, "t"},
		{"template around bert", `{"type":"Sequence","processors":[` + bert + `,` + template + `]}`, "Sequence", []uint32{1, 101}, []uint32{102, 2, 3}, ""},
	} {
		p, err := New("post_processor", []byte(c.file), known)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		trims := ""
		for _, trim := range p.Trims {
			trims += map[bool]string{true: "t", false: "f"}[trim.PrefixSpace]
		}
		if p.Type != c.kind || !slices.Equal(p.Before, c.before) || !slices.Equal(p.After, c.after) || trims != c.trims {
			t.Errorf("%s: %+v", c.name, p)
		}
	}
}

func TestErrors(t *testing.T) {
	nested := strings.Repeat(`{"type":"Sequence","processors":[`, 4000) + strings.Repeat(`]}`, 4000)
	for _, c := range []struct {
		file, want  string
		unsupported bool
	}{
		{`{"type":"X"}`, `post_processor: post-processor "X"; known are BertProcessing, ByteLevel, RobertaProcessing, TemplateProcessing, Sequence`, true},
		{`7`, `post_processor: `, false},
		{`{"type":"BertProcessing","sep":["[SEP]",102],"cls":["[CLS]",999]}`, `"[CLS]" has id 999, which is no token`, false},
		{`{"type":"BertProcessing","sep":["[SEP]"],"cls":["[CLS]",1]}`, `want a token and its id`, false},
		{`{"type":"BertProcessing","sep":[1,2],"cls":["[CLS]",1]}`, `want a token and its id`, false},
		{`{"type":"ByteLevel","more":1}`, `more`, false},
		{strings.Replace(template, `"id":"A"`, `"id":"B"`, 1), `post_processor.single[1]: a template that does not have the text once`, true},
		{`{"type":"TemplateProcessing","single":[]}`, `post_processor.single: a template that does not have the text once`, true},
		{`{"type":"TemplateProcessing","single":[{}]}`, `post_processor.single[0]: want SpecialToken or Sequence`, false},
		{strings.Replace(template, `"</s>":{`, `"x":{`, 1), `"</s>" is not among special_tokens`, false},
		{strings.Replace(template, `[2,3]`, `[2,300]`, 1), `"</s>" has id 300, which is no token`, false},
		{strings.Replace(template, `[2,3]`, `[2`+strings.Repeat(",3", 1<<12)+`]`, 1), `more than 4096 ids around a text`, true},
		{`{"type":"Sequence","processors":[` + template + strings.Repeat(","+roberta, 2000) + `]}`, `more than 4096 ids around a text`, true},
		{`{"type":"Sequence","processors":[` + template + `,` + template + `]}`, `post_processor.processors[1]: a template behind another one`, true},
		{nested, `more than 8 Sequences in one another`, true},
	} {
		_, err := New("post_processor", []byte(c.file), known)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.200s:\n got %v\nwant %s", c.file, err, c.want)
		}
		var u *component.UnsupportedError
		if errors.As(err, &u) != c.unsupported {
			t.Errorf("%.200s: %v: unsupported should be %v", c.file, err, c.unsupported)
		}
	}
}

func FuzzNew(f *testing.F) {
	for _, s := range []string{template, byteLevel, bert, roberta, `{"type":"Sequence","processors":[` + byteLevel + `,` + template + `]}`, "null"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		p, err := New("p", file, known)
		if err == nil && len(p.Before)+len(p.After) > maxAround {
			t.Fatal("too many ids")
		}
	})
}
