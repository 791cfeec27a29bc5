package dedup

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"

	"curate/record"
	"curate/stage"
)

// The online methods decide about a record when they see it: it goes if it is a duplicate of one before it that was kept,
// and stays otherwise, whatever comes later. One pass, nothing is spooled, and what is remembered of the kept ones is in
// memory (remembered.go). Exact keeps what its Reducer keeps. MinHash does not: its Reducer looks at all documents before it
// decides, compares each with the hubs of its buckets wherever these come in the inputs, and with others of its cluster; here
// a document is compared with the kept ones before it alone. Either way, what goes is verified to be similar to what stays.

// OnlineOptions of an online method.
type OnlineOptions struct {
	// Window is how many documents are remembered at most; the oldest is forgotten for the next. 0 remembers all.
	Window int
	// Memory bounds what is remembered, in bytes; what does not fit ends the run. It decides nothing else, so it is no part
	// of the stage's identity. 0 is no bound.
	Memory int64
}

// Online is a method that decides in one pass. It is a stage.Serial, immutable.
type Online struct {
	spec    stage.Spec
	key     stage.Mapper
	decider func() stage.Decider
}

// Spec implements stage.Serial.
func (o *Online) Spec() stage.Spec { return o.spec }

// Key implements stage.Serial.
func (o *Online) Key() stage.Mapper { return o.key }

// NewDecider implements stage.Serial.
func (o *Online) NewDecider() stage.Decider { return o.decider() }

// onlineSpec is the spec of a method with what is chosen for one pass.
func onlineSpec(s stage.Spec, o OnlineOptions) (stage.Spec, error) {
	if o.Window < 0 || o.Window > math.MaxInt32 {
		return s, fmt.Errorf("dedup: a window of %d documents: give 1 to %d, or 0 for all", o.Window, math.MaxInt32)
	}
	config := map[string]any{}
	if err := json.Unmarshal(s.Config.(json.RawMessage), &config); err != nil {
		return s, err
	}
	// What only the Reducers do. Rehubs are how many documents of a bucket are compared with, here as there.
	for _, name := range []string{"extra_comparisons", "source_field", "id_field"} {
		delete(config, name)
	}
	config["online"], config["window"] = true, o.Window
	c, err := canonical(config)
	s.Config, s.Marks, s.Findings = c, false, nil
	return s, err
}

// FullError says that what an online method remembers has filled its memory.
type FullError struct {
	Memory     int64 // bytes
	Seen, Held int64 // records seen before; documents remembered
	Window     int
}

func (e *FullError) Error() string {
	remedy := "forget the oldest with --online-window N"
	if e.Window > 0 {
		remedy = "give a smaller --online-window than " + strconv.Itoa(e.Window)
	}
	return fmt.Sprintf("dedup: what --online remembers has filled its share of --memory, %d MiB, after %d records, of which it remembers %d. Raise --memory, %s, or leave --online out: then memory does not grow with the input, which is read again instead, or spooled",
		e.Memory>>20, e.Seen, e.Held, remedy)
}

var errNumbers = fmt.Errorf("dedup: --online has no number for more than %d documents that are kept; leave it out", maxHeld)

// Online is exact deduplication in one pass.
func (e *Exact) Online(o OnlineOptions) (*Online, error) {
	if e.keep.name != KeepFirst {
		return nil, errOnlineKeep(e.cfg.Keep)
	}
	spec, err := onlineSpec(e.spec, o)
	if err != nil {
		return nil, err
	}
	return &Online{spec: spec, key: onlineKey{exactKey{e}, spec}, decider: func() stage.Decider {
		return &onlineExact{cfg: &e.cfg, said: e.said, options: o}
	}}, nil
}

func errOnlineKeep(keep string) error {
	return fmt.Errorf("dedup: keep %q needs to know all documents, and online decides at the first sight of each; %q is what it keeps", keep, KeepFirst)
}

// onlineKey is a Key under the online method's spec.
type onlineKey struct {
	stage.Mapper
	spec stage.Spec
}

// Spec implements stage.Mapper.
func (k onlineKey) Spec() stage.Spec { return k.spec }

// onlineExact remembers the digest and the ID of every value: 24 bytes, and 12 in a table that is from three eighths to three
// quarters full, so 40 to 56 bytes a document.
type onlineExact struct {
	cfg     *ExactConfig
	said    verdictWords
	options OnlineOptions

	held  column[digested] // in the order in which they came
	first uint32           // of held that is not forgotten
	table hashTable        // of the upper halves of their digests
	seen  int64
	found []uint32
	json  []byte
}

type digested struct {
	upper, lower uint64
	id           record.ID
}

