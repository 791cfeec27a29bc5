package audit

import "bytes"

// residue counts what is left of HTML in a text, and says where the first of each is.
type residue struct {
	tags, entities, attributes            int64
	firstTag, firstEntity, firstAttribute int
}

// longestTag is how far behind its name a tag's end is looked for, in bytes.
const longestTag = 1000

// scan looks at every <, & and =. What is inside of a tag is not looked at again.
func (h *residue) scan(doc []byte) {
	*h = residue{}
	for i := 0; i < len(doc); {
		switch doc[i] {
		case '<':
			if end := tagEnd(doc, i); end > 0 {
				if h.tags == 0 {
					h.firstTag = i
				}
				h.tags++
				i = end
				continue
			}
		case '&':
			if end := entityEnd(doc, i); end > 0 {
				if h.entities == 0 {
					h.firstEntity = i
				}
				h.entities++
				i = end
				continue
			}
		case '=':
			if start := attributeStart(doc, i); start >= 0 {
				if h.attributes == 0 {
					h.firstAttribute = start
				}
				h.attributes++
			}
		}
		i++
	}
}

// tagEnd is the offset behind the tag at i, or 0 if there is none.
func tagEnd(doc []byte, i int) int {
	rest := doc[i+1:]
	switch {
	case bytes.HasPrefix(rest, []byte("!--")):
		return i + 4
	case begins(rest, "!doctype"), begins(rest, "![cdata["):
		return i + 9
	case begins(rest, "?xml"):
		return i + 5
	}
	k := 0
	closing := len(rest) > 0 && rest[0] == '/'
	if closing {
		k++
	}
	start := k
	for k < len(rest) && k-start <= longestName && isName(rest[k]) {
		k++
	}
	if k == start || k == len(rest) || !found(elements[:], rest[start:k], true) {
		return 0
	}
	switch rest[k] {
	case '>', '/', ' ', '\t', '\n', '\r':
	default:
		return 0
	}
	body := rest[k:min(len(rest), k+longestTag)]
	end := bytes.IndexAny(body, "<>")
	if end < 0 || body[end] != '>' {
		return 0
	}
	// a <b and c> d is no tag: what stands behind the name are attributes, of which hardly any has no value.
	if inside := bytes.TrimRight(body[:end], " \t\r\n/"); len(inside) > 0 && (closing || bytes.IndexByte(inside, '=') < 0) {
		return 0
	}
	return i + 1 + k + end + 1
}

const longestName = 12

// lower is an ASCII letter in lower case.
func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 0x20
	}
	return c
}

// begins says whether s begins with a word of lower case, in whatever case.
func begins(s []byte, word string) bool {
	if len(s) < len(word) {
		return false
	}
	for i := range len(word) {
		if lower(s[i]) != word[i] {
			return false
		}
	}
	return true
}

