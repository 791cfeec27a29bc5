package translatetest

import (
	"crypto/sha1"
	"fmt"
	"io"
	"math/big"
	"math/rand/v2"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

const basque = "eta da etxea lana ura egun gizon emakume haur mendi itsaso bide zuhaitz liburu hitz argi ilun berri zahar handi txiki ona eder gorri zuri beltz urdin berde etorri joan egin esan ikusi jakin nahi behar ahal gaur bihar atzo hemen hor han zer nor non noiz nola zergatik beste asko gutxi guzti bakar lehen azken arte gabe bezala baina edo ere oso hau hori hura gure zure euskara herri kale ate leiho mahai aulki"

const spanish = "el la de que y en un ser se no haber por con su para como estar tener le lo todo pero más hacer o poder decir este ir otro ese si me ya ver porque dar cuando él muy sin vez mucho saber qué sobre mi alguno mismo yo también hasta año dos querer entre así primero desde grande eso ni nos llegar pasar tiempo ella sí día uno bien poco deber entonces poner cosa tanto hombre parecer nuestro tan donde ahora parte después vida quedar siempre creer hablar llevar dejar nada cada seguir menos nuevo encontrar"

var (
	eu = strings.Fields(basque)
	es = strings.Fields(spanish)
)

// placeholder are the forms that the server copies.
var placeholder = regexp.MustCompile(`\[\[\d+\]\]|\[?\[?[A-Z_]*[A-Z]_?\d+_*\]?\]?|⟦\d+⟧|〘\d+〙|<x[^>]*/>|\{\d+\}|@@\d+@@|§\d+§`)

// Moods of a Server: "ok", "nondeterministic" (another answer each time), "constant", "echo", "spanish", "loop",
// "truncate" (finish_reason length), "chatty", "drop_placeholders", "mangle_placeholders", "dup_placeholders",
// "reverse_order", "alter_numbers", "429x2" (Retry-After 1, then ok), "quota", "hang", "jitter", "context_limit:N" (400 above N
// characters), "fail_on:WORD" (500), "content_filter", "invalid_json", "drop_segment", "latency:DURATION" (ok, after it), "stubborn:WORD" (jitter, and what has WORD comes back as it is).
type Server struct {
	URL string // of the API, up to and with /v1

	mood, arg string
	l         net.Listener
	http      *http.Server
	closing   chan struct{}
	n         atomic.Int64

	mu       sync.Mutex
	requests int
	segments int
	texts    []string
	keys     map[string]int // Authorization headers
	// Quiet leaves texts and keys unrecorded, for long runs.
	Quiet    bool
	inFlight atomic.Int64
	peak     atomic.Int64
}

// NewServer starts one on the loopback. Close stops it.
func NewServer(mood string) (*Server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &Server{URL: "http://" + l.Addr().String() + "/v1", l: l, closing: make(chan struct{}), keys: map[string]int{}}
	s.mood, s.arg, _ = strings.Cut(mood, ":")
	s.http = &http.Server{Handler: s}
	go s.http.Serve(l)
	return s, nil
}

// Close stops the server and whatever hangs in it.
func (s *Server) Close() {
	close(s.closing)
	s.http.Close()
}

// Seen is what was asked so far: requests, segments in them, and (unless Quiet) their texts in the order in which they came.
func (s *Server) Seen() (requests, segments int, texts []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests, s.segments, append([]string(nil), s.texts...)
}

// Peak is how many requests were in flight at most.
func (s *Server) Peak() int64 { return s.peak.Load() }

type wireSegment struct {
	ID   jsontext.Value `json:"id"`
	Text string         `json:"text"`
}

// ServeHTTP answers GET with a list of models, and POST as a chat.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	now := s.inFlight.Add(1)
	defer s.inFlight.Add(-1)
	for p := s.peak.Load(); now > p && !s.peak.CompareAndSwap(p, now); p = s.peak.Load() {
	}
	if r.Method == http.MethodGet {
		limit := 32768
		if s.mood == "context_limit" {
			limit = 2000
		}
		reply(w, 200, map[string]any{"object": "list", "data": []any{map[string]any{"id": "fake", "object": "model", "max_model_len": limit}}})
		return
	}
	b, err := io.ReadAll(r.Body)
	var body struct {
		Messages []struct {
			Role    string         `json:"role"`
			Content jsontext.Value `json:"content"`
		} `json:"messages"`
		Prompt string `json:"prompt"`
	}
	if err != nil || json.Unmarshal(b, &body) != nil {
		reply(w, 400, map[string]any{"error": map[string]any{"message": "no JSON"}})
		return
	}
	user := body.Prompt
	for _, m := range body.Messages {
		if m.Role == "user" {
			if json.Unmarshal(m.Content, &user) != nil {
				var parts []struct {
					Text string `json:"text"`
				}
				_ = json.Unmarshal(m.Content, &parts)
				user = ""
				for _, p := range parts {
					user += p.Text
				}
			}
		}
	}
	segments := segmentsOf(user)
	texts := []string{user}
	if segments != nil {
		texts = nil
		for _, g := range segments {
			texts = append(texts, g.Text)
		}
	}
	s.mu.Lock()
	s.requests++
	n := s.requests
	s.segments += len(texts)
	if !s.Quiet {
		s.texts = append(s.texts, texts...)
		s.keys[r.Header.Get("Authorization")]++
	}
	s.mu.Unlock()
	switch s.mood {
	case "429x2":
		if n <= 2 {
			w.Header().Set("Retry-After", "1")
			reply(w, 429, map[string]any{"error": map[string]any{"message": "Rate limit reached", "type": "requests", "code": "rate_limit_exceeded"}})
			return
		}
	case "quota":
		reply(w, 429, map[string]any{"error": map[string]any{"message": "You exceeded your current quota", "type": "insufficient_quota", "code": "insufficient_quota"}})
		return
	case "hang":
		s.sleep(r, time.Minute)
		return
	case "latency":
		d, _ := time.ParseDuration(s.arg)
		s.sleep(r, d)
	case "jitter", "stubborn":
		s.sleep(r, time.Duration(rand.New(rand.NewPCG(uint64(n), 7919)).Float64()*50*float64(time.Millisecond)))
	case "context_limit":
		if limit, _ := strconv.Atoi(s.arg); utf8.RuneCountInString(user) > limit {
			reply(w, 400, map[string]any{"error": map[string]any{
				"message": fmt.Sprintf("This model's maximum context length is %d tokens. However, your request has more.", limit), "type": "BadRequestError", "param": nil, "code": 400,
			}})
			return
		}
	case "fail_on":
		for _, t := range texts {
			if strings.Contains(t, s.arg) {
				reply(w, 500, map[string]any{"error": "model crashed"})
				return
			}
		}
	case "echo_key": // answers, and errors every third time, with the key in them
		if n%3 == 0 {
			reply(w, 401, map[string]any{"error": map[string]any{"message": "Incorrect API key provided: " + r.Header.Get("Authorization")}})
			return
		}
	case "content_filter":
		reply(w, 200, completion(nil, "content_filter", 9, 0))
		return
	}
	finish := "stop"
	if s.mood == "truncate" {
		finish = "length"
	}
	var content string
	switch {
	case s.mood == "invalid_json":
		content = `{"translations":[{"id":0,"text":"Gabon`
	case segments != nil:
		type out struct {
			ID   jsontext.Value `json:"id"`
			Text string         `json:"text"`
		}
		list := []out{}
		for _, g := range segments {
			list = append(list, out{g.ID, s.Translate(g.Text)})
		}
		if s.mood == "drop_segment" && len(list) > 1 {
			list = list[:len(list)-1]
		}
		b, _ := json.Marshal(map[string]any{"translations": list})
		content = string(b)
	default:
		content = s.Translate(texts[0])
	}
	if s.mood == "echo_key" && n%3 == 1 {
		content += " " + r.Header.Get("Authorization")
	}
	reply(w, 200, completion(&content, finish, len(user)/4, len(content)/4))
}

