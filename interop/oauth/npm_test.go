//go:build conformance

package oauth

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doorward-mcp/doorward/interop/installation"
	"github.com/doorward-mcp/doorward/interop/person"
)

// TestOAuth4WebAPI runs npm oauth4webapi through every step that its program has.
func TestOAuth4WebAPI(t *testing.T) {
	takes(t, "oauth4webapi.js", "discovery", "protected resource metadata", "dynamic registration", "pushed authorization request", "code with PKCE",
		"call with DPoP and nonce", "a bound token without its proof", "refresh and its replay", "client credentials with a key", "device", "introspection",
		"revocation", "ID token and UserInfo")
}

// TestOpenIDClient does the same with npm openid-client.
func TestOpenIDClient(t *testing.T) {
	takes(t, "openid-client.js", "discovery and dynamic registration", "pushed authorization request, code with PKCE", "call with DPoP and nonce",
		"refresh and its replay", "client credentials with a key", "client credentials with a key, bound", "device", "introspection", "revocation",
		"ID token, UserInfo and logout")
}

func takes(t *testing.T, program string, steps ...string) {
	t.Helper()
	h := open(t)
	settings, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, installation.Node(), installation.Testdata+"/oauth/"+program, string(settings))
	var said strings.Builder
	cmd.Stderr = &said
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done, answered := answer(ctx, installation.SignedIn(t, h.Installation), in, out)
	if err := cmd.Wait(); err != nil || answered != nil {
		t.Fatalf("%s: %v %v\n%s", program, err, answered, said.String())
	}
	if !slices.Equal(done, steps) {
		t.Errorf("it took the steps %q, want %q", done, steps)
	}
}

// answer reads the lines of a program, is the person whom they ask for, and gives the steps that it took. It reads to the
// end in any case.
func answer(ctx context.Context, who *person.Person, in io.WriteCloser, out io.Reader) ([]string, error) {
	defer io.Copy(io.Discard, out)
	defer in.Close()
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var said struct {
			Open, Device string
			Done         []string
		}
		if err := json.Unmarshal(lines.Bytes(), &said); err != nil {
			return nil, fmt.Errorf("reading %q: %w", lines.Text(), err)
		}
		back := ""
		switch {
		case said.Done != nil:
			return said.Done, nil
		case said.Device != "":
			if err := who.Open(ctx, said.Device); err != nil {
				return nil, fmt.Errorf("connecting a device: %w", err)
			}
		default:
			at, err := who.Authorize(ctx, said.Open)
			if err != nil {
				return nil, fmt.Errorf("authorizing: %w", err)
			}
			back = at.String()
		}
		if _, err := fmt.Fprintln(in, back); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("it ended without a word")
}
