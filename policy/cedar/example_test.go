package cedar_test

import (
	"context"
	"fmt"
	"time"

	"github.com/doorward-mcp/doorward/mcp"
	"github.com/doorward-mcp/doorward/policy"
	"github.com/doorward-mcp/doorward/policy/cedar"
	"github.com/doorward-mcp/doorward/token"
)

// A program that embeds guard gives an Engine as its Decider. Here it is asked directly.
func Example() {
	files := cedar.Files{
		"bundle.yaml": []byte("id: notes\nservers: {notes: {definitions: any}}\n"),
		"servers/notes/rules.cedar": []byte(`
@id("notes.editors") @title("Editors may write")
permit (principal in Group::"editors", action == Action::"notes/write", resource);
`),
	}
	engine, err := cedar.Load(files, cedar.Options{
		Issuer:  "https://auth.example.com",
		Servers: map[string]cedar.Server{"notes": {Resource: "https://notes.example.com/mcp"}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ask := func(groups ...string) {
		d := engine.Decide(context.Background(), policy.Request{
			Now: time.Now(), Server: "https://notes.example.com/mcp", Operation: mcp.Item{Kind: mcp.ItemTool, Name: "write"}.Use(),
			Caller: token.Caller{Principal: token.Principal{Issuer: "https://auth.example.com", Subject: "alice"}, Client: "app", Groups: groups},
		})
		fmt.Println(d.Verdict, d.Code, d.Rules)
	}
	ask("editors")
	ask("readers")
	// Output:
	// allow policy.allowed [notes.editors]
	// deny policy.no_permit []
}
