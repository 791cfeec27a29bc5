package pipeline

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"sync"

	"github.com/cespare/xxhash/v2"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"curate/corpus/store"
)

// Entry is one finished split: its parts are in place, durably.
type Entry struct {
	File   int             `json:"file"`
	Split  int             `json:"split"`
	Lines  int64           `json:"lines"` // of the split, blank ones included
	End    int64           `json:"end"`   // offset in the uncompressed file where the next split's first line begins
	EOF    bool            `json:"eof"`   // the file ends here
	Parts  map[string]Part `json:"parts"` // by output: out, dropped, quarantine, signals, sealed
	Counts Counts          `json:"counts"`
	// Run is the identity of the run, in the last entry of the journal that a rank writes of a file.
	Run string `json:"run,omitzero"`
}

// Part is one file that a split became.
type Part struct {
	Name    string `json:"name"` // below the output directory
	Size    int64  `json:"size"`
	Records int64  `json:"records"`
	XXH64   string `json:"xxh64"` // 16 hex digits, of the decompressed bytes; of Parquet, of the bytes
}

// A journal is a log of framed entries: u32 length, u64 xxh64 of the payload, payload (JSON); little-endian.
// docs/formats/journal.md is its page.
const (
	frameHead  = 4 + 8
	maxPayload = 64 << 20
)

// entryLog takes finished splits in.
type entryLog interface {
	// append makes the entry durable.
	append(e *Entry) error
	close() error
}

type journal struct {
	mu  sync.Mutex
	log store.Log
}

// openJournal reads the entries of a log and cuts what a killed writer left of the last one.
func openJournal(ctx context.Context, st store.Store, name string, say *slog.Logger) (*journal, []Entry, error) {
	log, err := st.OpenLog(ctx, name)
	if err != nil {
		return nil, nil, err
	}
	raw, err := log.ReadAll()
	if err == nil {
		var entries []Entry
		var good int
		entries, good, err = readFrames[Entry](raw)
		if err == nil && good < len(raw) {
			say.Info(fmt.Sprintf("%s: the last %d bytes, behind %d entries, are not whole; they are cut off and their splits redone", name, len(raw)-good, len(entries)))
			err = log.Truncate(int64(good))
		}
		if err == nil {
			return &journal{log: log}, entries, nil
		}
	}
	log.Close()
	return nil, nil, fmt.Errorf("%s: %w", name, err)
}

// ReadJournal decodes the whole entries at the beginning of raw, a piece of a journal that begins with one; they end at byte good.
// What follows is not whole: more of the journal is to come, or it is the tail of a writer that was killed. An entry that makes no
// sense is an error.
func ReadJournal(raw []byte) (entries []Entry, good int, err error) { return readFrames[Entry](raw) }

// CountFrames says how many whole entries of any log that is framed as a journal raw begins with; they end at byte good.
func CountFrames(raw []byte) (n, good int, err error) {
	entries, good, err := readFrames[jsontext.Value](raw)
	return len(entries), good, err
}

// readFrames decodes the whole entries of raw; good is where they end. What follows is a torn tail: the
// frame's length or checksum does not fit. An entry that is whole but makes no sense is an error.
func readFrames[E any](raw []byte) (entries []E, good int, err error) {
	for len(raw)-good >= frameHead {
		n := int(binary.LittleEndian.Uint32(raw[good:]))
		sum := binary.LittleEndian.Uint64(raw[good+4:])
		if n > maxPayload || len(raw)-good-frameHead < n {
			break
		}
		payload := raw[good+frameHead:][:n]
		if xxhash.Sum64(payload) != sum {
			break
		}
		var e E
		if err := json.Unmarshal(payload, &e, json.RejectUnknownMembers(true)); err != nil {
			return nil, good, fmt.Errorf("journal entry at byte %d: %w", good, err)
		}
		entries = append(entries, e)
		good += frameHead + n
	}
	return entries, good, nil
}

func appendEntry(dst []byte, e any) ([]byte, error) {
	payload, err := json.Marshal(e, json.Deterministic(true))
	if err != nil {
		return dst, err
	}
	if len(payload) > maxPayload {
		return dst, fmt.Errorf("journal entry of %d bytes is above %d", len(payload), maxPayload)
	}
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(payload)))
	dst = binary.LittleEndian.AppendUint64(dst, xxhash.Sum64(payload))
	return append(dst, payload...), nil
}

func (j *journal) append(e *Entry) error {
	b, err := appendEntry(nil, e)
	if err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.log.Append(b)
}

func (j *journal) close() error { return j.log.Close() }
