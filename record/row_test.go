package record

import (
	"slices"
	"testing"
)

// TestRows is masks and pairs beside tokens, for records in any order, and gone with a reset.
func TestRows(t *testing.T) {
	b := &Batch{}
	for i := range 4 {
		b.Append(MakeID(1, int64(i)), int64(i+1), []byte(`{}`))
	}
	r := b.Records
	r[2].SetTokens([]uint32{1, 2, 3})
	r[2].SetMask([]byte{0, 1, 1})
	r[0].SetTokens([]uint32{4, 5})
	r[0].SetPair(0, 0)
	r[3].SetPair(1, 2)
	r[3].SetMask([]byte{1})
	r[2].SetMask([]byte{1, 0, 0}) // the last counts
	for i, want := range []struct {
		mask           []byte
		prompt, chosen int
		pair           bool
	}{{nil, 0, 0, true}, {nil, 0, 0, false}, {[]byte{1, 0, 0}, 0, 0, false}, {[]byte{1}, 1, 2, true}} {
		p, c, ok := r[i].Pair()
		if !slices.Equal(r[i].Mask(), want.mask) || p != want.prompt || c != want.chosen || ok != want.pair {
			t.Errorf("record %d: mask %v, pair %d %d %v; want %+v", i, r[i].Mask(), p, c, ok, want)
		}
	}
	b.Reset()
	again := b.Append(MakeID(1, 9), 1, []byte(`{}`))
	if _, _, ok := again.Pair(); ok || len(again.Mask()) > 0 {
		t.Error("a record has what another had before the reset")
	}
}

// TestSignals is what is noted beside edits, for the output of signals, and gone with a reset.
func TestSignals(t *testing.T) {
	b := &Batch{}
	b.Append(MakeID(1, 0), 1, []byte(`{"a":1}`))
	other := b.Append(MakeID(1, 8), 2, []byte(`{}`))
	r := &b.Records[0]
	b.Parse()
	r.SetSignals([]byte(`{"old":1}`))
	if err := r.Set(MustPath("b"), []byte("2")); err != nil {
		t.Fatal(err)
	}
	r.SetSignals([]byte(`{"n":1}`))
	if string(r.Signals()) != `{"n":1}` || len(other.Signals()) > 0 || string(r.AppendLine(nil)) != `{"a":1,"b":2}`+"\n" {
		t.Errorf("%s, %s, %s", r.Signals(), other.Signals(), r.AppendLine(nil))
	}
	b.Reset()
	if again := b.Append(MakeID(1, 9), 1, []byte(`{}`)); len(again.Signals()) > 0 {
		t.Error("a record has what another had before the reset")
	}
}
