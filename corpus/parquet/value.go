package parquet

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"math"
	"math/big"
	"math/bits"
	"strconv"
	"unicode/utf8"
)

// formatKind is how a leaf's values are written. docs/formats/parquet.md is the table of them.
type formatKind uint8

const (
	formatNull formatKind = iota // nothing but null can be in it
	formatBool
	formatInt
	formatUint
	formatFloat16
	formatFloat32
	formatFloat64
	formatString // BYTE_ARRAY that is said to be text
	formatText   // BYTE_ARRAY that nothing is said about
	formatBytes
	formatUUID
	formatDecimal      // in INT32, INT64
	formatDecimalBytes // big-endian two's complement
	formatDate
	formatTime
	formatTimestamp
	formatInt96
)

type format struct {
	kind   formatKind
	bits   int  // physical width of a number
	digits int  // of a time's fraction
	utc    bool // of a time
	scale  int  // of a decimal
}

// maxScale bounds the zeros of a decimal. Decimal256, the widest type in use, has a scale of 76.
const maxScale = 1024

// formatOf is the format of a leaf. An annotation that its physical type cannot have is passed over.
func formatOf(e schemaElement) (format, error) {
	a := e.annotation
	if a.logical == logicalNull {
		return format{kind: formatNull}, nil
	}
	if a.logical == logicalDecimal && (a.scale < 0 || a.scale > maxScale) {
		return format{}, damaged("is a DECIMAL of scale %d", a.scale)
	}
	isTime := (a.logical == logicalTime || a.logical == logicalTimestamp) && a.digits >= 3 && a.digits <= 9
	switch e.physical {
	case typeBoolean:
		return format{kind: formatBool}, nil
	case typeFloat:
		return format{kind: formatFloat32}, nil
	case typeDouble:
		return format{kind: formatFloat64}, nil
	case typeInt96:
		return format{kind: formatInt96}, nil
	case typeInt32, typeInt64:
		f := format{kind: formatInt, bits: 32}
		if e.physical == typeInt64 {
			f.bits = 64
		}
		switch {
		case a.logical == logicalInteger && !a.signed:
			f.kind = formatUint
		case a.logical == logicalDecimal:
			f.kind, f.scale = formatDecimal, int(a.scale)
		case a.logical == logicalDate && f.bits == 32:
			f.kind = formatDate
		case isTime && a.logical == logicalTime && (f.bits == 32) == (a.digits == 3):
			f.kind, f.digits, f.utc = formatTime, a.digits, a.utc
		case isTime && a.logical == logicalTimestamp && f.bits == 64:
			f.kind, f.digits, f.utc = formatTimestamp, a.digits, a.utc
		}
		return f, nil
	}
	switch {
	case a.logical == logicalString || a.logical == logicalEnum || a.logical == logicalJSON:
		return format{kind: formatString}, nil
	case a.logical == logicalDecimal:
		return format{kind: formatDecimalBytes, scale: int(a.scale)}, nil
	case a.logical == logicalUUID && e.physical == typeFixedLenByteArray && e.length == 16:
		return format{kind: formatUUID}, nil
	case a.logical == logicalFloat16 && e.physical == typeFixedLenByteArray && e.length == 2:
		return format{kind: formatFloat16}, nil
	case a.logical == logicalNone && e.physical == typeByteArray:
		return format{kind: formatText}, nil
	}
	return format{kind: formatBytes}, nil
}

var errNotNull = errors.New("it is said to be null and has values")

