package langid

import (
	"fmt"
	"strings"

	"curate/stage"
)

// linguaLanguages are those of lingua-go v1.4.0, by code, with what their models take as Go maps: the growth of
// the live heap when they are loaded, measured with Go 1.26 on amd64, rounded up to MiB, and one more. It stands
// here, and not in lingua.go, so that names are checked and memory is planned without the models.
var linguaLanguages = []Language{
	{"af", "afr", "Afrikaans", 13},
	{"ar", "ara", "Arabic", 30},
	{"az", "aze", "Azerbaijani", 21},
	{"be", "bel", "Belarusian", 23},
	{"bg", "bul", "Bulgarian", 24},
	{"bn", "ben", "Bengali", 1},
	{"bs", "bos", "Bosnian", 13},
	{"ca", "cat", "Catalan", 14},
	{"cs", "ces", "Czech", 42},
	{"cy", "cym", "Welsh", 13},
	{"da", "dan", "Danish", 20},
	{"de", "deu", "German", 25},
	{"el", "ell", "Greek", 1},
	{"en", "eng", "English", 20},
	{"eo", "epo", "Esperanto", 22},
	{"es", "spa", "Spanish", 23},
	{"et", "est", "Estonian", 21},
	{"eu", "eus", "Basque", 12},
	{"fa", "fas", "Persian", 18},
	{"fi", "fin", "Finnish", 21},
	{"fr", "fra", "French", 20},
	{"ga", "gle", "Irish", 12},
	{"gu", "guj", "Gujarati", 1},
	{"he", "heb", "Hebrew", 1},
	{"hi", "hin", "Hindi", 3},
	{"hr", "hrv", "Croatian", 24},
	{"hu", "hun", "Hungarian", 44},
	{"hy", "hye", "Armenian", 1},
	{"id", "ind", "Indonesian", 13},
	{"is", "isl", "Icelandic", 24},
	{"it", "ita", "Italian", 15},
	{"ja", "jpn", "Japanese", 1},
	{"ka", "kat", "Georgian", 1},
	{"kk", "kaz", "Kazakh", 19},
	{"ko", "kor", "Korean", 1},
	{"la", "lat", "Latin", 14},
	{"lg", "lug", "Ganda", 7},
	{"lt", "lit", "Lithuanian", 25},
	{"lv", "lav", "Latvian", 28},
	{"mi", "mri", "Maori", 5},
	{"mk", "mkd", "Macedonian", 12},
	{"mn", "mon", "Mongolian", 15},
	{"mr", "mar", "Marathi", 4},
	{"ms", "msa", "Malay", 7},
	{"nb", "nob", "Bokmal", 23},
	{"nl", "nld", "Dutch", 21},
	{"nn", "nno", "Nynorsk", 17},
	{"pa", "pan", "Punjabi", 1},
	{"pl", "pol", "Polish", 25},
	{"pt", "por", "Portuguese", 13},
	{"ro", "ron", "Romanian", 23},
	{"ru", "rus", "Russian", 24},
	{"sk", "slk", "Slovak", 28},
	{"sl", "slv", "Slovene", 22},
	{"sn", "sna", "Shona", 3},
	{"so", "som", "Somali", 6},
	{"sq", "sqi", "Albanian", 16},
	{"sr", "srp", "Serbian", 25},
	{"st", "sot", "Sotho", 3},
	{"sv", "swe", "Swedish", 26},
	{"sw", "swa", "Swahili", 3},
	{"ta", "tam", "Tamil", 1},
	{"te", "tel", "Telugu", 1},
	{"th", "tha", "Thai", 18},
	{"tl", "tgl", "Tagalog", 6},
	{"tn", "tsn", "Tswana", 3},
	{"tr", "tur", "Turkish", 27},
	{"ts", "tso", "Tsonga", 3},
	{"uk", "ukr", "Ukrainian", 25},
	{"ur", "urd", "Urdu", 24},
	{"vi", "vie", "Vietnamese", 9},
	{"xh", "xho", "Xhosa", 7},
	{"yo", "yor", "Yoruba", 6},
	{"zh", "zho", "Chinese", 1},
	{"zu", "zul", "Zulu", 8},
}

// linguaUnknown are languages that people ask for and lingua does not know, with what it takes their texts for.
var linguaUnknown = []struct{ code, name, becomes string }{
	{"an", "Aragonese", "es or ca"},
	{"br", "Breton", ""},
	{"fy", "Frisian", "nl"},
	{"gl", "Galician", "es or pt"},
	{"lb", "Luxembourgish", "de"},
	{"mt", "Maltese", ""},
	{"no", "Norwegian as one language", ""},
	{"oc", "Occitan", "ca or fr"},
}

// linguaKnown is linguaLanguage for the table of engines.
func linguaKnown(_ *Config, code string) (string, error) {
	l, err := linguaLanguage(code)
	return l.Code, err
}

// linguaLanguage finds one of lingua's languages. The error says what was probably meant.
func linguaLanguage(code string) (Language, error) {
	names := make([]string, len(linguaLanguages))
	for i, l := range linguaLanguages {
		if l.Code == code {
			return l, nil
		}
		names[i] = l.Code
	}
	for _, l := range linguaLanguages {
		if strings.EqualFold(l.Code3, code) || strings.EqualFold(l.Name, code) || strings.EqualFold(l.Code, code) {
			return Language{}, fmt.Errorf("no language has the code %q; did you mean %q, which is %s?", code, l.Code, l.Name)
		}
	}
	for _, u := range linguaUnknown {
		switch {
		case u.code != code:
		case u.code == "no":
			return Language{}, fmt.Errorf("lingua knows Norwegian as Bokmal (nb) and Nynorsk (nn), not as %q; name both", code)
		case u.becomes != "":
			return Language{}, fmt.Errorf("lingua does not know %s (%s); it takes such texts for %s", u.name, code, u.becomes)
		default:
			return Language{}, fmt.Errorf("lingua does not know %s (%s)", u.name, code)
		}
	}
	return Language{}, stage.UnknownName("language of lingua", code, names)
}
