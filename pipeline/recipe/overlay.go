package recipe

import (
	"slices"
	"strings"
)

// Overlay is a file of values that change a recipe, those that --set takes, many at a time. Keys stand below one another as
// in the recipe, or with dots between them; a step stands below "steps" by its name.
//
//	run: runs/small
//	steps:
//	  clean: {read: sample.jsonl, filter: {profile: gopher}}
//	  model.train.steps: 100
//
// Keys with values change these keys and leave those beside them; a list takes the place of the one that was there, and null takes
// a key, or a step, out.
type Overlay struct {
	File string // its name
	Text []byte
}

// apply changes the recipe.
func (o *Overlay) apply(recipe *node) error {
	n, err := parse(o.File, o.Text)
	if err != nil {
		return err
	}
	if n.kind != mapping {
		return n.at.errorf("an overlay is keys of the recipe with their values, not %s", n.kind)
	}
	return recipe.overlay(nil, n)
}

// overlay changes what stands below names to what n says.
func (recipe *node) overlay(names []string, n *node) error {
	for i := range n.keys {
		e := &n.keys[i]
		key := strings.Split(e.name, ".")
		if len(names) == 1 && names[0] == "steps" && recipe.hasStep(e.name) {
			key = []string{e.name} // names of steps may have dots
		}
		below := append(names[:len(names):len(names)], key...)
		if len(below) == 1 && below[0] == "steps" && e.val.kind == sequence {
			return e.at.errorf("an overlay changes steps and cannot list them: below steps stands the name of each that it changes, with its keys")
		}
		var err error
		switch {
		case e.val.kind == mapping && len(e.val.keys) > 0:
			err = recipe.overlay(below, e.val)
		case e.val.isNull():
			err = recipe.put(below, nil, e.at)
		default:
			err = recipe.put(below, e.val, e.at)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// hasStep says whether the recipe has a step of that name.
func (recipe *node) hasStep(name string) bool {
	steps := recipe.get("steps")
	return steps != nil && slices.ContainsFunc(steps.items, func(step *node) bool {
		is := step.get("name")
		return is != nil && is.text == name
	})
}
