// Package torchfile reads tensors of the files that torch.save of PyTorch 1.6 and later writes, such as pytorch_model.bin: a zip
// archive of a pickle that says what the tensors are (data.pkl), and of their numbers, one entry a storage (data/0, …).
//
// A pickle is a program, which Python executes. Here it is read by a machine (pickle.go) that can make numbers, texts, tuples, lists,
// dictionaries and tensors, and nothing else: each name that it asks for stands in a table, or the file is refused.
// tensor.go checks what a tensor says of itself and reads its numbers. docs/formats/torch.md describes the format.
package torchfile

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Error is a file that is not read here: Entry is the archive's entry that is the reason, if one is, and Byte the place in it or, without
// one, in the file; -1 is nowhere in particular.
type Error struct {
	File, Entry string
	Byte        int64
	What        string
}

func (e *Error) Error() string {
	s := e.File
	if e.Entry != "" {
		s += ": " + e.Entry
	}
	if e.Byte >= 0 {
		s += fmt.Sprintf(" (byte %d)", e.Byte)
	}
	return s + ": " + e.What
}

// convert is what to do about a file that is something else than a zip archive of tensors.
const convert = "only weights as torch.save writes them since PyTorch 1.6 are read here, and no code is executed; " +
	"convert it where it came from: transformers' from_pretrained(DIR) and save_pretrained(DIR) write model.safetensors"

// File is an open file. It may be shared.
type File struct {
	Name    string
	Tensors []Tensor // in the order of the file's dictionary

	r      io.ReaderAt
	byName map[string]int
}

// maxPickle is the longest data.pkl, in bytes. A tensor takes some 150; what a hostile one makes can be a hundred times its length.
const maxPickle = 2 << 20

// Open reads and checks what the file says of its tensors; their numbers are read by Floats. name is for messages. Memory is in
// proportion to the archive's directory and data.pkl, whatever they say. An error of the content is an *Error.
func Open(name string, r io.ReaderAt, size int64) (*File, error) {
	f := &File{Name: name, r: r, byName: map[string]int{}}
	a, err := f.archive(size)
	if err != nil {
		return nil, err
	}
	text, err := a.read("data.pkl", maxPickle)
	if err != nil {
		return nil, err
	}
	if a.entries["constants.pkl"] != nil {
		return nil, a.fail("constants.pkl", -1, "the file is a TorchScript program; %s", convert)
	}
	if a.entries["byteorder"] != nil { // older releases do not write it, and ran on little-endian machines
		order, err := a.read("byteorder", 16)
		if err != nil {
			return nil, err
		}
		if string(order) != "little" {
			return nil, a.fail("byteorder", -1, "%q: only numbers of little-endian machines are read here; %s", order, convert)
		}
	}
	p := pickle{archive: a, text: text}
	top, err := p.run()
	if err != nil {
		return nil, err
	}
	d, ok := top.(*dict)
	if !ok {
		return nil, a.fail("data.pkl", -1, "it holds a %s, and should hold a dictionary of tensors; %s", kind(top), convert)
	}
	for i, key := range d.keys {
		t, ok := d.values[i].(*Tensor)
		name, named := key.(string)
		if !ok || !named {
			continue // counters and other things beside the weights
		}
		copied := *t // a tensor may stand under several names
		copied.Name = name
		if at, ok := f.byName[name]; ok {
			f.Tensors[at] = copied // as in a dictionary, the last one counts
			continue
		}
		f.byName[name] = len(f.Tensors)
		f.Tensors = append(f.Tensors, copied)
	}
	if len(f.Tensors) == 0 {
		return nil, a.fail("data.pkl", -1, "no tensor stands in its dictionary; %s", convert)
	}
	return f, nil
}

// Lookup finds a tensor; nil is none.
func (f *File) Lookup(name string) *Tensor {
	if i, ok := f.byName[name]; ok {
		return &f.Tensors[i]
	}
	return nil
}

