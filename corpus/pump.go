package corpus

import (
	"context"
	"io"
	"time"
)

const (
	pumpSize = 256 << 10 // four times a pipe's buffer
	// pumpIdle is how long a silent writer lets records wait: long beside a batch, short for a person.
	pumpIdle = 100 * time.Millisecond
)

// pump reads a stream, as it is stored, in a goroutine of its own, so that a silent writer neither holds back the records that
// have come (Paused) nor keeps a cancelled run from ending: the goroutine then stays behind in its read.
type pump struct {
	ctx    context.Context
	full   chan piece
	empty  chan []byte
	quit   chan struct{}
	now    piece
	rest   []byte
	paused bool
}

type piece struct {
	buf []byte
	err error
}

func newPump(ctx context.Context, r io.Reader, closes []func() error) *pump {
	p := &pump{ctx: ctx, full: make(chan piece, 2), empty: make(chan []byte, 2), quit: make(chan struct{})}
	p.empty <- make([]byte, pumpSize)
	p.empty <- make([]byte, pumpSize)
	go func() {
		defer func() {
			for i := len(closes) - 1; i >= 0; i-- {
				_ = closes[i]() // a decoder and a stream that was only read
			}
		}()
		for {
			var b []byte
			select {
			case b = <-p.empty:
			case <-p.quit:
				return
			}
			n, err := r.Read(b[:pumpSize])
			select {
			case p.full <- piece{b[:n], err}:
			case <-p.quit:
				return
			}
			if err != nil {
				return
			}
		}
	}()
	return p
}

func (p *pump) Read(b []byte) (int, error) {
	p.paused = false
	for len(p.rest) == 0 {
		if p.now.err != nil {
			return 0, p.now.err
		}
		if p.now.buf != nil {
			p.empty <- p.now.buf
			p.now = piece{}
		}
		select {
		case p.now = <-p.full:
			p.rest = p.now.buf
		case <-p.ctx.Done():
			return 0, context.Cause(p.ctx)
		}
	}
	n := copy(b, p.rest)
	p.rest = p.rest[n:]
	return n, nil
}

// Paused waits a moment for more to come and says whether nothing did.
func (p *pump) Paused() bool {
	if len(p.rest) > 0 || p.now.err != nil || len(p.full) > 0 {
		return false
	}
	t := time.NewTimer(pumpIdle)
	defer t.Stop()
	select {
	case next := <-p.full:
		if p.now.buf != nil {
			p.empty <- p.now.buf
		}
		p.now, p.rest = next, next.buf
		return false
	case <-t.C:
		return true
	case <-p.ctx.Done():
		return true
	}
}

func (p *pump) Close() error {
	close(p.quit)
	return nil
}
