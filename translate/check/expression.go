package check

import (
	"regexp"
	"sync"
)

// expression is compiled when it is first needed: the tables hold a hundred, and most commands need none.
type expression struct {
	text string
	once sync.Once
	re   *regexp.Regexp
}

func express(text string) *expression { return &expression{text: text} }

func (e *expression) get() *regexp.Regexp {
	e.once.Do(func() { e.re = regexp.MustCompile(e.text) })
	return e.re
}

func (e *expression) MatchString(s string) bool           { return e.get().MatchString(s) }
func (e *expression) FindString(s string) string          { return e.get().FindString(s) }
func (e *expression) FindStringIndex(s string) []int      { return e.get().FindStringIndex(s) }
func (e *expression) ReplaceAllString(s, r string) string { return e.get().ReplaceAllString(s, r) }
