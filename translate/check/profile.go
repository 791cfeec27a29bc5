package check

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Profile is a set of thresholds for a pair of languages. It is written as JSON by `curate translate calibrate`. The table
// `thresholds` says what each is.
type Profile struct {
	Name string `json:"name"` // "en-eu", "general", or of the file

	ChrfMax                float64 `json:"chrf_max"`
	CompressionMin         float64 `json:"compression_min"`
	CopyRateMax            float64 `json:"copy_rate_max"`
	CopyRateMaxHard        float64 `json:"copy_rate_max_hard"`
	EchoWords              float64 `json:"echo_words"`
	GaleChurchMax          float64 `json:"gale_church_max"`
	GaleChurchMean         float64 `json:"gale_church_mean"`
	GaleChurchVariance     float64 `json:"gale_church_variance"`
	LanguageLettersRow     float64 `json:"language_letters_row"`
	LanguageLettersSegment float64 `json:"language_letters_segment"`
	LanguageLettersTable   float64 `json:"language_letters_table"`
	LanguageMargin         float64 `json:"language_margin"`
	LanguageSureBits       float64 `json:"language_sure_bits"`
	LanguageWrongBits      float64 `json:"language_wrong_bits"`
	LengthRatioMax         float64 `json:"length_ratio_max"`
	LengthRatioMaxLong     float64 `json:"length_ratio_max_long"`
	LengthRatioMaxShort    float64 `json:"length_ratio_max_short"`
	LengthRatioMin         float64 `json:"length_ratio_min"`
	LengthRatioMinLong     float64 `json:"length_ratio_min_long"`
	LengthRatioMinShort    float64 `json:"length_ratio_min_short"`
	NumbersDigits          float64 `json:"numbers_digits"`
	NumbersDigitsAlone     float64 `json:"numbers_digits_alone"`
	PunctuationMax         float64 `json:"punctuation_max"`
	RepetitionExcess       float64 `json:"repetition_excess"`
	RepetitionRun          float64 `json:"repetition_run"`
	SameTargetSources      float64 `json:"same_target_sources"`
	ScriptMin              float64 `json:"script_min"`
	ScriptMinHard          float64 `json:"script_min_hard"`
}

// threshold is one line of the table of thresholds, sorted by key.
type threshold struct {
	key      string // in JSON
	general  float64
	min, max float64 // it makes no sense outside
	help     string
	source   string // of the general value
	field    func(*Profile) *float64
}

var never = math.Inf(1)

