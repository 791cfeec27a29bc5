// Package memory is the translation memory: every segment that was translated, once, in an append-only file that survives
// a crash.
//
// Read memory.go first, then log.go (the file), entry.go (what is in it), index.go (what is held of it), others.go (memories of
// other processes, which are only read), export.go and import.go (JSON Lines). The format is docs/formats/translation-memory.md.
package memory

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gofrs/flock"

	"curate/translate/protect"
)

// Key identifies a question: the engine, the languages, the source template.
type Key [16]byte

// Entry is an answer. The holes of its target are those of its source, in any order.
type Entry struct {
	Engine   string             `json:"engine"` // "" for a human correction
	From     string             `json:"from"`
	To       string             `json:"to"`
	Source   protect.Template   `json:"source"`
	Target   protect.Template   `json:"target"`
	Rung     string             `json:"rung,omitzero"`     // of the ladder, on which it was accepted
	Attempts int                `json:"attempts,omitzero"` // requests it took
	Checks   map[string]float64 `json:"checks,omitempty"`  // soft findings
	Score    *float64           `json:"score,omitzero"`    // of a judge, 0 to 1
	Failed   string             `json:"failed,omitzero"`   // given up, and why: Target is empty. Asked again by another run unless it says otherwise
	Answer   string             `json:"answer,omitzero"`   // the last one, or its beginning, of what was given up
}

// Options of Open.
type Options struct {
	// Read are folders of other memories. What they hold when Open is called is found as if it were in this one; nothing is
	// written there, and no lock taken. Of several answers to one question see better.
	Read     []string
	MaxIndex int64              // bytes that the index may take, 0 for no limit; Put and Open fail with *FullError beyond it
	Waiting  func(owner string) // called once if another process has the memory; Open then waits for it until ctx ends
	Note     func(text string)  // told what Open did that its user should know: bytes it has cut off, a file system without locks
}

// Store is an open memory. It may be used from any goroutine.
type Store struct {
	name   string // of the log, for messages
	temp   bool   // the log goes with Close: nothing of it has to be durable
	lock   *flock.Flock
	f      file
	others []otherLog // of the memories that are only read
	base   int64      // of this log in the index: refs count through the logs of others, one behind the other, and then through it
	coder  *coder
	limit  int64 // of the index
	every  time.Duration
	dirty  chan struct{} // holds one if something was put since the flusher looked
	done   chan struct{} // closed by Close
	flush  sync.WaitGroup
	blocks [64]atomic.Pointer[decoded] // some blocks that were read, by their frame's offset

	syncing sync.Mutex // one fsync at a time; whoever waits for it finds it done for him too

	mu      sync.RWMutex // guards what follows
	index   index
	end     int64  // of this log; where the pending block will be
	synced  int64  // where what is durable ends
	pending []byte // coded entries that are not written yet
	frame   []byte // scratch
	old     bool   // the log's header says version 1, as no file that has an Answer may
	puts    int64  // entries taken
	durable int64  // of which the first so many are durable
	err     error  // the first one of writing; nothing is taken after it
	closed  bool
}

// decoded is a block that was read. It does not change.
type decoded struct {
	at    int64
	block []byte
}

// FullError says that the index would take more than MaxIndex bytes.
type FullError struct{ Need, Max int64 }

func (e *FullError) Error() string {
	return fmt.Sprintf("the index of the translation memory would take %d bytes, and may take %d; raise --memory", e.Need, e.Max)
}

// EntryError says why an entry cannot be kept, in whatever state the store is.
type EntryError struct{ Why string }

func (e *EntryError) Error() string { return "translation memory: " + e.Why }

// flushEvery is how long the writer gathers entries before it makes them durable; with the time of an fsync it stays below the
// second that Put promises.
const flushEvery = 500 * time.Millisecond

// tuning is what tests change.
type tuning struct {
	flush, poll time.Duration
	wrap        func(file) file
}

type osFile struct{ *os.File }

func (f osFile) Size() (int64, error) {
	st, err := f.Stat()
	if err != nil {
		return 0, err
	}
	if !st.Mode().IsRegular() {
		return 0, fmt.Errorf("%s: not a file", f.Name())
	}
	return st.Size(), nil
}

