//go:build unix && !linux

package stdio_test

// parent is for Linux, where a killed gateway's processes are killed too.
func parent() {}
