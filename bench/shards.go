package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// shardsPeerMB is how much of the data peers get, in MB of JSONL.
const shardsPeerMB = 5

// runShards measures the way from JSONL.zst to Megatron's shards on one core, start and all, and two peers that do the
// same: datatrove's reader and tokenizer step, and the loop of Megatron's preprocess_data.py.
func runShards(s *session) error {
	bin, err := s.buildCurate()
	if err != nil {
		return err
	}
	tokenizer := s.options.readersTokenizer
	if tokenizer == "" {
		run, err := s.example()
		if err != nil {
			return err
		}
		if tokenizer, err = exampleTokenizer(run); err != nil {
			return err
		}
	}
	in, err := s.stageInput("shards", "", s.options.stagesMB)
	if err != nil {
		return err
	}
	some, err := s.sampleOf(in, shardsPeerMB)
	if err != nil {
		return err
	}
	python, peers := python("shards")
	ours := []*shardsRow{{row: &row{name: "curate shards build, all"}, in: in}, {row: &row{name: "curate shards build, the peers' part"}, in: some}}
	theirs := []*shardsRow{{row: &row{name: "datatrove, JsonlReader + DocumentTokenizer"}, in: some, script: "datatrove_tokens.py"}, {row: &row{name: "Megatron's loop"}, in: some, script: "megatron_tokens.py"}}
	versions := map[string]string{}
	for round := 1; round <= s.options.runs; round++ {
		var want shardsPeer // what the last of ours, with the peers' part, has written
		eod := 0
		for _, r := range ours {
			if want, eod, err = s.shardsOfOurs(bin, python, tokenizer, round, r); err != nil {
				return err
			}
		}
		for _, r := range theirs {
			if !peers {
				break
			}
			p, err := s.shardsOfPeer(python, tokenizer, eod, round, r)
			if err != nil {
				return err
			}
			if p.Documents != want.Documents || p.Tokens != want.Tokens || p.Sorted != want.Sorted {
				return fmt.Errorf("%w: %s has %d documents of %d tokens, digest %.12s…; curate has %d of %d, %.12s…",
					errOutput, r.name, p.Documents, p.Tokens, p.Sorted, want.Documents, want.Tokens, want.Sorted)
			}
			versions[r.script] = p.Version
		}
	}
	rows := []*row{ours[0].row, ours[1].row}
	for _, r := range theirs {
		rows = append(rows, r.row)
	}
	table(fmt.Sprintf("shards: JSONL.zst to Megatron's shards, one core, %s; %.1f MB, %d documents (the peers' part %.1f MB, %d documents)",
		filepath.Base(filepath.Dir(tokenizer)), mb(in.Bytes), in.Docs, mb(some.Bytes), some.Docs), rows...)
	if peers {
		fmt.Printf("curate is %.1f times as fast as datatrove %s and %.1f times as fast as the loop with megatron-core %s; each has the same documents' ids\n",
			ours[0].median(speed)/theirs[0].median(speed), versions[theirs[0].script], ours[0].median(speed)/theirs[1].median(speed), versions[theirs[1].script])
	}
	return nil
}

type shardsRow struct {
	*row
	in     *stageInput
	script string
}

// shardsPeer is what a script says.
type shardsPeer struct {
	Documents int64
	Tokens    int64
	Sorted    string `json:"sha256_sorted_documents"`
	CPU, Wall float64
	Startup   float64 `json:"startup_cpu"`
	Version   string
	Python    string
}