// appendValue appends any value but a byte array. Those have no bound, so rows writes them piece by piece.
func (f *format) appendValue(dst []byte, c *column) []byte {
	switch f.kind {
	case formatNull:
		c.fail(damaged("%w", errNotNull))
	case formatBool:
		return strconv.AppendBool(dst, c.bits&1 == 1)
	case formatInt:
		return strconv.AppendInt(dst, f.signed(c.bits), 10)
	case formatUint:
		if f.bits == 32 {
			return strconv.AppendUint(dst, uint64(uint32(c.bits)), 10)
		}
		return strconv.AppendUint(dst, c.bits, 10)
	case formatFloat16:
		return appendFloat(dst, float16(binary.LittleEndian.Uint16(c.bytes)), 32)
	case formatFloat32:
		return appendFloat(dst, float64(math.Float32frombits(uint32(c.bits))), 32)
	case formatFloat64:
		return appendFloat(dst, math.Float64frombits(c.bits), 64)
	case formatUUID:
		return appendUUID(dst, c.bytes)
	case formatDecimal:
		v := f.signed(c.bits)
		var digits [20]byte
		u := uint64(v)
		if v < 0 {
			u = -u
		}
		return appendDecimal(dst, strconv.AppendUint(digits[:0], u, 10), v < 0, f.scale)
	case formatDate:
		dst = append(dst, '"')
		dst = appendDate(dst, f.signed(c.bits))
		return append(dst, '"')
	case formatTime:
		dst = append(dst, '"')
		v := f.signed(c.bits)
		if v < 0 { // no time of day, but nothing is lost
			dst = append(dst, '-')
			v = -v
		}
		dst = appendClock(dst, uint64(v), f.digits)
		if f.utc {
			dst = append(dst, 'Z')
		}
		return append(dst, '"')
	case formatTimestamp:
		perDay := int64(86400) * powersOf10[f.digits]
		day := floorDiv(int64(c.bits), perDay)
		dst = append(dst, '"')
		dst = appendDate(dst, day)
		dst = append(dst, 'T')
		dst = appendClock(dst, uint64(int64(c.bits)-day*perDay), f.digits)
		if f.utc {
			dst = append(dst, 'Z')
		}
		return append(dst, '"')
	case formatInt96:
		// Nanoseconds of the day and Julian day, of which 2440588 is 1970-01-01. The nanoseconds may be
		// outside of the day.
		const perDay = 86400 * 1e9
		nanos := int64(binary.LittleEndian.Uint64(c.bytes))
		day := floorDiv(nanos, perDay)
		nanos -= day * perDay
		day += int64(int32(binary.LittleEndian.Uint32(c.bytes[8:]))) - 2440588
		dst = append(dst, '"')
		dst = appendDate(dst, day)
		dst = append(dst, 'T')
		dst = appendClock(dst, uint64(nanos), 9)
		return append(dst, '"')
	}
	return dst
}

var powersOf10 = [...]int64{3: 1e3, 6: 1e6, 9: 1e9}

func (f *format) signed(u uint64) int64 {
	if f.bits == 32 {
		return int64(int32(u))
	}
	return int64(u)
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// appendFloat writes the shortest number that reads back the same, in ECMAScript's form. JSON has no NaN and no
// infinities: they become null.
func appendFloat(dst []byte, v float64, size int) []byte {
	a := math.Abs(v)
	if a > math.MaxFloat64 || v != v {
		return append(dst, "null"...)
	}
	if a == 0 || a >= 1e-6 && a < 1e21 {
		return strconv.AppendFloat(dst, v, 'f', -1, size)
	}
	dst = strconv.AppendFloat(dst, v, 'e', -1, size)
	if n := len(dst); dst[n-4] == 'e' && dst[n-3] == '-' && dst[n-2] == '0' { // e-09 is written e-9
		dst = append(dst[:n-2], dst[n-1])
	}
	return dst
}

// float16 widens an IEEE 754 half.
func float16(h uint16) float64 {
	sign, exp, frac := 1.0, int(h>>10&31), float64(h&1023)
	if h>>15 == 1 {
		sign = -1
	}
	switch exp {
	case 0:
		return math.Copysign(math.Ldexp(frac, -24), sign)
	case 31:
		if frac != 0 {
			return math.NaN()
		}
		return math.Inf(int(sign))
	}
	return sign * math.Ldexp(1024+frac, exp-25)
}

// appendDecimal writes digits with the point before the last scale of them.
func appendDecimal(dst, digits []byte, negative bool, scale int) []byte {
	if negative {
		dst = append(dst, '-')
	}
	if scale == 0 {
		return append(dst, digits...)
	}
	if len(digits) <= scale {
		dst = append(dst, "0."...)
		for range scale - len(digits) {
			dst = append(dst, '0')
		}
		return append(dst, digits...)
	}
	dst = append(dst, digits[:len(digits)-scale]...)
	dst = append(dst, '.')
	return append(dst, digits[len(digits)-scale:]...)
}

// appendBigDecimal writes a decimal of big-endian two's complement bytes.
func appendBigDecimal(dst, b []byte, scale int, scratch *bigScratch) []byte {
	negative := len(b) > 0 && b[0]&0x80 != 0
	if len(b) <= 16 {
		var hi, lo uint64
		if negative {
			hi, lo = math.MaxUint64, math.MaxUint64
		}
		for _, c := range b {
			hi, lo = hi<<8|lo>>56, lo<<8|uint64(c)
		}
		if negative {
			var carry uint64
			lo, carry = bits.Add64(^lo, 1, 0)
			hi = ^hi + carry
		}
		var digits [40]byte
		return appendDecimal(dst, appendUint128(digits[:0], hi, lo), negative, scale)
	}
	v := scratch.value.SetBytes(b)
	if negative {
		v.Sub(scratch.one.Lsh(big.NewInt(1), uint(8*len(b))), v)
	}
	scratch.digits = v.Append(scratch.digits[:0], 10)
	return appendDecimal(dst, scratch.digits, negative, scale)
}

// bigScratch is memory for decimals above 128 bits.
type bigScratch struct {
	value, one big.Int
	digits     []byte
}

func appendUint128(dst []byte, hi, lo uint64) []byte {
	if hi == 0 {
		return strconv.AppendUint(dst, lo, 10)
	}
	const part = 1e19
	q, low := bits.Div64(hi%part, lo, part)
	dst = appendUint128(dst, hi/part, q)
	n := len(dst)
	dst = append(dst, "0000000000000000000"...)
	for i := len(dst) - 1; i >= n; i-- {
		dst[i] = byte('0' + low%10)
		low /= 10
	}
	return dst
}

func appendUUID(dst, b []byte) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for i, c := range b {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			dst = append(dst, '-')
		}
		dst = append(dst, hex[c>>4], hex[c&15])
	}
	return append(dst, '"')
}

