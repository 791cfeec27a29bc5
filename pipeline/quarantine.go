package pipeline

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"curate/record"
)

// appendQuarantined writes the quarantine's line for r:
// {"file","offset","line","error","raw"|"raw_base64"[,"truncated":true]}.
func appendQuarantined(dst []byte, file string, r *record.Record) []byte {
	dst = append(dst, `{"file":`...)
	dst = appendString(dst, file)
	dst = append(dst, `,"offset":`...)
	dst = strconv.AppendInt(dst, r.ID.Offset(), 10)
	dst = append(dst, `,"line":`...)
	if r.LineNo > 0 {
		dst = strconv.AppendInt(dst, r.LineNo, 10)
	} else {
		dst = append(dst, "null"...)
	}
	dst = append(dst, `,"error":`...)
	dst = appendString(dst, r.Err.Error())
	raw := r.Raw()
	if r.Truncated > 0 { // the cut may have gone through a character
		for n := 0; n < utf8.UTFMax-1 && len(raw) > 0; n++ {
			if c, size := utf8.DecodeLastRune(raw); c != utf8.RuneError || size != 1 {
				break
			}
			raw = raw[:len(raw)-1]
		}
	}
	if utf8.Valid(raw) {
		dst = append(dst, `,"raw":`...)
		dst, _ = jsontext.AppendQuote(dst, raw) // its only error is invalid UTF-8
	} else {
		dst = append(dst, `,"raw_base64":"`...)
		dst = base64.StdEncoding.AppendEncode(dst, r.Raw())
		dst = append(dst, '"')
	}
	if r.Truncated > 0 {
		dst = append(dst, `,"truncated":true`...)
	}
	return append(dst, "}\n"...)
}

func appendString(dst []byte, s string) []byte {
	out, err := jsontext.AppendQuote(dst, s)
	if err != nil { // a file name need not be UTF-8
		out, _ = jsontext.AppendQuote(dst, strings.ToValidUTF8(s, "\uFFFD"))
	}
	return out
}

// quarantineMessage tells a person about it. unit is what the file's offsets count.
func quarantineMessage(file, unit string, r *record.Record) string {
	line := ""
	if r.LineNo > 0 {
		line = fmt.Sprintf(":%d", r.LineNo)
	}
	return fmt.Sprintf("%s%s (%s %d): %v; record quarantined", file, line, unit, r.ID.Offset(), r.Err)
}
