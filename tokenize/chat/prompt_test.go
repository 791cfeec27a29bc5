package chat

import (
	"strings"
	"testing"
	"time"

	"curate/record"
	"curate/tokenize"
)

func TestPrompt(t *testing.T) {
	f, err := NewFormat(chatml(t), nil, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	e := NewEncoder(gpt2(t), f, Options{})
	for line, want := range map[string]string{
		`{"messages":[{"role":"user","content":"q"}]}`:                                                                              "<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\n",
		`{"conversations":[{"from":"human","value":"q"}],"system":"s"}`:                                                             "<|im_start|>system\ns<|im_end|>\n<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\n",
		`{"messages":[{"role":"assistant","content":"wel"}],"chat_template_kwargs":{"continue_final_message":true}}`:                "<|im_start|>assistant\nwel",
		`{"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"a"}],"text":"the same","prompt":"and the same"}`: "<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\na<|im_end|>\n<|im_start|>assistant\n",
	} {
		b := &record.Batch{}
		b.Append(record.MakeID(1, 0), 1, []byte(line))
		b.Parse()
		r := &b.Records[0]
		if !IsConversation(r) {
			t.Errorf("%s is no conversation", line)
		}
		ids, err := e.Prompt(r)
		if err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		if got := gpt2(t).Decode(ids, tokenize.DecodeOptions{}); got != want {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
	for line, problem := range map[string]string{
		`{"messages":[]}`:                        "is empty",
		`{"messages":[{"role":"user"},{"a":1}]}`: "messages[1]",
		`{"messages":"x","conversations":null}`:  "is no list of messages",
	} {
		b := &record.Batch{}
		b.Append(record.MakeID(1, 0), 1, []byte(line))
		b.Parse()
		if _, err := e.Prompt(&b.Records[0]); err == nil || !strings.Contains(err.Error(), problem) {
			t.Errorf("%s: %v", line, err)
		}
	}
}
