package exec

import (
	"errors"
	"fmt"
	"strings"
)

// Split cuts a command line into program and arguments as a POSIX shell cuts words: at blanks, which '…', "…" and \
// protect. Nothing is expanded. What only a shell can do (pipes, variables, patterns) is an error.
func Split(line string) ([]string, error) {
	var list []string
	var word strings.Builder
	in := false // a word has begun
	for i := 0; i < len(line); i++ {
		switch c := line[i]; c {
		case ' ', '\t', '\n':
			if in {
				list = append(list, word.String())
				word.Reset()
				in = false
			}
		case '\'':
			end := strings.IndexByte(line[i+1:], '\'')
			if end < 0 {
				return nil, errors.New("a ' is not closed")
			}
			word.WriteString(line[i+1 : i+1+end])
			i += end + 1
			in = true
		case '"':
			in = true
			for i++; ; i++ {
				if i >= len(line) {
					return nil, errors.New(`a " is not closed`)
				}
				if line[i] == '"' {
					break
				}
				if line[i] == '$' || line[i] == '`' {
					return nil, forShell(line[i])
				}
				if line[i] == '\\' && i+1 < len(line) && strings.IndexByte("$`\"\\\n", line[i+1]) >= 0 {
					i++
					if line[i] == '\n' {
						continue
					}
				}
				word.WriteByte(line[i])
			}
		case '\\':
			if i++; i >= len(line) {
				return nil, errors.New(`a \ stands at the end`)
			}
			if line[i] != '\n' {
				word.WriteByte(line[i])
				in = true
			}
		case '|', '&', ';', '<', '>', '(', ')', '$', '`', '*', '?', '[':
			return nil, forShell(c)
		case '#', '~':
			if !in {
				return nil, forShell(c)
			}
			word.WriteByte(c)
		default:
			word.WriteByte(c)
			in = true
		}
	}
	if in {
		list = append(list, word.String())
	}
	if len(list) == 0 || list[0] == "" {
		return nil, errors.New("it names no program")
	}
	return list, nil
}

func forShell(c byte) error {
	return fmt.Errorf("%q has a meaning for a shell, and no shell runs this; quote it ('%c'), or ask for a shell", c, c)
}

// Join writes a command as a line that Split cuts again.
func Join(command []string) string {
	var b strings.Builder
	for i, w := range command {
		if i > 0 {
			b.WriteByte(' ')
		}
		if w != "" && strings.IndexFunc(w, func(r rune) bool { return !strings.ContainsRune(plainRunes, r) }) < 0 {
			b.WriteString(w)
		} else {
			b.WriteString("'" + strings.ReplaceAll(w, "'", `'\''`) + "'")
		}
	}
	return b.String()
}

const plainRunes = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./,:=@%+^"
