package langid

import (
	"slices"
	"strings"
)

// neighbours are groups of languages that are mistaken for each other. Whoever keeps one of a group needs the
// others known as well: lingua answers for no language outside its set, so Bosnian would be Croatian and come in.
// Groups are as small as their reasons allow, since each language costs memory and time. English joins every
// set: it is the language that pages in any other hold most.
var neighbours = []struct{ languages, reason string }{
	{"af de nl", "Germanic of the continent: Dutch and Afrikaans share most short words, German many"},
	{"ar fa ur", "one script, and the Arabic words in Persian and Urdu"},
	{"az kk tr", "Turkic: endings and short words"},
	{"be bg mk ru uk", "Slavic in Cyrillic script"},
	{"bg mk sr", "South Slavic in Cyrillic script"},
	{"bs hr sl sr", "South Slavic: Bosnian, Croatian and Serbian are standards of one language"},
	{"ca es fr it pt", "Romance of the West; Galician, which lingua does not know, becomes Spanish or Portuguese"},
	{"ca es eu fr", "Basque pages hold Spanish, French and Catalan paragraphs, names and loanwords"},
	{"cs pl sk", "West Slavic: Czech and Slovak are mutually intelligible"},
	{"cy ga", "Celtic"},
	{"da is nb nn sv", "Nordic: Danish and the two Norwegians are mutually intelligible in writing"},
	{"en la", "Latin stands in pages of any language, and in filler text"},
	{"eo es it", "Esperanto is made of Romance roots"},
	{"es it la", "Latin and its nearest heirs"},
	{"et fi", "Finnic"},
	{"fr it ro", "Romanian and the Romance languages that its newer words come from"},
	{"hi mr", "one script"},
	{"hu", "no relative among lingua's languages"},
	{"id ms tl", "Malay: Indonesian and Malay are standards of one language"},
	{"ja zh", "Chinese characters"},
	{"kk mn ru", "Cyrillic script, with Russian loanwords and paragraphs"},
	{"lg sn st sw tn ts xh zu", "Bantu: prefixes and short words"},
	{"lt lv", "Baltic"},
	{"mi", "no relative among lingua's languages"},
	{"so", "no relative among lingua's languages written in Latin script"},
	{"sq", "no relative among lingua's languages"},
	{"vi", "no relative among lingua's languages"},
	{"yo", "no relative among lingua's languages"},
}

// withNeighbours is the set of languages for what is to be kept: the languages named, every group that one of
// them is in, and English. Groups of neighbours' neighbours are not added.
func withNeighbours(keep []string) []string {
	set := []string{"en"}
	for _, code := range keep {
		if code == Und {
			continue
		}
		set = append(set, code)
		for _, g := range neighbours {
			if group := strings.Fields(g.languages); slices.Contains(group, code) && code != "en" {
				set = append(set, group...)
			}
		}
	}
	if len(set) == 1 || !slices.ContainsFunc(set, func(c string) bool { return c != "en" }) {
		set = append(set, defaultLanguages...) // English alone: told from the common others
	}
	slices.Sort(set)
	return slices.Compact(set)
}
