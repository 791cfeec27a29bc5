//go:build unix

package backends

import (
	"strings"
	"testing"
	"time"
)

// A megabyte of whatever is read in no time: of the processor, since others work on the machine, too.
func TestParseAnswerLong(t *testing.T) {
	for name, s := range map[string]string{
		"open":    strings.Repeat("[", 1<<20),
		"objects": strings.Repeat(`{"a":`, 1<<18),
		"entries": strings.Repeat(`{"id":0,"text":"`, 1<<16),
		"closed":  `{"translations":[` + strings.Repeat(`{"id":0,"text":"A"},`, 1<<16),
		"quotes":  strings.Repeat(`{"`, 1<<19),
		"numbers": "[" + strings.Repeat("1,", 1<<19),
		"thought": strings.Repeat("<think>", 1<<17),
	} {
		began := processor()
		parseAnswer(s, 20, true)
		parseAnswer(s, 20, false)
		parseScores(s, 20)
		classify(400, nil, []byte(s), time.Now())
		plainAnswer(s)
		if d := processor() - began; d > 5*time.Second { // a quadratic one takes minutes
			t.Errorf("%s: %v", name, d)
		}
	}
}