func (s *Server) sleep(r *http.Request, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-r.Context().Done():
	case <-s.closing:
	}
}

func segmentsOf(user string) []wireSegment {
	i := strings.IndexByte(user, '{')
	if i < 0 || !strings.Contains(user, `"segments"`) {
		return nil
	}
	d := jsontext.NewDecoder(strings.NewReader(user[i:]))
	v, err := d.ReadValue()
	if err != nil {
		return nil
	}
	var o struct {
		Segments []wireSegment `json:"segments"`
	}
	if json.Unmarshal(v, &o) != nil {
		return nil
	}
	return o.Segments
}

func completion(content *string, finish string, in, out int) map[string]any {
	return map[string]any{
		"id": "x", "object": "chat.completion", "created": 0, "model": "fake",
		"choices": []any{map[string]any{"index": 0, "message": map[string]any{"role": "assistant", "content": content}, "finish_reason": finish}},
		"usage":   map[string]any{"prompt_tokens": in, "completion_tokens": out, "total_tokens": in + out},
	}
}

func reply(w http.ResponseWriter, code int, body any) {
	b, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(code)
	_, _ = w.Write(b)
}

// Translate is the server's answer to one text.
func (s *Server) Translate(text string) string {
	in := func(words []string, salt string) string {
		return runs(text, func(w string) string { return pick(words, w, salt) })
	}
	switch s.mood {
	case "nondeterministic":
		return in(eu, strconv.FormatInt(s.n.Add(1), 10))
	case "constant":
		return "Bai, berehala."
	case "echo":
		return text
	case "stubborn":
		if strings.Contains(text, s.arg) {
			return text
		}
	case "spanish":
		return in(es, "")
	case "loop":
		return strings.TrimSuffix(strings.Repeat(in(eu, "")+" ", 12), " ")
	case "truncate":
		r := []rune(in(eu, ""))
		return string(r[:len(r)/3])
	case "chatty":
		return "Sure! Here is the translation:\n\n\"" + in(eu, "") + "\""
	case "drop_placeholders":
		return placeholder.ReplaceAllString(in(eu, ""), "")
	case "mangle_placeholders":
		return placeholder.ReplaceAllStringFunc(in(eu, ""), func(m string) string {
			return strings.Join(strings.Split(strings.ToLower(m), ""), " ")
		})
	case "dup_placeholders":
		return placeholder.ReplaceAllString(in(eu, ""), "$0 $0")
	case "reverse_order":
		f := strings.Split(in(eu, ""), " ")
		for i, j := 0, len(f)-1; i < j; i, j = i+1, j-1 {
			f[i], f[j] = f[j], f[i]
		}
		return strings.Join(f, " ")
	case "alter_numbers":
		return strings.Map(func(r rune) rune {
			if r >= '0' && r <= '9' {
				return '0' + (r-'0'+1)%10
			}
			return r
		}, in(eu, ""))
	}
	return in(eu, "")
}

