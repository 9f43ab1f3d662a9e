// Command doorward puts MCP authorization before any MCP server, and calls protected ones. This package reads flags, the
// environment and files, and wires; it decides nothing.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

// The exit statuses.
const (
	exitNo          = 1  // the answer is no
	exitUsage       = 2  // usage or configuration
	exitSignIn      = 3  // sign-in needed or refused
	exitUnreachable = 4  // nobody answers
	exitFault       = 70 // our fault
)

// cli lists every verb; each has a file of its name.
type cli struct {
	Protect protectCmd `cmd:"" help:"Put login and authorization before an MCP server."`
	Serve   serveCmd   `cmd:"" help:"Serve many MCP servers as a configuration file says."`
	Call    callCmd    `cmd:"" help:"Call a tool of a protected server."`
	Tools   toolsCmd   `cmd:"" help:"List the tools of a protected server."`
	Policy  policyCmd  `cmd:"" help:"Check, test and explain a policy bundle."`
	Config  configCmd  `cmd:"" help:"Check a configuration file."`
	Admin   adminCmd   `cmd:"" help:"Administer a server that runs."`
	Audit   auditCmd   `cmd:"" help:"Verify and read the audit log."`
	Witness witnessCmd `cmd:"" help:"Witness audit logs for others."`
	Version versionCmd `cmd:"" help:"Print the version."`

	Output string `enum:"text,json" default:"text" help:"text, or json: one object a line."`
}

// streams are where a command reads and writes.
type streams struct {
	in       io.Reader
	out, err io.Writer
	json     bool
}

func main() { os.Exit(run(os.Args[1:], streams{in: os.Stdin, out: os.Stdout, err: os.Stderr})) }

// run runs one command and gives its exit status.
func run(args []string, io streams) int {
	privateFiles()
	args, command := cutCommand(args)
	var c cli
	c.Protect.Command = command
	exit := -1
	parser, err := kong.New(&c, kong.Name("doorward"), kong.Writers(io.out, io.err), kong.Exit(func(code int) { exit = code }),
		kong.Description("MCP authorization before any MCP server."), kong.UsageOnError())
	if err != nil {
		return report(io, err)
	}
	k, err := parser.Parse(args)
	if exit >= 0 { // --help
		return exit
	}
	if err != nil {
		_, _ = fmt.Fprintf(io.err, "doorward: %v\nTry doorward --help.\n", err)
		return exitUsage
	}
	io.json = c.Output == "json"
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second interrupt ends the program at once
	k.BindTo(ctx, (*context.Context)(nil))
	return report(io, k.Run(io))
}

// cutCommand cuts what follows -- off: a command of somebody else's, whose flags are not ours.
func cutCommand(args []string) (ours, command []string) {
	for i, a := range args {
		if a == "--" {
			return args[:i], args[i+1:]
		}
	}
	return args, nil
}

// failed is an error with an exit status.
type failed struct {
	status int
	error
}

func (f failed) Unwrap() error { return f.error }

func usage(format string, a ...any) error { return failed{exitUsage, fmt.Errorf(format, a...)} }

func report(io streams, err error) int {
	if err == nil {
		return 0
	}
	status := exitFault
	var f failed
	if errors.As(err, &f) {
		status = f.status
	}
	if err.Error() != "" {
		_, _ = fmt.Fprintln(io.err, "doorward:", err)
	}
	return status
}
