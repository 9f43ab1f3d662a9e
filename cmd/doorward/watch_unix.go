//go:build unix

package main

import (
	"os"
	"os/signal"
	"syscall"
)

// notifyReload tells c of every SIGHUP.
func notifyReload(c chan<- os.Signal) { signal.Notify(c, syscall.SIGHUP) }
