package shards

import (
	"bytes"
	"errors"
	"testing"
)

func fileOf(name string, b []byte) File { return File{name, bytes.NewReader(b), int64(len(b))} }

// onlyFaults fails on an error that is no *Fault: nothing but the content can be wrong here.
func onlyFaults(t *testing.T, err error) {
	t.Helper()
	if err != nil && !errors.As(err, new(*Fault)) {
		t.Errorf("%v is no fault", err)
	}
}

// FuzzMegatron reads any index over any tokens. What passes Check is written again as it was.
func FuzzMegatron(f *testing.F) {
	files := packedSet(f)
	f.Add(files["shard-00000.idx"], files["shard-00000.bin"])
	f.Add([]byte("MMIDIDX\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x04\xff\xff\xff\xff\xff\xff\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x7f"), []byte("abcd"))
	f.Fuzz(func(t *testing.T, idx, bin []byte) {
		r, err := megatron{}.Open([]File{fileOf("x.bin", bin), fileOf("x.idx", idx)})
		if err != nil {
			onlyFaults(t, err)
			return
		}
		checked := r.Check()
		onlyFaults(t, checked)
		w := megatron{}.NewWriter(r.Dtype())
		var tokens, index bytes.Buffer
		var ids []uint32
		for i := range min(r.Sequences(), 1000) {
			ids, err = r.AppendTokens(ids[:0], i)
			onlyFaults(t, err)
			r.Place(i, 3)
			if checked != nil {
				continue
			}
			if err := w.Append(&tokens, r.Dtype().AppendBytes(nil, ids)); err != nil {
				t.Fatal(err)
			}
		}
		if checked != nil || r.Sequences() > 1000 {
			return
		}
		if err := w.Side(".idx", &index); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(tokens.Bytes(), bin) || !bytes.Equal(index.Bytes(), idx) {
			t.Errorf("%q and %q were read, and are written as %q and %q", idx, bin, index.Bytes(), tokens.Bytes())
		}
	})
}

// FuzzBounds reads any bounds. What passes Check is written again as it was.
func FuzzBounds(f *testing.F) {
	f.Add(packedSet(f)["shard-00000.bounds"])
	f.Add([]byte(boundsMagic + "\x01\x00\x00\x00\x06\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, in []byte) {
		b, err := OpenBounds(fileOf("x", in))
		if err != nil {
			onlyFaults(t, err)
			return
		}
		checked := b.Check()
		onlyFaults(t, checked)
		w := boundsWriter{length: b.Length()}
		for row := range b.Rows() {
			pieces, err := b.AppendPieces(nil, row)
			onlyFaults(t, err)
			var own []piece
			for _, p := range pieces {
				own = append(own, piece{uint32(p.Start), p.Continues})
			}
			w.add(own)
		}
		if checked != nil {
			return
		}
		var out bytes.Buffer
		if err := w.write(&out); err != nil || !bytes.Equal(out.Bytes(), in) {
			t.Errorf("%q was read, and is written as %q, %v", in, out.Bytes(), err)
		}
	})
}

// FuzzManifest reads anything. What is accepted can be written and read again.
func FuzzManifest(f *testing.F) {
	f.Add(packedSet(f)[ManifestFile])
	f.Add([]byte(`{"version":1,"shards":null}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		m, err := ParseManifest("x", in)
		if err != nil {
			onlyFaults(t, err)
			return
		}
		b, err := m.encode()
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseManifest("x", b)
		if err != nil {
			t.Fatalf("%s: %v", b, err)
		}
		if c, err := again.encode(); err != nil || !bytes.Equal(b, c) {
			t.Errorf("%s\n%s, %v", b, c, err)
		}
	})
}
