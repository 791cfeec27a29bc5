package filter

import (
	"fmt"

	"curate/filter/url"
)

const datatroveURL = "datatrove 0.10.1, pipeline/filters/url_filter.py URLFilter"

// urlRule drops documents by the URL that they come from.
var urlRule = Rule{
	Name:    "url",
	Version: 1,
	Summary: "drops documents whose URL is in a list of domains or URLs, or holds words of a list",
	Source:  datatroveURL,
	Fields:  []Field{{Name: "url", Path: "url", Help: "the URL of the document; a record without it is kept"}},
	Lists: []List{
		{Name: "domains", Source: datatroveURL, Help: "domains and host names, beside those of domains_file"},
		{Name: "urls", Source: datatroveURL, Help: "whole URLs, beside those of urls_file"},
		{Name: "banned_words", Source: datatroveURL, Help: "words of which one is enough"},
		{Name: "soft_banned_words", Source: datatroveURL, Help: "words of which it takes several"},
		{Name: "banned_subwords", Source: datatroveURL, Help: "what may stand nowhere in a URL, of which letters and digits alone are looked at"},
	},
	Texts: []Text{
		{Name: "domains_file", File: true, Source: datatroveURL, Help: "a file of domains and host names, one a line, plain or compressed with gzip or zstd; lines that begin with # are comments"},
		{Name: "urls_file", File: true, Source: datatroveURL, Help: "the same of whole URLs"},
		{Name: "banned_words_file", File: true, Source: datatroveURL, Help: "the same of words of which one is enough"},
		{Name: "soft_banned_words_file", File: true, Source: datatroveURL, Help: "the same of words of which it takes several"},
		{Name: "banned_subwords_file", File: true, Source: datatroveURL, Help: "the same of what may stand nowhere in a URL"},
	},
	Params: []Param{
		{Name: "soft_word_threshold", Default: 2, Unit: "different words of soft_banned_words", Source: datatroveURL},
		{Name: "fold_case", Default: 0, Unit: "1 on, 0 off: capital letters in host names and words of the URL are compared as small ones; datatrove compares them with the lists' small ones", Source: datatroveURL, Inside: true},
	},
	Prepare:    prepareURL,
	NewScratch: func(any) any { return &url.Scratch{} },
	Tests: []Test{
		{Reason: "domain", Signal: "url_domain_listed", Compare: Above,
			Measure: "1 if the registered domain of the URL, one label before the public suffix, is in domains",
			Value: urlValue(func(l *url.Lists, s *url.Scratch, u []byte, fold bool) float64 {
				return one(l.Domain(s, u, fold))
			})},
		{Reason: "subdomain", Signal: "url_host_listed", Compare: Above,
			Measure: "1 if the host name of the URL is in domains",
			Value:   urlValue(func(l *url.Lists, s *url.Scratch, u []byte, fold bool) float64 { return one(l.Host(s, u, fold)) })},
		{Reason: "url", Signal: "url_listed", Compare: Above,
			Measure: "1 if the URL is in urls as it is",
			Value:   urlValue(func(l *url.Lists, _ *url.Scratch, u []byte, _ bool) float64 { return one(l.URL(u)) })},
		{Reason: "hard_blacklisted", Signal: "url_banned_words", Compare: Above,
			Measure: "number of different words of the URL, its runs of ASCII letters and digits, that are in banned_words",
			Value: urlValue(func(l *url.Lists, s *url.Scratch, u []byte, fold bool) float64 {
				return float64(l.Words(s, u, fold))
			})},
		{Reason: "soft_blacklisted", Signal: "url_soft_banned_words", Compare: AtOrAbove, Param: "soft_word_threshold", ZeroOff: true,
			Measure: "number of different words of the URL that are in soft_banned_words",
			Value: urlValue(func(l *url.Lists, s *url.Scratch, u []byte, fold bool) float64 {
				return float64(l.SoftWords(s, u, fold))
			})},
		{Reason: "blacklisted_subword", Signal: "url_banned_subword", Compare: Above,
			Measure: "1 if one of banned_subwords stands in the URL without its signs, in lower case",
			Value:   urlValue(func(l *url.Lists, _ *url.Scratch, u []byte, _ bool) float64 { return one(l.Subword(u)) })},
	},
}

// urlValue asks about the URL of a document that has one.
func urlValue(ask func(l *url.Lists, s *url.Scratch, u []byte, fold bool) float64) func(*View, Values) (float64, bool) {
	return func(v *View, p Values) (float64, bool) {
		u, ok := v.Field("url")
		if !ok {
			return 0, false
		}
		return ask(p.Made().(*url.Lists), v.Scratch(p).(*url.Scratch), u, p.On("fold_case")), true
	}
}

func prepareURL(p Values) (any, error) {
	l := &url.Lists{}
	lines := 0
	for _, c := range []struct {
		to   url.List
		name string
	}{
		{url.Domains, "domains"}, {url.URLs, "urls"}, {url.Words, "banned_words"}, {url.SoftWords, "soft_banned_words"}, {url.Subwords, "banned_subwords"},
	} {
		for _, line := range p.List(c.name) {
			l.Add(c.to, []byte(line))
		}
		lines += len(p.List(c.name))
		file := c.name + "_file"
		if p.Text(file) == "" {
			continue
		}
		lines++
		in, err := p.Open(file)
		if err != nil {
			return nil, err
		}
		err = l.Read(c.to, in)
		if e := in.Close(); err == nil {
			err = e
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w", file, p.Text(file), err)
		}
	}
	if lines == 0 {
		return nil, fmt.Errorf("no list is given: set domains, urls, banned_words, soft_banned_words or banned_subwords, or the file of one")
	}
	l.Ready()
	return l, nil
}
