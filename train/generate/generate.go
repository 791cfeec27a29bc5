// Package generate lets a model write.
package generate
