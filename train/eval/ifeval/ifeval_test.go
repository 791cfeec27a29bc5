package ifeval

import (
	"bufio"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// byThe takes what has a "the" for English, and the rest for Basque.
func byThe(s string) string {
	if strings.Contains(strings.ToLower(s), "the") {
		return "en"
	}
	return "eu"
}

// prompt has one instruction.
func prompt(t testing.TB, id, kwargs, lang string) *Prompt {
	t.Helper()
	p, err := Read(fmt.Appendf(nil, `{"prompt":"x","lang":%q,"instruction_id_list":[%q],"kwargs":[%s]}`, lang, id, kwargs))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestReference compares with what the reference says of the same answers (testdata/verdicts.py).
func TestReference(t *testing.T) {
	f, err := os.Open("testdata/verdicts.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	c := &Checker{Identify: func(s string) string { // what verdicts.py replaces langdetect with
		if byThe(s) == "en" {
			return "en"
		}
		return "fr"
	}}
	seen := map[string]int{}
	scan := bufio.NewScanner(f)
	for n := 1; scan.Scan(); n++ {
		var row struct {
			ID            string
			Kwargs        jsontext.Value
			Answer        string
			Strict, Loose bool
		}
		if err := json.Unmarshal(scan.Bytes(), &row, json.MatchCaseInsensitiveNames(true)); err != nil {
			t.Fatal(err)
		}
		p := prompt(t, row.ID, string(row.Kwargs), "en")
		if strict, loose := c.Strict(p, row.Answer)[0], c.Loose(p, row.Answer)[0]; strict != row.Strict || loose != row.Loose {
			t.Errorf("line %d: %s %s of %q: strict %v, loose %v; the reference says %v, %v", n, row.ID, row.Kwargs, row.Answer, strict, loose, row.Strict, row.Loose)
		}
		seen[row.ID]++
	}
	for _, id := range IDs() {
		if ours := slices.Contains([]string{"change_case:all_capital", "change_case:all_lowercase", "startend:start_checker"}, id); seen[id] < 10 && !ours && id != "length_constraints:number_sentences" {
			t.Errorf("%s: %d answers are compared", id, seen[id])
		}
	}
}

func TestRulesSorted(t *testing.T) {
	if !slices.IsSorted(IDs()) {
		t.Error("the table is not sorted")
	}
}

// TestVerdicts: what the reference does not know, or where we differ from it.
func TestVerdicts(t *testing.T) {
	c := &Checker{Identify: byThe}
	for _, x := range []struct {
		id, kwargs, lang, answer string
		strict, loose            bool
	}{
		{"change_case:all_capital", `{}`, "eu", "ETXEA ETA ÑABARRA, 3!", true, true},
		{"change_case:all_capital", `{}`, "eu", "ETXEA ETA ñABARRA", false, false},
		{"change_case:all_lowercase", `{}`, "eu", "Noski:\netxea eta ñabarra", false, true},
		{"startend:start_checker", `{"start_phrase":"Nire iritziz"}`, "eu", `"NIRE IRITZIZ hori da."`, true, true},
		{"startend:start_checker", `{"start_phrase":"Nire iritziz"}`, "eu", "Hori da, nire iritziz.", false, false},
		{"length_constraints:number_sentences", `{"num_sentences":3,"relation":"at least"}`, "eu", "Kaixo! Zer moduz? Ni ondo.", true, true},
		{"length_constraints:number_sentences", `{"num_sentences":3,"relation":"at least"}`, "eu", "Kaixo. Ni ondo.", false, false},
		{"length_constraints:number_sentences", `{"num_sentences":3,"relation":"less than"}`, "en", "Dr. Smith came. He left.", true, true},
		{"length_constraints:number_words", `{"num_words":4,"relation":"less than"}`, "eu", "2025.eko etxeak, bai!", true, true},
		{"length_constraints:number_words", `{"num_words":4,"relation":"less than"}`, "en", "2025.eko etxeak, bai!", false, false},
		{"length_constraints:number_words", `{"num_words":2,"relation":"less than"}`, "zz", "etxe etxe", false, false}, // general rules
		{"keywords:forbidden_words", `{"forbidden_words":["etxe"]}`, "eu", "etxea eta etxeak", true, true},
		{"keywords:forbidden_words", `{"forbidden_words":["ñu"]}`, "eu", "ñuñu eta Ñu!", false, false},
		{"keywords:existence", `{"keywords":["a.c (x"]}`, "en", "A.C (X)", true, true}, // no regular expression
		{"keywords:existence", `{"keywords":["a.c"]}`, "en", "abc", false, false},
		{"keywords:letter_frequency", `{"letter":"!","let_frequency":2,"let_relation":"at least"}`, "en", "oh! no!", true, true},
		{"keywords:letter_frequency", `{"letter":"Ñ","let_frequency":2,"let_relation":"at least"}`, "eu", "Ñañ", true, true},
		{"detectable_format:constrained_response", `{"options":["Nire erantzuna bai da."]}`, "eu", "Nire erantzuna bai da.", true, true},
		{"detectable_format:constrained_response", `{"options":["Nire erantzuna bai da."]}`, "eu", "My answer is yes.", false, false},
		{"change_case:capital_word_frequency", `{"capital_frequency":2,"capital_relation":"at least"}`, "eu", "EHU eta UPV", true, true},
		{"language:response_language", `{"language":"eu"}`, "eu", "1 2 3", true, true}, // in all languages
		{"language:response_language", `{"language":"eu"}`, "eu", "Here is the answer:\nkaixo mundua", false, true},
		{"detectable_format:multiple_sections", `{"section_spliter":"Atala","num_sections":2}`, "eu", "Atala 1\nbat\nAtala 2\nbi", true, true},
		{"length_constraints:number_words", `{"num_words":9,"relation":"less than"}`, "en", " \n ", false, false}, // nothing follows nothing
	} {
		p := prompt(t, x.id, x.kwargs, x.lang)
		if strict, loose := c.Strict(p, x.answer)[0], c.Loose(p, x.answer)[0]; strict != x.strict || loose != x.loose {
			t.Errorf("%s %s of %q: %v, %v", x.id, x.kwargs, x.answer, strict, loose)
		}
	}
}

func TestRead(t *testing.T) {
	p, err := Read([]byte(`{"key":1000,"prompt":"x","lang":"eu","instruction_id_list":["punctuation:no_comma","length_constraints:number_words"],
		"kwargs":[{"num_words":null,"keywords":null},{"num_words":3.0,"relation":"at least","keywords":null}],"more":1}`))
	if err != nil || p.Key != "1000" || p.Lang != "eu" || len(p.Instructions) != 2 || p.Instructions[1].ID != "length_constraints:number_words" {
		t.Errorf("%+v %v", p, err)
	}
	for row, want := range map[string]string{
		`[]`:                         "none of a prompt set",
		`{"prompt":1}`:               "none of a prompt set",
		`{"prompt":" "}`:             `"prompt" is missing or empty`,
		`{"prompt":"x","kwargs":[]}`: `"instruction_id_list" is missing or empty`,
		`{"prompt":"x","instruction_id_list":["a"],"kwargs":[]}`:                                                                                                  `write {} for one without`,
		`{"prompt":"x","instruction_id_list":["keywords:exists"],"kwargs":[{}]}`:                                                                                  `instruction 1, "keywords:exists": there is no such instruction; the nearest is "keywords:existence"`,
		`{"prompt":"x","key":{},"instruction_id_list":["punctuation:no_comma"],"kwargs":[{}]}`:                                                                    `"key" is neither a number nor a string`,
		`{"prompt":"x","instruction_id_list":["punctuation:no_comma"],"kwargs":[{"a":1}]}`:                                                                        `it has no parameter "a"`,
		`{"prompt":"x","instruction_id_list":["length_constraints:number_words"],"kwargs":[{"relation":"at least"}]}`:                                             `"num_words" is missing`,
		`{"prompt":"x","instruction_id_list":["length_constraints:number_words"],"kwargs":[{"num_words":1.5}]}`:                                                   `"num_words" is 1.5`,
		`{"prompt":"x","instruction_id_list":["length_constraints:number_words"],"kwargs":[{"num_words":1}]}`:                                                     `"relation" is missing`,
		`{"prompt":"x","instruction_id_list":["length_constraints:number_words"],"kwargs":[{"num_words":1,"relation":"at most"}]}`:                                `"relation" is "at most"; it is "less than" or "at least"`,
		`{"prompt":"x","instruction_id_list":["keywords:existence"],"kwargs":[{"keywords":[]}]}`:                                                                  `it is a list of texts`,
		`{"prompt":"x","instruction_id_list":["keywords:existence"],"kwargs":[{"keywords":[" "]}]}`:                                                               `it is a list of texts`,
		`{"prompt":"x","instruction_id_list":["keywords:letter_frequency"],"kwargs":[{"letter":"ab","let_frequency":1,"let_relation":"at least"}]}`:               `it is one character`,
		`{"prompt":"x","instruction_id_list":["length_constraints:nth_paragraph_first_word"],"kwargs":[{"num_paragraphs":1,"nth_paragraph":2,"first_word":"a"}]}`: `there are to be 1 paragraphs`,
	} {
		if _, err := Read([]byte(row)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, not %s", row, err, want)
		}
	}
}

// FuzzPrompt: no row and no answer breaks anything; a strict verdict is a loose one, and what reads alike is judged alike.
func FuzzPrompt(f *testing.F) {
	for _, id := range IDs() {
		f.Add(fmt.Sprintf(`{"prompt":"x","instruction_id_list":[%q],"kwargs":[{"num_words":2,"relation":"at least","keywords":["a"],"num_bullets":1}]}`, id), "a *b*\n\n* c, \"d\"\n- [e] <<f>>")
	}
	f.Add(`{"prompt":"x","lang":"eu","instruction_id_list":["length_constraints:number_words","length_constraints:number_sentences"],"kwargs":[{"num_words":2,"relation":"at least"},{"num_sentences":2,"relation":"less than"}]}`, "Kaixo. Bai\xff?")
	f.Add(`{"prompt":"x","instruction_id_list":["detectable_format:multiple_sections","keywords:forbidden_words"],"kwargs":[{"section_spliter":"S","num_sections":1},{"forbidden_words":["ss"]}]}`, "S1 ſs S ")
	f.Fuzz(func(t *testing.T, row, answer string) {
		p, err := Read([]byte(row))
		if err != nil {
			return
		}
		c := &Checker{Identify: byThe}
		strict, loose := c.Strict(p, answer), c.Loose(p, answer)
		if len(strict) != len(p.Instructions) || len(loose) != len(strict) {
			t.Fatalf("%d and %d verdicts on %d instructions", len(strict), len(loose), len(p.Instructions))
		}
		for i := range strict {
			if strict[i] && !loose[i] {
				t.Errorf("%s: strictly, but not loosely", p.Instructions[i].ID)
			}
		}
		if again := c.Strict(p, answer); !slices.Equal(strict, again) {
			t.Errorf("%v, and then %v", strict, again)
		}
	})
}
