package serve

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
)

// problem is an error as OpenAI's API has it.
type problem struct {
	status  int    // 0 is 400
	kind    string // "" is invalid_request_error
	param   string // of the request; "": none
	code    string
	message string
}

func (p *problem) Error() string { return p.message }

// invalid is about a parameter.
func invalid(param, format string, args ...any) *problem {
	return &problem{param: param, code: "invalid_value", message: param + ": " + fmt.Sprintf(format, args...)}
}

// failed is about the server.
func failed(err error) *problem {
	return &problem{status: http.StatusInternalServerError, kind: "server_error", code: "server_error", message: err.Error()}
}

type problemJSON struct {
	Error struct {
		Message string  `json:"message"`
		Type    string  `json:"type"`
		Param   *string `json:"param"`
		Code    string  `json:"code"`
	} `json:"error"`
}

func (p *problem) json() []byte {
	var out problemJSON
	out.Error.Message, out.Error.Type, out.Error.Code = p.message, cmp.Or(p.kind, "invalid_request_error"), p.code
	if p.param != "" {
		out.Error.Param = &p.param
	}
	b, err := json.Marshal(out)
	if err != nil { // the message has bytes of the request that are not UTF-8
		out.Error.Message = "the request is not UTF-8"
		b, _ = json.Marshal(out)
	}
	return b
}

func (p *problem) write(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	switch p.status {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		h.Set("Retry-After", "1")
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", "Bearer")
	}
	_ = send(w, cmp.Or(p.status, http.StatusBadRequest), append(p.json(), '\n')) // whoever is gone needs no error
}

// writeJSON sends an answer.
func writeJSON(w http.ResponseWriter, v any) error {
	b, err := json.Marshal(v, json.Deterministic(true))
	if err != nil {
		return failed(err)
	}
	w.Header().Set("Content-Type", "application/json")
	return send(w, http.StatusOK, append(b, '\n'))
}

// send sends a body, in pieces for each of which there is time.
func send(w http.ResponseWriter, status int, b []byte) error {
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(status)
	c := http.NewResponseController(w)
	for piece := range slices.Chunk(b, 64<<10) {
		_ = c.SetWriteDeadline(time.Now().Add(writeTime)) // where there is no connection, as in tests, there is no deadline
		if _, err := w.Write(piece); err != nil {
			return &sendError{err}
		}
	}
	return nil
}

// shortened is the beginning of what a client has sent, for messages.
func shortened(s string) string {
	if r := []rune(s); len(r) > 60 {
		return string(r[:59]) + "…"
	}
	return s
}
