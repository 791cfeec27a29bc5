package translate

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"curate/record"
)

// Failure is why a text was given up.
type Failure struct {
	Check    string // a signal of package check, a reason of package backends, "placeholders", "structure", "not_in_memory", …
	Detail   string
	Path     string // JSON pointer of the text; "" where it is about the row
	Source   string // of the segment; "" where it is about the row
	Answer   string // the beginning of the last one, as far as a message shows it and a memory keeps it
	Attempts int    // requests that it took
	// passing says that the failure is a matter of the moment (a server, a budget), and not of the text: it is not
	// remembered beyond the run.
	passing bool
	// shared says that the text was asked for with others, any of which may be the cause: other rows ask for themselves.
	shared bool
}

// NotFetchedError ends a run that asks nobody and comes to a segment that no memory has.
type NotFetchedError struct {
	Row     record.ID
	Failure *Failure
}

func (e *NotFetchedError) Error() string {
	return fmt.Sprintf("%v (row of input %d at byte %d)", e.Failure, e.Row.File(), e.Row.Offset())
}

const excerptBytes = 160

func (f *Failure) Error() string {
	var b strings.Builder
	b.WriteString("translation: ")
	b.WriteString(f.Check)
	if f.Path != "" {
		fmt.Fprintf(&b, " in %s", f.Path)
	}
	if f.Detail != "" {
		fmt.Fprintf(&b, ": %s", f.Detail)
	}
	if f.Source != "" {
		fmt.Fprintf(&b, "; source %q", excerpt(f.Source))
	}
	if f.Answer != "" {
		fmt.Fprintf(&b, ", answer %q", excerpt(f.Answer))
	}
	if f.Attempts > 1 {
		fmt.Fprintf(&b, "; %d attempts", f.Attempts)
	}
	return b.String()
}

// excerpt is the beginning of a text, short enough for a message. That of an excerpt is itself.
func excerpt(s string) string {
	if len(s) <= excerptBytes {
		return s
	}
	n := excerptBytes
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}
