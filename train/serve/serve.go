// Package serve answers requests of OpenAI's API (completions, chats, models) with a model that it is given.
//
// parameters.go says what may stand in a request, a table; request.go reads one, and prompt.go makes tokens of it. queue.go is where
// prompts wait until the writer (train/generate) has a place for them: it writes all of them together, a token of each at a time, and
// requests come and go between tokens. answer.go and stream.go make answers, scores.go their log-probabilities, problem.go errors.
//
// What is written for a request depends on the request alone. Nothing of a request is kept, logged, or looked for in a file.
package serve

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"curate/tokenize"
	"curate/tokenize/chat"
	"curate/train/generate"
)

// Config of a Server.
type Config struct {
	// Writer writes. It must be Apart, and is the server's alone while Run runs; Prompts and Chats encode for it.
	Writer    *generate.Writer
	Prompts   *generate.Prompts
	Chats     *chat.Encoder
	Tokenizer *tokenize.Tokenizer
	// Context is how many tokens a prompt and its completion may have together, and Vocabulary how many the model knows.
	Context, Vocabulary int
	// Name is what the model is called.
	Name string
	// Key is what clients must give; "" is nothing.
	Key string
	// Parallel requests are answered at a time, at most, and Queue more may wait; others are refused.
	Parallel, Queue int
	// Memory is what requests and their answers may take, in bytes, of all that are in hand.
	Memory int64
	// Defaults are values of what a request does not say: repetition penalty, top-k, top-p, min-p. OpenAI's temperature is 1.
	Defaults generate.Sampling
	// Log gets a line for each request; nil: nobody does.
	Log func(string)

	// For tests: the time, ids of answers and seeds of requests that bring none are otherwise those of the clock and of chance.
	Now  func() time.Time
	Seed func() uint64
	ID   func() string
}

// Server answers requests.
type Server struct {
	Config
	queue   *queue
	began   time.Time
	key     [sha256.Size]byte
	encoder sync.Mutex // of Prompts and Chats
	room    room
	broken  chan struct{} // closed when nothing is written any more
	why     error

	requests, refused, tokens atomic.Int64
}

// New makes a server.
func New(c Config) *Server {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Seed == nil {
		c.Seed = rand.Uint64
	}
	s := &Server{Config: c, began: c.Now(), key: sha256.Sum256([]byte("Bearer " + c.Key)), broken: make(chan struct{})}
	if c.ID == nil {
		from, n := uint64(s.began.UnixNano()), atomic.Uint64{}
		s.ID = func() string { return fmt.Sprintf("%x-%d", from, n.Add(1)) }
	}
	s.queue = newQueue()
	s.room = room{requests: c.Parallel + c.Queue, bodies: c.Memory / 2, answers: c.Memory / 2}
	return s
}

// Limits that keep a client from holding on to a connection.
const (
	headerTime = 10 * time.Second
	bodyTime   = time.Minute
	writeTime  = time.Minute // of a piece of an answer, which fits into the system's buffers unless nobody reads
	idleTime   = 2 * time.Minute
	headerSize = 64 << 10
)

// Run answers what comes to the listener until ctx is done; then it answers what it has begun, and gives the cause. The model
// runs on the caller's goroutine.
func (s *Server) Run(ctx context.Context, l net.Listener) error {
	h := &http.Server{Handler: s, ReadHeaderTimeout: headerTime, IdleTimeout: idleTime, MaxHeaderBytes: headerSize, ErrorLog: log.New(logWriter(s.log), "", 0)}
	served := make(chan error, 1)
	go func() { served <- h.Serve(l) }()
	var failed error
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer s.queue.close()
		select {
		case <-ctx.Done():
			failed = context.Cause(ctx)
			_ = h.Shutdown(context.Background()) // closing the listener: there is nothing to do about an error
		case failed = <-served:
		case <-s.broken:
		}
	}()
	err := s.Writer.Each(context.Background(), s.queue.next)
	if s.why = err; err == nil {
		s.why = errors.New("the server has ended")
	}
	close(s.broken)
	<-ended
	_ = h.Close()
	return cmp.Or(err, failed)
}

type logWriter func(format string, args ...any)

func (w logWriter) Write(b []byte) (int, error) {
	w("%s", strings.TrimRight(string(b), "\n"))
	return len(b), nil
}

func (s *Server) log(format string, args ...any) {
	if s.Log != nil {
		s.Log(fmt.Sprintf(format, args...))
	}
}

