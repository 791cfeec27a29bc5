package dedup

import (
	"bytes"
	"encoding/binary"

	"github.com/cespare/xxhash/v2"
)

// Digest is 128 bits that stand for a value: two XXH64 with different seeds, big-endian. It is no cryptographic
// hash: somebody who wants two texts with the same digest can make them.
//
// With isString, value is the decoded text of a JSON string; otherwise the JSON text of another value without
// insignificant white space (AppendCompact). The seeds differ, so that the string "1" and the number 1 do.
func Digest(value []byte, isString bool) [16]byte {
	a, b := uint64(0), uint64(1)
	if !isString {
		a, b = 2, 3
	}
	var d [16]byte
	binary.BigEndian.PutUint64(d[:8], sum64(value, a))
	binary.BigEndian.PutUint64(d[8:], sum64(value, b))
	return d
}

func sum64(b []byte, seed uint64) uint64 {
	if seed == 0 {
		return xxhash.Sum64(b)
	}
	var d xxhash.Digest
	d.ResetWithSeed(seed)
	_, _ = d.Write(b) // never fails
	return d.Sum64()
}

// AppendCompact appends valid JSON text without the white space between its tokens. Nothing else changes: 1.0 and
// 1, "é" and "\u00e9" inside an array, and members in another order stay different.
func AppendCompact(dst, json []byte) []byte {
	for len(json) > 0 {
		n := bytes.IndexAny(json, " \t\r\n\"")
		if n < 0 {
			break
		}
		if json[n] != '"' {
			dst = append(dst, json[:n]...)
			json = json[n+1:]
			continue
		}
		end := n + 1
		for json[end] != '"' {
			if json[end] == '\\' {
				end++
			}
			end++
		}
		dst = append(dst, json[:end+1]...)
		json = json[end+1:]
	}
	return append(dst, json...)
}
