package backends

import (
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// forms of an answer for two segments: what is read, "|" between, "" where nothing is there; or the error.
var forms = []struct {
	name, content string
	cut           bool
	want          string
	err           error
}{
	{"as asked", `{"translations":[{"id":0,"text":"A"},{"id":1,"text":"B"}]}`, false, "A|B", nil},
	{"other order", `{"translations":[{"id":1,"text":"B"},{"id":0,"text":"A"}]}`, false, "A|B", nil},
	{"spaces", " \n{ \"translations\" : [ { \"text\" : \"A\" , \"id\" : 0 } , {\"id\":1,\"text\":\"B\"} ] }\n", false, "A|B", nil},
	{"escapes", `{"translations":[{"id":0,"text":"A\u00f1\n\"}"},{"id":1,"text":"B\\"}]}`, false, "Añ\n\"}|B\\", nil},
	{"ids as strings", `{"translations":[{"id":"0","text":"A"},{"id":"1","text":"B"}]}`, false, "A|B", nil},
	{"ids as fractions", `{"translations":[{"id":0.0,"text":"A"},{"id":1.0,"text":"B"}]}`, false, "A|B", nil},
	{"ids from one", `{"translations":[{"id":1,"text":"A"},{"id":2,"text":"B"}]}`, false, "A|B", nil},
	{"one id beyond", `{"translations":[{"id":1,"text":"B"},{"id":2,"text":"C"},{"id":0,"text":"A"}]}`, false, "A|B", nil},
	{"a negative id", `{"translations":[{"id":-1,"text":"C"},{"id":0,"text":"A"}]}`, false, "A|", nil},
	{"a missing one", `{"translations":[{"id":1,"text":"B"}]}`, false, "|B", nil},
	{"twice the same", `{"translations":[{"id":0,"text":"A"},{"id":0,"text":"A"},{"id":1,"text":"B"}]}`, false, "A|B", nil},
	{"two for one id", `{"translations":[{"id":0,"text":"A"},{"id":0,"text":"C"},{"id":1,"text":"B"}]}`, false, "|B", nil},
	{"empty", `{"translations":[{"id":0,"text":""},{"id":1,"text":"B"}]}`, false, "|B", nil},
	{"no text", `{"translations":[{"id":0,"text":null},{"id":1,"text":7}]}`, false, "|", nil},
	{"another name", `{"translations":[{"id":0,"translation":"A"},{"id":1,"target":"B"}]}`, false, "A|B", nil},
	{"no ids", `{"translations":[{"text":"A"},{"text":"B"}]}`, false, "A|B", nil},
	{"no ids, and one short", `{"translations":[{"text":"A"}]}`, false, "", errShape},
	{"some ids", `{"translations":[{"id":0,"text":"A"},{"text":"B"}]}`, false, "", errShape},
	{"an array", `[{"id":0,"text":"A"},{"id":1,"text":"B"}]`, false, "A|B", nil},
	{"strings", `["A","B"]`, false, "A|B", nil},
	{"strings inside", `{"translations":["A","B"]}`, false, "A|B", nil},
	{"too many strings", `["A","B","C"]`, false, "", errShape},
	{"by name", `{"0":"A","1":"B"}`, false, "A|B", nil},
	{"by name inside", `{"translations":{"0":"A","1":"B"}}`, false, "A|B", nil},
	{"fence", "Here you are:\n```json\n{\"translations\":[{\"id\":0,\"text\":\"A\"},{\"id\":1,\"text\":\"B\"}]}\n```\nBye.", false, "A|B", nil},
	{"braces before", `Of {course}: [1] {"translations":[{"id":0,"text":"A"},{"id":1,"text":"B"}]}`, false, "A|B", nil},
	{"text behind", `{"translations":[{"id":0,"text":"A"},{"id":1,"text":"B"}]} {"translations":[]}`, false, "A|B", nil},
	{"thoughts", "<think>\nHm. {\"translations\":[{\"id\":0,\"text\":\"X\"}]}\n</think>\n{\"translations\":[{\"id\":0,\"text\":\"A\"},{\"id\":1,\"text\":\"B\"}]}", false, "A|B", nil},
	{"the end of thoughts alone", "Hm.\n</think>\n{\"translations\":[{\"id\":0,\"text\":\"A\"},{\"id\":1,\"text\":\"B\"}]}", false, "A|B", nil},
	{"a text about thoughts", `{"translations":[{"id":0,"text":"A </think>"},{"id":1,"text":"B"}]}`, false, "A </think>|B", nil},
	{"thoughts without end", "<think>\nHm. {\"translations\":[{\"id\":0,\"text\":\"X\"}]}", true, "", errNoJSON},
	{"the question", `{"from":"English","to":"Basque","segments":[{"id":0,"text":"one"}]}`, false, "", errEcho},
	{"the question, then the answer", `{"segments":[{"id":0,"text":"one"}]}{"translations":[{"id":0,"text":"A"},{"id":1,"text":"B"}]}`, false, "A|B", nil},
	{"something else", `{"answer":42}`, false, "", errShape},
	{"prose", `Egun on.`, false, "", errNoJSON},
	{"nothing", ``, false, "", errNoJSON},
	{"breaks off", `{"translations":[{"id":0,"text":"A"},{"id":1,"text":"B`, false, "", errBroken},
	{"cut off", `{"translations":[{"id":0,"text":"A"},{"id":1,"text":"B`, true, "A|", nil},
	{"cut off in a fence", "```json\n{\"translations\": [\n {\"id\": 0, \"text\": \"A {\\\"id\\\":1}\"},\n {\"id\": 1, \"te", true, "A {\"id\":1}|", nil},
	{"cut off at once", `{"translations":[{"id":0,"text":"A`, true, "", errBroken},
	{"cut off, and whole", `{"translations":[{"id":0,"text":"A"},{"id":1,"text":"B"}]}`, true, "", errBroken},
}

func TestParseAnswer(t *testing.T) {
	for _, f := range forms {
		got, err := parseAnswer(f.content, 2, f.cut)
		if err != f.err {
			t.Errorf("%s: %v, want %v", f.name, err, f.err)
			continue
		}
		if err != nil {
			continue
		}
		texts := make([]string, len(got))
		for i, g := range got {
			texts[i] = g.text
			if g.there != (g.text != "") {
				t.Errorf("%s: %+v", f.name, g)
			}
			if g.there && (g.start >= g.end || g.end > len(f.content)) {
				t.Errorf("%s: from %d to %d of %d", f.name, g.start, g.end, len(f.content))
			}
		}
		if s := strings.Join(texts, "|"); s != f.want {
			t.Errorf("%s: %q", f.name, s)
		}
	}
	for content, want := range map[string]string{
		`{"id":0,"text":"A"}`:                  "A",
		`{"text":"A"}`:                         "A",
		`{"translation":"A"}`:                  "A",
		`{"translations":"A"}`:                 "A",
		`{"translations":{"id":0,"text":"A"}}`: "A",
		`["A"]`:                                "A",
		`"A"`:                                  "",
	} {
		got, err := parseAnswer(content, 1, false)
		if want == "" && err == nil || want != "" && (err != nil || got[0].text != want) {
			t.Errorf("%s: %v %v", content, got, err)
		}
	}
}

func FuzzAnswer(f *testing.F) {
	for _, x := range forms {
		f.Add(x.content, 2, x.cut)
	}
	f.Fuzz(func(t *testing.T, content string, n int, cut bool) {
		n = 1 + (n&0xff)%20
		got, err := parseAnswer(content, n, cut)
		if err == nil && len(got) != n {
			t.Fatalf("%d of %d", len(got), n)
		}
		for _, g := range got {
			if g.there && (strings.TrimSpace(g.text) == "" || g.start < 0 || g.start >= g.end || g.end > len(content)) {
				t.Fatalf("%+v of %q", g, content)
			}
			if g.there && utf8.ValidString(content) && !utf8.ValidString(g.text) {
				t.Fatalf("%q from %q", g.text, content)
			}
		}
		if s, ok := parseScores(content, n); ok {
			for _, x := range s {
				if x < 0 || x > 1 {
					t.Fatalf("%v from %q", s, content)
				}
			}
		}
		plainAnswer(content)
	})
}

// What was written is read: the law of the format.
func FuzzAnswerRoundTrip(f *testing.F) {
	f.Add("a", "b\n\"}")
	f.Add("{\"translations\":", "]}")
	f.Fuzz(func(t *testing.T, a, b string) {
		a, b = strings.ToValidUTF8(a, "?"), strings.ToValidUTF8(b, "?")
		if strings.TrimSpace(a) == "" || strings.TrimSpace(b) == "" {
			return
		}
		got, err := parseAnswer(string(appendTranslations(nil, []string{a, b})), 2, false)
		if err != nil || got[0].text != a || got[1].text != b {
			t.Fatalf("%q %q: %v %v", a, b, got, err)
		}
	})
}

func FuzzClassify(f *testing.F) {
	for _, s := range []string{`{"error":{"message":"x","code":"400","type":null,"param":"p","innererror":{"code":"y"}}}`, `{"error":"x"}`, `{"object":"error","message":"m","code":400}`,
		`{"detail":[{"loc":["body",0],"msg":"m"}]}`, `[{"error":{"code":429,"status":"RESOURCE_EXHAUSTED"}}]`, `<html><b>x</b></html>`, ``, `{"message":["a","b"]}`, `{"error":{"code":1e999}}`} {
		for _, code := range []int{200, 304, 400, 404, 429, 500} {
			f.Add(code, s, "1")
		}
	}
	f.Fuzz(func(t *testing.T, code int, body, after string) {
		h := http.Header{"Retry-After": {after}, "X-Ratelimit-Reset-Tokens": {after}}
		x := classify(code, h, []byte(body), time.Now())
		if x.reason == "" || x.class == "" || x.detail == "" || len(x.detail) > 400 || x.wait < 0 || x.wait > longestWait {
			t.Fatalf("%+v", x)
		}
	})
}

func FuzzRetryAfter(f *testing.F) {
	for _, s := range []string{"1", "-1", "1e400", "Sat, 01 Aug 2026 12:00:30 GMT", "6m0s", "2026-08-01T12:01:00Z", "1785585605000", "0x1p-2", "NaN", "-9223372036854775808"} {
		f.Add(s)
	}
	now := time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, s string) {
		for _, name := range []string{"Retry-After", "Retry-After-Ms", "X-Ratelimit-Reset", "X-Ratelimit-Reset-Requests"} {
			if d := retryAfter(http.Header{name: {s}}, now); d < 0 || d > longestWait {
				t.Fatalf("%s %q: %v", name, s, d)
			}
		}
		var q quota
		q.update(http.Header{"X-Ratelimit-Reset-Tokens": {s}, "X-Ratelimit-Remaining-Tokens": {s}, "X-Ratelimit-Limit-Tokens": {s}}, "-Tokens", 0, now)
		if d := q.wait(now, 10, 5); d < 0 || d > longestWait+time.Second {
			t.Fatalf("%q: waits %v", s, d)
		}
	})
}

