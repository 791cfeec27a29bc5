//go:build unix

package backends

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// BenchmarkInFlight keeps 500 requests in flight against a server that takes 200 ms for each, which allows 2,500 a second. It
// says what share of that comes through, the processor time of a request (the server's part included, and with that of a bare
// client for comparison), and the heap. Where the machine is too busy for 2,500 a second, a second does: 500. Run it for some
// seconds: -bench InFlight -benchtime 20000x.
func BenchmarkInFlight(b *testing.B) {
	for _, latency := range []time.Duration{200 * time.Millisecond, time.Second} {
		b.Run(latency.String(), func(b *testing.B) { benchmarkInFlight(b, latency) })
	}
}

func benchmarkInFlight(b *testing.B, latency time.Duration) {
	const inFlight = 500
	answer := []byte(chat(`{"translations":[{"id":0,"text":"Ireki leihoa eta itxi atea."},{"id":1,"text":"Gorde fitxategia."}]}`, "stop"))
	f := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		time.Sleep(latency)
		w.Write(answer)
	}))
	defer f.Close()
	segments := []string{"Open the window and close the door.", "Save the file."}

	run := func(b *testing.B, ramp int, one func() error) {
		var left atomic.Int64
		work := func(n int) {
			left.Store(int64(n))
			var all sync.WaitGroup
			for range inFlight + 50 { // more than fit, as a pipeline has
				all.Go(func() {
					for left.Add(-1) >= 0 {
						if err := one(); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			all.Wait()
		}
		work(ramp)
		runtime.GC()
		var m0, m1 runtime.MemStats
		runtime.ReadMemStats(&m0)
		cpu, began := processor(), time.Now()
		b.ResetTimer()
		work(b.N)
		took := time.Since(began)
		b.StopTimer()
		b.ReportMetric((processor()-cpu).Seconds()*1e6/float64(b.N), "cpu-µs/op")
		runtime.ReadMemStats(&m1)
		b.ReportMetric(float64(m1.Mallocs-m0.Mallocs)/float64(b.N), "mallocs/op")
		b.ReportMetric(float64(m1.TotalAlloc-m0.TotalAlloc)/float64(b.N), "B/op")
		runtime.GC()
		runtime.ReadMemStats(&m1)
		b.ReportMetric(float64(m0.HeapInuse)/(1<<20), "MB-before")
		b.ReportMetric(float64(m1.HeapInuse)/(1<<20), "MB-after")
		// The last round trip drains: what N requests allow is N/500 rounds.
		rounds := (b.N + inFlight - 1) / inFlight
		b.ReportMetric(100*float64(rounds)*latency.Seconds()/took.Seconds(), "%ofallowed")
		b.ReportMetric(float64(b.N)/took.Seconds(), "req/s")
	}
	b.Run("backend", func(b *testing.B) {
		o := OpenAI{BaseURL: f.URL, Model: "m", Policy: Policy{MaxConcurrency: inFlight}}
		t, err := newOpenAI(o, ordinaryPace)
		if err != nil {
			b.Fatal(err)
		}
		defer t.Close()
		run(b, 4000, func() error {
			_, err := t.Translate(context.Background(), &Request{From: "en", To: "eu", Segments: segments})
			return err
		})
		s := t.Stats()
		b.ReportMetric(float64(s.Limit), "limit")
		b.ReportMetric(s.P50.Seconds()*1000, "p50-ms")
		b.ReportMetric(s.P95.Seconds()*1000, "p95-ms")
	})
	b.Run("bare", func(b *testing.B) {
		t := newTransport(inFlight)
		defer t.close()
		gate := make(chan struct{}, inFlight)
		body := make([]byte, 3000)
		run(b, 1000, func() error {
			gate <- struct{}{}
			defer func() { <-gate }()
			req, _ := http.NewRequest("POST", f.URL, &repeatReader{body})
			req.ContentLength = int64(len(body))
			resp, err := t.http.Do(req)
			if err == nil {
				io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
			}
			return err
		})
	})
}

type repeatReader struct{ b []byte }

func (r *repeatReader) Read(p []byte) (int, error) {
	if len(r.b) == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.b)
	r.b = r.b[n:]
	return n, nil
}

// processor time of this process so far.
func processor() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
