package chat

import (
	"strings"
	"testing"

	"curate/record"
)

func show(row *Row) string {
	var b strings.Builder
	b.WriteString([]string{"document", "chat", "completion", "pair"}[row.Kind])
	list := func(ms []Message) {
		for _, m := range ms {
			b.WriteString(" " + string(m.JSON))
		}
	}
	if row.Plain {
		b.WriteString(" " + row.PromptText)
		for _, a := range row.AnswerTexts {
			b.WriteString(" | " + a)
		}
	}
	list(row.Prompt)
	for _, a := range row.Answers {
		b.WriteString(" |")
		list(a)
	}
	if row.Tools != nil {
		b.WriteString(" tools " + string(row.Tools))
	}
	if row.Documents != nil {
		b.WriteString(" documents " + string(row.Documents))
	}
	for _, a := range row.Args {
		b.WriteString(" " + a.Name + "=" + string(a.Value))
	}
	if row.AddGenerationPrompt {
		b.WriteString(" +generation")
	}
	if row.ContinueFinal != "" {
		b.WriteString(" +continue " + row.ContinueFinal)
	}
	return b.String()
}

func TestRead(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{`{"messages":[{"role":"user","content":"a"}]}`, `chat {"role":"user","content":"a"}`},
		{`{"text":"x","messages":[{"role":"user","content":"a"}],"prompt":"a"}`, `chat {"role":"user","content":"a"}`},
		{`{"text":null,"messages":null,"chosen":null,"rejected":null,"prompt":"a","completion":"b"}`, `completion a | b`},
		// What is null is left out of a message, and reasoning gets its other names, as transformers does.
		{`{"messages":[{"role":"assistant","content":null,"tool_calls":[{"a":null}],"name":null}]}`, `chat {"role":"assistant","tool_calls":[{"a":null}]}`},
		{`{"messages":[{"role":"assistant","reasoning_content":"r","content":"a"}]}`, `chat {"thinking":"r","role":"assistant","reasoning_content":"r","content":"a"}`},
		{`{"messages":[{"role":"assistant","content":"a","thinking":"r"}]}`, `chat {"thinking":"r","role":"assistant","content":"a","reasoning_content":"r"}`},
		{`{"messages":[{"reasoning":"r","thinking":"t","role":"assistant"}]}`, `chat {"thinking":"t","reasoning":"r","role":"assistant","reasoning_content":"t"}`},
		{`{"messages":[{"reasoning":"r","role":"assistant"}]}`, `chat {"thinking":"r","reasoning":"r","role":"assistant","reasoning_content":"r"}`},
		// ShareGPT.
		{`{"conversations":[{"from":"human","value":"a"},{"from":"gpt","value":"b","w":1}],"system":"s"}`,
			`chat {"role":"system","content":"s"} {"role":"user","content":"a"} {"role":"assistant","content":"b","w":1}`},
		{`{"conversations":[{"from":"system","value":"a"},{"role":"user","content":"b"}],"system":"s"}`, `chat {"role":"system","content":"a"} {"role":"user","content":"b"}`},
		{`{"conversations":[{"from":"observation","value":"a"}]}`, `chat {"role":"tool","content":"a"}`},
		// Prompts and answers.
		{`{"prompt":[{"role":"user","content":"a"}],"completion":[{"role":"assistant","content":"b"}]}`, `completion {"role":"user","content":"a"} | {"role":"assistant","content":"b"}`},
		{`{"prompt":"p","chosen":"a","rejected":"b","text":"t"}`, `pair p | a | b`},
		{`{"chosen":"the sky is blue","rejected":"the sky is green"}`, `pair the sky is |  blue |  green`},
		{`{"chosen":"ab","rejected":"abc"}`, `pair a | b | bc`},
		{`{"chosen":"b ","rejected":"a"}`, `pair  | b  | a`},
		{`{"chosen":"é1","rejected":"è1"}`, `pair  | é1 | è1`},
		{`{"chosen":[{"role":"user","content":"q"},{"role":"assistant","content":"a"}],"rejected":[{"content":"q","role":"user"},{"role":"assistant","content":"b"}]}`,
			`pair {"role":"user","content":"q"} | {"role":"assistant","content":"a"} | {"role":"assistant","content":"b"}`},
		{`{"prompt":"q","chosen":[{"role":"user","content":"q"},{"role":"assistant","content":"a"}],"rejected":[{"role":"user","content":"q"},{"role":"assistant","content":"a"}]}`,
			`pair {"role":"user","content":"q"} | {"role":"assistant","content":"a"} | {"role":"assistant","content":"a"}`},
		{`{"system":"s","prompt":[{"role":"user","content":"q"}],"completion":[{"role":"assistant","content":"b"}]}`,
			`completion {"role":"system","content":"s"} {"role":"user","content":"q"} | {"role":"assistant","content":"b"}`},
		{`{"system":"","prompt":"p","chosen":"a","rejected":"b","question":"q"}`, `pair p | a | b`},
		// What templates get besides.
		{`{"messages":[{"role":"user"}],"tools":"[{\"a\":1}]","documents":[],"chat_template_kwargs":{"enable_thinking":false,"add_generation_prompt":1}}`,
			`chat {"role":"user"} tools [{"a":1}] documents [] enable_thinking=false +generation`},
		{`{"messages":[{"role":"user"}],"tools":[{"a":1}],"chat_template_kwargs":{"tools":null,"continue_final_message":true}}`, `chat {"role":"user"} +continue content`},
		{`{"messages":[{"role":"user"}],"tools":"","chat_template_kwargs":{"continue_final_message":"reasoning_content"}}`, `chat {"role":"user"} +continue reasoning_content`},
		{`{"messages":[{"role":"user"}],"chat_template_kwargs":{"add_generation_prompt":0.0,"continue_final_message":""}}`, `chat {"role":"user"}`},
	} {
		row, err := readLine(c.line)
		if err != nil {
			t.Errorf("%s: %v", c.line, err)
			continue
		}
		if got := show(row); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.line, got, c.want)
		}
	}
	for _, c := range []struct{ line, want string }{
		{`{"id":1,"body":"x"}`, `field "text" is missing, and the record is no chat ("messages", or "conversations"; "prompt" and "completion") and no pair ("chosen" and "rejected"): it has "id", "body"`},
		{`{}`, "it has no keys"},
		{`{"messages":[]}`, `field "messages" is empty`},
		{`{"messages":"x"}`, `field "messages" is no list`},
		{`{"messages":[{"role":"user"},7]}`, `field "messages[1]" is no object`},
		{`{"messages":[{"content":"x"}]}`, `field "messages[0]" has no role`},
		{`{"messages":[{"role":7}]}`, `has a role that is no string`},
		{`{"conversations":[{"from":"function_call","value":"x"}]}`, `is from "function_call"`},
		{`{"prompt":"a","completion":"b","label":true}`, `pairs only`},
		{`{"prompt":"a","completion":[{"role":"assistant"}]}`, `field "prompt" must be a string`},
		{`{"prompt":[{"role":"user"}],"chosen":"a","rejected":"b"}`, `field "prompt" must be a string`},
		{`{"prompt":"a","chosen":"a","rejected":[{"role":"user"}]}`, `field "rejected" is neither`},
		{`{"chosen":{"role":"user"},"rejected":{"role":"user"}}`, `field "chosen" is neither`},
		{`{"system":"s","prompt":"p","completion":"c"}`, `field "system" has no place`},
		{`{"question":"q","chosen":"a","rejected":"b"}`, `field "question" is not read`},
		{`{"messages":[{"role":"user"}],"tools":[1]}`, `field "tools[0]" is no object`},
		{`{"messages":[{"role":"user"}],"tools":"{"}`, `not JSON`},
		{`{"messages":[{"role":"user"}],"chat_template_kwargs":[]}`, `is not an object`},
		{`{"messages":[{"role":"user"}],"chat_template_kwargs":{"tokenize":false}}`, `field "chat_template_kwargs.tokenize" is no variable`},
		{`{"messages":[{"role":"user"}],"chat_template_kwargs":{"messages":[]}}`, `messages stand in the row`},
		{`{"prompt":"a","completion":"b","chat_template_kwargs":{"add_generation_prompt":true}}`, `always ends with the generation prompt`},
	} {
		row, err := readLine(c.line)
		if err == nil {
			t.Errorf("%s: %s, want the error %s", c.line, show(row), c.want)
		} else if !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s:\n got %v\nwant %s", c.line, err, c.want)
		}
	}
}