// pick chooses a word by hash: the same one for the same word.
func pick(words []string, w, salt string) string {
	sum := sha1.Sum([]byte(salt + strings.ToLower(w)))
	n := new(big.Int).SetBytes(sum[:])
	return words[n.Mod(n, big.NewInt(int64(len(words)))).Int64()]
}

// runs replaces every run of two letters or more that touches no digit or underscore, and no placeholder.
func runs(s string, f func(string) string) string {
	var b strings.Builder
	at := 0
	for _, m := range placeholder.FindAllStringIndex(s, -1) {
		letters(&b, s[at:m[0]], f)
		b.WriteString(s[m[0]:m[1]])
		at = m[1]
	}
	letters(&b, s[at:], f)
	return b.String()
}

func letters(b *strings.Builder, s string, f func(string) string) {
	for i := 0; i < len(s); {
		from, n, pure := i, 0, true
		for i < len(s) {
			r, size := utf8.DecodeRuneInString(s[i:])
			if !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.Is(unicode.N, r) && r != '_' {
				break
			}
			pure = pure && unicode.IsLetter(r)
			i += size
			n++
		}
		switch w := s[from:i]; {
		case n == 0:
			_, size := utf8.DecodeRuneInString(s[i:])
			b.WriteString(s[i : i+size])
			i += size
		case n >= 2 && pure:
			t := f(w)
			if first, _ := utf8.DecodeRuneInString(w); unicode.IsUpper(first) {
				r, size := utf8.DecodeRuneInString(t)
				t = string(unicode.ToUpper(r)) + t[size:]
			}
			b.WriteString(t)
		default:
			b.WriteString(w)
		}
	}
}
