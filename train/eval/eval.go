// Package eval measures models: bits a byte of texts, choices among answers, and minimal pairs. The formulas are those of
// EleutherAI's lm-evaluation-harness.
package eval
