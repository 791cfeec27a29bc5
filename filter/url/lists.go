// Package url looks URLs up in lists: of domains, of whole URLs, and of words that stand in them. What it asks is what datatrove
// 0.10.1 asks (pipeline/filters/url_filter.py, URLFilter).
//
// [Lists] are filled once, [Lists.Ready] sorts them, and from then on they are shared by any number of goroutines. A line of
// domains, URLs or words costs 8 bytes, whatever its length: only its hash is kept, and among ten million lines a URL that is in none of
// them is taken for one once in 10^12 times. Subwords, which stand anywhere in a URL, cost 16 bytes a character or less.
//
// Read lists.go, then host.go.
package url

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/cespare/xxhash/v2"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// Lists of what a URL may be or hold.
type Lists struct {
	domains, urls, words, softWords set
	subwords                        trie
}

// set of lines, as their hashes in order.
type set []uint64

func (s *set) add(line []byte) { *s = append(*s, xxhash.Sum64(line)) }

func (s *set) sort() {
	slices.Sort(*s)
	*s = slices.Clip(slices.Compact(*s))
}

func (s set) has(b []byte) bool {
	_, ok := slices.BinarySearch(s, xxhash.Sum64(b))
	return ok
}

// List is one of the lists, to add lines to.
type List int

const (
	Domains List = iota
	URLs
	Words
	SoftWords
	Subwords
)

// Add adds a line. Domains and URLs are taken as they are but for white space at their ends; words in lower case, and without what is
// no ASCII letter or digit. A line that is empty then, or begins with #, is passed over.
func (l *Lists) Add(to List, line []byte) {
	if len(line) == 0 || line[0] == '#' {
		return
	}
	if to == Domains || to == URLs {
		if line = bytes.TrimSpace(line); len(line) == 0 {
			return
		}
	} else if line = appendNormal(nil, line); len(line) == 0 {
		return
	}
	switch to {
	case Domains:
		l.domains.add(line)
	case URLs:
		l.urls.add(line)
	case Words:
		l.words.add(line)
	case SoftWords:
		l.softWords.add(line)
	case Subwords:
		l.subwords.add(line)
	}
}

// maxLine is more than any URL has.
const maxLine = 1 << 20

// Read adds the lines of a file, which may be compressed with gzip or zstd.
func (l *Lists) Read(to List, r io.Reader) error {
	in := bufio.NewReaderSize(r, 64<<10)
	head, _ := in.Peek(4)
	switch {
	case bytes.HasPrefix(head, []byte{0x1F, 0x8B}):
		z, err := gzip.NewReader(in)
		if err != nil {
			return err
		}
		in = bufio.NewReaderSize(z, 64<<10)
	case bytes.Equal(head, []byte{0x28, 0xB5, 0x2F, 0xFD}):
		z, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(128<<20))
		if err != nil {
			return err
		}
		defer z.Close()
		in = bufio.NewReaderSize(z, 64<<10)
	}
	var long []byte
	for n := 1; ; n++ {
		line, err := in.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			for long = long[:0]; errors.Is(err, bufio.ErrBufferFull); line, err = in.ReadSlice('\n') {
				if long = append(long, line...); len(long) > maxLine {
					return fmt.Errorf("line %d is longer than a MiB: this is no list of lines", n)
				}
			}
			long = append(long, line...)
			line = long
		}
		l.Add(to, bytes.TrimSuffix(line, []byte("\n")))
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
	}
}

// Ready ends the filling.
func (l *Lists) Ready() {
	for _, s := range []*set{&l.domains, &l.urls, &l.words, &l.softWords} {
		s.sort()
	}
	l.subwords.link()
}

// Size is the memory that the lists hold, in bytes.
func (l *Lists) Size() int {
	return 8*(cap(l.domains)+cap(l.urls)+cap(l.words)+cap(l.softWords)) + nodeSize*cap(l.subwords.nodes)
}

// Scratch is the memory of one goroutine.
type Scratch struct {
	host  []byte
	lower []byte
	found []uint64
	// suffixes are the numbers of labels of the public suffixes of host names.
	suffixes map[string]int
}

// Domain says whether the registered domain of the URL is listed: "example.co.uk" for "https://www.example.co.uk/".
func (l *Lists) Domain(s *Scratch, url []byte, fold bool) bool {
	if len(l.domains) == 0 {
		return false
	}
	host, registered := s.hostOf(url, fold)
	return registered >= 0 && l.domains.has(host[registered:])
}

// Host says whether the whole host name is listed, if it ends with a known suffix.
func (l *Lists) Host(s *Scratch, url []byte, fold bool) bool {
	if len(l.domains) == 0 {
		return false
	}
	host, registered := s.hostOf(url, fold)
	return registered >= 0 && l.domains.has(host)
}

// URL says whether the URL is listed as it is.
func (l *Lists) URL(url []byte) bool { return len(l.urls) > 0 && l.urls.has(url) }

// Words counts the different words of the URL that are listed. Words are its runs of ASCII letters and digits. They are compared as they
// are, while those of the list are in lower case, unless fold is on.
func (l *Lists) Words(s *Scratch, url []byte, fold bool) int { return s.count(l.words, url, fold) }

// SoftWords is Words for the other list.
func (l *Lists) SoftWords(s *Scratch, url []byte, fold bool) int {
	return s.count(l.softWords, url, fold)
}

func (s *Scratch) count(in set, url []byte, fold bool) int {
	if len(in) == 0 {
		return 0
	}
	if fold {
		s.lower = append(s.lower[:0], url...)
		for i, c := range s.lower {
			if c-'A' < 26 {
				s.lower[i] = c | 0x20
			}
		}
		url = s.lower
	}
	s.found = s.found[:0]
	for i := 0; i < len(url); {
		if !isAlnum(url[i]) {
			i++
			continue
		}
		lo := i
		for i < len(url) && isAlnum(url[i]) {
			i++
		}
		h := xxhash.Sum64(url[lo:i])
		if _, ok := slices.BinarySearch(in, h); ok {
			if at, known := slices.BinarySearch(s.found, h); !known {
				s.found = slices.Insert(s.found, at, h)
			}
		}
	}
	return len(s.found)
}

// Subword says whether a subword stands anywhere in the URL, of which letters in lower case and digits alone are looked at.
func (l *Lists) Subword(url []byte) bool { return l.subwords.in(url) }

func isAlnum(c byte) bool { return c-'0' < 10 || c|0x20-'a' < 26 }

// normal is a letter in lower case or a digit, or 0 for other characters.
func normal(c byte) byte {
	switch {
	case c-'A' < 26:
		return c | 0x20
	case isAlnum(c):
		return c
	}
	return 0
}

func appendNormal(dst, b []byte) []byte {
	for _, c := range b {
		if c = normal(c); c != 0 {
			dst = append(dst, c)
		}
	}
	return dst
}
