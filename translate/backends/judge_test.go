package backends

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestLLMJudge(t *testing.T) {
	f := newFake(t, func(w http.ResponseWriter, a asked) {
		var q struct {
			Pairs []struct {
				ID                  int
				Source, Translation string
			}
		}
		if err := json.NewDecoder(strings.NewReader(a.user)).Decode(&q); err != nil {
			t.Error(err)
		}
		var out []string
		for _, p := range q.Pairs {
			if p.Translation != "none" {
				out = append(out, fmt.Sprintf(`{"id":%d,"score":%d}`, p.ID, len(p.Translation)))
			}
		}
		io.WriteString(w, chat(`{"scores":[`+strings.Join(out, ",")+`]}`, "stop"))
	})
	j, err := newLLMJudge(OpenAI{BaseURL: f.URL, Model: "m", MaxSegments: 2, Policy: Policy{Timeout: 5 * time.Second}}, fast)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	got, spent, err := j.Score(context.Background(), "en", "eu", []string{"a", "b", "c", "d", "e"}, []string{"1", "55555", "none", "22", "333"})
	if err != nil || len(got) != 5 || got[0] != 0 || got[1] != 1 || !math.IsNaN(got[2]) || got[3] != 0.25 || got[4] != 0.5 {
		t.Errorf("%v %v", got, err)
	}
	if spent.Requests < 3 || len(f.requests()) != int(spent.Requests) || spent.Prompt != 90*spent.Requests {
		t.Errorf("%+v", spent)
	}
	if q := f.requests()[0]; !strings.Contains(q.raw, "standard Basque") || !strings.Contains(q.raw, `"name":"scores"`) {
		t.Error(q.raw)
	}
	if _, _, err = j.Score(context.Background(), "en", "eu", []string{"a"}, nil); err == nil {
		t.Error("a source without a translation")
	}
	if !strings.HasPrefix(j.Name(), "llm-judge m ") {
		t.Error(j.Name())
	}
}

func TestParseScores(t *testing.T) {
	for content, want := range map[string]string{
		`{"scores":[{"id":1,"score":5},{"id":0,"score":3}]}`:               "[0.5 1]",
		"```json\n[{\"id\":\"0\",\"score\":\"4\"},{\"id\":9,\"score\":1}]": "[0.75 NaN]",
		`[1,2]`:                           "[0 0.25]",
		`{"scores":[1,2,3]}`:              "-",
		`{"scores":[{"id":0,"score":6}]}`: "-",
		`Score: 5`:                        "-",
		`<think>[1,1]</think>[5,5]`:       "[1 1]",
	} {
		got, ok := parseScores(content, 2)
		s := "-"
		if ok {
			s = fmt.Sprint(got)
		}
		if s != want {
			t.Errorf("%s: %s", content, s)
		}
	}
}

func TestComet(t *testing.T) {
	var n atomic.Int64
	f := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var q struct{ Data []struct{ Src, MT string } }
		json.NewDecoder(r.Body).Decode(&q)
		if user, _, _ := r.BasicAuth(); user != "me" {
			t.Error("no user")
		}
		switch n.Add(1) {
		case 1:
			status(w, 503, "loading")
			return
		case 2:
			io.WriteString(w, `{"scores":[]}`)
			return
		}
		var out []string
		for _, p := range q.Data {
			out = append(out, map[string]string{"good": "1.02", "bad": "-0.1", "so": "0.5", "?": "null"}[p.MT])
		}
		fmt.Fprintf(w, `{"scores":[%s],"system_score":0.4}`, strings.Join(out, ","))
	}))
	defer f.Close()
	j, err := newCometJudge(strings.Replace(f.URL, "//", "//me:hunter2hunter2@", 1)+"/score", Policy{MaxRequests: 3}, nil, fast)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	got, spent, err := j.Score(context.Background(), "en", "eu", []string{"a", "b", "c", "d"}, []string{"good", "bad", "so", "?"})
	if err != nil || fmt.Sprint(got) != "[1 0 0.5 NaN]" {
		t.Errorf("%v %v", got, err)
	}
	if spent.Requests != 3 || spent.Retries["server"] != 1 || spent.Retries["answer"] != 1 || !spent.Estimated {
		t.Errorf("%+v", spent)
	}
	_, _, err = j.Score(context.Background(), "en", "eu", []string{"a"}, []string{"good"})
	want(t, err, Budget, "budget")
	if _, err := NewCometJudge("ftp://me:hunter2hunter2@h", Policy{}, nil); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Error(err)
	}
}
