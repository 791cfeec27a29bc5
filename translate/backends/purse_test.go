//go:build unix

package backends

import (
	"errors"
	"strings"
	"testing"
)

// TestOnePurse: a limit is that of all who share it.
func TestOnePurse(t *testing.T) {
	p := Policy{MaxRequests: 3}
	p.Purse = NewPurse(p)
	var both []*command
	for range 2 {
		c, err := newCommand(Command{Line: loop(`echo "$l"`), Policy: p})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		both = append(both, c)
	}
	a, b := both[0], both[1]
	must(t, a, request("one"))
	must(t, b, request("one"))
	must(t, a, request("two"))
	var e *Error
	if _, err := b.Translate(t.Context(), request("two")); !errors.As(err, &e) || e.Class != Budget {
		t.Errorf("the fourth request of three: %v", err)
	}
}

// TestCommandTellsNoKey: the command has the key in its environment, and may say it.
func TestCommandTellsNoKey(t *testing.T) {
	const key = "sk-planted-0123456789"
	b, logs := newTestCommand(t, loop(`echo "the key is `+key+`" >&2; case "$l" in key) echo "`+key+`";; *) echo "$l";; esac`), func(c *Command) { c.Key = key })
	a := must(t, b, request("key", "word"))
	if !a.Missing[0] || a.Texts[0] != "" || a.Texts[1] != "word" {
		t.Errorf("%q, missing %v", a.Texts, a.Missing)
	}
	b.Close()
	if said := strings.Join(logs(), "\n"); !strings.Contains(said, "the key is [key]") || strings.Contains(said, key) {
		t.Error(said)
	}
}