// Open opens the memory in dir, which it makes if need be; "" is one in a temporary file that is gone after Close. What a
// crash has torn off the end of the file is cut, and told to Note; a damaged file is an error that names file and byte. On a
// file system without locks it is up to the user that one process at a time has a memory.
func Open(ctx context.Context, dir string, o Options) (*Store, error) {
	return open(ctx, dir, o, tuning{flush: flushEvery, poll: 200 * time.Millisecond})
}

func open(ctx context.Context, dir string, o Options, t tuning) (_ *Store, err error) {
	note := o.Note
	if note == nil {
		note = func(string) {}
	}
	s := &Store{temp: dir == "", limit: o.MaxIndex, every: t.flush, dirty: make(chan struct{}, 1), done: make(chan struct{})}
	var f *os.File
	if s.temp {
		if f, err = os.CreateTemp("", "curate-memory-*"); err == nil {
			_ = os.Remove(f.Name()) // where this works, a killed process leaves nothing behind; Close tries again
		}
	} else {
		if err := os.MkdirAll(dir, 0o777); err != nil {
			return nil, err
		}
		var none bool
		if s.lock, none, err = takeLock(ctx, filepath.Join(dir, "lock"), t.poll, o.Waiting); err != nil {
			return nil, err
		}
		if none {
			note(fmt.Sprintf("%s: this file system has no locks; see to it that no second run uses this translation memory", dir))
		}
		f, err = os.OpenFile(filepath.Join(dir, "memory.log"), os.O_RDWR|os.O_CREATE, 0o666)
	}
	if err != nil {
		releaseLock(s.lock)
		return nil, err
	}
	s.name, s.f = f.Name(), osFile{f}
	if t.wrap != nil {
		s.f = t.wrap(s.f)
	}
	if err := s.load(ctx, o.Read, note); err != nil {
		_ = s.f.Close()
		_ = s.closeOthers()
		if s.temp {
			_ = os.Remove(s.name)
		}
		releaseLock(s.lock)
		return nil, err
	}
	if !s.temp {
		s.flush.Go(s.flusher)
	}
	return s, nil
}

// load reads the logs of others and this one into the index, and cuts the torn tail of this one.
func (s *Store) load(ctx context.Context, others []string, note func(string)) (err error) {
	if s.index, err = newIndex(s.limit); err != nil {
		return err
	}
	if s.coder, err = newCoder(); err != nil {
		return err
	}
	if err := s.loadOthers(ctx, others, note); err != nil {
		return err
	}
	var size int64
	if s.end, size, err = openLog(ctx, s.f, s.name, s.coder, func(at int64, block []byte) error { return s.enter(s.base, at, block) }); err != nil {
		return err
	}
	if s.old, err = isOld(s.f); err != nil {
		return err
	}
	s.synced = s.end
	if size > s.end {
		if err := s.f.Truncate(s.end); err != nil {
			return err
		}
		if err := s.f.Sync(); err != nil {
			return err
		}
		note(fmt.Sprintf("%s: the last %d bytes, behind byte %d, were not whole, as a crash leaves them; they were cut off, and what they held is translated again", s.name, size-s.end, s.end))
	}
	if !s.temp {
		if d, err := os.Open(filepath.Dir(s.name)); err == nil { // so that a new file's name is durable, where folders can be synced
			_ = d.Sync()
			_ = d.Close()
		}
	}
	return nil
}

// enter puts the entries of a block of the log that begins at base into the index: of a key's entries the last one in the log
// holds, since only what replaces another is written behind it. Between logs, better decides.
func (s *Store) enter(base, at int64, block []byte) error {
	for rest := block; len(rest) > 0; {
		pos := len(block) - len(rest)
		entry, next, err := entryAt(rest)
		if err != nil {
			return err
		}
		e, err := parseEntry(entry)
		if err != nil {
			return err
		}
		if pos > 0xffff {
			return errEntry
		}
		k, r := KeyOf(e.Engine, e.From, e.To, e.Source), makeRef(base+at, pos, e.Failed != "")
		rest = next
		if had, ok := s.index.find(k); ok && had.frame() < base { // of another log
			have, err := s.codedAt(had)
			if err != nil {
				return err
			}
			if !better(entry, r.failed(), have, had.failed()) {
				continue
			}
		}
		if err := s.index.set(k, r, s.limit); err != nil {
			return err
		}
	}
	return nil
}

