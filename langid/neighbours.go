package langid

import (
	"slices"
	"strings"
)

// neighbours are groups of languages that are mistaken for each other. Whoever keeps one of a group needs the
// others known as well: lingua answers for no language outside its set, so Bosnian would be Croatian and come in.
// Groups are as small as their reasons allow, since each language costs memory and time.
var neighbours = []struct{ languages, reason string }{
	{"af de nl", "Germanic of the continent: Dutch and Afrikaans share most short words, German many"},
	{"ar fa ur", "one script, and the Arabic words in Persian and Urdu"},
	{"az tr", "Turkic: endings and short words"},
	{"be bg mk ru uk", "Slavic in Cyrillic script"},
	{"bg mk sr", "South Slavic in Cyrillic script"},
	{"bs hr sl sr", "South Slavic: Bosnian, Croatian and Serbian are standards of one language"},
	{"ca es eu fr", "Basque pages hold Spanish, French and Catalan paragraphs, names and loanwords"},
	{"ca es fr it pt", "Romance of the West; Galician, which lingua does not know, becomes Spanish or Portuguese"},
	{"cs pl sk", "West Slavic: Czech and Slovak are mutually intelligible"},
	{"cy ga", "Celtic"},
	{"da is nb nn sv", "Nordic: Danish and the two Norwegians are mutually intelligible in writing"},
	{"et fi", "Finnic"},
	{"eu tr", "endings and k, z, tz: without Turkish in the set, Turkish scores 0.61 as Basque"},
	{"hi mr", "one script"},
	{"id ms tl", "Malay: Indonesian and Malay are standards of one language"},
	{"ja zh", "Chinese characters"},
	{"kk mn ru", "Cyrillic script, with Russian loanwords and paragraphs"},
	{"lg sn st sw tn ts xh zu", "Bantu: prefixes and short words"},
	{"lt lv", "Baltic"},
}

// common are the languages that the web holds most of in Latin script. They join every set with a language in
// that script: with Catalan, English, Spanish, Basque and French alone, 12 of 200 German and 10 of 200 Italian
// pages became Basque, and with German, Italian and Portuguese none (docs/langid.md).
var common = strings.Fields("de en es fr it pt")

// otherScripts are the languages that lingua knows in no Latin script: what they are mistaken for is never a
// language in Latin script, whose words are no part of the same sample.
var otherScripts = strings.Fields("ar be bg bn el fa gu he hi hy ja ka kk ko mk mn mr pa ru sr ta te th uk ur zh")

// withNeighbours is the set of languages for what is to be kept: the languages named, every group that one of
// them is in (but not the groups of those), the common languages where one of them is written in Latin script,
// and English, which pages in any language hold.
func withNeighbours(keep []string) []string {
	set := []string{"en"}
	for _, code := range keep {
		if code == Und {
			continue
		}
		set = append(set, code)
		if !slices.Contains(otherScripts, code) {
			set = append(set, common...)
		}
		for _, g := range neighbours {
			if group := strings.Fields(g.languages); slices.Contains(group, code) {
				set = append(set, group...)
			}
		}
	}
	slices.Sort(set)
	return slices.Compact(set)
}
