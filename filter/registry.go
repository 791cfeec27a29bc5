package filter

import "slices"

// rules is the registry, sorted by name.
var rules = []Rule{
	c4Badwords,
	c4Paragraph,
	c4Quality,
	dolmaC4V1,
	dolmaC4V2,
	dolmaGopherV1,
	dolmaGopherV2,
	fasttextQuality,
	fineweb1GopherQuality,
	fineweb1GopherRepetition,
	fineweb1Quality,
	finewebQuality,
	gopherQuality,
	gopherRepetition,
	nemoBoilerPlateString,
	nemoBullets,
	nemoCommonEnglishWords,
	nemoEllipsis,
	nemoLongWord,
	nemoMeanWordLength,
	nemoNonAlphaNumeric,
	nemoNumbers,
	nemoParentheses,
	nemoPornographicURLs,
	nemoPunctuation,
	nemoRepeatedLines,
	nemoRepeatedLinesByChar,
	nemoRepeatedParagraphs,
	nemoRepeatedParagraphsByChar,
	nemoRepeatingDuplicateNGrams,
	nemoRepeatingTopNGrams,
	nemoSymbolsToWords,
	nemoURLs,
	nemoWhiteSpace,
	nemoWordCount,
	nemoWordsWithoutAlphabets,
	piiRule,
	slimpajamaShort,
	symbolLines,
	textRepair,
	urlRule,
}

// Rules are all rules, sorted by name.
func Rules() []Rule { return slices.Clone(rules) }

func ruleNamed(name string) (*Rule, bool) {
	for i := range rules {
		if rules[i].Name == name {
			return &rules[i], true
		}
	}
	return nil, false
}

// profiles is sorted by name.
var profiles = []*Profile{
	&basqueProfile,
	&c4Profile,
	&datatroveC4ParagraphProfile,
	&datatroveC4QualityProfile,
	&datatroveFasttextProfile,
	&datatroveFinewebQualityProfile,
	&datatroveGopherQualityProfile,
	&datatroveGopherRepetitionProfile,
	&datatrovePIIProfile,
	&symbolLinesProfile,
	&dolmaC4V1Profile,
	&dolmaC4V2Profile,
	&dolmaGopherV1Profile,
	&dolmaGopherV1ReleasedProfile,
	&dolmaGopherV2Profile,
	&dolmaPIIProfile,
	&finewebProfile,
	&fineweb1Profile,
	&gopherProfile,
	&nemoEnglishProfile,
	&nemoFasttextQualityProfile,
	&piiProfile,
	&repairProfile,
	&slimpajamaProfile,
}

// Profiles are all profiles, sorted by name.
func Profiles() []Profile {
	all := make([]Profile, len(profiles))
	for i, p := range profiles {
		all[i] = *p
	}
	return all
}
