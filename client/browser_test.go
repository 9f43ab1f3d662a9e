package client_test

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/doorward-mcp/doorward/client"
)

// CL-AUTHURL-SCHEME, CL-AUTHURL-DANGEROUS, CL-AUTHURL-ALLOWLIST: only http and https reach a browser.
func TestOpenRefusesOtherAddresses(t *testing.T) {
	for _, a := range []string{
		"", "javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "vbscript:x", "javascript://example.com/%0aalert(1)", "file://example.com/etc/passwd", "ssh://example.com", "ms-settings:", "--help", "-a Calculator",
		"https:", "https:///path", "https://example.com/ --new-window", "https://example.com/\n", "HTTPS://example.com/\x00", "calc.exe",
	} {
		if err := client.Open(t.Context(), a); err == nil || !strings.Contains(err.Error(), "not an http") {
			t.Errorf("%q: got %v, want that it is no http or https address", a, err)
		}
	}
}

// CL-AUTHURL-NO-SHELL: what a shell would run arrives as one argument.
func TestOpenStartsNoShell(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the program that opens addresses is found by name on Linux only")
	}
	dir := t.TempDir()
	out := filepath.Join(dir, "arguments")
	script := "#!/bin/sh\nfor a in \"$@\"; do echo \"[$a]\" >> " + out + "; done\n"
	if err := os.WriteFile(filepath.Join(dir, "xdg-open"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
	const address = "https://example.com/authorize?a=$(id)&b=`id`;id|id"
	if err := client.Open(t.Context(), address); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(out)
	if err != nil || string(got) != "["+address+"]\n" {
		t.Errorf("the program got %q, %v; want the address as one argument", got, err)
	}
}

func TestOpenSaysThatThereIsNoBrowser(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the program that opens addresses is found by name on Linux only")
	}
	t.Setenv("PATH", t.TempDir())
	if err := client.Open(t.Context(), "https://example.com/"); err == nil {
		t.Error("no error")
	}
}