func FuzzPatch(f *testing.F) {
	f.Add(`{"model":"model","messages":null,"stream":false}`)
	f.Add(`{"a":{"model":1},"model":[1,2],"model":3}`)
	f.Add(`{}`)
	f.Fuzz(func(t *testing.T, body string) {
		got, err := patch([]byte(body), []field{{"model", []byte(`"x"`)}, {"seed", nil}, {"temperature", []byte("0")}})
		if err != nil {
			return
		}
		again, err := patch(got, []field{{"model", []byte(`"x"`)}, {"seed", nil}, {"temperature", []byte("0")}})
		if err != nil || string(again) != string(got) {
			t.Fatalf("%s: %s, then %s: %v", body, got, again, err)
		}
	})
}

func TestPatch(t *testing.T) {
	got, err := patch([]byte(`{"model":"m", "a" : [1, {"model":2}],"temperature":1,"z":1e-45}`), []field{{"temperature", []byte("0")}, {"z", nil}, {"top_k", []byte("1")}})
	if want := `{"model":"m","a":[1, {"model":2}],"temperature":0,"top_k":1}`; err != nil || string(got) != want {
		t.Errorf("%s %v", got, err)
	}
	for _, bad := range []string{``, `[]`, `{"a"`, `{"a":1`, `1`} {
		if got, err := patch([]byte(bad), []field{{"a", nil}}); err == nil {
			t.Errorf("%s: %s", bad, got)
		}
	}
}

