package tokenize

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"curate/record"
	"curate/stage/stagetest"
)

// idLines are texts of testdata as ids, with a few records that cannot be decoded.
func idLines(t *testing.T) (list [][]byte, texts []string) {
	e := gpt2(t).NewEncoder(Options{})
	for _, l := range lines(t) {
		var r struct{ Text *string }
		if json.Unmarshal(l, &r) != nil || r.Text == nil {
			continue
		}
		ids := AppendJSON(nil, must(e.Append(nil, []byte(*r.Text))))
		list = append(list, fmt.Appendf(nil, `{"n":%d,"input_ids":%s}`, len(texts), ids))
		texts = append(texts, *r.Text)
	}
	return list, texts
}

func TestDecodeStage(t *testing.T) {
	s, err := NewDecoding(DecodeConfig{Tokenizer: gpt2(t)})
	if err != nil {
		t.Fatal(err)
	}
	list, texts := idLines(t)
	bad := []string{`{}`, `{"input_ids":null}`, `{"input_ids":"x"}`, `{"input_ids":[1,"a"]}`, `{"input_ids":[1.5]}`, `{"input_ids":[-1]}`, `{"input_ids":[60000]}`, `{"input_ids":[99999999999999]}`, `{"input_ids":[[1]]}`, `no json`}
	all := list
	for _, l := range bad {
		all = append(all, []byte(l))
	}
	stagetest.Mapper(t, s, all)
	b := &record.Batch{}
	for i, l := range all {
		b.Append(record.MakeID(1, int64(i)), int64(i+1), l)
	}
	b.Parse()
	if err := s.NewWorker().Map(context.Background(), b); err != nil {
		t.Fatal(err)
	}
	var scratch []byte
	for i := range b.Records {
		r := &b.Records[i]
		if i >= len(texts) {
			if r.Outcome != record.Quarantine {
				t.Errorf("%s: kept", all[i])
			}
			continue
		}
		got, err := r.Text(record.MustPath("text"), &scratch)
		if err != nil || string(got) != texts[i] {
			t.Errorf("%.60s: %.60q, want %.60q: %v", all[i], got, texts[i], err)
		}
	}
}

func TestReadIDs(t *testing.T) {
	tok := gpt2(t)
	for in, want := range map[string]string{
		"[]": "", "[ ]": "", "[1, 2,\n3 ]": "", "[0]": "", "[50256]": "", "{}": "not an array", "[1,[2]]": "byte 3", "[true]": "byte 1", `["1"]`: "byte 1", "[50257]": "id 50257, which is no token", "[12345678901]": "byte",
	} {
		if _, problem := readIDs(nil, []byte(in), tok); (want == "") != (problem == "") || !strings.Contains(problem, want) {
			t.Errorf("%s: %q, want %q", in, problem, want)
		}
	}
	if _, err := NewDecoding(DecodeConfig{Tokenizer: tok, TextField: record.MustPath("input_ids.x")}); err == nil {
		t.Error("a text where the ids are")
	}
}