var thresholds = []threshold{
	{"chrf_max", 60, 0, 100, "chrF against the source, 0 to 100", "fewer than 1 % of human en-eu paragraphs have more",
		func(p *Profile) *float64 { return &p.ChrfMax }},
	{"compression_min", 0.35, 0, 1, "bytes of zlib's output for one of text", "human en-eu paragraphs have 0.51 (p1), four times over 0.20 (p99); LumiOpen's rule is 0.30",
		func(p *Profile) *float64 { return &p.CompressionMin }},
	{"copy_rate_max", 0.4, 0, 1, "share of words copied, 0 to 1; 1 switches it off", "between p99 (0.25) and p99.9 (0.50) of human en-eu paragraphs",
		func(p *Profile) *float64 { return &p.CopyRateMax }},
	{"copy_rate_max_hard", 0.9, 0, 1, "the same", "1 of 35,185 human en-eu paragraphs has more, and that one is English",
		func(p *Profile) *float64 { return &p.CopyRateMaxHard }},
	{"echo_words", 4, 1, never, "lower-case words", "names of four lower-case words are rare",
		func(p *Profile) *float64 { return &p.EchoWords }},
	{"gale_church_max", 3.3, 0, never, "standard deviations", "p99.9 of the normal distribution, since mean and variance are not the pair's own",
		func(p *Profile) *float64 { return &p.GaleChurchMax }},
	{"gale_church_mean", 1, 0.01, 100, "letters of the target for one of the source", "Gale and Church 1993",
		func(p *Profile) *float64 { return &p.GaleChurchMean }},
	{"gale_church_variance", 6.8, 0.01, never, "letters squared, for one letter of the source", "Gale and Church 1993",
		func(p *Profile) *float64 { return &p.GaleChurchVariance }},
	{"language_letters_row", 40, 0, never, "letters", "an engine errs below, even on texts of one language",
		func(p *Profile) *float64 { return &p.LanguageLettersRow }},
	{"language_letters_segment", 60, 0, never, "letters", "names and terms are a large part of shorter segments",
		func(p *Profile) *float64 { return &p.LanguageLettersSegment }},
	{"language_letters_table", 20, 0, never, "letters", "measured on the LibreOffice help",
		func(p *Profile) *float64 { return &p.LanguageLettersTable }},
	{"language_margin", 0.5, 0, 1, "difference of two probabilities", "an engine that is asked about two languages is right or wrong with much more",
		func(p *Profile) *float64 { return &p.LanguageMargin }},
	{"language_sure_bits", 4, 0, never, "bits: 4 is 16 to 1", "measured on the LibreOffice help",
		func(p *Profile) *float64 { return &p.LanguageSureBits }},
	{"language_wrong_bits", 10, 0, never, "bits: 10 is 1024 to 1", "measured on the LibreOffice help",
		func(p *Profile) *float64 { return &p.LanguageWrongBits }},
	{"length_ratio_max", 2, 0, never, "letters of the target for one of the source", "half or twice is rare between languages written in alphabets",
		func(p *Profile) *float64 { return &p.LengthRatioMax }},
	{"length_ratio_max_long", 2, 0, never, "the same", "half or twice is rare between languages written in alphabets",
		func(p *Profile) *float64 { return &p.LengthRatioMaxLong }},
	{"length_ratio_max_short", 2.5, 0, never, "the same", "Bergamot's max-length-factor; OpusFilter and Bicleaner have 3",
		func(p *Profile) *float64 { return &p.LengthRatioMaxShort }},
	{"length_ratio_min", 0.5, 0, never, "the same", "half or twice is rare between languages written in alphabets",
		func(p *Profile) *float64 { return &p.LengthRatioMin }},
	{"length_ratio_min_long", 0.5, 0, never, "the same", "half or twice is rare between languages written in alphabets",
		func(p *Profile) *float64 { return &p.LengthRatioMinLong }},
	{"length_ratio_min_short", 0.4, 0, never, "the same", "the inverse of length_ratio_max_short",
		func(p *Profile) *float64 { return &p.LengthRatioMinShort }},
	{"numbers_digits", 2, 1, never, "digits", "numbers of one digit are often written as words",
		func(p *Profile) *float64 { return &p.NumbersDigits }},
	{"numbers_digits_alone", 3, 1, never, "digits", "250 is hardly ever written as a word",
		func(p *Profile) *float64 { return &p.NumbersDigitsAlone }},
	{"punctuation_max", 2, 0, never, "marks", "p99 of human en-eu paragraphs",
		func(p *Profile) *float64 { return &p.PunctuationMax }},
	{"repetition_excess", 3, 1, never, "times", "p99.9 of human en-eu paragraphs is 1; 99.8 % of looped ones have more",
		func(p *Profile) *float64 { return &p.RepetitionExcess }},
	{"repetition_run", 3, 1, never, "times", "\"very, very, very\" adds two",
		func(p *Profile) *float64 { return &p.RepetitionRun }},
	{"same_target_sources", 2, 2, never, "sources", "a row of two texts that got one answer",
		func(p *Profile) *float64 { return &p.SameTargetSources }},
	{"script_min", 0.9, 0, 1, "share of letters, 0 to 1", "SmolKalam's mean is 0.99",
		func(p *Profile) *float64 { return &p.ScriptMin }},
	{"script_min_hard", 0.5, 0, 1, "the same", "half of the text is not in the language's script",
		func(p *Profile) *float64 { return &p.ScriptMinHard }},
}

// calibrated are the built-in profiles: what they have other than the general one. en-eu is from human translations of the
// LibreOffice help.
var calibrated = []struct {
	name       string
	source     string
	thresholds map[string]float64
}{
	{"en-eu", "17,607 paragraphs of 8 to 60 words of the LibreOffice help, untranslated ones and a tenth of the pages left out", map[string]float64{
		"chrf_max":               51.6, // p99
		"copy_rate_max":          0.25, // p99
		"gale_church_max":        2.78, // p99
		"gale_church_mean":       1.15,
		"gale_church_variance":   2.18,
		"length_ratio_min":       0.8,  // p1
		"length_ratio_max":       1.6,  // p99
		"length_ratio_min_long":  0.67, // p0.1 of all lengths; of 1,412 long ones it is 0.80
		"length_ratio_max_long":  1.87, // p99.9 likewise; 1.52
		"length_ratio_min_short": 0.5,
	}},
}

// density is how many letters a language needs where one in an alphabet needs one.
var density = map[string]float64{"ja": 0.45, "ko": 0.45, "zh": 0.3}

// sisters are languages with so many words in common that a copied word says nothing.
const sisters = "ca es fr gl it pt"

