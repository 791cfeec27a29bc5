package main

import (
	"bytes"
	"crypto/tls"
	"debug/elf"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"

	"curate/corpus/store/storetest/s3test"
)

// runContainer is a check: what contrib/container builds, from the files that it lets the builder see and with its flags, is a
// static binary, and works in a root folder in which there is nothing else, without any variable of the environment. It
// needs Linux and, for the empty root, to be root.
func runContainer(s *session) error {
	if runtime.GOOS != "linux" {
		fmt.Println("\ncontainer: skipped, it needs Linux")
		return nil
	}
	fmt.Println("\ncontainer: the binary of contrib/container/Containerfile")
	tree, err := root()
	if err != nil {
		return err
	}
	v := &verdict{Numbers: map[string]any{}}
	src, empty := filepath.Join(s.dir, "container-src"), filepath.Join(s.dir, "container-root")
	if err := os.MkdirAll(empty, 0o755); err != nil {
		return err
	}
	if err := builderSees(tree, src); err != nil {
		return err
	}
	bin := filepath.Join(empty, "curate")
	if err := containerBuild(tree, src, bin); err != nil {
		return err
	}
	info, err := os.Stat(bin)
	if err != nil {
		return err
	}
	v.Numbers["bytes"] = info.Size()
	f, err := elf.Open(bin)
	if err != nil {
		return err
	}
	libraries, err := f.ImportedLibraries()
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	static := len(libraries) == 0
	for _, p := range f.Progs {
		static = static && p.Type != elf.PT_INTERP
	}
	if !static {
		v.failf("the binary wants an interpreter, or libraries: %v", libraries)
	}
	v.printf("%.1f MB, static", mb(info.Size()))
	if os.Geteuid() != 0 {
		fmt.Println("container: the empty root is skipped, it needs root")
		return s.say("container", v)
	}
	data, err := os.ReadFile(filepath.Join(tree, "examples/pages/en.jsonl.zst"))
	if err != nil {
		return err
	}
	for _, dir := range []string{"data", "etc"} {
		if err := os.MkdirAll(filepath.Join(empty, dir), 0o777); err != nil {
			return err
		}
	}
	in := filepath.Join(empty, "data/in.jsonl.zst")
	if err := os.WriteFile(in, data, 0o644); err != nil {
		return err
	}
	// run runs the program in the empty root, as the user of the image, who owns /data.
	run := func(env []string, stdin []byte, args ...string) (string, string, error) {
		cmd := exec.Command("/curate", args...)
		cmd.Dir, cmd.Env = "/", append([]string{}, env...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: empty, Credential: &syscall.Credential{Uid: 65532, Gid: 65532}}
		var stdout, stderr bytes.Buffer
		cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(stdin), &stdout, &stderr
		err := cmd.Run()
		return stdout.String(), stderr.String(), err
	}
	if err := os.Chown(filepath.Join(empty, "data"), 65532, 65532); err != nil {
		return err
	}
	for _, c := range []struct {
		what string
		args []string
	}{
		{"version", []string{"version"}},
		{"filter", []string{"filter", "--profile", "gopher", "-o", "/data/clean", "/data/in.jsonl.zst"}},
		{"langid", []string{"langid", "-o", "/data/languages", "/data/in.jsonl.zst"}},
		{"dedup", []string{"dedup", "-o", "/data/unique", "/data/clean"}},
		{"stats", []string{"stats", "--tmp", "/data", "/data/unique"}},
	} {
		stdout, stderr, err := run(nil, nil, c.args...)
		if err != nil {
			v.failf("%s: %v: %s", c.what, err, stderr)
			continue
		}
		if strings.Contains(stdout+stderr, "panic") || c.what == "stats" && !strings.Contains(stdout, "documents") {
			v.failf("%s: %s%s", c.what, stdout, stderr)
		}
	}
	// A stream is spooled: there is no /tmp, and the error says what to do.
	_, said, err := run(nil, data, "dedup")
	if err == nil || !strings.Contains(said, "--tmp") {
		v.failf("dedup of a stream without /tmp: %v: %q does not name --tmp", err, said)
	}
	if out, stderr, err := run(nil, data, "dedup", "--tmp", "/data"); err != nil || out == "" {
		v.failf("dedup of a stream with --tmp: %v: %s", err, stderr)
	}

	// TLS: certificates are where the system has them, or where SSL_CERT_FILE says.
	server := s3test.Start("bucket")
	defer server.Close()
	env := server.Environment()
	var endpoint string
	for i, line := range env {
		if name, value, _ := strings.Cut(line, "="); strings.HasPrefix(name, "AWS_ENDPOINT_URL") {
			endpoint = value
			env[i] = ""
		}
	}
	front := httptest.NewTLSServer(nil) // for its certificate
	defer front.Close()
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: front.TLS.Certificates})
	if err != nil {
		return err
	}
	defer l.Close()
	go tunnel(l, strings.TrimPrefix(endpoint, "http://"))
	env = append(env, "AWS_ENDPOINT_URL=https://"+l.Addr().String())
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: front.Certificate().Raw})
	if err := os.WriteFile(filepath.Join(empty, "data/ca.pem"), certificate, 0o644); err != nil {
		return err
	}
	stdout, stderr, err := run(env, nil, "store", "check", "s3://bucket/run")
	if err == nil || !strings.Contains(stdout, "certificate") {
		v.failf("a server whose certificate nobody knows: %v: %s%s", err, stdout, stderr)
	}
	// The server has no payloads that are not signed, in which the client sends parts over TLS: a list has passed both ways.
	const passed = "list a folder                    yes\n"
	if stdout, stderr, err := run(append(env, "SSL_CERT_FILE=/data/ca.pem"), nil, "store", "check", "s3://bucket/run"); !strings.Contains(stdout, passed) {
		v.failf("TLS with SSL_CERT_FILE: %v: %s%s", err, stdout, stderr)
	}
	system := filepath.Join(empty, "etc/ssl/certs")
	if err := errors.Join(os.MkdirAll(system, 0o755), os.WriteFile(filepath.Join(system, "ca-certificates.crt"), certificate, 0o644)); err != nil {
		return err
	}
	if stdout, stderr, err := run(env, nil, "store", "check", "s3://bucket/run"); !strings.Contains(stdout, passed) {
		v.failf("TLS with the certificates of distroless/static: %v: %s%s", err, stdout, stderr)
	}
	if len(v.Failures) > 0 {
		return s.say("container", v)
	}
	v.printf("in an empty root, without environment, as a user without name: version, filter, langid, dedup, stats, streams, and TLS with certificates that it is given")
	return s.say("container", v)
}

