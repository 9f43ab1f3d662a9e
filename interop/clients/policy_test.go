//go:build conformance

package clients

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/modelcontextprotocol/go-sdk/oauthex"

	"github.com/doorward-mcp/doorward/interop/installation"
)

// governedFile is a server whose calls rules decide about.
const governedFile = `public_url: http://$LISTEN
listen: $LISTEN
data: $DATA
policy: {bundle: $BUNDLE}
registration: {mode: open}
servers:
  crm:
    path: /crm
    demo: true
    scopes:
      - {name: crm, sentence: Use it}
      - {name: "crm:users:delete", sentence: Delete users}
    initial: [crm]
clients:
  listed:
    - {client_id: desk, client_name: Desk, redirect_uris: ["http://127.0.0.1:1/callback"]}
    - {client_id: toy, client_name: Toy, redirect_uris: ["http://127.0.0.1:1/callback"]}
`

var governedBundle = map[string]string{
	"bundle.yaml": "id: acme\nservers:\n  crm: {definitions: accepted}\n",
	"entities/clients.yaml": `- uid: {type: Agent, id: desk}
  parents: [{type: ClientSet, id: approved-agents}]
`,
	"servers/crm/rules.cedar": `@id("crm.delete-user")
permit (principal in Group::"crm-admins", action == Action::"crm/delete_user", resource == Server::"crm")
when {
  context.delegation.human && context.delegation.client in ClientSet::"approved-agents" &&
  context.delegation.evidence.contains("listed") && context.args.id != "ada"
};
@id("crm.delete-user.step-up") @remedy("step_up_scope") @scope("crm:users:delete")
forbid (principal, action == Action::"crm/delete_user", resource)
unless { context.token.scopes.contains("crm:users:delete") };

@id("crm.whoami") // or whoever may do nothing could not even connect
permit (principal, action == Action::"crm/whoami", resource);
`,
}

// governed starts a server with rules, whose person is in the group that may delete users, or is not.
func governed(t *testing.T, groups ...string) installation.Installation {
	t.Helper()
	dir := t.TempDir()
	program := installation.Built(t, "DOORWARD", "doorward", "make build")
	bundle, file := filepath.Join(dir, "bundle"), filepath.Join(dir, "doorward.yaml")
	text := strings.ReplaceAll(governedFile, "$BUNDLE", bundle)
	files := map[string]string{file: strings.NewReplacer("$LISTEN", "127.0.0.1:8080", "$DATA", dir).Replace(text)}
	for name, content := range governedBundle {
		files[filepath.Join(bundle, name)] = content
	}
	for name, content := range files {
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run := func(args ...string) {
		t.Helper()
		if out, err := exec.Command(program, args...).CombinedOutput(); err != nil {
			t.Fatalf("doorward %v: %v\n%s", args, err, out)
		}
	}
	run("policy", "schema", "crm", "--bundle", bundle, "--config", file)
	i := installation.Serve(t, text)
	run(append([]string{"admin", "--data", i.Data, "user", "groups", i.Username}, groups...)...)
	return i
}

// TestStepUpOfNPM has the npm clients of both eras call what a rule decides about: refused for what no token mends, which asks nobody
// for anything; challenged, stepped up and let through; and refused for another person and another client.
func TestStepUpOfNPM(t *testing.T) {
	for _, c := range []struct{ name, revision string }{{"sdk1", "2025-11-25"}, {"sdk2-legacy", "2025-11-25"}, {"sdk2-auto", "2026-07-28"}} {
		t.Run(c.name, func(t *testing.T) {
			i := governed(t, "crm-admins")
			who := installation.SignedIn(t, i)
			f := play(t, who, "clients/stepup.js", c.name, i.Resource, "desk", "delete_user", `{"id":"alan"}`, `{"id":"ada"}`)
			if len(f.Content) != 1 || !strings.HasPrefix(f.Content[0].Text, "deleted alan") || f.Revision != c.revision {
				t.Errorf("%+v", f)
			}
			other := play(t, who, "clients/stepup.js", c.name, i.Resource, "toy", "delete_user", `{"id":"grace"}`, `{"id":"ada"}`)
			if len(other.Content) != 1 || !strings.Contains(other.Content[0].Text, "nothing permits this") {
				t.Errorf("another client: %+v", other)
			}
			j := governed(t, "staff")
			bob := play(t, installation.SignedIn(t, j), "clients/stepup.js", c.name, j.Resource, "desk", "delete_user", `{"id":"alan"}`, `{"id":"ada"}`)
			if len(bob.Content) != 1 || !strings.Contains(bob.Content[0].Text, "nothing permits this") {
				t.Errorf("another person: %+v", bob)
			}
		})
	}
}

// TestStepUpOfGoSDK has the official go-sdk do the same.
func TestStepUpOfGoSDK(t *testing.T) {
	for _, c := range []struct {
		client, group, says string
		asked               int
	}{{"desk", "crm-admins", "deleted alan", 2}, {"toy", "crm-admins", "", 1}, {"desk", "staff", "", 1}} {
		t.Run(c.client+" "+c.group, func(t *testing.T) {
			i := governed(t, c.group)
			asked := 0
			handler := goHandler(t, installation.SignedIn(t, i), &asked, &staleSource{}, func(h *auth.AuthorizationCodeHandlerConfig) {
				h.DynamicClientRegistrationConfig, h.PreregisteredClient = nil, &oauthex.ClientCredentials{ClientID: c.client}
			})
			client := mcp.NewClient(&mcp.Implementation{Name: "doorward-interop", Version: "1.0.0"}, nil)
			session, err := client.Connect(t.Context(), &mcp.StreamableClientTransport{Endpoint: i.Resource, OAuthHandler: handler}, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer session.Close()
			result, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: "delete_user", Arguments: map[string]any{"id": "alan"}})
			if c.says == "" {
				if err == nil || asked != c.asked {
					t.Errorf("%+v, asked %d times", result, asked)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if text, ok := result.Content[0].(*mcp.TextContent); !ok || !strings.HasPrefix(text.Text, c.says) || asked != c.asked {
				t.Errorf("%+v, asked %d times", result, asked)
			}
		})
	}
}
