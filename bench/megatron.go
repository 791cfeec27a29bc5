package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
)

// runMegatron reads the example's shards with megatron-core's own class and compares with what curate prints of them.
func runMegatron(s *session) error {
	python, ok := python("megatron")
	if !ok {
		return nil
	}
	bin, err := s.buildCurate()
	if err != nil {
		return err
	}
	if err := exec.Command(python, "-c", "import importlib.metadata as m; m.version('megatron-core')").Run(); err != nil {
		fmt.Printf("\nSKIPPED megatron: %s does not have megatron-core; README.md says how to get it\n", pythonEnv)
		return nil
	}
	run, err := s.example()
	if err != nil {
		return err
	}
	if _, err := s.measure(command{argv: []string{bin, "shards", "verify", run}}); err != nil {
		return err
	}
	info, err := s.measure(command{argv: []string{bin, "shards", "info", "--json", run}})
	if err != nil {
		return err
	}
	var set struct {
		Dir       string
		EOD       *uint32
		Documents int64
		Sequences int
		Tokens    int64
		DType     string
		Packing   *struct{}
		Shards    []struct {
			Name      string
			Sequences int
			Tokens    int64
		}
	}
	if err := json.Unmarshal(info.Out, &set); err != nil {
		return err
	}
	printed, err := s.measure(command{argv: []string{bin, "shards", "cat", "--ids", run}})
	if err != nil {
		return err
	}
	// Each document of the run's text has its ids and, since the recipe says nothing else, the EOD.
	parts, err := exampleClean(run)
	if err != nil {
		return err
	}
	tokenizer, err := exampleTokenizer(run)
	if err != nil {
		return err
	}
	out := filepath.Join(s.dir, "megatron-tokens.jsonl")
	argv := append([]string{bin, "tokenize", "-q", "--tokenizer", tokenizer, "-o", out}, parts...)
	if _, err := s.measure(command{argv: argv}); err != nil {
		return err
	}
	ids, _, err := s.child(task{Name: "tokens", Files: []string{out}}, false)
	if err != nil {
		return err
	}
	fmt.Printf("\nmegatron: the example's shards, read by megatron-core's IndexedDataset\n")
	v := &verdict{Numbers: map[string]any{"documents": set.Documents, "sequences": set.Sequences, "tokens": set.Tokens}}
	if want := ids.Tokens + ids.Docs; set.Tokens != want || set.Documents != ids.Docs || set.EOD == nil {
		v.failf("the manifest has %d documents and %d tokens; the text has %d documents and, with EOD, %d tokens", set.Documents, set.Tokens, ids.Docs, want)
	}
	rows := json.NewDecoder(bytes.NewReader(printed.Out))
	for _, shard := range set.Shards {
		tokens, ends, total := sha256.New(), sha256.New(), uint64(0)
		for range shard.Sequences {
			var row struct {
				IDs []uint32 `json:"input_ids"`
			}
			if err := rows.Decode(&row); err != nil {
				return err
			}
			if set.Packing == nil { // a document is printed without it
				row.IDs = append(row.IDs, *set.EOD)
			}
			for _, id := range row.IDs {
				_ = binary.Write(tokens, binary.LittleEndian, id) // a digest has no errors
			}
			total += uint64(len(row.IDs))
			_ = binary.Write(ends, binary.LittleEndian, total)
		}
		prefix := filepath.Join(set.Dir, shard.Name)
		u, err := s.measure(command{argv: []string{python, filepath.Join("peers", "megatron_read.py"), prefix}})
		if err != nil {
			return err
		}
		var p struct {
			Documents, Sequences int
			Tokens               int64
			DType                string
			SHA                  string `json:"sha256_tokens_u32le"`
			Ends                 string `json:"sha256_doc_ends_u64le"`
			Version              string `json:"megatron_core"`
			Torch                *string
		}
		if err := json.Unmarshal(u.Out, &p); err != nil {
			return err
		}
		torch := "PyTorch stood in for"
		if p.Torch != nil {
			torch = "PyTorch " + *p.Torch
		}
		v.printf("%s: %d sequences, %d tokens, %s; sha256 of tokens %.12s…, of ends %.12s… (megatron-core %s, %s)",
			shard.Name, p.Sequences, p.Tokens, p.DType, p.SHA, p.Ends, p.Version, torch)
		for what, pair := range map[string][2]any{
			"sequences": {p.Sequences, shard.Sequences}, "documents": {p.Documents, shard.Sequences}, "tokens": {p.Tokens, shard.Tokens},
			"tokens printed": {p.Tokens, int64(total)}, "dtype": {p.DType, set.DType},
			"tokens' digest": {p.SHA, hex.EncodeToString(tokens.Sum(nil))}, "ends' digest": {p.Ends, hex.EncodeToString(ends.Sum(nil))},
		} {
			if pair[0] != pair[1] {
				v.failf("%s: %s: megatron-core has %v, curate %v", shard.Name, what, pair[0], pair[1])
			}
		}
		v.Numbers[shard.Name] = p
	}
	if rows.More() {
		v.failf("curate shards cat prints more rows than the manifest has")
	}
	return s.say("megatron", v)
}
