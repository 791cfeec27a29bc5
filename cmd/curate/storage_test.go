package main

import (
	"bytes"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"

	"curate/corpus/store/storetest/azuretest"
	"curate/corpus/store/storetest/faults"
	"curate/corpus/store/storetest/googletest"
	"curate/corpus/store/storetest/s3test"
)

// objectServer is what a script needs of a server.
type objectServer interface {
	Put(bucket, key string, body []byte)
	Get(bucket, key string) ([]byte, bool)
	Keys(bucket, prefix string) []string
	SetFaults(faults.Faults)
	SetRights(func(action, bucket, key string) bool)
	Hurt() int
}

// s3servers are those of scripts, by their working directory; googles give tokens for them.
var s3servers, googles sync.Map

// s3Command is the script command s3:
//
//	s3 start              a server with the bucket "bucket", to which the environment of what follows leads
//	s3 azure              the same of Azure, with a container of that name
//	s3 storm SEED         a third of its requests fail from now on
//	s3 calm               none does, and some did before
//	s3 put FILE KEY       store an object
//	s3 tree DIR PREFIX    store all files below DIR
//	s3 same DIR PREFIX    the files below DIR and the objects below PREFIX are the same, but for times and locks
//	s3 empty PREFIX       there is no object below PREFIX
//	s3 deny ACTION…       these actions, such as PutObject, are forbidden from now on
//	s3 google FILE        it is Google's from now on, and wants tokens: for the key in FILE, or of the metadata server METADATA
//	s3 revoke             after each ten requests no token is good any more
//	s3 revoked            requests were refused for that
func s3Command(ts *testscript.TestScript, neg bool, args []string) {
	const bucket = "bucket"
	dir := ts.Getenv("WORK")
	if neg || len(args) == 0 {
		ts.Fatalf("usage: s3 start|storm|calm|put|same|empty|deny …")
	}
	if args[0] == "start" {
		server := s3test.Start(bucket)
		server.PageSize = 50
		s3servers.Store(dir, server)
		ts.Defer(server.Close)
		for _, v := range server.Environment() {
			name, value, _ := strings.Cut(v, "=")
			ts.Setenv(name, value)
		}
		return
	}
	if args[0] == "azure" {
		server := azuretest.Start(bucket)
		server.PageSize = 50
		s3servers.Store(dir, server)
		ts.Defer(server.Close)
		ts.Setenv("AZURE_STORAGE_CONNECTION_STRING", server.ConnectionString())
		return
	}
	v, ok := s3servers.Load(dir)
	if !ok {
		ts.Fatalf("s3 start comes first")
	}
	server := v.(objectServer)
	switch args[0] {
	case "storm":
		seed, err := strconv.ParseUint(args[1], 10, 64)
		ts.Check(err)
		server.SetFaults(faults.Storm(seed))
	case "calm":
		server.SetFaults(nil)
		if server.Hurt() == 0 {
			ts.Fatalf("no request failed: that was no storm")
		}
	case "put":
		server.Put(bucket, args[2], []byte(ts.ReadFile(args[1])))
	case "tree":
		root := ts.MkAbs(args[1])
		ts.Check(filepath.WalkDir(root, func(name string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return err
			}
			rel, err := filepath.Rel(root, name)
			if err != nil {
				return err
			}
			b, err := os.ReadFile(name)
			server.Put(bucket, path.Join(args[2], filepath.ToSlash(rel)), b)
			return err
		}))
	case "deny":
		server.SetRights(func(action, _, _ string) bool { return !slices.Contains(args[1:], action) })
	case "google":
		google := googletest.Start()
		googles.Store(dir, google)
		ts.Defer(google.Close)
		server.(*s3test.Server).SetTokens(google.Valid)
		ts.Check(os.WriteFile(ts.MkAbs(args[1]), google.ServiceAccount(), 0o600))
		ts.Setenv("METADATA", google.Host())
		ts.Setenv("GS_ACCESS_KEY_ID", "")
	case "revoke", "revoked":
		v, ok := googles.Load(dir)
		if !ok {
			ts.Fatalf("s3 google comes first")
		}
		google := v.(*googletest.Server)
		if args[0] == "revoked" {
			if n := google.Count("service_account"); n < 3 {
				ts.Fatalf("%d tokens were given", n)
			}
			return
		}
		n := 0
		server.SetFaults(func(string, int) faults.Fault {
			if n++; n%10 == 0 {
				google.Revoke()
			}
			return faults.Fault{}
		})
	case "empty":
		if keys := server.Keys(bucket, args[1]); len(keys) > 0 {
			ts.Fatalf("there are %q", keys)
		}
	case "same":
		root := ts.MkAbs(args[1])
		var files []string
		ts.Check(filepath.WalkDir(root, func(name string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return err
			}
			rel, err := filepath.Rel(root, name)
			files = append(files, filepath.ToSlash(rel))
			return err
		}))
		var keys []string
		for _, k := range server.Keys(bucket, args[2]+"/") {
			keys = append(keys, strings.TrimPrefix(k, args[2]+"/"))
		}
		files = slices.DeleteFunc(files, ownOfRun)
		keys = slices.DeleteFunc(keys, ownOfRun)
		slices.Sort(files)
		if !slices.Equal(files, keys) {
			ts.Fatalf("files %q\nobjects %q", files, keys)
		}
		for _, name := range files {
			want, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
			ts.Check(err)
			got, _ := server.Get(bucket, args[2]+"/"+name)
			if strings.Contains(name, "quarantine/") || name == "bad.jsonl" { // each line names its file
				got, want = bytes.ReplaceAll(plain(ts, got), []byte("s3://bucket/"), nil), plain(ts, want)
				for _, scheme := range []string{"gs", "az"} {
					got = bytes.ReplaceAll(got, []byte(scheme+"://bucket/"), nil)
				}
			}
			if !bytes.Equal(got, want) && !namesInputs(name) {
				ts.Fatalf("%s: %d other bytes, want %d", name, len(got), len(want))
			}
		}
		if len(files) == 0 {
			ts.Fatalf("there is nothing to compare")
		}
	default:
		ts.Fatalf("no s3 %s", args[0])
	}
}

// plain is what compressed bytes hold.
func plain(ts *testscript.TestScript, b []byte) []byte {
	r, err := decompressed(bytes.NewReader(b))
	ts.Check(err)
	defer r.Close()
	b, err = io.ReadAll(r)
	ts.Check(err)
	return b
}

// ownOfRun are files that are another run's in another run of the same command: when it was, who holds its lock, what is
// remembered on this machine.
func ownOfRun(name string) bool {
	return path.Base(name) == "lock" || path.Base(name) == "timing.json" || strings.Contains(name, "_curate/translations/")
}

// namesInputs are files in which inputs stand by path, time or version, or the digest of one that names them: journals have
// the quarantine's.
func namesInputs(name string) bool {
	switch path.Base(name) {
	case "manifest.json", "config.json", "provenance.json", "run.json", "journal", "train.json", "trainer.json", "results.json":
		return true
	}
	return false
}