// tunnel passes on what comes by TLS, byte by byte, until the listener is closed.
func tunnel(l net.Listener, to string) {
	for {
		in, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer in.Close()
			out, err := net.Dial("tcp", to)
			if err != nil {
				return
			}
			defer out.Close()
			go func() {
				_, _ = io.Copy(out, in) // either end may go first
				_ = out.Close()
			}()
			_, _ = io.Copy(in, out)
		}()
	}
}

// builderSees copies the tree without what Containerfile.dockerignore leaves out.
func builderSees(tree, to string) error {
	text, err := os.ReadFile(filepath.Join(tree, "contrib/container/Containerfile.dockerignore"))
	if err != nil {
		return err
	}
	var ignored []string
	for line := range strings.Lines(string(text)) {
		ignored = append(ignored, strings.TrimSpace(line))
	}
	return filepath.WalkDir(tree, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(tree, name)
		if err != nil {
			return err
		}
		for _, pattern := range ignored {
			of := filepath.ToSlash(rel)
			if below, ok := strings.CutPrefix(pattern, "**/"); ok {
				pattern, of = below, path.Base(of)
			}
			if match, err := path.Match(pattern, of); err != nil {
				return err
			} else if match && rel != "." {
				if d.IsDir() {
					return filepath.SkipDir
				}
				return nil
			}
		}
		out := filepath.Join(to, rel)
		if d.IsDir() {
			return os.MkdirAll(out, 0o755)
		}
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		return os.WriteFile(out, b, 0o644)
	})
}

var buildLine = regexp.MustCompile(`(?m)^RUN (CGO_ENABLED=0 go build .*) -o /curate (\S+)$`)

// containerBuild runs the line of the Containerfile that builds.
func containerBuild(tree, src, bin string) error {
	text, err := os.ReadFile(filepath.Join(tree, "contrib/container/Containerfile"))
	if err != nil {
		return err
	}
	line := buildLine.FindSubmatch(text)
	if line == nil {
		return errors.New("contrib/container/Containerfile: no line builds the program")
	}
	cmd := exec.Command("sh", "-c", fmt.Sprintf("%s -o %q %s", line[1], bin, line[2]))
	cmd.Dir, cmd.Env = src, append(os.Environ(), "VERSION=bench", "TAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", line[1], err, out)
	}
	return nil
}
