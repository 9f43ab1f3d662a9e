package main

import (
	"os"
	"os/exec"
	"os/signal"
)

// toFile runs a command of a script with its output in files, so that another command can read it while it runs:
// tofile OUT ERR COMMAND ARGUMENTS…
func toFile() {
	if len(os.Args) < 4 {
		os.Exit(2)
	}
	out, err1 := os.Create(os.Args[1])
	errs, err2 := os.Create(os.Args[2])
	if err1 != nil || err2 != nil {
		os.Exit(2)
	}
	c := exec.Command(os.Args[3], os.Args[4:]...)
	c.Stdin, c.Stdout, c.Stderr = os.Stdin, out, errs
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt)
	if err := c.Start(); err != nil {
		os.Exit(2)
	}
	go func() { // the command is what a script means to interrupt
		for s := range interrupted {
			_ = c.Process.Signal(s)
		}
	}()
	if err := c.Wait(); err != nil {
		if e, ok := err.(*exec.ExitError); ok {
			os.Exit(e.ExitCode())
		}
		os.Exit(2)
	}
}
