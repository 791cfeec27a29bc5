package filter

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// YAML is the profile as a file that ParseProfile reads: the same decisions, nothing extended. Lists stand in it,
// whatever files they came from. A composition has no file.
func (p Profile) YAML() ([]byte, error) {
	if len(p.parts) > 0 {
		return nil, fmt.Errorf("%s is several profiles; each is a file of its own", p.Name)
	}
	w := &yamlWriter{}
	w.line(0, "name", yamlText(p.Name))
	w.line(0, "version", strconv.Itoa(p.Version))
	for _, k := range []struct{ key, value string }{
		{"summary", p.Summary}, {"reproduces", p.Reproduces}, {"made_for", p.Language}, {"words", p.Words}, {"language", p.LanguageField},
	} {
		if k.value != "" {
			w.line(0, k.key, yamlText(k.value))
		}
	}
	if len(p.Rules) == 0 {
		w.line(0, "rules", "[]")
	} else {
		w.line(0, "rules", "")
	}
	for i := range p.Rules {
		u := &p.Rules[i]
		w.WriteString("  - rule: " + yamlText(u.Rule) + "\n")
		if len(u.Set) > 0 {
			w.line(4, "set", "")
			w.settings(6, u.Set)
		}
		if slices.ContainsFunc(u.Set, func(s Setting) bool { return s.Why != "" }) {
			w.line(4, "why", "")
			for _, s := range u.Set {
				if s.Why != "" {
					w.line(6, s.Param, yamlText(s.Why))
				}
			}
		}
	}
	if len(p.Languages) > 0 {
		w.line(0, "languages", "")
	}
	for _, l := range p.Languages {
		if len(l.Rules) == 0 {
			w.line(2, l.Language, "{}")
			continue
		}
		w.line(2, l.Language, "")
		for _, u := range l.Rules {
			if len(u.Set) == 0 {
				w.line(4, u.Rule, "{}")
				continue
			}
			w.line(4, u.Rule, "")
			w.settings(6, u.Set)
		}
	}
	for _, keep := range []bool{false, true} {
		head := map[bool]string{false: "drop_if", true: "keep_if"}[keep]
		for _, c := range p.Conditions {
			if c.Keep != keep {
				continue
			}
			if head != "" {
				w.line(0, head, "")
				head = ""
			}
			w.line(2, c.Name, yamlText(c.Expression))
		}
	}
	return []byte(w.String()), nil
}

// yamlWriter writes block YAML.
type yamlWriter struct{ strings.Builder }

// line writes "key: value", or "key:" of what stands below.
func (w *yamlWriter) line(indent int, key, value string) {
	w.WriteString(strings.Repeat(" ", indent) + yamlText(key) + ":")
	if value != "" {
		w.WriteString(" " + value)
	}
	w.WriteString("\n")
}

func (w *yamlWriter) settings(indent int, set []Setting) {
	for _, s := range set {
		switch v := s.Value.(type) {
		case string:
			w.line(indent, s.Param, yamlText(v))
		case bool:
			w.line(indent, s.Param, strconv.FormatBool(v))
		case []string:
			if len(v) == 0 {
				w.line(indent, s.Param, "[]")
				continue
			}
			w.line(indent, s.Param, "")
			for _, item := range v {
				w.WriteString(strings.Repeat(" ", indent+2) + "- " + yamlText(item) + "\n")
			}
		default:
			n, _ := asNumber(v)
			w.line(indent, s.Param, number(n))
		}
	}
}

// yamlText is a text as YAML: bare if nothing in it could mean anything, in single quotes if it is printable, else in
// double quotes with escapes.
func yamlText(s string) string {
	switch {
	case bareYAML(s):
		return s
	case strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) < 0 && s != "":
		return "'" + strings.ReplaceAll(s, "'", "''") + "'"
	}
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case unicode.IsPrint(r):
			b.WriteRune(r)
		case r < 0x10000:
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			fmt.Fprintf(&b, `\U%08X`, r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// bareYAML says whether a text can stand without quotes: words of letters with what is no sign of YAML's between them.
func bareYAML(s string) bool {
	for i, r := range s {
		if !unicode.IsLetter(r) && (i == 0 || !unicode.IsDigit(r) && !strings.ContainsRune(" _-./+;()@=<>", r)) {
			return false
		}
	}
	switch strings.ToLower(s) {
	case "", "true", "false", "null", "yes", "no", "on", "off", "y", "n":
		return false
	}
	return !strings.HasSuffix(s, " ")
}