// Counts are how many requests were answered and refused, tokens written, and requests in hand.
func (s *Server) Counts() (answered, refused, tokens int64, inHand int) {
	return s.requests.Load(), s.refused.Load(), s.tokens.Load(), s.room.inHand()
}

// route is a path, and what answers there.
type route struct {
	method, path string
	answer       func(*Server, http.ResponseWriter, *http.Request) error
}

// routes in the order in which messages name them.
var routes = []route{
	{http.MethodPost, "/v1/chat/completions", func(s *Server, w http.ResponseWriter, r *http.Request) error { return s.complete(w, r, onChat) }},
	{http.MethodPost, "/v1/completions", func(s *Server, w http.ResponseWriter, r *http.Request) error { return s.complete(w, r, onCompletions) }},
	{http.MethodGet, "/v1/models", (*Server).models},
	{http.MethodGet, "/health", (*Server).health},
}

// ServeHTTP answers a request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	status := &statusWriter{ResponseWriter: w}
	err := s.serve(status, r)
	p := (*problem)(nil)
	switch {
	case err == nil && r.Method == http.MethodPost:
		s.requests.Add(1)
	case err == nil:
	case errors.As(err, &p):
		s.refused.Add(1)
		if status.status == 0 {
			p.write(status)
		}
	default: // the client has gone, or does not read
		s.refused.Add(1)
	}
	// What is left in buffers is sent while there is still a limit; the connection's next request begins without one.
	c := http.NewResponseController(w)
	_ = c.Flush()
	_ = c.SetWriteDeadline(time.Time{})
	// Messages say what stands in requests, and are not for a log.
	said := ""
	if p != nil {
		said = ", " + p.code
	} else if err != nil {
		said = ", " + err.Error()
	}
	s.log("%s %s %d, %.3f s%s", r.Method, shortened(r.URL.EscapedPath()), status.status, time.Since(began).Seconds(), said)
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) error {
	given := sha256.Sum256([]byte(r.Header.Get("Authorization")))
	if s.Key != "" && r.URL.Path != "/health" && subtle.ConstantTimeCompare(given[:], s.key[:]) != 1 {
		return &problem{status: http.StatusUnauthorized, kind: "authentication_error", code: "invalid_api_key", message: "the key is missing or wrong; send it as Authorization: Bearer KEY"}
	}
	model, ofModel := strings.CutPrefix(r.URL.Path, "/v1/models/")
	var paths []string
	for _, known := range routes {
		if r.URL.Path != known.path && !(ofModel && known.path == "/v1/models") {
			paths = append(paths, known.path)
			continue
		}
		if r.Method != known.method && !(r.Method == http.MethodHead && known.method == http.MethodGet) {
			w.Header().Set("Allow", known.method)
			return &problem{status: http.StatusMethodNotAllowed, code: "method_not_allowed", message: fmt.Sprintf("%s is asked with %s, not %s", known.path, known.method, r.Method)}
		}
		if ofModel && model != s.Name {
			return s.noModel(model)
		}
		return known.answer(s, w, r)
	}
	return &problem{status: http.StatusNotFound, code: "not_found", message: fmt.Sprintf("there is nothing at %s; there is %s", shortened(r.URL.Path), strings.Join(paths, ", "))}
}

func (s *Server) noModel(name string) *problem {
	return &problem{status: http.StatusNotFound, param: "model", code: "model_not_found", message: fmt.Sprintf("there is no model %q here; it is called %q", shortened(name), s.Name)}
}

// statusWriter knows what status was sent; 0: nothing yet.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (s *Server) health(w http.ResponseWriter, _ *http.Request) error {
	return writeJSON(w, map[string]string{"status": "ok"})
}

// models is the list with the one model, or the model.
func (s *Server) models(w http.ResponseWriter, r *http.Request) error {
	m := modelJSON{ID: s.Name, Object: "model", Created: s.began.Unix(), OwnedBy: "curate", MaxModelLen: s.Context}
	if r.URL.Path != "/v1/models" {
		return writeJSON(w, m)
	}
	return writeJSON(w, map[string]any{"object": "list", "data": []modelJSON{m}})
}

// modelJSON is a model; max_model_len is vLLM's name of its context, which clients look for.
type modelJSON struct {
	ID          string `json:"id"`
	Object      string `json:"object"`
	Created     int64  `json:"created"`
	OwnedBy     string `json:"owned_by"`
	MaxModelLen int    `json:"max_model_len"`
}
