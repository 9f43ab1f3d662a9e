package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

type user struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

type users struct {
	mu  sync.Mutex // guards all
	all []user
}

func newUsers() *users {
	return &users{all: []user{{"ada", "Ada Lovelace"}, {"alan", "Alan Turing"}, {"grace", "Grace Hopper"}, {"katherine", "Katherine Johnson"}}}
}

type userID struct {
	ID string `json:"id"`
}

func deleteUserTool() *mcp.Tool {
	return &mcp.Tool{
		Name:        "delete_user",
		Title:       "Delete a user",
		Description: "Deletes a user of demo://users. There is no way back but a restart.",
		InputSchema: json.RawMessage(`{"type":"object","properties":{
			"id":{"type":"string","minLength":1,"maxLength":64,"description":"The id of the user, such as \"ada\"."}},
			"required":["id"],"additionalProperties":false}`),
		// Deleting twice does not do more than deleting once, but it is an error: the answer differs, the state does not.
		Annotations: &mcp.ToolAnnotations{DestructiveHint: yes(), IdempotentHint: true, OpenWorldHint: no()},
	}
}

func (u *users) delete(_ context.Context, _ *mcp.CallToolRequest, in userID) (*mcp.CallToolResult, any, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	i := slices.IndexFunc(u.all, func(x user) bool { return x.ID == in.ID })
	if i < 0 {
		return nil, nil, fmt.Errorf("there is no user %q", in.ID)
	}
	gone := u.all[i]
	u.all = slices.Delete(u.all, i, i+1)
	text := fmt.Sprintf("deleted %s (%s)", gone.ID, gone.Name)
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: text}}}, nil, nil
}

func (u *users) addResource(s *mcp.Server) {
	r := &mcp.Resource{URI: "demo://users", Name: "users", Title: "Users", Description: "The users that delete_user has left.", MIMEType: "application/json"}
	s.AddResource(r, func(context.Context, *mcp.ReadResourceRequest) (*mcp.ReadResourceResult, error) {
		u.mu.Lock()
		text, err := json.Marshal(u.all)
		u.mu.Unlock()
		if err != nil {
			return nil, fmt.Errorf("encoding the users: %w", err)
		}
		return &mcp.ReadResourceResult{Contents: []*mcp.ResourceContents{{URI: r.URI, MIMEType: r.MIMEType, Text: string(text)}}}, nil
	})
}
