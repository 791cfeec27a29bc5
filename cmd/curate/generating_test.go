package main

import (
	"slices"
	"testing"

	"curate/tokenize"
	"curate/train"
	"curate/train/model"
)

// TestBorders: which tokens end a text, and which one begins it, by what a model's files say.
func TestBorders(t *testing.T) {
	tok, err := tokenize.Open("../../train/eval/testdata/tiny") // its end of documents is 0
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []struct {
		bos, eos   int
		more       []int
		generation string
		eosToken   string
		begin      int
		ends       []uint32
	}{
		{-1, -1, nil, ``, "", 0, []uint32{0}},
		{-1, 7, nil, ``, "", 7, []uint32{7}},
		{3, 7, []int{8, 9}, `{"eos_token_id":8}`, "", 3, []uint32{7, 8, 9}},
		{-1, 7, nil, `{"eos_token_id":[11,7,12]}`, "<|endoftext|>", 7, []uint32{7, 11, 12, 0}},
		{384, 384, []int{-5}, `{"eos_token_id":[384,-1]}`, "nowhere", 0, []uint32{0}}, // beyond the vocabulary
		{-1, 7, nil, `{"eos_token_id":null}`, "", 7, []uint32{7}},
		{-1, 7, nil, `{"eos_token_id":"8"}`, "", 7, []uint32{7}},
		{-1, 7, nil, `[`, "", 7, []uint32{7}},
	} {
		l := &train.Loaded{Config: &model.Config{Vocabulary: 384}, BOS: v.bos, EOS: v.eos, MoreEOS: v.more, Generation: []byte(v.generation)}
		begin, ends := bordersOf(l, tok, v.eosToken)
		if begin != v.begin || !slices.Equal(ends, v.ends) {
			t.Errorf("%+v: begins with %d, ends with %d", v, begin, ends)
		}
	}
}
