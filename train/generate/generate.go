// Package generate lets a model write: it chooses one token after another, and makes text of them as they come.
//
// sampling.go says how a token is chosen, with the formulas and in the order of transformers; random.go is where chance comes
// from: a function of seed, record, sample and position, so that nothing depends on what was written before or beside.
// scored.go has what the model thought of it. text.go turns tokens into whole characters, and finds where a text is to stop.
// place.go puts them together for one text, and writer.go writes several at once, so that the model's weights are read once for
// all of them.
package generate
