package shards

import (
	"bytes"
	"errors"
	"testing"

	"curate/shards/format"
)

// onlyFaults fails on an error that is no *format.Fault: nothing but the content can be wrong here.
func onlyFaults(t *testing.T, err error) {
	t.Helper()
	if err != nil && !errors.As(err, new(*format.Fault)) {
		t.Errorf("%v is no fault", err)
	}
}

// FuzzManifest reads anything. What is accepted can be written and read again.
func FuzzManifest(f *testing.F) {
	f.Add(packedSet(f)[ManifestFile])
	f.Add(setOf(f, "mds", true)[ManifestFile])
	f.Add([]byte(`{"version":2,"shards":null}`))
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

// FuzzSchedule reads anything. What is accepted can be written, compared with sets and asked for steps.
func FuzzSchedule(f *testing.F) {
	f.Add([]byte(`{"version":1,"stages":[{"dir":"length-6","length":6,"sequences":7}],"sources":[{"name":"a"}]}`), int64(3), int64(12))
	f.Fuzz(func(t *testing.T, in []byte, step, tokens int64) {
		s, err := ParseSchedule("x", in)
		if err != nil {
			onlyFaults(t, err)
			return
		}
		if _, err := s.encode(); err != nil {
			t.Fatal(err)
		}
		s.check(map[string]*Manifest{"length-6": {Length: 6}})
		if g, from, rows, err := s.Step(step, tokens); err == nil && (from < 0 || rows < 1 || from+rows > s.Stages[g].Sequences) {
			t.Errorf("step %d of %d tokens: %d rows from %d of %+v", step, tokens, rows, from, s.Stages[g])
		}
	})
}