func isName(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

// elements of HTML (https://html.spec.whatwg.org/multipage/indices.html#elements-3 and, of what is obsolete, section
// 16.2), sorted.
var elements = [...]string{
	"a", "abbr", "address", "area", "article", "aside", "audio", "b", "base", "bdi", "bdo", "big", "blink", "blockquote", "body", "br",
	"button", "canvas", "caption", "center", "cite", "code", "col", "colgroup", "data", "datalist", "dd", "del", "details", "dfn",
	"dialog", "dir", "div", "dl", "dt", "em", "embed", "fieldset", "figcaption", "figure", "font", "footer", "form", "frame",
	"frameset", "h1", "h2", "h3", "h4", "h5", "h6", "head", "header", "hgroup", "hr", "html", "i", "iframe", "img", "input", "ins",
	"kbd", "label", "legend", "li", "link", "main", "map", "mark", "marquee", "menu", "meta", "meter", "nav", "nobr", "noscript",
	"object", "ol", "optgroup", "option", "output", "p", "param", "path", "picture", "pre", "progress", "q", "s", "samp", "script",
	"section", "select", "slot", "small", "source", "span", "strike", "strong", "style", "sub", "summary", "sup", "svg", "table",
	"tbody", "td", "template", "textarea", "tfoot", "th", "thead", "time", "title", "tr", "track", "tt", "u", "ul", "var", "video", "wbr",
}

// found looks for a name in a sorted list; with fold, whatever its case is, in a list of lower case.
func found(sorted []string, name []byte, fold bool) bool {
	lo, hi := 0, len(sorted)
	for lo < hi {
		mid := (lo + hi) / 2
		switch c := compare(sorted[mid], name, fold); {
		case c == 0:
			return true
		case c < 0:
			lo = mid + 1
		default:
			hi = mid
		}
	}
	return false
}

func compare(s string, name []byte, fold bool) int {
	for i := range min(len(s), len(name)) {
		c := name[i]
		if fold {
			c = lower(c)
		}
		if s[i] != c {
			return int(s[i]) - int(c)
		}
	}
	return len(s) - len(name)
}

// entityEnd is the offset behind the entity at i, or 0 if there is none.
func entityEnd(doc []byte, i int) int {
	rest := doc[i+1 : min(len(doc), i+12)]
	k := 0
	if len(rest) > 0 && rest[0] == '#' {
		k++
		hex := k < len(rest) && rest[k]|0x20 == 'x'
		if hex {
			k++
		}
		start := k
		for k < len(rest) && (('0' <= rest[k] && rest[k] <= '9') || hex && 'a' <= rest[k]|0x20 && rest[k]|0x20 <= 'f') {
			k++
		}
		if n := k - start; n == 0 || n > 7 || k == len(rest) || rest[k] != ';' {
			return 0
		}
		return i + 1 + k + 1
	}
	for k < len(rest) && isName(rest[k]) {
		k++
	}
	if k == 0 || k == len(rest) || rest[k] != ';' || !found(entities[:], rest[:k], false) {
		return 0
	}
	return i + 1 + k + 1
}

// entities of HTML 4.01 (https://www.w3.org/TR/html401/sgml/entities.html) without its letters of Greek and its signs of
// mathematics, and apos of HTML 5, sorted.
var entities = [...]string{
	"AElig", "Aacute", "Acirc", "Agrave", "Aring", "Atilde", "Auml", "Ccedil", "Dagger", "ETH", "Eacute", "Ecirc", "Egrave", "Euml",
	"Iacute", "Icirc", "Igrave", "Iuml", "Ntilde", "OElig", "Oacute", "Ocirc", "Ograve", "Oslash", "Otilde", "Ouml", "Scaron", "THORN",
	"Uacute", "Ucirc", "Ugrave", "Uuml", "Yacute", "Yuml", "aacute", "acirc", "acute", "aelig", "agrave", "amp", "apos", "aring",
	"atilde", "auml", "bdquo", "brvbar", "bull", "ccedil", "cedil", "cent", "circ", "copy", "curren", "dagger", "darr", "deg", "divide",
	"eacute", "ecirc", "egrave", "emsp", "ensp", "eth", "euml", "euro", "fnof", "frac12", "frac14", "frac34", "gt", "harr", "hearts",
	"hellip", "iacute", "icirc", "iexcl", "igrave", "iquest", "iuml", "laquo", "larr", "ldquo", "lrm", "lsaquo", "lsquo", "lt", "macr",
	"mdash", "micro", "middot", "minus", "nbsp", "ndash", "not", "ntilde", "oacute", "ocirc", "oelig", "ograve", "ordf", "ordm", "oslash",
	"otilde", "ouml", "para", "permil", "plusmn", "pound", "prime", "quot", "raquo", "rarr", "rdquo", "reg", "rlm", "rsaquo", "rsquo",
	"sbquo", "scaron", "sect", "shy", "sup1", "sup2", "sup3", "szlig", "thinsp", "thorn", "tilde", "times", "trade", "uacute", "uarr",
	"ucirc", "ugrave", "uml", "uuml", "yacute", "yen", "yuml", "zwj", "zwnj",
}

// attributeStart is where the attribute begins whose = is at i, or -1 if there is none: a known name behind white space
// or at the beginning of the text or of a tag's rest, and a quotation mark behind the =.
func attributeStart(doc []byte, i int) int {
	if i+1 >= len(doc) || doc[i+1] != '"' && doc[i+1] != '\'' {
		return -1
	}
	start := i
	for start > 0 && i-start <= longestName && (isName(doc[start-1]) || doc[start-1] == '-') {
		start--
	}
	name := doc[start:i]
	if len(name) == 0 || len(name) > longestName || !found(attributes[:], name, true) && !begins(name, "data-") {
		return -1
	}
	if start > 0 {
		switch doc[start-1] {
		case ' ', '\t', '\n', '\r', '"', '\'', '<', '>', '/', ';':
		default:
			return -1
		}
	}
	return start
}

// attributes of HTML that text which is no HTML hardly has before a = and a quotation mark, sorted.
var attributes = [...]string{
	"align", "alt", "aria-hidden", "aria-label", "bgcolor", "border", "cellpadding", "cellspacing", "class", "colspan", "content",
	"height", "href", "id", "itemprop", "itemtype", "lang", "name", "onclick", "onload", "onmouseover", "rel", "role", "rowspan",
	"src", "srcset", "style", "tabindex", "target", "title", "type", "valign", "value", "width",
}
