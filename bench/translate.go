package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"curate/translate/translatetest"
)

// flights is how many requests at a time the fake server of the benchmark "flight" is asked; each is answered after -latency.
const flights = 500

// runFlight measures how much of a server's time curate translate uses, beside a loop that does nothing but send.
func runFlight(s *session) error {
	bin, err := s.buildCurate()
	if err != nil {
		return err
	}
	file := filepath.Join(s.dir, "flight.jsonl")
	texts, err := segments(file, s.options.segments, 1)
	if err != nil {
		return err
	}
	r, bare := &row{name: fmt.Sprintf("curate translate, %d in flight", flights), note: ", whole process"}, &row{name: "limit: a loop that sends"}
	latency := s.options.latency
	allows := float64(flights) / latency.Seconds()
	for round := 1; round <= s.options.runs; round++ {
		err := withServer("latency:"+latency.String(), func(srv *translatetest.Server) error {
			t, err := sendAll(srv.URL, texts)
			if err != nil {
				return err
			}
			s.add(bare, measurement{Bench: "flight", Name: bare.name, Round: round, Unit: "segments", result: result{
				Docs: int64(len(texts)), Passes: 1, Wall: t.Seconds(),
			}, More: map[string]any{"per_second": float64(len(texts)) / t.Seconds()}})
			fmt.Printf("flight: bare loop %.0f segments/s of %.0f that the server allows\n", float64(len(texts))/t.Seconds(), allows)
			return nil
		})
		if err != nil {
			return err
		}
		err = withServer("latency:"+latency.String(), func(srv *translatetest.Server) error {
			out, tm := filepath.Join(s.dir, "flight-out.jsonl"), filepath.Join(s.dir, fmt.Sprintf("flight-tm-%d", round))
			u, err := s.measure(command{argv: []string{
				bin, "translate", "-q", "--from", "en", "--to", "eu", "--backend", "openai", "--base-url", srv.URL, "--model", "fake",
				"--max-concurrency", fmt.Sprint(flights), "--segments-per-request", "1", "--memory-dir", tm, "-o", out, file,
			}})
			if err != nil {
				return err
			}
			if err := sameTranslations(out, texts, srv, 1); err != nil {
				return err
			}
			requests, _, _ := srv.Seen()
			rate := float64(requests) / u.Wall
			s.add(r, measurement{Bench: "flight", Name: r.name, Round: round, Unit: "segments", Process: true, result: result{
				Docs: int64(len(texts)), Passes: 1, CPU: u.CPU, Sys: u.Sys, Wall: u.Wall, Foreign: u.Foreign, Kept: int64(len(texts)), PeakRSS: u.RSS,
			}, More: map[string]any{"per_second": rate, "peak_in_flight": srv.Peak()}})
			fmt.Printf("flight: curate %.0f segments/s, %.1f %% of what the server allows; at most %d in flight, %.1f MiB, %.0f µs of CPU a segment\n",
				rate, 100*rate/allows, srv.Peak(), float64(u.RSS)/(1<<20), u.CPU/float64(len(texts))*1e6)
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// runMillion measures a million distinct segments in 1 GiB, and the same again from the memory.
func runMillion(s *session) error {
	bin, err := s.buildCurate()
	if err != nil {
		return err
	}
	const lines = 20
	file := filepath.Join(s.dir, "million.jsonl")
	texts, err := segments(file, s.options.million, lines)
	if err != nil {
		return err
	}
	tm := filepath.Join(s.dir, "million-tm")
	for _, pass := range []string{"asked for", "from the memory"} {
		err := withServer("ok", func(srv *translatetest.Server) error {
			out := filepath.Join(s.dir, "million-out.jsonl")
			u, err := s.measure(command{argv: []string{
				bin, "translate", "-q", "--from", "en", "--to", "eu", "--backend", "openai", "--base-url", srv.URL, "--model", "fake", "--memory", "1GiB",
				"--memory-dir", tm, "-o", out, file,
			}})
			if err != nil {
				return err
			}
			if u.RSS > 1<<30 {
				return fmt.Errorf("%w: %d bytes of memory", errOutput, u.RSS)
			}
			if err := sameTranslations(out, texts, srv, lines); err != nil {
				return err
			}
			_, asked, _ := srv.Seen()
			if pass == "from the memory" && asked > 0 || pass != "from the memory" && asked != len(texts) {
				return fmt.Errorf("%w: %d segments were asked for", errOutput, asked)
			}
			r := &row{name: "1 GiB, " + pass, note: ", whole process"}
			s.add(r, measurement{Bench: "million", Name: r.name, Round: 1, Unit: "segments", Process: true, result: result{
				Docs: int64(len(texts)), Passes: 1, CPU: u.CPU, Sys: u.Sys, Wall: u.Wall, Foreign: u.Foreign, Kept: int64(len(texts)), PeakRSS: u.RSS,
			}, More: map[string]any{"per_second": float64(len(texts)) / u.Wall}})
			fmt.Printf("million: %d segments %s in %.1f s, %.0f a CPU second, %.1f MiB\n", len(texts), pass, u.Wall, float64(len(texts))/u.CPU, float64(u.RSS)/(1<<20))
			return nil
		})
		if err != nil {
			return err
		}
	}
	if st, err := os.Stat(filepath.Join(tm, "memory.log")); err == nil {
		fmt.Printf("million: %.0f bytes a segment on disk\n", float64(st.Size())/float64(len(texts)))
	}
	return nil
}

func withServer(mood string, f func(*translatetest.Server) error) error {
	srv, err := translatetest.NewServer(mood)
	if err != nil {
		return err
	}
	defer srv.Close()
	srv.Quiet = true
	return f(srv)
}

// segments writes rows of so many lines each, n distinct lines in all, and returns the lines.
func segments(name string, n, lines int) ([]string, error) {
	words := strings.Fields("river mountain garden window market bridge forest school kitchen island village doctor engine teacher farmer castle harbour library")
	f, err := os.Create(name)
	if err != nil {
		return nil, err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	var texts []string
	for i := 0; i < n; i += lines {
		var row []string
		for k := i; k < min(i+lines, n); k++ {
			a, b, c := k%18, k/18%18, k/324%18
			row = append(row, fmt.Sprintf("The %s behind the %s is as old as the %s of house %d.", words[a], words[b], words[c], k))
		}
		texts = append(texts, row...)
		b, err := json.Marshal(map[string]any{"id": i, "text": strings.Join(row, "\n")})
		if err != nil {
			return nil, err
		}
		w.Write(append(b, '\n'))
	}
	if err := w.Flush(); err != nil {
		return nil, err
	}
	return texts, f.Close()
}

// sameTranslations checks that every row is there, in order, with what the server answers.
func sameTranslations(name string, texts []string, srv *translatetest.Server, lines int) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	r := bufio.NewScanner(f)
	r.Buffer(nil, 1<<20)
	i := 0
	for r.Scan() {
		var row struct{ Text string }
		if err := json.Unmarshal(r.Bytes(), &row); err != nil {
			return err
		}
		got := strings.Split(row.Text, "\n")
		for k, g := range got {
			if i+k >= len(texts) || g != srv.Translate(texts[i+k]) {
				return fmt.Errorf("%w: row %d is %q", errOutput, i, row.Text)
			}
		}
		i += len(got)
	}
	if i != len(texts) {
		return fmt.Errorf("%w: %d of %d segments", errOutput, i, len(texts))
	}
	return r.Err()
}

// sendAll sends a request a text, as many at a time as the server allows, and reads the answers.
func sendAll(url string, texts []string) (time.Duration, error) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: flights, MaxConnsPerHost: flights}}
	defer client.CloseIdleConnections()
	var next atomic.Int64
	var failed atomic.Value
	began := time.Now()
	var wg sync.WaitGroup
	for range flights {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(texts) || failed.Load() != nil {
					return
				}
				q, err := json.Marshal(map[string]any{"segments": []any{map[string]any{"id": 0, "text": texts[i]}}})
				if err == nil {
					var body []byte
					body, err = json.Marshal(map[string]any{"model": "fake", "messages": []any{map[string]any{"role": "user", "content": string(q)}}})
					if err == nil {
						var resp *http.Response
						if resp, err = client.Post(url+"/chat/completions", "application/json", bytes.NewReader(body)); err == nil {
							_, err = io.Copy(io.Discard, resp.Body)
							resp.Body.Close()
						}
					}
				}
				if err != nil {
					failed.CompareAndSwap(nil, err)
					return
				}
			}
		})
	}
	wg.Wait()
	if err, ok := failed.Load().(error); ok {
		return 0, err
	}
	return time.Since(began), nil
}
