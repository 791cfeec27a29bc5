// Package shards is the room of training shards: mixing, shuffling, packing, and the formats trainers read.
// It has no code yet.
package shards