// flusher makes durable what was put, all that came within s.every with one fsync.
func (s *Store) flusher() {
	for {
		select {
		case <-s.dirty:
		case <-s.done:
			return
		}
		select {
		case <-time.After(s.every):
		case <-s.done:
			return
		}
		_ = s.sync() // kept in s.err for the next Put, Sync or Close
	}
}

func (s *Store) usable() error {
	if s.closed {
		return fmt.Errorf("%s: translation memory: %w", s.name, os.ErrClosed)
	}
	return nil
}

// Get looks for an answer.
func (s *Store) Get(k Key) (e Entry, ok bool, err error) {
	s.mu.RLock()
	if err := s.usable(); err != nil {
		s.mu.RUnlock()
		return Entry{}, false, err
	}
	r, ok := s.index.find(k)
	if !ok {
		s.mu.RUnlock()
		return Entry{}, false, nil
	}
	if r.frame() == s.base+s.end {
		e, err = s.parse(s.pending, r)
		s.mu.RUnlock()
		return e, err == nil, err
	}
	s.mu.RUnlock()
	e, err = s.fetch(r)
	return e, err == nil, err
}

// fetch reads an entry that is in the file.
func (s *Store) fetch(r ref) (Entry, error) {
	block, err := s.block(r.frame())
	if err != nil {
		return Entry{}, err
	}
	return s.parse(block, r)
}

func (s *Store) parse(block []byte, r ref) (Entry, error) {
	b, err := coded(block, r)
	if err != nil {
		return Entry{}, s.at(r, err)
	}
	e, err := parseEntry(b)
	if err != nil {
		return Entry{}, s.at(r, err)
	}
	return e, nil
}

func (s *Store) at(r ref, err error) error {
	_, name, at := s.logAt(r.frame())
	return fmt.Errorf("%s: byte %d: %w", name, at, err)
}

func coded(block []byte, r ref) ([]byte, error) {
	if r.pos() >= len(block) {
		return nil, errEntry
	}
	b, _, err := entryAt(block[r.pos():])
	return b, err
}

var scratch = sync.Pool{New: func() any { return new([]byte) }}

// block gives the block of the frame at the offset at, as refs count.
func (s *Store) block(at int64) ([]byte, error) {
	// Runs ask in about the order in which an earlier one wrote, so that neighbours are in one block.
	seat := &s.blocks[uint64(at)*0x9e3779b97f4a7c15>>58] // Fibonacci hashing, Knuth 6.4
	if d := seat.Load(); d != nil && d.at == at {
		return d.block, nil
	}
	buf := scratch.Get().(*[]byte)
	defer scratch.Put(buf)
	f, name, offset := s.logAt(at)
	payload, grown, err := readFrame(f, offset, *buf)
	if cap(grown) <= 64<<10 {
		*buf = grown
	}
	var block []byte
	if err == nil {
		block, err = s.coder.unpack(nil, payload)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: byte %d: %w", name, offset, err)
	}
	if len(block) <= 2*blockTarget {
		seat.Store(&decoded{at, block})
	}
	return block, nil
}

// Put keeps an answer: the first one of a key that did not fail is final, later ones are ignored, unless they are corrections
// or the one that stands has failed. It is durable within a second, and after Sync. After an error of writing, the store takes
// nothing more; what was durable stays. An entry that makes no sense (holes of the target that are not the source's, text that
// is not UTF-8, a failed correction) is an *EntryError, and so is one of more than 16 MiB.
func (s *Store) Put(e Entry) error {
	_, err := s.put(&e)
	return err
}

// put says whether the entry holds now, and did not before.
func (s *Store) put(e *Entry) (kept bool, err error) {
	if err := e.fit(); err != nil {
		return false, &EntryError{err.Error()}
	}
	b := appendEntry(nil, e)
	if len(b) > maxBlock {
		return false, &EntryError{fmt.Sprintf("an entry of %d bytes, above %d; cut the text into segments", len(b), maxBlock)}
	}
	k := KeyOf(e.Engine, e.From, e.To, e.Source)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return false, s.err
	}
	if err := s.usable(); err != nil {
		return false, err
	}
	if r, ok := s.index.find(k); ok {
		if e.Engine != "" && !r.failed() {
			return false, nil
		}
		if same, err := s.holds(r, b); same || err != nil {
			return false, err
		}
	}
	if len(s.pending) > 0 && len(s.pending)+len(b) > blockTarget {
		if err := s.write(); err != nil {
			return false, err
		}
	}
	if err := s.index.set(k, makeRef(s.base+s.end, len(s.pending), e.Failed != ""), s.limit); err != nil {
		return false, err
	}
	s.pending = append(s.pending, b...)
	s.puts++
	select {
	case s.dirty <- struct{}{}:
	default:
	}
	return true, nil
}