func TestPromptLeak(t *testing.T) {
	shots := Shots("en", "eu", "XQ0")
	for _, r := range []struct {
		source, answer string
		leak           bool
	}{
		{"Choose a color for the background.", "Gorde dokumentua leihoa itxi aurretik.", true},
		{"Choose a color for the background.", "gorde dokumentua leihoa itxi  aurretik", true},
		{"Choose a color for the background.", "Gorde dokumentu leihoa itxi aurretik!", true}, // garbled
		{"Choose a color for the background.", "XQ0 abiarazten ez bada, egiaztatu kablea konektatuta dagoela.", true},
		{"Choose a color for the background.", "Save the document before you close the window.", true},
		{"Choose a color for the background.", "Hautatu kolore bat atzeko planorako.", false},
		{"Save the document before you close the window", "Gorde dokumentua leihoa itxi aurretik", false},
		{"Save your document before you close this window.", "Gorde zure dokumentua leiho hau itxi aurretik.", false},
		{"OK", "Ados", false},
		{"", "", false},
	} {
		if got := PromptLeak(shots, r.source, r.answer); got != r.leak {
			t.Errorf("%q: %q is a leak: %v", r.source, r.answer, got)
		}
	}
	if len(Shots("eu", "en", "")) != 0 || len(Shots("en", "es", "")) == 0 || len(Shots("es", "eu", "")) == 0 {
		t.Error("built-in examples")
	}
	if !strings.Contains(shots[1][0], "XQ0") || strings.Contains(Shots("en", "eu", "")[1][0], "XQ0") {
		t.Error("the placeholder's form")
	}
}

func TestLanguages(t *testing.T) {
	for i := 1; i < len(languages); i++ {
		if languages[i-1].code >= languages[i].code {
			t.Errorf("%s does not come before %s", languages[i-1].code, languages[i].code)
		}
	}
	if s := languageName("xx"); !strings.Contains(s, `"xx"`) {
		t.Error(s)
	}
}
