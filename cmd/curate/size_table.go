package main

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"curate/internal/human"
)

// decimal writes bytes in powers of ten, as disks, cards and papers count them.
func decimal(n int64) string { return scaled(float64(n), "B") }

// scaled writes a number with three digits and a prefix.
func scaled(x float64, unit string) string {
	for _, p := range []struct {
		size   float64
		prefix string
	}{{1e15, "P"}, {1e12, "T"}, {1e9, "G"}, {1e6, "M"}, {1e3, "k"}} {
		if x >= 0.9995*p.size {
			x /= p.size
			switch {
			case x >= 99.95:
				return fmt.Sprintf("%.0f %s%s", x, p.prefix, unit)
			case x >= 9.995:
				return fmt.Sprintf("%.1f %s%s", x, p.prefix, unit)
			}
			return fmt.Sprintf("%.2f %s%s", x, p.prefix, unit)
		}
	}
	return fmt.Sprintf("%.0f %s", x, unit)
}

// table writes all for people.
func (z *modelSize) table(w io.Writer) error {
	var b strings.Builder
	tied := ""
	if z.Tied {
		tied = ", tied"
	}
	heads := fmt.Sprintf("%d heads", z.Heads)
	if z.KVHeads != z.Heads {
		heads += fmt.Sprintf(" (%d of keys and values)", z.KVHeads)
	}
	fmt.Fprintf(&b, "%s, width %s, %s, %s of %d, FFN %s, vocabulary %s%s\n\n", z.Family, human.Thousands(int64(z.Width)), count(int64(z.Layers), "layer"), heads, z.HeadSize,
		human.Thousands(int64(z.FFN)), human.Thousands(int64(z.Vocabulary)), tied)

	rows := [][]string{{"parameters", human.Thousands(z.Parameters.All)}, {"  without embedding", human.Thousands(z.Parameters.Without)}}
	for _, r := range roleNames {
		if n := z.Parameters.ByRole[r.name]; n > 0 {
			rows = append(rows, []string{"  " + roleWords[r.name], human.Thousands(n)})
		}
	}
	columns(&b, rows)
	b.WriteByte('\n')

	rows = [][]string{{"weights", "", "bits a weight"}}
	for _, f := range z.Weights {
		rows = append(rows, []string{"  " + weightWords[f.Format], decimal(f.Bytes), fmt.Sprintf("%.2f", f.Bits)})
	}
	columns(&b, rows)
	for _, f := range z.Weights {
		for _, k := range f.Kept {
			if f.Format == "q4_0" { // those of q8_0 are the same
				fmt.Fprintf(&b, "  %s (%d) stays f16: its rows of %s are no multiple of %d; %s would be\n", k.Name, k.Count, human.Thousands(int64(k.Row)), sizeBlock,
					human.Thousands(int64((k.Row+sizeBlock-1)/sizeBlock*sizeBlock)))
			}
		}
	}
	for _, f := range z.Weights {
		if f.IfAll > 0 && f.Format == "q4_0" {
			fmt.Fprintf(&b, "  with rows that fit, Q4_0 would be %s\n", decimal(f.IfAll))
		}
	}
	b.WriteByte('\n')

	rows = [][]string{{"cache of keys and values"}}
	token := []string{"  a token"}
	for _, f := range cacheFormats {
		rows[0] = append(rows[0], f.name)
		token = append(token, decimal(z.CacheToken[f.name]))
	}
	rows = append(rows, token)
	for _, l := range z.Lengths {
		row := []string{"  " + human.Thousands(int64(l.Length)) + " tokens"}
		for _, f := range cacheFormats {
			row = append(row, decimal(l.Cache[f.name]))
		}
		rows = append(rows, row)
	}
	columns(&b, rows)
	if z.HeadSize%sizeBlock != 0 {
		fmt.Fprintf(&b, "  heads of %d are no multiple of %d: llama.cpp refuses q8_0 and q4_0 for such a cache\n", z.HeadSize, sizeBlock)
	}
	b.WriteByte('\n')

	rows = [][]string{{"memory of writing, weights + cache"}}
	for _, m := range z.Lengths[0].Writing {
		rows[0] = append(rows[0], m.Weights+" + "+m.Cache)
	}
	for _, l := range z.Lengths {
		row := []string{"  " + human.Thousands(int64(l.Length)) + " tokens"}
		for _, m := range l.Writing {
			row = append(row, decimal(m.Bytes))
		}
		rows = append(rows, row)
	}
	columns(&b, rows)
	b.WriteByte('\n')

	rows = [][]string{{"operations a token", "forward", "training"}}
	for _, l := range z.Lengths {
		rows = append(rows, []string{"  rows of " + human.Thousands(int64(l.Length)), scaled(l.Forward, "FLOP"), scaled(l.Training, "FLOP")})
	}
	columns(&b, rows)
	b.WriteByte('\n')

	memory := func(title string, bytes func(m *trainingSize) int64) {
		rows = [][]string{{title}}
		for _, m := range z.Lengths[0].Memory {
			rows[0] = append(rows[0], count(int64(m.Rows), "row"))
		}
		for _, l := range z.Lengths {
			row := []string{"  of " + human.Thousands(int64(l.Length))}
			for i := range l.Memory {
				row = append(row, decimal(bytes(&l.Memory[i])))
			}
			rows = append(rows, row)
		}
		columns(&b, rows)
	}
	memory("memory of training, in f32", func(m *trainingSize) int64 { return m.Bytes })
	if z.LoRARank > 0 {
		fmt.Fprintf(&b, "\nadapters of rank %d (LoRA): %s parameters, %s in f32\n", z.LoRARank, human.Thousands(z.Adapters), decimal(4*z.Adapters))
		memory("memory of training them", func(m *trainingSize) int64 { return m.LoRA })
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// roleWords say what parameters of a role are.
var roleWords = map[string]string{
	"embedding": "embedding", "head": "head", "hidden": "queries, keys, values, gate, up", "residual": "out of attention and FFN", "norm": "norms", "bias": "biases",
}

var weightWords = map[string]string{"f32": "f32", "bf16": "bf16", "q8_0": "int8 (Q8_0)", "q4_0": "4 bits (Q4_0)"}

// columns writes rows with the first column to the left and the others to the right.
func columns(b *strings.Builder, rows [][]string) {
	var widths []int
	for _, r := range rows {
		for i, cell := range r {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, r := range rows {
		var line strings.Builder
		for i, cell := range r {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if i == 0 {
				line.WriteString(cell + pad)
			} else {
				line.WriteString("  " + pad + cell)
			}
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
}
