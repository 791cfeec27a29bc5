package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// minhashPeer is what peers/datatrove_minhash.py answers.
type minhashPeer struct {
	Kept      []string
	Clusters  []int
	CPU, Wall float64
	Startup   float64   `json:"startup_cpu"`
	Steps     []float64 `json:"steps_cpu"`
	Version   string
	Python    string
}

// runMinHash measures near-deduplication of the example's readable lines, from one plain file to one plain file, on
// one core: both schemes of curate, and datatrove.
func runMinHash(s *session) error {
	bin, err := s.buildCurate()
	if err != nil {
		return err
	}
	files, err := exampleFiles()
	if err != nil {
		return err
	}
	dir := filepath.Join(s.dir, "minhash")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	file := filepath.Join(dir, "in.jsonl")
	in, _, err := s.child(task{Name: "readable", Files: files, Out: file}, false)
	if err != nil {
		return err
	}
	schemes := []string{"words", "datatrove"}
	about := map[string]string{"words": "20x5, verified", "datatrove": "14x8, verified"}
	want, dropped, sound := map[string]result{}, map[string]string{}, map[string]*verdict{}
	rows := []*row{}
	for _, scheme := range schemes {
		// Once with what was dropped, for the checks; that costs more, so its time does not count.
		out, gone := filepath.Join(s.dir, "minhash-"+scheme+".jsonl"), filepath.Join(s.dir, "minhash-"+scheme+"-dropped.jsonl")
		if _, err := s.measure(command{argv: []string{bin, "dedup", "--scheme", scheme, "-q", "--dropped", gone, "-o", out, file}}); err != nil {
			return err
		}
		checked, _, err := s.child(task{Name: "sound", Files: in.Files, With: gone, Arg: scheme, Threshold: 0.8}, false)
		if err != nil {
			return err
		}
		w, _, err := s.child(task{Name: "lines", Files: []string{out}}, false)
		if err != nil {
			return err
		}
		if w.Docs != checked.Kept {
			return fmt.Errorf("%w: scheme %s: %d documents kept, %d are not among the dropped", errOutput, scheme, w.Docs, checked.Kept)
		}
		want[scheme], dropped[scheme], sound[scheme] = w, gone, checked.Check
		rows = append(rows, &row{name: "curate, scheme " + scheme + ", " + about[scheme], note: ", whole process"})
	}
	python, hasPeer := python("datatrove's MinHash")
	peer := &row{name: "datatrove, 14x8, not verified"}
	var p minhashPeer
	answer := filepath.Join(s.dir, "minhash-peer.json")
	for round := 1; round <= s.options.runs; round++ {
		for i, scheme := range schemes {
			out := filepath.Join(s.dir, "minhash-out.jsonl")
			u, err := s.measure(command{argv: []string{bin, "dedup", "--scheme", scheme, "-q", "-j", "1", "-o", out, file}, one: true})
			if err != nil {
				return err
			}
			d, _, err := s.child(task{Name: "lines", Files: []string{out}}, false)
			if err != nil {
				return err
			}
			if d.Digest != want[scheme].Digest {
				return fmt.Errorf("%w: scheme %s: kept %d documents instead of %d, or others", errOutput, scheme, d.Docs, want[scheme].Docs)
			}
			s.add(rows[i], measurement{Bench: "minhash", Name: rows[i].name, Round: round, Unit: "JSONL", Process: true, result: result{
				Bytes: in.Bytes, Docs: in.Docs, Passes: 1, CPU: u.CPU, Sys: u.Sys, Wall: u.Wall, Foreign: u.Foreign, Kept: d.Docs, PeakRSS: u.RSS,
			}})
		}
		if !hasPeer {
			continue
		}
		work := filepath.Join(s.dir, fmt.Sprintf("minhash-peer-%d", round))
		u, err := s.measure(command{argv: []string{python, filepath.Join("peers", "datatrove_minhash.py"), dir, work}, one: true})
		if err != nil {
			return err
		}
		if err := json.Unmarshal(u.Out, &p); err != nil {
			return err
		}
		if err := os.WriteFile(answer, u.Out, 0o644); err != nil {
			return err
		}
		s.add(peer, measurement{Bench: "minhash", Name: peer.name, Round: round, Unit: "JSONL", result: result{
			Bytes: in.Bytes, Docs: in.Docs, Passes: 1, CPU: p.CPU, Wall: p.Wall, Foreign: u.Foreign, Kept: int64(len(p.Kept)), PeakRSS: u.RSS,
		}, More: map[string]any{"version": "datatrove " + p.Version + ", Python " + p.Python, "startup_cpu_s": p.Startup, "steps_cpu_s": p.Steps}})
	}
	table(fmt.Sprintf("minhash: near-duplicates of %d documents, %.1f MB, one core, JSONL to JSONL", in.Docs, mb(in.Bytes)), append(rows, peer)...)
	all := &verdict{Numbers: map[string]any{}}
	for _, scheme := range schemes {
		for _, line := range sound[scheme].Lines {
			all.printf("scheme %s, %s", scheme, line)
		}
		all.Failures = append(all.Failures, sound[scheme].Failures...)
		all.Numbers["kept_"+scheme] = want[scheme].Docs
	}
	if hasPeer {
		fmt.Printf("datatrove %s, Python %s; curate is %.0f times as fast with scheme words, %.0f times with scheme datatrove\n",
			p.Version, p.Python, rows[0].median(speed)/peer.median(speed), rows[1].median(speed)/peer.median(speed))
		res, _, err := s.child(task{Name: "peerpairs", Files: in.Files, With: dropped["datatrove"], Out: answer}, false)
		if err != nil {
			return err
		}
		all.Lines = append(all.Lines, res.Check.Lines...)
		all.Failures = append(all.Failures, res.Check.Failures...)
		for k, n := range res.Check.Numbers {
			all.Numbers[k] = n
		}
	}
	return s.say("minhash", all)
}