// appendDate writes a day counted from 1970-01-01 in the proleptic Gregorian calendar: as RFC 3339 has it, and
// outside the years 0000 to 9999, for which RFC 3339 has nothing, in ISO 8601's expanded form (+010000-01-01).
func appendDate(dst []byte, day int64) []byte {
	// Days are counted from 0000-03-01 in cycles of 400 years; a year that begins in March ends with its leap day.
	day += 719468
	era := floorDiv(day, 146097)
	d := day - era*146097                        // of the cycle
	y := (d - d/1460 + d/36524 - d/146096) / 365 // of the cycle
	d -= 365*y + y/4 - y/100                     // of the year
	m := (5*d + 2) / 153                         // 0 is March
	d -= (153*m + 2) / 5                         // of the month
	m, y = m+3, y+era*400
	if m > 12 {
		m, y = m-12, y+1
	}
	switch {
	case y >= 0 && y <= 9999:
		dst = appendPadded(dst, uint64(y), 4)
	case y < 0:
		dst = appendPadded(append(dst, '-'), uint64(-y), 6)
	default:
		dst = appendPadded(append(dst, '+'), uint64(y), 6)
	}
	dst = appendPadded(append(dst, '-'), uint64(m), 2)
	return appendPadded(append(dst, '-'), uint64(d+1), 2)
}

// appendClock writes a time of day, given in units of 10^-digits seconds.
func appendClock(dst []byte, v uint64, digits int) []byte {
	unit := uint64(powersOf10[digits])
	s := v / unit
	dst = appendPadded(dst, s/3600, 2)
	dst = appendPadded(append(dst, ':'), s/60%60, 2)
	dst = appendPadded(append(dst, ':'), s%60, 2)
	return appendPadded(append(dst, '.'), v%unit, digits)
}

func appendPadded(dst []byte, v uint64, digits int) []byte {
	p := uint64(1)
	for range digits - 1 {
		p *= 10
	}
	for ; p > 1 && v < p; p /= 10 {
		dst = append(dst, '0')
	}
	return strconv.AppendUint(dst, v, 10)
}

// appendString writes a JSON string, escaping no more than JSON asks for. Bytes that are no UTF-8 go through as
// they are: the strict parser behind finds them and says so.
func appendString(dst, s []byte) []byte {
	dst = append(dst, '"')
	dst = appendEscaped(dst, s)
	return append(dst, '"')
}

func appendEscaped(dst, s []byte) []byte {
	for {
		n := plainPrefix(s)
		dst = append(dst, s[:n]...)
		if n == len(s) {
			return dst
		}
		switch c := s[n]; c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\b':
			dst = append(dst, `\b`...)
		case '\t':
			dst = append(dst, `\t`...)
		case '\n':
			dst = append(dst, `\n`...)
		case '\f':
			dst = append(dst, `\f`...)
		case '\r':
			dst = append(dst, `\r`...)
		default:
			const hex = "0123456789abcdef"
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
		s = s[n+1:]
	}
}

// plainPrefix is how many bytes of s come before one that must be escaped.
func plainPrefix(s []byte) int {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	i := 0
	for ; i+8 <= len(s); i += 8 {
		// In each byte the top bit is set if it is below 0x20, a quote or a backslash; bits above the lowest
		// set one may be wrong, as a borrow goes upwards.
		w := binary.LittleEndian.Uint64(s[i:])
		q, b := w^ones*'"', w^ones*'\\'
		if m := ((w-ones*0x20)&^w | (q-ones)&^q | (b-ones)&^b) & tops; m != 0 {
			return i + bits.TrailingZeros64(m)/8
		}
	}
	for ; i < len(s); i++ {
		if c := s[i]; c < 0x20 || c == '"' || c == '\\' {
			return i
		}
	}
	return i
}

// isText says whether bytes that nothing is said about are written as a string.
func isText(b []byte) bool { return utf8.Valid(b) }

// Bytes that are no text become an object, so that nobody takes them for one.
const (
	openBytes  = `{"base64":"`
	closeBytes = `"}`
)

func appendBase64(dst, b []byte) []byte { return base64.StdEncoding.AppendEncode(dst, b) }
