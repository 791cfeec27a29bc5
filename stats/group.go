package stats

import (
	"bytes"
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"curate/record"
)

// A group is named by the kind of its value, one byte, and the value: of a string what it decodes to, of
// anything else the JSON text without white space outside of strings. So 1 and 1.0 are two groups. Without a
// field to count by, the one group has the empty name. Names are ordered bytewise, which sorts by kind first.
const (
	kindNull    = '0' + iota // the field is missing, or null; no value
	kindBoolean              // "true" or "false"
	kindNumber
	kindString
	kindArray
	kindObject
)

// maxValue is the longest value of a group, in bytes. What is longer is no class of documents but their content,
// and the limit bounds what maxGroups names take.
const maxValue = 1024

// AppendGroup appends the name of the record's group, the one that it has by the field. scratch is for decoding.
// The error is a *record.FieldError.
func AppendGroup(dst []byte, r *record.Record, by record.Path, scratch *[]byte) ([]byte, error) {
	v, ok := r.Value(by)
	if !ok {
		return append(dst, kindNull), nil
	}
	kind := kindOf(v[0])
	dst = append(dst, kind)
	n := len(dst)
	switch kind {
	case kindNull:
		return dst, nil
	case kindString:
		s, err := r.Text(by, scratch)
		if err != nil {
			return nil, err
		}
		if len(s) > maxValue {
			return nil, tooLong(by)
		}
		return append(dst, s...), nil
	}
	dst = appendCompact(dst, v, maxValue+1)
	if len(dst)-n > maxValue {
		return nil, tooLong(by)
	}
	return dst, nil
}

func tooLong(by record.Path) error {
	return &record.FieldError{Field: by.String(), Problem: fmt.Sprintf("is too long to be a group: more than %d bytes", maxValue)}
}

func kindOf(first byte) byte {
	switch first {
	case 'n':
		return kindNull
	case 't', 'f':
		return kindBoolean
	case '"':
		return kindString
	case '[':
		return kindArray
	case '{':
		return kindObject
	}
	return kindNumber
}

// appendCompact appends valid JSON text without the white space between its tokens, and stops after limit bytes.
func appendCompact(dst, v []byte, limit int) []byte {
	limit += len(dst)
	quoted := false
	for i := 0; i < len(v) && len(dst) < limit; i++ {
		c := v[i]
		switch {
		case quoted && c == '\\':
			dst = append(dst, c)
			i++
			c = v[i]
		case c == '"':
			quoted = !quoted
		case !quoted && (c == ' ' || c == '\t' || c == '\n' || c == '\r'):
			continue
		}
		dst = append(dst, c)
	}
	return dst
}

// CheckGroup says whether the name of a group that was read can have been written.
func CheckGroup(name []byte, grouped bool) bool {
	if !grouped || len(name) == 0 {
		return !grouped && len(name) == 0
	}
	kind, value := name[0], name[1:]
	switch {
	case len(value) > maxValue:
		return false
	case kind == kindNull:
		return len(value) == 0
	case kind == kindString:
		return utf8.Valid(value)
	}
	if len(value) == 0 || kindOf(value[0]) != kind || !jsontext.Value(value).IsValid() {
		return false
	}
	return bytes.Equal(appendCompact(nil, value, len(value)), value)
}

// AppendGroupValue appends the JSON value that the name of a group stands for.
func AppendGroupValue(dst []byte, name []byte) ([]byte, error) {
	switch name[0] {
	case kindNull:
		return append(dst, "null"...), nil
	case kindString:
		return jsontext.AppendQuote(dst, name[1:])
	}
	return append(dst, name[1:]...), nil
}

// checkBy refuses a field whose name the result could not hold beside the counts.
func checkBy(by string) error {
	if slices.Contains(names[:], by) {
		return fmt.Errorf("stats: cannot count by a field %q: the result has a count of that name; rename the field first", by)
	}
	if !utf8.ValidString(by) {
		return fmt.Errorf("stats: the name of the field to count by, %q, is not UTF-8", by)
	}
	return nil
}
