package runs

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"testing"

	"curate/stage"
	"curate/stage/stagetest"
)

// counting is a workspace that knows how many files were open at once.
type counting struct {
	*stagetest.Workspace
	most int
}

func (c *counting) Open(ctx context.Context, name string) (stage.ReaderAt, int64, error) {
	f, n, err := c.Workspace.Open(ctx, name)
	c.most = max(c.most, c.Opened())
	return f, n, err
}

func sortAll(ctx context.Context, ws stage.Workspace, items []byte, width, limit int) error {
	s := NewSorter(ws, width, limit)
	s.Reset("x")
	for i := 0; i < len(items); i += width {
		if err := s.Add(ctx, items[i:i+width]); err != nil {
			return err
		}
	}
	if err := ws.Make(ctx, "out", func(w io.Writer) error { return s.Merge(ctx, w) }); err != nil {
		return err
	}
	return s.Remove(ctx)
}

func contents(t *testing.T, ws stage.Workspace, name string) []byte {
	t.Helper()
	f, size, err := ws.Open(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(io.NewSectionReader(f, 0, size))
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	return b
}

func TestSorter(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 0))
	const width = 12
	for _, n := range []int{0, 1, 4, 5, 4 * FanIn, 4*FanIn + 1, 4*FanIn*3 - 1, 4 * FanIn * 20, 4*FanIn*FanIn + 4*FanIn*7 + 2} {
		items := make([]byte, n*width)
		for i := range items {
			items[i] = byte(rng.IntN(9))
		}
		ws := &counting{Workspace: stagetest.NewWorkspace(1, 1)}
		if err := sortAll(t.Context(), ws, items, width, 4*width+3); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(contents(t, ws, "out"), sorted(items, width)) {
			t.Errorf("%d items are not sorted", n)
		}
		if ws.most > FanIn || ws.Opened() > 0 || len(ws.Names()) != 1 {
			t.Errorf("%d items: %d files were open at once, %d still are; files %v are left", n, ws.most, ws.Opened(), ws.Names())
		}
	}
}

// TestSorterKilled goes on after kills; the workspace compares what attempts write under one name.
func TestSorterKilled(t *testing.T) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	const width = 8
	items := make([]byte, 2*FanIn*3*width+width)
	for i := range items {
		items[i] = byte(rng.Uint32())
	}
	want := sorted(items, width)
	for range 40 {
		ws := stagetest.NewWorkspace(1, 1)
		for {
			ws.FailMake(1+rng.IntN(3*FanIn+10), stagetest.Moment(rng.IntN(4)))
			err := sortAll(t.Context(), ws, items, width, 2*width)
			if ws.Err() != nil {
				t.Fatalf("seed %d: %v", seed, ws.Err())
			}
			if !ws.Killed() {
				if err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
				break
			}
			if !errors.Is(err, stagetest.ErrKilled) {
				t.Fatalf("seed %d: killed, and the sorter says %v", seed, err)
			}
			if ws.Opened() > 0 {
				t.Fatalf("seed %d: killed, and %d files stay open", seed, ws.Opened())
			}
			ws.Resume(1, 1)
		}
		if !bytes.Equal(contents(t, ws, "out"), want) {
			t.Fatalf("seed %d: not sorted after kills", seed)
		}
	}
}

func TestSorterStops(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	ws := stagetest.NewWorkspace(1, 1)
	s := NewSorter(ws, 1, 2)
	s.Reset("x")
	for _, c := range []byte("edcba") {
		if err := s.Add(ctx, []byte{c}); err != nil {
			t.Fatal(err)
		}
	}
	stop()
	if err := s.Merge(ctx, io.Discard); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled, and Merge says %v", err)
	}
}
