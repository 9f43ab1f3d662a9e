//go:build !crash

package store

// crashPoint is where a build with the tag crash can be told to die.
func crashPoint(string) {}