// holds says whether the entry at r is b to the byte.
func (s *Store) holds(r ref, b []byte) (bool, error) {
	have, err := s.codedAt(r)
	if err != nil {
		return false, err
	}
	b, _, err = entryAt(b)
	return bytes.Equal(have, b), err
}

// codedAt is the entry at r, as it is written. The caller has s.mu, or is Open.
func (s *Store) codedAt(r ref) ([]byte, error) {
	block := s.pending
	if r.frame() != s.base+s.end {
		var err error
		if block, err = s.block(r.frame()); err != nil {
			return nil, err
		}
	}
	b, err := coded(block, r)
	if err != nil {
		return nil, s.at(r, err)
	}
	return b, nil
}

// write writes the pending block. The caller has s.mu.
func (s *Store) write() error {
	if s.err != nil || len(s.pending) == 0 {
		return s.err
	}
	if s.old {
		if err := renew(s.f); err != nil {
			return s.fail(err)
		}
		s.old = false
	}
	s.frame = s.coder.appendFrame(s.frame[:0], s.end, s.pending)
	n := int64(len(s.frame))
	if s.base+s.end+n > maxFileSize {
		return s.fail(fmt.Errorf("%s: more than %d bytes", s.name, int64(maxFileSize)))
	}
	if !s.temp && s.end > s.synced && s.end+n-s.synced > maxUnsynced {
		if err := s.f.Sync(); err != nil {
			return s.fail(err)
		}
		s.synced = s.end
	}
	if _, err := s.f.WriteAt(s.frame, s.end); err != nil {
		_ = s.f.Truncate(s.end) // if this fails, the next Open does it
		return s.fail(err)
	}
	s.end += n
	s.pending = s.pending[:0]
	if cap(s.pending) > 64<<10 {
		s.pending = nil
	}
	if cap(s.frame) > 64<<10 {
		s.frame = nil
	}
	return nil
}

func (s *Store) fail(err error) error {
	if s.err == nil {
		s.err = fmt.Errorf("%s: %w; the translation memory takes nothing more. What was durable stays: mend the cause, and run the same command again", s.name, err)
	}
	return s.err
}

// Flush gives what was Put to the system: from then on it survives the end of the process, by whatever signal, if not yet that of
// the machine. It costs a write, and frames as small as what was Put since the last one.
func (s *Store) Flush() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(); err != nil {
		return err
	}
	return s.write()
}

// Sync waits until everything that was Put is durable.
func (s *Store) Sync() error {
	s.mu.RLock()
	err := s.usable()
	s.mu.RUnlock()
	if err != nil {
		return err
	}
	return s.sync()
}

func (s *Store) sync() error {
	s.mu.RLock()
	want := s.puts
	s.mu.RUnlock()
	s.syncing.Lock()
	defer s.syncing.Unlock()
	s.mu.Lock()
	if s.err != nil || s.durable >= want {
		defer s.mu.Unlock()
		return s.err
	}
	if err := s.write(); err != nil {
		s.mu.Unlock()
		return err
	}
	puts, end := s.puts, s.end
	s.mu.Unlock()
	var err error
	if !s.temp {
		err = s.f.Sync()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		return s.fail(err)
	}
	s.durable, s.synced = puts, max(s.synced, end)
	return s.err
}

// Len is how many keys there are.
func (s *Store) Len() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.index.used
}

// IndexBytes is what the index takes of memory: 27 to 31 bytes a key, and some 50,000 bytes more.
func (s *Store) IndexBytes() int64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.index.bytes()
}

// Close syncs and gives the memory free. Closing it again does nothing.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		defer s.mu.Unlock()
		return s.err
	}
	s.closed = true
	s.mu.Unlock()
	close(s.done)
	s.flush.Wait()
	err := s.err
	if !s.temp {
		err = s.sync()
	}
	err = errors.Join(err, s.f.Close(), s.closeOthers())
	if s.temp {
		_ = os.Remove(s.name)
	}
	releaseLock(s.lock)
	return err
}
