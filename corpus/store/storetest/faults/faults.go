// Package faults is what goes wrong with requests to the servers of tests: resets, errors, answers that are lost, bodies that are
// cut or stall.
package faults

import (
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"time"
)

// Fault is what goes wrong with a request. The zero value is nothing.
type Fault struct {
	Status int           // an answer of that status in place of the request
	Reset  bool          // the connection is reset before the request is done
	Lost   bool          // the request is done, and the connection is reset before its answer
	Cut    float64       // of a body, that share comes, and then the connection is reset
	Stall  bool          // of a body, half comes, and then nothing more
	Delay  time.Duration // before anything else
}

// Faults decides about a request: the nth, from 1, of its action, as the server calls it. It is called from one goroutine at a time.
type Faults func(action string, n int) Fault

// On lets the requests of one action fail, each with the next of the faults, and those behind them succeed.
func On(act string, faults ...Fault) Faults {
	seen := 0
	return func(action string, n int) Fault {
		if action != act || seen == len(faults) {
			return Fault{}
		}
		seen++
		return faults[seen-1]
	}
}

// Storm lets one request in every five fail with 503 and about as many more in each other way: resets before and after,
// bodies that are cut, 500, 409 and 412, as seed has it.
func Storm(seed uint64) Faults {
	rng := rand.New(rand.NewPCG(seed, 14))
	return func(action string, n int) Fault {
		switch p := rng.IntN(100); {
		case p < 20:
			return Fault{Status: http.StatusServiceUnavailable}
		case p < 23:
			return Fault{Status: http.StatusInternalServerError}
		case p < 26:
			return Fault{Status: http.StatusConflict}
		case p < 29:
			return Fault{Status: http.StatusPreconditionFailed}
		case p < 32:
			return Fault{Reset: true}
		case p < 35:
			return Fault{Lost: true}
		case p < 45 && strings.HasPrefix(action, "Get"):
			return Fault{Cut: rng.Float64()}
		}
		return Fault{}
	}
}

// Reset ends a connection as a machine that is gone would.
func Reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	conn.Close()
}

// Lost is an answer that nobody gets.
func Lost() http.ResponseWriter { return lost{http.Header{}} }

type lost struct{ h http.Header }

func (l lost) Header() http.Header         { return l.h }
func (l lost) WriteHeader(int)             {}
func (l lost) Write(p []byte) (int, error) { return len(p), nil }
func (l lost) Flush()                      {}
