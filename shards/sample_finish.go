package shards

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"curate/shards/mix"
	"curate/stage"
)

// sampleFile is the workspace's file that holds what was drawn.
const sampleFile = "sample"

// sampled is what it holds, as JSON.
type sampled struct {
	First  uint64         `json:"first"` // the least ID of all records
	Groups []sampledGroup `json:"groups"`
}

// sampledGroup is a group and the border behind the part of it that is in the sample.
type sampledGroup struct {
	Name             string   `json:"name"`
	Documents        int64    `json:"documents"`
	Measure          int64    `json:"measure"`
	SampledDocuments int64    `json:"sampled_documents"`
	SampledMeasure   int64    `json:"sampled_measure"`
	Mark             mix.Mark `json:"mark"`
}

// Finish implements stage.Reducer. It reads what was sealed three times, and a fourth time where Workspace.Memory is
// small: it uses half of that.
func (s *Sampler) Finish(ctx context.Context, sealed []stage.Sealed, ws stage.Workspace) (stage.Mapper, error) {
	err := ws.Make(ctx, sampleFile, func(w io.Writer) error {
		drawn, err := s.draw(ctx, sealed, ws.Memory()/2)
		if err != nil {
			return err
		}
		b, err := json.Marshal(drawn)
		if err != nil {
			return err
		}
		_, err = w.Write(b)
		return err
	})
	if err != nil {
		return nil, err
	}
	drawn, err := readSampled(ctx, ws)
	if err != nil {
		return nil, err
	}
	a := &sampleApply{s: s, groups: map[string]*sampledGroup{}, all: drawn.Groups, first: drawn.First}
	for i := range a.all {
		a.groups[a.all[i].Name] = &a.all[i]
	}
	return a, nil
}

// maxSampledSize is what the file has at most: 1,000 groups, of whose names JSON makes up to 6 bytes of one.
const maxSampledSize = maxSampleGroups*(6*maxGroupName+256) + 256

func readSampled(ctx context.Context, ws stage.Workspace) (_ *sampled, err error) {
	f, size, err := ws.Open(ctx, sampleFile)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if size > maxSampledSize {
		return nil, fmt.Errorf("sample: the file %q of the run has %d bytes, which none has; remove it and run again", sampleFile, size)
	}
	b, err := io.ReadAll(io.NewSectionReader(f, 0, size))
	if err != nil {
		return nil, err
	}
	drawn := &sampled{}
	if err := json.Unmarshal(b, drawn); err != nil {
		return nil, fmt.Errorf("sample: the file %q of the run is damaged: %w; remove it and run again", sampleFile, err)
	}
	return drawn, nil
}

// draw finds the borders.
func (s *Sampler) draw(ctx context.Context, sealed []stage.Sealed, memory int64) (*sampled, error) {
	drawn, err := s.census(ctx, sealed)
	if err != nil {
		return nil, err
	}
	all := int64(0)
	for i := range drawn.Groups {
		all += drawn.Groups[i].Documents
	}
	// A class of the marks is a group, or all of them together.
	class := func(group int) int { return 0 }
	wants := [][]int64{{s.want(all)}}
	if s.cfg.PerGroup {
		class = func(group int) int { return group }
		wants = make([][]int64, len(drawn.Groups))
		for i := range wants {
			wants[i] = []int64{s.want(drawn.Groups[i].Documents)}
		}
	}
	room := min(memory, 64<<10+64*all) // of a few documents none needs more
	marks, _, err := mix.Marks(func(f func(int, uint64, uint64, int64) error) error {
		return s.each(ctx, sealed, drawn, func(group int, key, id uint64, measure uint32) error {
			return f(class(group), key, id, s.size(measure))
		})
	}, wants, int(min(room, math.MaxInt32)))
	if err != nil {
		return nil, fmt.Errorf("sample: %w", err)
	}
	drawn.First = math.MaxUint64
	for i := range drawn.Groups {
		drawn.Groups[i].Mark = marks[class(i)][0]
	}
	err = s.each(ctx, sealed, drawn, func(group int, key, id uint64, measure uint32) error {
		drawn.First = min(drawn.First, id)
		if g := &drawn.Groups[group]; g.Mark.Before(key, id) {
			g.SampledDocuments++
			g.SampledMeasure += int64(measure)
		}
		return nil
	})
	return drawn, err
}