// peerPairsTask holds what curate dropped with scheme datatrove, t.With, against datatrove's own clusters, the answer
// in the file t.Out: both have the same signatures, so they differ by the verification alone. Each document that
// curate drops is in one cluster with its twin; each that only datatrove drops is below 0.8 with every other of its
// cluster that curate keeps.
func peerPairsTask(t task) (res result, err error) {
	d, err := readDeduped(t.Files, t.With, "datatrove")
	if err != nil {
		return res, err
	}
	raw, err := os.ReadFile(t.Out)
	if err != nil {
		return res, err
	}
	var p minhashPeer
	if err := json.Unmarshal(raw, &p); err != nil {
		return res, err
	}
	if len(p.Clusters) != len(d.docs) {
		return res, fmt.Errorf("%w: datatrove read %d documents, there are %d", errOutput, len(p.Clusters), len(d.docs))
	}
	v := &verdict{}
	keptByPeer := map[string]bool{}
	for _, id := range p.Kept {
		keptByPeer[id] = true
	}
	members := map[int][]int{}
	for i, c := range p.Clusters {
		if c >= 0 {
			members[c] = append(members[c], i)
		}
	}
	kept, apart, byNone := 0, 0, 0
	for i := range d.docs {
		doc, cluster := &d.docs[i], p.Clusters[i]
		if doc.twin >= 0 {
			if cluster < 0 || cluster != p.Clusters[doc.twin] {
				v.failf("%s went for %s, and datatrove does not cluster them", doc.id, d.docs[doc.twin].id)
			}
			continue
		}
		kept++
		if cluster < 0 {
			if !keptByPeer[doc.id] {
				v.failf("datatrove dropped %s, which is in no cluster", doc.id)
			}
			byNone++
			continue
		}
		if keptByPeer[doc.id] {
			continue
		}
		apart++
		for _, other := range members[cluster] {
			if other == i || d.docs[other].twin >= 0 {
				continue
			}
			if s, _ := d.jaccard(i, other); s >= 0.8 {
				v.failf("%s and %s are in one cluster of datatrove's and %.3f similar, and curate keeps both", doc.id, d.docs[other].id, s)
			}
		}
	}
	v.printf("datatrove keeps %d in %d clusters and alone; curate with its signatures keeps %d: %d that datatrove drops, each below 0.8 with every other one that is kept of its cluster", len(p.Kept), len(members), kept, apart)
	v.Numbers = map[string]any{"kept_peer": len(p.Kept), "peer_clusters": len(members), "kept_by_verification": apart, "alone": byNone}
	res.Check = v
	return res, nil
}

// linesTask counts the lines of the files and digests them.
func linesTask(t task) (res result, err error) {
	sum := sha256.New()
	for _, name := range t.Files {
		text, err := decodedFile(name)
		if err != nil {
			return res, err
		}
		sum.Write(text)
		res.Docs += int64(bytes.Count(text, []byte("\n")))
		res.Bytes += int64(len(text))
	}
	res.Digest = hex.EncodeToString(sum.Sum(nil))
	return res, nil
}
