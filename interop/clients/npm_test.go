//go:build conformance

package clients

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

// A found is what a session of a client saw.
type found struct {
	Tools    []string
	Content  []struct{ Text string }
	Revision string
	ClientID string `json:"client_id"`
}

// TestNPM signs in with each npm client before each server: it discovers, registers, authorizes, lists the tools, calls
// one, and goes on with a refreshed token (testdata/clients/session.js).
func TestNPM(t *testing.T) {
	for _, s := range servers {
		t.Run(s.name, func(t *testing.T) {
			i := installation.Protect(t, s.upstream(t)...)
			who := installation.SignedIn(t, i)
			for _, c := range []struct{ name, revision string }{
				{"sdk1", "2025-11-25"},
				{"sdk2-legacy", "2025-11-25"},
				{"sdk2-auto", s.newest},
			} {
				t.Run(c.name, func(t *testing.T) {
					f := play(t, who, "clients/main.js", c.name, i.Resource, s.tool, s.args)
					s.check(t, f.Tools, f.Content[0].Text)
					if f.Revision != c.revision {
						t.Errorf("it speaks %s, want %s", f.Revision, c.revision)
					}
				})
			}
		})
	}
}

// play runs a script of testdata, is its person, and gives what it found.
func play(t *testing.T, who *person.Person, script string, args ...string) found {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, installation.Node(), slices.Concat([]string{installation.Testdata + "/" + script}, args)...)
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
	f, answered := answer(ctx, who, in, out)
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%s: %v %v\n%s", script, err, answered, said.String())
	}
	if answered != nil {
		t.Fatalf("%s: %v\n%s", script, answered, said.String())
	}
	return f
}

// answer reads the lines of a script, opens what it asks to open, and gives what it says at the end. It reads to the end
// in any case.
func answer(ctx context.Context, who *person.Person, in io.WriteCloser, out io.Reader) (found, error) {
	defer io.Copy(io.Discard, out)
	defer in.Close()
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var said struct {
			Open string
			Done *found
		}
		if err := json.Unmarshal(lines.Bytes(), &said); err != nil {
			return found{}, fmt.Errorf("reading %q: %w", lines.Text(), err)
		}
		if said.Done != nil {
			return *said.Done, nil
		}
		back, err := who.Authorize(ctx, said.Open)
		if err != nil {
			return found{}, fmt.Errorf("authorizing: %w", err)
		}
		if _, err := fmt.Fprintln(in, back); err != nil {
			return found{}, err
		}
	}
	return found{}, fmt.Errorf("it ended without a word")
}
