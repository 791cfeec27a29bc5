package filter

import "curate/text"

const (
	ftfySource  = "ftfy 6.3.1"
	repairOwn   = "what is surely no part of a text"
	repairOptIn = "some text needs them"
)

// repairSwitches are the parameters of text_repair and what they stand for.
var repairSwitches = []struct {
	name string
	what text.Repairs
}{
	{"mojibake", text.RepairMojibake}, {"control_characters", text.RepairControls}, {"nfc", text.RepairNFC}, {"zero_width", text.RepairZeroWidth},
	{"bidi_marks", text.RepairBidi}, {"soft_hyphens", text.RepairSoftHyphens}, {"line_ends", text.RepairLineEnds},
}

// textRepair mends texts. It drops nothing.
var textRepair = Rule{
	Name:    "text_repair",
	Version: 1,
	Summary: "mends mojibake, takes out control characters, puts the text into normalization form C",
	Source:  ftfySource + ", fix_encoding and remove_control_chars; Unicode Standard Annex 15",
	Params: []Param{
		{Name: "mojibake", Default: 1, Unit: piiSwitch + ": UTF-8 that was read as Latin-1 or Windows-1252, and C1 control characters, line by line and where it is sure", Source: ftfySource, Inside: true},
		{Name: "control_characters", Default: 1, Unit: piiSwitch + ": takes out U+0000 to U+0008, U+000B, U+000E to U+001F, U+007F, U+206A to U+206F, U+FEFF, U+FFF9 to U+FFFC, and escape sequences of terminals", Source: ftfySource, Inside: true},
		{Name: "nfc", Default: 1, Unit: piiSwitch + ": normalization form C", Source: repairOwn, Inside: true},
		{Name: "zero_width", Default: 0, Unit: piiSwitch + ": takes out U+200B, U+180E, U+2060 to U+2064; joiners stay", Source: repairOptIn, Inside: true},
		{Name: "bidi_marks", Default: 0, Unit: piiSwitch + ": takes out U+061C, U+200E, U+200F, U+202A to U+202E, U+2066 to U+2069", Source: repairOptIn, Inside: true},
		{Name: "soft_hyphens", Default: 0, Unit: piiSwitch + ": takes out U+00AD", Source: repairOptIn, Inside: true},
		{Name: "line_ends", Default: 0, Unit: piiSwitch + ": makes line feeds of CR LF, CR, U+0085, U+2028, U+2029", Source: repairOptIn, Inside: true},
	},
	Prepare: func(p Values) (any, error) {
		var what text.Repairs
		for _, s := range repairSwitches {
			if p.On(s.name) {
				what |= s.what
			}
		}
		return what, nil
	},
	NewScratch: func(any) any { return &text.Repairer{} },
	Edit: func(v *View, p Values) {
		r := v.Scratch(p).(*text.Repairer)
		if r.Size() > repairMemory {
			*r = text.Repairer{}
		}
		v.setEdit(r.Append(v.edit(), v.Text(), p.Made().(text.Repairs)))
	},
	Edits: "as the switches say; what is right stays as it is",
}

// repairMemory is what the scratch keeps between documents, in bytes.
const repairMemory = 4 << 20
