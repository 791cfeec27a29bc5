package jinja

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// strftime is Python's datetime.now().strftime(format) in the C locale, with the conversions that POSIX and glibc
// have. The time has no zone, as Python's has none.
func (r *run) strftime(format string) string {
	b := []byte{}
	for format != "" {
		i := strings.IndexByte(format, '%')
		if i < 0 || i == len(format)-1 {
			b = append(b, format...)
			break
		}
		b = append(b, format[:i]...)
		start := i
		i++
		flag := byte(0)
		if strings.IndexByte("-_0^#", format[i]) >= 0 && i+1 < len(format) {
			flag = format[i]
			i++
		}
		c, n := utf8.DecodeRuneInString(format[i:])
		part, pad, ok := conversion(r.now, c)
		if !ok {
			part, pad, flag = format[start:i+n], 0, 0
		}
		switch flag {
		case '-':
			part = strings.TrimLeft(part[:max(0, len(part)-1)], "0 ") + part[max(0, len(part)-1):]
			if pad == 0 {
				part, _, _ = conversion(r.now, c)
			}
		case '_':
			if pad != 0 {
				part = repad(part, ' ')
			}
		case '0':
			if pad != 0 {
				part = repad(part, '0')
			}
		case '^':
			part = strings.ToUpper(part)
		case '#':
			if c == 'p' {
				part = strings.ToLower(part)
			} else {
				part = strings.ToUpper(part)
			}
		}
		b = append(b, part...)
		format = format[i+n:]
		if len(b) > r.maxValue {
			r.room(len(b))
		}
	}
	r.room(len(b))
	return string(b)
}

// repad puts other padding in front of a number.
func repad(s string, pad byte) string {
	b := []byte(s)
	for i := 0; i < len(b)-1 && (b[i] == '0' || b[i] == ' '); i++ {
		b[i] = pad
	}
	return string(b)
}

// conversion is one conversion; pad is not 0 for numbers.
func conversion(t time.Time, c rune) (s string, pad byte, ok bool) {
	two := func(n int) (string, byte, bool) { return fmt.Sprintf("%02d", n), '0', true }
	blank := func(n int) (string, byte, bool) { return fmt.Sprintf("%2d", n), ' ', true }
	plain := func(s string) (string, byte, bool) { return s, 0, true }
	hour12 := (t.Hour()+11)%12 + 1
	weekday := int(t.Weekday())
	isoYear, isoWeek := t.ISOWeek()
	switch c {
	case 'Y':
		return fmt.Sprintf("%d", t.Year()), '0', true
	case 'C':
		return two(t.Year() / 100)
	case 'y':
		return two(t.Year() % 100)
	case 'm':
		return two(int(t.Month()))
	case 'd':
		return two(t.Day())
	case 'e':
		return blank(t.Day())
	case 'H':
		return two(t.Hour())
	case 'I':
		return two(hour12)
	case 'k':
		return blank(t.Hour())
	case 'l':
		return blank(hour12)
	case 'M':
		return two(t.Minute())
	case 'S':
		return two(t.Second())
	case 'f':
		return plain(fmt.Sprintf("%06d", t.Nanosecond()/1000))
	case 'j':
		return fmt.Sprintf("%03d", t.YearDay()), '0', true
	case 'p':
		return plain(t.Format("PM"))
	case 'P':
		return plain(t.Format("pm"))
	case 'B':
		return plain(t.Format("January"))
	case 'b', 'h':
		return plain(t.Format("Jan"))
	case 'A':
		return plain(t.Format("Monday"))
	case 'a':
		return plain(t.Format("Mon"))
	case 'c':
		return plain(t.Format("Mon Jan _2 15:04:05 2006"))
	case 'D', 'x':
		return plain(t.Format("01/02/06"))
	case 'F':
		return plain(t.Format("2006-01-02"))
	case 'T', 'X':
		return plain(t.Format("15:04:05"))
	case 'R':
		return plain(t.Format("15:04"))
	case 'r':
		return plain(t.Format("03:04:05 PM"))
	case 'n':
		return plain("\n")
	case 't':
		return plain("\t")
	case '%':
		return plain("%")
	case 'z', 'Z':
		return plain("")
	case 'u':
		return fmt.Sprint((weekday+6)%7 + 1), '0', true
	case 'w':
		return fmt.Sprint(weekday), '0', true
	case 'U':
		return two((t.YearDay() + 6 - weekday) / 7)
	case 'W':
		return two((t.YearDay() + 6 - (weekday+6)%7) / 7)
	case 'V':
		return two(isoWeek)
	case 'G':
		return fmt.Sprintf("%d", isoYear), '0', true
	case 'g':
		return two(isoYear % 100)
	}
	return "", 0, false
}
