package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"curate/corpus"
	"curate/corpus/store/storetest/s3test"
)

// storageShare is the least share of its speed on a disk that a filter has on object storage.
const storageShare = 0.8

// runStorage measures a filter from files to a directory on this disk, and from objects to objects of an S3 server in this
// process, by the CPU seconds of curate; the server's own are not in them, as a bucket's are not. The parts must be the same.
func runStorage(s *session) error {
	bin, err := s.buildCurate()
	if err != nil {
		return err
	}
	server := s3test.Start("bench")
	defer server.Close()
	for i, name := range s.corpus.Files {
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		server.Put("bench", fmt.Sprintf("in/%04d-%s", i, filepath.Base(name)), b)
	}
	in := filepath.Join(s.dir, "storage-in") // the same names, so in the same order
	if err := os.MkdirAll(in, 0o755); err != nil {
		return err
	}
	for i, name := range s.corpus.Files {
		abs, err := filepath.Abs(name)
		if err != nil {
			return err
		}
		if err := os.Symlink(abs, filepath.Join(in, fmt.Sprintf("%04d-%s", i, filepath.Base(name)))); err != nil {
			return err
		}
	}
	local := &row{name: "filter --profile gopher, disk to disk, -j 2", note: ", whole process"}
	remote := &row{name: "filter --profile gopher, s3 to s3, -j 2", note: ", whole process"}
	var walls [2]float64
	for round := 1; round <= s.options.runs; round++ {
		dir := filepath.Join(s.dir, fmt.Sprintf("storage-%d", round))
		key := fmt.Sprintf("out-%d", round)
		for i, way := range []struct {
			row *row
			c   command
		}{
			{local, command{argv: []string{bin, "filter", "--profile", "gopher", "-q", "-j", "2", "-o", dir, in}}},
			{remote, command{argv: []string{bin, "filter", "--profile", "gopher", "-q", "-j", "2", "-o", "s3://bench/" + key, "s3://bench/in"}, env: server.Environment()}},
		} {
			u, err := s.measure(way.c)
			if err != nil {
				return err
			}
			walls[i] += u.Wall
			s.add(way.row, measurement{Bench: "storage", Name: way.row.name, Round: round, Unit: "JSONL", Process: true, result: result{
				Bytes: s.corpus.Bytes, Docs: s.corpus.Docs, Passes: 1, CPU: u.CPU, Sys: u.Sys, Wall: u.Wall, Foreign: u.Foreign, PeakRSS: u.RSS,
			}})
		}
		if err := sameParts(server, dir, key); err != nil {
			return err
		}
	}
	table("storage: object storage against a disk", local, remote)
	v := &verdict{Numbers: map[string]any{}}
	share := remote.median(speed) / local.median(speed)
	v.Numbers["share"], v.Numbers["wall_share"] = share, walls[0]/walls[1]
	v.printf("through the S3 server the filter has %.0f %% of its speed on a disk by its CPU seconds, %.0f %% by the clock (the server works on the same cores)", 100*share, 100*walls[0]/walls[1])
	if share < storageShare {
		v.failf("less than %.0f %%", 100*storageShare)
	}
	return s.say("storage", v)
}

// sameParts compares the kept and dropped parts of a directory with objects.
func sameParts(server *s3test.Server, dir, key string) error {
	n := 0
	err := filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || !strings.HasPrefix(e.Name(), "part") {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil || strings.HasPrefix(filepath.ToSlash(rel), path.Join(corpus.Dir, "quarantine")) { // each line names its file
			return err
		}
		want, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		n++
		if got, _ := server.Get("bench", key+"/"+filepath.ToSlash(rel)); !bytes.Equal(got, want) {
			return fmt.Errorf("%w: %s has %d other bytes on the server", errOutput, rel, len(got))
		}
		return nil
	})
	if err == nil && n == 0 {
		err = fmt.Errorf("%w: there are no parts", errOutput)
	}
	return err
}
