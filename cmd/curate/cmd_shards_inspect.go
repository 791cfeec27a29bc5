package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/spf13/cobra"

	"curate/record"
	"curate/shards"
	"curate/tokenize"
)

// inspectedRow is what is printed of a row.
type inspectedRow struct {
	Step   int64            `json:"step"`
	Set    string           `json:"set"`
	Row    int64            `json:"row"`
	Tokens int              `json:"tokens"`
	Learnt int              `json:"learnt"`
	Pieces []inspectedPiece `json:"pieces"`
}

// inspectedPiece is what is printed of a piece of a document.
type inspectedPiece struct {
	Start   int      `json:"start"`
	Tokens  int      `json:"tokens"`
	Source  string   `json:"source,omitzero"`
	File    int      `json:"file,omitzero"` // number in the run's manifest
	Path    string   `json:"path,omitzero"` // of that file
	Offset  *int64   `json:"offset,omitzero"`
	From    uint32   `json:"from_token,omitzero"`
	Epoch   *int     `json:"epoch,omitzero"`
	Last    bool     `json:"ends,omitzero"`
	Padding bool     `json:"padding,omitzero"`
	Text    string   `json:"text,omitzero"`
	IDs     []uint32 `json:"input_ids,omitzero"`
	Mask    string   `json:"loss_mask,omitzero"` // a digit a token
}

func newShardsInspect(environment) *cobra.Command {
	var tokenizer, perStep string
	var step int64
	cmd := &cobra.Command{
		Use:   "inspect --step N [--tokenizer PATH] SHARDS",
		Short: "Show what a trainer sees at a step",
		Long: `Show what a trainer sees at step N, counted from 0, when it goes through the sets of SHARDS/schedule.json in
order: a line for each row, {"step","set","row","tokens","learnt","pieces"}. A piece says where in the row it
begins; from which document it is: source, input file by number and, where the shards lie as they were built,
path, offset of the record in it, epoch from 0, from_token if it does not begin the document, and ends if it
ends it; and its text, or its ids if no tokenizer is given; "loss_mask" has a digit a token if not all are learnt.

How many tokens a step has is what the shards were built with, or --tokens-per-step.`,
		Example: `  curate shards inspect --step 1200 --tokenizer tokenizer.json shards/
  curate shards inspect --step 0 --tokens-per-step 64Ki shards/ | jq '.pieces[].source'`,
		Args: oneArg("SHARDS"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if step < 0 {
				return usage("--step N is missing, or below 0")
			}
			if err := storedDir("shards inspect", args[0]); err != nil {
				return err
			}
			st := storage()
			schedule, err := shards.OpenSchedule(cmd.Context(), st, args[0])
			if err != nil {
				return err
			}
			if schedule == nil {
				return usage("%s has no %s; name the directory that the shards were built in", args[0], shards.ScheduleFile)
			}
			tokens := schedule.TokensPerStep
			if perStep != "" {
				if tokens, err = parseTokens("--tokens-per-step", perStep); err != nil {
					return err
				}
			}
			if tokens == 0 {
				return usage("the shards were built without --tokens-per-step; give it here")
			}
			stage, from, rows, err := schedule.Step(step, tokens)
			if err != nil {
				return usage("--step %d: %v", step, err)
			}
			s, err := shards.Open(cmd.Context(), st, path.Join(args[0], schedule.Stages[stage].Dir))
			if err != nil {
				return err
			}
			var t *tokenize.Tokenizer
			if tokenizer != "" {
				if t, err = tokenizerOf(tokenizer, s.Manifest); err != nil {
					return err
				}
			}
			paths := map[int]string{}
			if files, err := inputsOfRun(filepath.FromSlash(args[0])); err == nil { // a set that was converted has no inputs beside it
				for _, f := range files {
					paths[f.Number] = f.Path
				}
			}
			w := bufio.NewWriterSize(cmd.OutOrStdout(), 64<<10)
			err = s.Rows(cmd.Context(), from, rows, func(r *shards.Row) error {
				line, err := json.Marshal(inspected(s.Manifest, t, r, paths, step, schedule.Stages[stage].Dir))
				if err != nil {
					return err
				}
				_, err = w.Write(append(line, '\n'))
				return err
			})
			return errors.Join(err, w.Flush())
		},
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.Int64Var(&step, "step", -1, "`N` of the step, from 0 (required)")
	fs.StringVar(&tokenizer, "tokenizer", "", "`PATH` of the tokenizer that the shards were made with, for text instead of ids")
	fs.StringVar(&perStep, "tokens-per-step", "", "`N` tokens that the trainer takes a step")
	return cmd
}

// inspected is a row in words; t may be nil.
func inspected(m *shards.Manifest, t *tokenize.Tokenizer, r *shards.Row, paths map[int]string, step int64, dir string) inspectedRow {
	out := inspectedRow{Step: step, Set: dir, Row: r.I, Tokens: len(r.IDs), Learnt: bytes.Count(r.Mask, []byte{1})}
	for k, p := range r.Pieces {
		end := len(r.IDs)
		if k+1 < len(r.Pieces) {
			end = r.Pieces[k+1].Start
		}
		ids, id := r.IDs[p.Start:end], record.ID(p.ID)
		piece := inspectedPiece{Start: p.Start, Tokens: len(ids), Padding: p.Padding}
		if !p.Padding {
			offset, epoch := id.Offset(), int(p.Copy)
			piece.Source, piece.File, piece.Path, piece.Offset = m.Sources[p.Source].Name, id.File(), paths[id.File()], &offset
			piece.From, piece.Epoch, piece.Last = p.From, &epoch, p.Last
			if t != nil {
				piece.Text = strings.ToValidUTF8(string(t.AppendDecoded(nil, ids)), "\uFFFD")
			} else {
				piece.IDs = append([]uint32{}, ids...)
			}
			if mask := r.Mask[p.Start:end]; bytes.IndexByte(mask, 0) >= 0 {
				var b strings.Builder
				for _, learnt := range mask {
					fmt.Fprint(&b, learnt)
				}
				piece.Mask = b.String()
			}
		}
		out.Pieces = append(out.Pieces, piece)
	}
	return out
}