func general(from, to string) Profile {
	p := Profile{Name: "general"}
	for _, t := range thresholds {
		*t.field(&p) = t.general
	}
	scale := func(language string) float64 {
		if d, ok := density[language]; ok {
			return d
		}
		return 1
	}
	if d := scale(to) / scale(from); d != 1 {
		for _, x := range []*float64{&p.LengthRatioMax, &p.LengthRatioMaxLong, &p.LengthRatioMaxShort,
			&p.LengthRatioMin, &p.LengthRatioMinLong, &p.LengthRatioMinShort, &p.GaleChurchMean} {
			*x *= d
		}
		// Such densities are rough: the bounds are half as wide again.
		for _, x := range []*float64{&p.LengthRatioMax, &p.LengthRatioMaxLong, &p.LengthRatioMaxShort} {
			*x *= 1.5
		}
		for _, x := range []*float64{&p.LengthRatioMin, &p.LengthRatioMinLong, &p.LengthRatioMinShort} {
			*x /= 1.5
		}
	}
	if hasWord(sisters, from) && hasWord(sisters, to) {
		p.ChrfMax, p.CopyRateMax, p.CopyRateMaxHard, p.EchoWords = 100, 1, 1, 8
	}
	return p
}

// ProfileFor is the built-in one: calibrated ones where there are any, general defaults elsewhere.
func ProfileFor(from, to string) Profile {
	p := general(from, to)
	for _, c := range calibrated {
		if c.name == from+"-"+to {
			p.Name = c.name
			p.set(c.thresholds)
		}
	}
	return p
}

func (p *Profile) set(values map[string]float64) {
	for _, t := range thresholds {
		if x, ok := values[t.key]; ok {
			*t.field(p) = x
		}
	}
}

// ReadProfile reads JSON; an unknown key is an error that names the nearest one. A key that is not there has the general
// default. name is for errors, and of the profile if it has none of its own.
func ReadProfile(name string, b []byte) (Profile, error) {
	p := general("", "")
	p.Name = ""
	var raw map[string]jsontext.Value
	if err := json.Unmarshal(b, &raw); err != nil {
		return Profile{}, fmt.Errorf("%s: %w; a profile is an object of thresholds, as `curate translate calibrate` writes it", name, err)
	}
	names := []string{"name"}
	for _, t := range thresholds {
		names = append(names, t.key)
	}
	keys := make([]string, 0, len(raw))
	for key := range raw {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		if !slices.Contains(names, key) {
			return Profile{}, fmt.Errorf("%s: no threshold is called %q; %s", name, key, nearest(key, names))
		}
		if raw[key].Kind() == 'n' {
			return Profile{}, fmt.Errorf("%s: %s is null; leave it out for the default", name, key)
		}
	}
	if err := json.Unmarshal(b, &p); err != nil {
		return Profile{}, fmt.Errorf("%s: %w; thresholds are numbers, name is a string", name, err)
	}
	if p.Name == "" {
		p.Name = name
	}
	if err := p.Validate(); err != nil {
		return Profile{}, fmt.Errorf("%s: %w", name, err)
	}
	return p, nil
}

// nearest asks about the name that shares most pairs of letters, or lists all of them.
func nearest(name string, names []string) string {
	best, at := 0.6, "" // Dice's coefficient
	for _, n := range names {
		pairs, shared := make(map[string]bool), 0
		for i := 2; i <= len(name); i++ {
			pairs[name[i-2:i]] = true
		}
		for i := 2; i <= len(n); i++ {
			if pairs[n[i-2:i]] {
				shared++
			}
		}
		if d := 2 * float64(shared) / float64(len(name)+len(n)-2); d > best {
			best, at = d, n
		}
	}
	if at == "" {
		return "there are: " + strings.Join(names, ", ")
	}
	return fmt.Sprintf("did you mean %q?", at)
}

// Validate says which threshold makes no sense.
func (p Profile) Validate() error {
	if p == (Profile{Name: p.Name}) {
		return errors.New("the profile has no thresholds; begin with ProfileFor or ReadProfile")
	}
	for _, t := range thresholds {
		if x := *t.field(&p); !(x >= t.min && x <= t.max) || math.IsInf(x, 0) {
			if math.IsInf(t.max, 1) {
				return fmt.Errorf("%s is %g; it must be a number of %g or more", t.key, x, t.min)
			}
			return fmt.Errorf("%s is %g; it must be from %g to %g", t.key, x, t.min, t.max)
		}
	}
	for _, pair := range [][2]string{
		{"length_ratio_min", "length_ratio_max"}, {"length_ratio_min_long", "length_ratio_max_long"},
		{"length_ratio_min_short", "length_ratio_max_short"}, {"copy_rate_max", "copy_rate_max_hard"},
		{"script_min_hard", "script_min"}, {"numbers_digits", "numbers_digits_alone"},
	} {
		if a, b := p.value(pair[0]), p.value(pair[1]); a > b {
			return fmt.Errorf("%s is %g, above %s of %g", pair[0], a, pair[1], b)
		}
	}
	return nil
}

func (p *Profile) value(key string) float64 {
	for _, t := range thresholds {
		if t.key == key {
			return *t.field(p)
		}
	}
	return math.NaN()
}
