// Package text cuts text: words, lines, paragraphs, n-grams. It holds no threshold and no policy.
package text
