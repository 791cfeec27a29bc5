package train

import (
	"strconv"
	"strings"
	"testing"

	"curate/record"
)

func TestParseWeight(t *testing.T) {
	for _, c := range []struct{ text, field, value, weight string }{
		{"meta.lang=eu:3", "meta.lang", "eu", "3"},
		{"url=https://a.eu/?q=1:0.25", "url", "https://a.eu/?q=1", "0.25"},
		{"n=7:000001.500000", "n", "7", "000001.500000"},
		{"a=:0", "a", "", "0"},
	} {
		w, err := ParseWeight(c.text)
		if err != nil || w.Field.String() != c.field || w.Value != c.value || w.Weight != c.weight {
			t.Errorf("%s: %+v, %v", c.text, w, err)
		}
		if back, err := w.MarshalText(); err != nil || string(back) != c.text {
			t.Errorf("%s: %s, %v", c.text, back, err)
		}
	}
	for _, c := range []struct{ text, want string }{
		{"", "is not FIELD=VALUE:WEIGHT"},
		{"lang:3", "is not FIELD=VALUE:WEIGHT"},
		{"lang=eu", "is not FIELD=VALUE:WEIGHT"},
		{"=eu:3", "is not FIELD=VALUE:WEIGHT"},
		{"a..b=eu:3", "a..b"},
		{"a=b:", "no decimal number"},
		{"a=b:-1", "no decimal number"},
		{"a=b:+1", "no decimal number"},
		{"a=b:1e3", "no decimal number"},
		{"a=b:.5", "no decimal number"},
		{"a=b:5.", "no decimal number"},
		{"a=b:1.2.3", "no decimal number"},
		{"a=b:1000000", "too large; at most 999999"},
		{"a=b:0.0000001", "more than 6 digits"},
	} {
		if _, err := ParseWeight(c.text); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %q", c.text, err, c.want)
		}
	}
}

func TestWeigher(t *testing.T) {
	for _, c := range []struct {
		weights string // parted by blanks
		others  string
		unit    uint64
		want    string // for each of the lines below
	}{
		{"lang=eu:3", "", 1, "3 1 1 1 1 1"},
		{"lang=eu:3 lang=eu:4", "", 1, "twice"},
		{"lang=eu:1.5 n=7:0.25", "", 4, "6 4 1 4 4 4"},
		{"lang=eu:0 lang=en:2", "0", 1, "0 2 0 0 0 0"},
		{"lang=eu:0.000001", "999999", 1_000_000, "1 999999000000 999999000000 999999000000 999999000000 999999000000"},
		{"n=7:2 lang=eu:3 n=true:4 n=null:5", "6", 1, "3 6 2 4 5 6"},
		{"lang=é\n:2", RefuseOthers, 1, "! ! ! ! ! 2"},
		{"lang=eu:2", "x", 0, "no decimal number"},
		{"", "", 1, "1 1 1 1 1 1"},
		{"", "2", 0, "no source has one"},
	} {
		var weights []Weight
		for _, s := range strings.Split(c.weights, " ") {
			if s != "" {
				weights = append(weights, weight(t, s))
			}
		}
		w, err := newWeigher(weights, c.others)
		if err != nil {
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %v", c.weights, err)
			}
			continue
		}
		b := &record.Batch{}
		for i, l := range []string{`{"lang":"eu","n":7.0}`, `{"lang":"en"}`, `{"n":7}`, `{"n":true,"lang":["eu"]}`, `{"n":null,"lang":{"eu":1}}`, `{"lang":"\u00e9\n"}`} {
			b.Append(record.ID(i), int64(i), []byte(l))
		}
		b.Parse()
		var got []string
		var scratch []byte
		for i := range b.Records {
			n, err := w.of(&b.Records[i], &scratch)
			if err != nil {
				got = append(got, "!")
				continue
			}
			got = append(got, strconv.FormatUint(n, 10))
		}
		if strings.Join(got, " ") != c.want || w.unit != c.unit {
			t.Errorf("%q: %v of %d, want %s of %d", c.weights, got, w.unit, c.want, c.unit)
		}
	}
}