// Decide implements stage.Decider.
func (d *onlineExact) Decide(ctx context.Context, b *record.Batch) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	w := exactApplyWorker{cfg: d.cfg, said: d.said, json: d.json}
	for i := range b.Records {
		r := &b.Records[i]
		if r.Outcome != record.Keep {
			continue
		}
		key := r.Key()
		if len(key) < keyHead {
			return fmt.Errorf("dedup: record %d %w", r.ID, errKey)
		}
		var kept record.ID
		dropped := false
		switch key = behindKeyHead(key); len(key) {
		case 0: // it has no URL
		case keyWidth:
			v := digested{binary.BigEndian.Uint64(key), binary.BigEndian.Uint64(key[8:]), r.ID}
			if kept, dropped = d.find(v); !dropped {
				if err := d.remember(v); err != nil {
					return err
				}
			}
		default:
			return fmt.Errorf("dedup: record %d %w", r.ID, errKey)
		}
		d.seen++
		verdict := func() ([]byte, error) { return w.verdict(kept, dropped) }
		if err := settle(r, dropped, d.cfg.Annotate, d.cfg.Verdicts, d.said.rule, d.said.reason, verdict); err != nil {
			return err
		}
	}
	d.json = w.json
	return nil
}

// End implements stage.Decider.
func (d *onlineExact) End() error { return nil }

// find is the kept record with the same digest.
func (d *onlineExact) find(v digested) (record.ID, bool) {
	d.found = d.table.find(d.found[:0], v.upper)
	for _, n := range d.found {
		if h := d.held.at(n); h.lower == v.lower {
			return h.id, true
		}
	}
	return 0, false
}

// remember takes in a record that is kept.
func (d *onlineExact) remember(v digested) error {
	if w := d.options.Window; w > 0 && d.held.n-int(d.first) == w {
		d.table.remove(d.held.at(d.first).upper, d.first)
		d.held.forget(d.first)
		d.first++
	}
	if d.held.n == maxHeld {
		return errNumbers
	}
	d.held.add(v)
	d.table.add(v.upper, uint32(d.held.n-1))
	if m := d.options.Memory; m > 0 && d.held.bytes(heldBytes)+d.table.bytes > m {
		return &FullError{m, d.seen, int64(d.held.n) - 1 - int64(d.first), d.options.Window}
	}
	return nil
}

// Online is near-duplicate removal in one pass; the document that comes first stays.
func (m *MinHash) Online(o OnlineOptions) (*Online, error) {
	if m.keep.name != KeepFirst {
		return nil, errOnlineKeep(m.cfg.Keep)
	}
	if m.cfg.Verify != VerifyExact {
		return nil, fmt.Errorf("dedup: verify %q is not possible online, which compares exactly", m.cfg.Verify)
	}
	spec, err := onlineSpec(m.spec, o)
	if err != nil {
		return nil, err
	}
	return &Online{spec: spec, key: onlineMinHashKey{m, spec}, decider: func() stage.Decider {
		return &onlineMinHash{m: m, options: o}
	}}, nil
}

// onlineMinHashKey gives a record that has shingles its buckets and then the set of shingles, 8 bytes each, little-endian.
type onlineMinHashKey struct {
	m    *MinHash
	spec stage.Spec
}

// Spec implements stage.Mapper.
func (k onlineMinHashKey) Spec() stage.Spec { return k.spec }

// NewWorker implements stage.Mapper.
func (k onlineMinHashKey) NewWorker() stage.Worker { return &onlineMinHashWorker{m: k.m} }

type onlineMinHashWorker struct {
	m *MinHash
	shingling
}

// Map implements stage.Worker.
func (w *onlineMinHashWorker) Map(ctx context.Context, b *record.Batch) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	scheme := w.m.scheme
	for i := range b.Records {
		r := &b.Records[i]
		text, ok := textOf(r, w.m.cfg.Field, w.m.cfg.Annotate, &w.text)
		if !ok {
			continue
		}
		w.cut(scheme, text)
		w.shingles = Set(w.shingles)
		large := w.large(text)
		if large {
			w.text, w.scratch = nil, Scratch{}
		}
		if len(w.shingles) == 0 {
			continue
		}
		w.sign(scheme)
		k := slices.Grow(w.key[:0], 8*(len(w.buckets)+len(w.shingles)))
		for _, v := range w.buckets {
			k = binary.LittleEndian.AppendUint64(k, v)
		}
		for _, v := range w.shingles {
			k = binary.LittleEndian.AppendUint64(k, v)
		}
		w.setKey(r, k, large)
	}
	return nil
}

// onlineMinHash remembers the kept documents and which of them are the hubs of each bucket: the first that came, and up to
// maxRehubs more that were similar to none of those before. A bucket that a boilerplate makes has no more, so that a
// document is compared with a few others however many share it.
//
// A document takes 24 bytes, 8 for each shingle, 16 to 32 for each bucket, and 8 more for each bucket with a window. One
// that is hub of no bucket is not remembered: nothing would be compared with it.
type onlineMinHash struct {
	m       *MinHash
	options OnlineOptions

	held    column[heldDocument] // in the order in which they came
	first   uint32               // of held that is not forgotten
	hubs    hashTable            // of buckets
	values  arena                // with a window a document's buckets, then its shingles
	seen    int64
	numbers []uint64 // of the document at work: buckets, shingles
	found   []uint32
	of      []uint32 // hubs to compare with
	open    []uint64 // buckets whose hub the document may be
	json    []byte
}