// census reads the heads of all groups.
func (s *Sampler) census(ctx context.Context, sealed []stage.Sealed) (*sampled, error) {
	drawn := &sampled{}
	err := s.heads(ctx, sealed, func(f *sampleReader, _ io.ReaderAt) error {
		i, found := drawn.find(f.name)
		if !found {
			if len(drawn.Groups) == maxSampleGroups {
				return errSampleGroups
			}
			drawn.Groups = slices.Insert(drawn.Groups, i, sampledGroup{Name: string(f.name)})
		}
		g := &drawn.Groups[i]
		g.Documents += int64(f.documents)
		if g.Measure += int64(f.measure); g.Documents < 0 || g.Measure < 0 {
			return f.Corrupt("the files have more than 2^63-1 documents or " + s.unit())
		}
		return nil
	})
	return drawn, err
}

func (d *sampled) find(name []byte) (int, bool) {
	return slices.BinarySearchFunc(d.Groups, name, func(g sampledGroup, name []byte) int {
		return strings.Compare(g.Name, string(name))
	})
}

// heads calls f behind the head of each group of each file; the documents begin at f's offset.
func (s *Sampler) heads(ctx context.Context, sealed []stage.Sealed, f func(f *sampleReader, data io.ReaderAt) error) error {
	for i, file := range sealed {
		if err := ctx.Err(); err != nil {
			return err
		}
		r, err := s.openSealed(io.NewSectionReader(file.Data, 0, file.Size), 4<<10, i)
		if err != nil {
			return err
		}
		for {
			ok, err := r.next()
			if err != nil {
				return err
			}
			if !ok {
				break
			}
			size := int64(r.documents) * sampleWidth
			if size > file.Size-r.Offset() {
				return r.Corrupt(fmt.Sprintf("it tells of %d documents, for which it is too short", r.documents))
			}
			begin := r.Offset()
			if err := f(r, file.Data); err != nil {
				return err
			}
			r.Reset(io.NewSectionReader(file.Data, begin+size, file.Size-begin-size), begin+size)
		}
	}
	return nil
}

// each calls f for each document of all files.
func (s *Sampler) each(ctx context.Context, sealed []stage.Sealed, drawn *sampled, f func(group int, key, id uint64, measure uint32) error) error {
	buf := make([]byte, sampleWindow/sampleWidth*sampleWidth)
	return s.heads(ctx, sealed, func(r *sampleReader, data io.ReaderAt) error {
		group, found := drawn.find(r.name)
		if !found {
			return r.Corrupt("its groups have changed since it was read first")
		}
		in := io.NewSectionReader(data, r.Offset(), int64(r.documents)*sampleWidth)
		sum := uint64(0)
		for left := r.documents * sampleWidth; left > 0; {
			if err := ctx.Err(); err != nil {
				return err
			}
			b := buf[:min(left, uint64(len(buf)))]
			if _, err := io.ReadFull(in, b); err != nil {
				return r.Fail(err)
			}
			left -= uint64(len(b))
			for ; len(b) > 0; b = b[sampleWidth:] {
				key, id, measure := binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:]), binary.BigEndian.Uint32(b[16:])
				sum += uint64(measure)
				if err := f(group, key, id, measure); err != nil {
					return err
				}
			}
		}
		if sum != r.measure {
			return r.Corrupt(fmt.Sprintf("the %s of its group are %d, and it tells of %d", s.unit(), sum, r.measure))
		}
		return nil
	})
}
