//go:build unix

package main

import "syscall"

// privateFiles keeps everything that this program makes from other people: 0600, 0700.
func privateFiles() { syscall.Umask(0o077) }