// A text field that was named goes before all, "text" behind all.
func TestKind(t *testing.T) {
	b := &record.Batch{}
	b.Append(1, 1, []byte(`{"text":"x","body":"y","messages":[]}`))
	b.Parse()
	for field, want := range map[string]Kind{"text": Conversation, "body": Document, "other": Conversation} {
		if got, err := kindOf(&b.Records[0], record.MustPath(field)); got != want || err != nil {
			t.Errorf("%s: %v %v", field, got, err)
		}
	}
}

// FuzzRead: rows come from strangers.
func FuzzRead(f *testing.F) {
	for _, s := range []string{
		`{"messages":[{"role":"assistant","content":[{"type":"text","text":"a"}],"thinking":"r"}],"tools":"[{}]","chat_template_kwargs":{"continue_final_message":true}}`,
		`{"conversations":[{"from":"human","value":"a"}],"system":"s"}`, `{"chosen":"ab","rejected":"ac"}`,
		`{"chosen":[{"role":"user"}],"rejected":[{"role":"user"}]}`, `{"prompt":"a","completion":"b"}`,
	} {
		f.Add(s)
	}
	format := builtinFormat(f, "chatml")
	e := NewEncoder(gpt2(f), format, Options{MaxLength: 8, Truncate: Turns})
	f.Fuzz(func(t *testing.T, line string) {
		if len(line) > 1<<12 {
			return
		}
		row, err := readLine(line)
		if err != nil {
			return
		}
		x, err := e.Encode(row)
		if err != nil {
			return
		}
		if x.Mask != nil && len(x.Mask) != len(x.IDs) || x.Pair && (x.Prompt > x.Chosen || x.Chosen > len(x.IDs)) {
			t.Errorf("%s: %+v", line, x)
		}
	})
}
