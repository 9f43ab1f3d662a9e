package client

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// openers are the programs that show an address in the person's browser, the first that is there. Each is started by
// itself with the address as its last argument: no shell reads it.
func openers(system string) [][]string {
	switch system {
	case "darwin":
		return [][]string{{"/usr/bin/open"}}
	case "windows":
		return [][]string{{"rundll32.exe", "url.dll,FileProtocolHandler"}}
	}
	return [][]string{{"xdg-open"}, {"wslview"}}
}

const openTime = 3 * time.Second // after which a program that still runs is taken to have shown the address

// Open shows an http or https address in the desktop's browser. An error means that no browser was started: the person
// then needs the address itself. MCP, Security Best Practices: only these schemes, and never through a shell.
func Open(ctx context.Context, address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || strings.ContainsFunc(address, unprintable) {
		return fmt.Errorf("opening a browser: %q is not an http or https address", printable(address, 300))
	}
	for _, o := range openers(runtime.GOOS) {
		program, err := exec.LookPath(o[0])
		if err != nil {
			continue
		}
		return start(ctx, program, append(o[1:], u.String()))
	}
	return errors.New("opening a browser: there is no program for it")
}

// start waits a moment for the program to fail, and leaves it running otherwise.
func start(ctx context.Context, program string, arguments []string) error {
	cmd := exec.Command(program, arguments...) // not ended with ctx: the browser stays
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("opening a browser: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		if err != nil {
			return fmt.Errorf("opening a browser: %s: %w", program, err)
		}
	case <-time.After(openTime):
	case <-ctx.Done():
	}
	return nil
}
