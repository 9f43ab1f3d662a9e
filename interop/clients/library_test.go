//go:build conformance

package clients

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/doorward-mcp/doorward/interop/installation"
)

// libraryFile is a Doorward that issues tokens for a program which takes them itself.
const libraryFile = `public_url: http://$LISTEN
listen: $LISTEN
data: $DATA
policy: scopes-only
registration: {mode: open}
servers:
  notes:
    path: /notes
    demo: true
    resource: $RESOURCE
    scopes:
      - {name: mcp, sentence: Read notes}
      - {name: "notes:write", sentence: Write notes}
`

// TestGoSDKBeforeLibraries signs in with the official go-sdk and its own OAuth handler at the programs that protect themselves
// with guard. A tool that needs more scope has the person asked once more: RS-403-INSUFFICIENT-SCOPE, as a client sees it.
func TestGoSDKBeforeLibraries(t *testing.T) {
	for name, at := range map[string]struct{ module, program string }{"go-sdk": {"../..", "./examples/gosdk"}, "mcp-go": {"../../guard/mcpgo", "./examples/notes"}} {
		t.Run(name, func(t *testing.T) {
			program := filepath.Join(t.TempDir(), "notes")
			build := exec.Command("go", "build", "-o", program, at.program)
			build.Dir = at.module
			if out, err := build.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			address := installation.FreeAddress(t)
			i := installation.Serve(t, strings.ReplaceAll(libraryFile, "$RESOURCE", "http://"+address+"/mcp"))
			installation.StartQuiet(t, nil, filepath.Join(t.TempDir(), "log"), program, "--issuer", i.Issuer, "--url", "http://"+address)
			installation.Serves(t, address)

			asked := 0
			handler := goHandler(t, installation.SignedIn(t, i), &asked, &staleSource{})
			client := mcp.NewClient(&mcp.Implementation{Name: "doorward-interop", Version: "1.0.0"}, nil)
			session, err := client.Connect(t.Context(), &mcp.StreamableClientTransport{Endpoint: "http://" + address + "/mcp", OAuthHandler: handler}, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer session.Close()
			listed, err := session.ListTools(t.Context(), nil)
			if err != nil || len(listed.Tools) != 1 || listed.Tools[0].Name != "read" || asked != 1 {
				t.Fatalf("it lists %+v, asked %d times: %v", listed, asked, err)
			}
			if said := goCall(t, session, server{tool: "read", args: "{}"}); !strings.Contains(said, "reads") || asked != 1 {
				t.Errorf("read answered %q, and the person was asked %d times", said, asked)
			}
			if said := goCall(t, session, server{tool: "write", args: "{}"}); !strings.Contains(said, "writes") || asked != 2 {
				t.Errorf("write answered %q, and the person was asked %d times", said, asked)
			}
		})
	}
}