// archive is the directory of the zip file.
type archive struct {
	file    *File
	size    int64
	entries map[string]*zip.File // without the folder that all of them are in
	twice   map[string]bool
}

func (a *archive) fail(entry string, at int64, format string, args ...any) error {
	return &Error{a.file.Name, entry, at, fmt.Sprintf(format, args...)}
}

func (f *File) archive(size int64) (*archive, error) {
	a := &archive{f, size, map[string]*zip.File{}, map[string]bool{}}
	var head [4]byte
	if err := readFull(f.r, head[:min(size, 4)], 0); err != nil {
		return nil, fmt.Errorf("%s: %w", f.Name, err)
	}
	z, err := zip.NewReader(f.r, size)
	switch {
	case err == nil:
	case !errors.Is(err, zip.ErrFormat) && !errors.Is(err, zip.ErrAlgorithm) && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF):
		return nil, fmt.Errorf("%s: %w", f.Name, err)
	case bytes.HasPrefix(head[:], []byte("PK")):
		return nil, a.fail("", -1, "the zip archive is cut or damaged (%v); fetch the file again", err)
	case head[0] == 0x80: // PROTO, with which a pickle begins
		return nil, a.fail("", 0, "the file is of torch.save before PyTorch 1.6 (a pickle, and no zip archive); %s", convert)
	default:
		return nil, a.fail("", 0, "the file is no zip archive; %s", convert)
	}
	// PyTorchStreamReader takes the folder of the first entry for that of all (caffe2/serialize/inline_container.cc).
	folder := ""
	for i, e := range z.File {
		if i == 0 {
			before, _, _ := strings.Cut(e.Name, "/")
			folder = before + "/"
		}
		entry, ok := strings.CutPrefix(e.Name, folder)
		if !ok {
			continue
		}
		if a.entries[entry] != nil {
			a.twice[entry] = true
		}
		a.entries[entry] = e
	}
	if a.entries["data.pkl"] == nil {
		return nil, a.fail("data.pkl", -1, "the zip archive has no such entry, so it does not hold tensors; %s", convert)
	}
	return a, nil
}

// place is where an entry's bytes lie in the file. They are never compressed.
func (a *archive) place(entry string) (at, size int64, err error) {
	e := a.entries[entry]
	switch {
	case e == nil:
		return 0, 0, a.fail(entry, -1, "the zip archive has no such entry")
	case a.twice[entry]:
		return 0, 0, a.fail(entry, -1, "the entry stands twice in the zip archive")
	case e.Method != zip.Store || e.CompressedSize64 != e.UncompressedSize64:
		return 0, 0, a.fail(entry, -1, "the entry is compressed, which torch.save never does")
	case e.Flags&1 != 0:
		return 0, 0, a.fail(entry, -1, "the entry is encrypted")
	}
	at, err = e.DataOffset()
	if err != nil {
		return 0, 0, a.fail(entry, -1, "the zip archive is damaged (%v); fetch the file again", err)
	}
	if at < 0 || at > a.size || e.UncompressedSize64 > uint64(a.size-at) {
		return 0, 0, a.fail(entry, -1, "the entry has %d bytes, and the file ends before them; fetch it again", e.UncompressedSize64)
	}
	return at, int64(e.UncompressedSize64), nil
}

func (a *archive) read(entry string, most int64) ([]byte, error) {
	at, size, err := a.place(entry)
	if err != nil {
		return nil, err
	}
	if size > most {
		return nil, a.fail(entry, -1, "the entry has %d bytes; at most %d are read", size, most)
	}
	b := make([]byte, size)
	if err := readFull(a.file.r, b, at); err != nil {
		return nil, fmt.Errorf("%s: %s: %w", a.file.Name, entry, err)
	}
	return b, nil
}

// readFull reads all of b; a file that has become shorter is io.ErrUnexpectedEOF.
func readFull(r io.ReaderAt, b []byte, at int64) error {
	n, err := r.ReadAt(b, at)
	if n == len(b) {
		return nil
	}
	if err == nil || err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
