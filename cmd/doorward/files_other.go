//go:build !unix

package main

// privateFiles does nothing where the user's own directories are private already.
func privateFiles() {}