type heldDocument struct {
	id       record.ID
	place    place
	shingles uint32
}

// Decide implements stage.Decider.
func (d *onlineMinHash) Decide(ctx context.Context, b *record.Batch) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	cfg := &d.m.cfg
	w := minhashApplyWorker{cfg: cfg, json: d.json}
	for i := range b.Records {
		r := &b.Records[i]
		if r.Outcome != record.Keep {
			continue
		}
		var kept record.ID
		var similarity uint32 // 0 is kept
		if key := r.Key(); len(key) > 0 {
			var err error
			if kept, similarity, err = d.document(r.ID, key); err != nil {
				return err
			}
		}
		d.seen++
		dropped := similarity > 0
		verdict := func() ([]byte, error) { // who else is like it is not known yet, so there is no cluster
			return w.verdict(Decision{Kept: kept, Similarity: similarity}, false, dropped)
		}
		if err := settle(r, dropped, cfg.Annotate, cfg.Verdicts, MinHashRule, MinHashReason, verdict); err != nil {
			return err
		}
		if cap(d.numbers) > scratchLimit/8 {
			d.numbers = nil
		}
	}
	d.json = w.json
	return nil
}

// End implements stage.Decider.
func (d *onlineMinHash) End() error { return nil }

// document compares a document with those that are remembered, and takes it in if it is like none: the similarity is then 0.
func (d *onlineMinHash) document(id record.ID, key []byte) (record.ID, uint32, error) {
	bands := d.m.scheme.Bands
	if len(key) <= 8*bands || len(key)%8 != 0 {
		return 0, 0, fmt.Errorf("dedup: record %d has a key of %d bytes; Key must run before Decide", id, len(key))
	}
	d.numbers = slices.Grow(d.numbers[:0], len(key)/8)
	for ; len(key) > 0; key = key[8:] {
		d.numbers = append(d.numbers, binary.LittleEndian.Uint64(key))
	}
	d.of, d.open = d.of[:0], d.open[:0]
	for i, bucket := range d.numbers[:bands] {
		if slices.Contains(d.numbers[:i], bucket) { // two bands with the same hash
			continue
		}
		d.found = d.hubs.find(d.found[:0], bucket)
		d.of = append(d.of, d.found...)
		if len(d.found) <= maxRehubs {
			d.open = append(d.open, bucket)
		}
	}
	// The one that came first is asked first.
	slices.Sort(d.of)
	d.of = slices.Compact(d.of)
	set := d.numbers[bands:]
	for _, n := range d.of {
		h := d.held.at(n)
		if millionths(min(len(set), int(h.shingles)), len(set), int(h.shingles)) < d.m.threshold {
			continue // whatever they are
		}
		other := d.values.at(h.place, d.stored(h))[d.stored(h)-int(h.shingles):]
		if s := millionths(Intersection(set, other), len(set), len(other)); s >= d.m.threshold {
			return h.id, s, nil
		}
	}
	if len(d.open) == 0 {
		return 0, 0, nil
	}
	return 0, 0, d.remember(id)
}

// stored is how many values are remembered of a document.
func (d *onlineMinHash) stored(h *heldDocument) int {
	if d.options.Window > 0 {
		return d.m.scheme.Bands + int(h.shingles)
	}
	return int(h.shingles)
}

// remember takes in the document at work, a hub of its open buckets.
func (d *onlineMinHash) remember(id record.ID) error {
	bands := d.m.scheme.Bands
	values := d.numbers[bands:]
	if w := d.options.Window; w > 0 {
		values = d.numbers
		if d.held.n-int(d.first) == w {
			d.forget()
		}
	}
	if d.held.n == maxHeld {
		return errNumbers
	}
	n := uint32(d.held.n)
	d.held.add(heldDocument{id, d.values.add(values), uint32(len(d.numbers) - bands)})
	for _, bucket := range d.open {
		d.hubs.add(bucket, n)
	}
	if m := d.options.Memory; m > 0 && d.held.bytes(heldBytes)+d.hubs.bytes+d.values.bytes > m {
		return &FullError{m, d.seen, int64(n) - int64(d.first), d.options.Window}
	}
	return nil
}

// forget gives up the oldest document.
func (d *onlineMinHash) forget() {
	h := d.held.at(d.first)
	for _, bucket := range d.values.at(h.place, d.stored(h))[:d.m.scheme.Bands] {
		d.hubs.remove(bucket, d.first) // of some it may be no hub
	}
	d.held.forget(d.first)
	d.first++
	if int(d.first) < d.held.n {
		d.values.forget(d.held.at(d.first).place)
	}
}