// shardsOfOurs measures the command, verifies what it wrote, and reads it as Megatron does, if it can.
func (s *session) shardsOfOurs(bin, python, tokenizer string, round int, r *shardsRow) (p shardsPeer, eod int, err error) {
	out := filepath.Join(s.dir, "shards-out")
	u, err := s.measure(command{argv: append([]string{bin, "shards", "build", "--format", "megatron", "--tokenizer", tokenizer, "-q", "-j", "1", "-o", out}, r.in.packed...), one: true})
	if err != nil {
		return p, 0, err
	}
	if _, err := s.measure(command{argv: []string{bin, "shards", "verify", out}}); err != nil {
		return p, 0, err
	}
	manifests, err := filepath.Glob(filepath.Join(out, "length-*", "manifest.json"))
	if err != nil || len(manifests) != 1 {
		return p, 0, fmt.Errorf("%s: %d shard sets, one is expected: %w", out, len(manifests), err)
	}
	text, err := os.ReadFile(manifests[0])
	if err != nil {
		return p, 0, err
	}
	var m setManifest
	if err := json.Unmarshal(text, &m); err != nil {
		return p, 0, err
	}
	if m.EOD == nil {
		return p, 0, fmt.Errorf("%s: the tokenizer has no token that ends documents", tokenizer)
	}
	if m.Documents != r.in.Docs {
		return p, 0, fmt.Errorf("%w: %d documents of %d are in the shards", errOutput, m.Documents, r.in.Docs)
	}
	p = shardsPeer{Documents: m.Documents, Tokens: m.Tokens}
	if python != "" {
		argv := []string{python, filepath.Join("peers", "megatron_read.py")}
		for _, shard := range m.Shards {
			argv = append(argv, filepath.Join(filepath.Dir(manifests[0]), shard.Name))
		}
		read, err := s.measure(command{argv: argv})
		if err != nil {
			return p, 0, err
		}
		if err := json.Unmarshal([]byte(lastLines(string(read.Out), 1)), &p); err != nil {
			return p, 0, err
		}
		if p.Documents != m.Documents {
			return p, 0, fmt.Errorf("%w: megatron-core reads %d documents of %d", errOutput, p.Documents, m.Documents)
		}
	}
	s.add(r.row, measurement{Bench: "shards", Name: r.name, Round: round, Unit: "JSONL", Process: true, result: result{
		Bytes: r.in.Bytes, Docs: r.in.Docs, Passes: 1, CPU: u.CPU, Sys: u.Sys, Wall: u.Wall, Foreign: u.Foreign, Kept: m.Documents, Tokens: m.Tokens, PeakRSS: u.RSS,
	}})
	return p, *m.EOD, os.RemoveAll(out)
}

// shardsOfPeer measures a script on the same files.
func (s *session) shardsOfPeer(python, tokenizer string, eod, round int, r *shardsRow) (p shardsPeer, err error) {
	out := filepath.Join(s.dir, "shards-peer")
	if err := os.MkdirAll(out, 0o755); err != nil {
		return p, err
	}
	to, prefix := out, ""
	if strings.HasPrefix(r.script, "megatron") {
		prefix = filepath.Join(out, "shard")
		to = prefix
	}
	script := filepath.Join("peers", r.script)
	u, err := s.measure(command{argv: []string{python, script, filepath.Dir(r.in.packed[0]), tokenizer, strconv.Itoa(eod), to}, one: true})
	if err != nil {
		return p, err
	}
	if err := json.Unmarshal(u.Out, &p); err != nil {
		return p, fmt.Errorf("%s: %w", script, err)
	}
	if prefix != "" {
		read, err := s.measure(command{argv: []string{python, filepath.Join("peers", "megatron_read.py"), prefix}})
		if err != nil {
			return p, err
		}
		var is shardsPeer
		if err := json.Unmarshal(read.Out, &is); err != nil {
			return p, err
		}
		p.Sorted = is.Sorted
	}
	s.add(r.row, measurement{Bench: "shards", Name: r.name, Round: round, Unit: "JSONL", result: result{
		Bytes: r.in.Bytes, Docs: r.in.Docs, Passes: 1, CPU: p.CPU, Wall: p.Wall, Foreign: u.Foreign, Kept: p.Documents, Tokens: p.Tokens, PeakRSS: u.RSS,
	}, More: map[string]any{"version": p.Version, "python": p.Python, "startup_cpu_s": p.Startup}})
	return p, os.RemoveAll(out)
}
