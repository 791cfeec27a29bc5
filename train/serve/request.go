package serve

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"curate/stage"
	"curate/train/generate"
)

// request is what a client has asked for.
type request struct {
	on        kind
	model     string
	prompts   []prompt       // completions
	messages  jsontext.Value // chat
	variables jsontext.Value // of its template; nil: none
	most      int            // tokens of a completion; -1: as many as there is room for
	samples   int
	best      int // 0: not given
	sampling  generate.Sampling
	seeded    bool
	stops     []string
	stream    bool
	usage     bool // in a stream
	echo      bool
	scores    bool
	top       int
	topGiven  bool
}

// defaultMost is how many tokens a completion has where the request does not say, as OpenAI has it; a chat's has as many as
// there is room for.
const defaultMost = 16

// leastTemperature is what is not taken for 0: clients that cannot send 0 send the smallest number they have.
const leastTemperature = 1e-6

// parse reads the body of a request.
func (s *Server) parse(on kind, body []byte) (*request, error) {
	a := &request{on: on, most: -1, samples: 1, sampling: s.Defaults}
	a.sampling.Temperature = 1
	if on == onCompletions {
		a.most = defaultMost
	}
	d := jsontext.NewDecoder(bytes.NewReader(body))
	notJSON := func(err error) error {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return &problem{code: "invalid_json", message: fmt.Sprintf("the body is no JSON object: %v", err)}
	}
	if d.PeekKind() != '{' {
		_, err := d.ReadValue()
		if err == nil {
			err = errors.New("it is something else")
		}
		return nil, notJSON(err)
	}
	if _, err := d.ReadToken(); err != nil {
		return nil, notJSON(err)
	}
	for d.PeekKind() != '}' {
		t, err := d.ReadToken()
		if err != nil {
			return nil, notJSON(err)
		}
		name := t.String()
		v, err := d.ReadValue()
		if err != nil {
			return nil, notJSON(err)
		}
		if err := a.take(name, v.Clone()); err != nil {
			return nil, err
		}
	}
	if _, err := d.ReadToken(); err != nil {
		return nil, notJSON(err)
	}
	if _, err := d.ReadToken(); err != io.EOF {
		return nil, &problem{code: "invalid_json", message: "something stands behind the JSON object of the body"}
	}
	if a.model != "" && a.model != s.Name {
		return nil, s.noModel(a.model)
	}
	return a, a.check()
}

// take reads a parameter.
func (a *request) take(name string, v jsontext.Value) error {
	i, known := slices.BinarySearchFunc(parameters, name, func(p parameter, name string) int { return bytes.Compare([]byte(p.name), []byte(name)) })
	if !known || parameters[i].on&a.on == 0 {
		if v.Kind() == 'n' {
			return nil
		}
		var names []string
		for _, p := range parameters {
			if p.on&a.on != 0 {
				names = append(names, p.name)
			}
		}
		return &problem{param: shortened(name), code: "unknown_parameter", message: stage.UnknownName("parameter", shortened(name), names).Error()}
	}
	if v.Kind() == 'n' || parameters[i].read == nil {
		return nil
	}
	return parameters[i].read(a, name, v)
}

// check finds what is missing, and what does not go together.
func (a *request) check() error {
	switch {
	case a.on == onChat && a.messages == nil:
		return &problem{param: "messages", code: "missing_parameter", message: "messages are missing"}
	case a.on == onCompletions && a.prompts == nil:
		return &problem{param: "prompt", code: "missing_parameter", message: "prompt is missing"}
	case a.best > 0 && a.best != a.samples:
		return &problem{param: "best_of", code: "unsupported_parameter", message: "best_of is not supported here, unless it is n"}
	case a.topGiven && !a.scores:
		return invalid("top_logprobs", "it goes with logprobs: true")
	case a.usage && !a.stream:
		return invalid("stream_options", "it goes with stream: true")
	}
	if a.on == onChat && !a.scores {
		a.top = 0
	}
	if t := &a.sampling.Temperature; *t > 0 && *t < leastTemperature {
		*t = 0
	}
	wrong := ""
	if err := a.sampling.Check(func(name string) string { wrong = name; return name }); err != nil {
		return &problem{param: wrong, code: "invalid_value", message: err.Error()}
	}
	return nil
}

// read reads a body.
func (s *Server) read(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	c := http.NewResponseController(w)
	_ = c.SetReadDeadline(time.Now().Add(bodyTime)) // where there is no connection, as in tests, there is no deadline
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, s.largest()))
	_ = c.SetReadDeadline(time.Time{}) // the connection is watched from here on, for the client's going away
	switch {
	case errors.As(err, new(*http.MaxBytesError)):
		return nil, s.tooLarge()
	case err != nil:
		return nil, &problem{status: http.StatusRequestTimeout, code: "incomplete_body", message: "the body did not come whole: " + err.Error()}
	}
	return body, nil
}

// What things take, in bytes, for the limit of memory: rough and rather too much.
const (
	bodyBytes       = 4       // a byte of a body: it, its values, token ids
	tokenBytes      = 32      // a token: its id, its text, its text in JSON
	completionBytes = 64      // a log-probability in a completion: the number, the token's name, both in JSON
	chatBytes       = 200     // in a chat: with the token's bytes as numbers
	maxBody         = 8 << 20 // of a request
)

// largest is how many bytes a body may have.
func (s *Server) largest() int64 { return min(maxBody, s.Memory/(2*bodyBytes)) }

func (s *Server) tooLarge() *problem {
	return &problem{status: http.StatusRequestEntityTooLarge, code: "request_too_large", message: fmt.Sprintf("the body has more than %d bytes; ask in several requests", s.largest())}
}

// cost is what the answer will take.
func (a *request) cost() int64 {
	bytes, score := int64(0), int64(completionBytes)
	if a.on == onChat {
		score = chatBytes
	}
	for _, p := range a.prompts {
		prompt, completion := int64(len(p.ids)), int64(a.samples)*int64(p.most)
		if a.echo {
			completion += int64(a.samples) * prompt
		}
		bytes += tokenBytes * (prompt + completion)
		if a.scores {
			bytes += score * int64(1+a.top) * completion
		}
	}
	return bytes
}

func (s *Server) busy() *problem {
	return &problem{status: http.StatusTooManyRequests, kind: "rate_limit_error", code: "server_busy", message: fmt.Sprintf("%d requests are in hand, and there is no room for another; try again", s.room.inHand())}
}

// complete answers a request for completions, or for turns of a chat.
func (s *Server) complete(w http.ResponseWriter, r *http.Request, on kind) error {
	size := r.ContentLength
	if size > s.largest() {
		return s.tooLarge()
	}
	if size < 0 {
		size = s.largest()
	}
	taken := bodyBytes * size
	if !s.room.enter(taken) {
		return s.busy()
	}
	defer func() { s.room.leave(taken) }()
	body, err := s.read(w, r)
	if err != nil {
		return err
	}
	a, err := s.parse(on, body)
	if err != nil {
		return err
	}
	if err := s.encode(a); err != nil {
		return err
	}
	cost := a.cost()
	if most := s.Memory / 2; cost > most {
		return &problem{code: "request_too_large", message: fmt.Sprintf("prompts and completions, with what is asked about their tokens, may take %.1f MB, and there is room for %.1f MB: ask in several requests, or for fewer tokens", float64(cost)/1e6, float64(most)/1e6)}
	}
	if err := s.room.take(r.Context(), cost); err != nil {
		return err
	}
	defer s.room.give(cost)
	return s.write(w, r, a)
}
