package check

import (
	"strings"
	"testing"
)

var repairCases = []struct{ source, target, want, did string }{
	{"Choose it.", "Hautatu.", "Hautatu.", ""},
	{"Choose it.", "Hautatu.\n", "Hautatu.", "white space"},
	{"Choose it.", "Sure! Here is the translation:\n\n\"Hautatu.\"", "Hautatu.", "introduction, quotes"},
	{"Open [[P0]] now.", "Sure! Here is the translation:\n\n\"Ireki [[P0]] orain.\"", "Ireki [[P0]] orain.", "introduction, quotes"},
	{"Choose it.", "Here's the Basque translation:\nHautatu.", "Hautatu.", "introduction"},
	{"Translate it.", "Sure! Here is the translation:\n\n\"Itzuli.\"", "Itzuli.", "introduction, quotes"},
	{"He said \"yes\" to me.", "\"Niri \"bai\" esan zidan.\"", "Niri \"bai\" esan zidan.", "quotes"},
	{"He said \"yes\" to me.", "\"Niri «bai» esan zidan.\"", "Niri «bai» esan zidan.", "quotes"},
	{"Note: choose it.", "Itzulpena: Oharra: hautatu.", "Oharra: hautatu.", "label"},
	{"Choose it.", "Sure!\n\nHautatu.", "Hautatu.", "introduction"},
	{"Choose it.", "Hona hemen itzulpena:\nHautatu.", "Hautatu.", "introduction"},
	{"Choose it.", "Itzulpena: Hautatu.", "Hautatu.", "label"},
	{"Choose it.", "**Translation:** Hautatu.", "Hautatu.", "label"},
	{"Choose it.", "Basque: \"Hautatu.\"", "Hautatu.", "label, quotes"},
	{"Choose it.", "```\nHautatu.\n```", "Hautatu.", "code fence"},
	{"Choose it.", "```text\nHautatu.\n```", "Hautatu.", "code fence"},
	{"Choose it.", "“Hautatu.”", "Hautatu.", "quotes"},
	{"Choose it.", "- Hautatu.", "Hautatu.", "list marker"},
	{"Choose it.", "## Hautatu.", "Hautatu.", "list marker"},
	{"Choose it.", "Hautatu.\n\n(Note: I used the imperative.)", "Hautatu.", "explanation"},
	{"Choose it.", "Hautatu.\n\nLet me know if you need anything else!", "Hautatu.", "explanation"},
	{"Choose it, then go on.", "Hautatu eta\nsegi aurrera.", "Hautatu eta segi aurrera.", "line breaks"},
	// what is no chatter, or not surely
	{"\"Choose it.\"", "\"Hautatu.\"", "\"Hautatu.\"", ""},
	{"He said \"yes\"", "\"Bai\" esan zuen", "\"Bai\" esan zuen", ""},
	{"The \"yes\" and the \"no\".", "\"bai\" eta \"ez\"", "\"bai\" eta \"ez\"", ""},
	{"Translation: easy.", "Itzulpena: erraza.", "Itzulpena: erraza.", ""},
	{"Answer: choose it.", "Itzulpena: hautatu.", "Itzulpena: hautatu.", ""},
	{"First grade.", "1. maila.", "1. maila.", ""},
	{"- Choose it.", "- Hautatu.", "- Hautatu.", ""},
	{"Choose it.", "Sure! [[P0]]:\nHautatu.", "Sure! [[P0]]: Hautatu.", "line breaks"},
	{"Choose it.", "Hautatu.\n\nNote: [[P0]] stays.", "Hautatu.\n\nNote: [[P0]] stays.", ""},
	{"Choose it.", "Hautatu.\n\nGero segi.", "Hautatu.\n\nGero segi.", ""},
	{"Choose it.", "- a\n- b", "a\n- b", "list marker"},
	{"Choose it.", "\"\"", "\"\"", ""},
	{"a", "", "", ""},
}

func TestRepair(t *testing.T) {
	for _, c := range repairCases {
		got, did := Repair(c.source, c.target)
		if got != c.want || strings.Join(did, ", ") != c.did {
			t.Errorf("%q: %q by %v, want %q by %s", c.target, got, did, c.want, c.did)
		}
	}
}

// TestRepairKeepsTranslations: human translations need no repair.
func TestRepairKeepsTranslations(t *testing.T) {
	for _, p := range readRows[helpPair](t, "testdata/pairs.jsonl.zst") {
		if got, did := Repair(p.EN, p.EU); got != p.EU {
			t.Errorf("%q: %q by %v", p.EU, got, did)
		}
	}
}
