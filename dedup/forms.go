package dedup

import (
	"fmt"
	"sort"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"curate/stage"
	"curate/text"
)

// form is a form in which texts are compared that need not be the same byte for byte.
type form struct {
	name   string
	append func(dst, b []byte) []byte // nil: as it is written
}

// forms is sorted by name.
var forms = []form{
	{"ccnet", appendCCNet},
	{"lower", text.AppendLower},
	{"nfc", func(dst, b []byte) []byte { return norm.NFC.Append(dst, b...) }},
	{"none", nil},
	{"simplified", text.AppendSimplified},
	{"url", AppendURL},
}

// Forms are the names of the forms of a text, sorted.
func Forms() []string {
	var names []string
	for _, f := range forms {
		names = append(names, f.name)
	}
	return names
}

func formNamed(name string) (form, error) {
	i := sort.Search(len(forms), func(i int) bool { return forms[i].name >= name })
	if i == len(forms) || forms[i].name != name {
		return form{}, stage.UnknownName("form of a text", name, Forms())
	}
	return forms[i], nil
}

// of is the form of b in scratch, or b itself. A text of which the form leaves nothing, such as one of punctuation
// alone, is compared as it is written, so that not all of those are the same.
func (f form) of(b []byte, scratch *[]byte) []byte {
	if f.append == nil {
		return b
	}
	*scratch = f.append((*scratch)[:0], b)
	if len(*scratch) == 0 {
		return b
	}
	return *scratch
}

// ccnetMarks are the punctuation marks beyond ASCII that CCNet leaves out, sorted (cc_net/text_normalizer.py,
// UNICODE_PUNCT). A full-width 1 is among them there, but has become a 0 by then.
var ccnetMarks = [...]rune{
	'«', '´', '»', '–', '—', '’', '“', '”', '„', '…', '∶', '━', '►', '、', '。', '〈', '〉', '《', '》', '「', '」', '【', '】',
	'！', '％', '（', '）', '，', '．', '：', '；', '？', '～',
}

// appendCCNet appends the form in which CCNet compares paragraphs (cc_net/text_normalizer.py, normalize_for_dedup):
// white space cut off both ends, lower case, each decimal digit a 0, and neither control characters nor the marks above.
// Accents and the punctuation of ASCII stay.
func appendCCNet(dst, b []byte) []byte {
	from := len(dst)
	dst = text.AppendLower(dst, text.TrimRight(text.TrimLeft(b)))
	to := from
	for i := from; i < len(dst); {
		c := dst[i]
		if c < utf8.RuneSelf {
			if c >= ' ' && c != 0x7F {
				if c >= '0' && c <= '9' {
					c = '0'
				}
				dst[to] = c
				to++
			}
			i++
			continue
		}
		r, n := utf8.DecodeRune(dst[i:])
		switch {
		case text.IsDigit(r):
			dst[to] = '0'
			to++
		case r < 0xA0 || isCCNetMark(r):
		default:
			to += copy(dst[to:], dst[i:i+n])
		}
		i += n
	}
	return dst[:to]
}

func isCCNetMark(r rune) bool {
	if r > '～' {
		return false
	}
	i := sort.Search(len(ccnetMarks), func(i int) bool { return ccnetMarks[i] >= r })
	return i < len(ccnetMarks) && ccnetMarks[i] == r
}

// checkForm says whether a method compares texts in a form; urls is for those that compare values of fields.
func checkForm(name string, urls bool) (form, error) {
	f, err := formNamed(name)
	if err != nil {
		return form{}, err
	}
	if f.name == "url" && !urls {
		return form{}, fmt.Errorf("form url is one of the values of a field, not of parts of a text")
	}
	return f, nil
}
