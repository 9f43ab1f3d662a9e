package demo_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/doorward-mcp/doorward/demo"
)

// said sets the caller header, as the gateway does, and keeps the revision that was spoken.
type said struct {
	caller   string
	revision string
}

func (s *said) RoundTrip(r *http.Request) (*http.Response, error) {
	if s.caller != "" {
		r.Header.Set("Doorward-Caller", s.caller)
	}
	if v := r.Header.Get("Mcp-Protocol-Version"); v != "" {
		s.revision = v
	}
	return http.DefaultTransport.RoundTrip(r)
}

type revision struct{ name, speak string }

// The go-sdk client speaks 2026-07-28 unless it is told to begin with initialize.
var revisions = []revision{{"sessions", "2025-11-25"}, {"stateless", "2026-07-28"}}

func connect(t *testing.T, speak string, to *said, o *mcp.ClientOptions) *mcp.ClientSession {
	t.Helper()
	srv := httptest.NewServer(demo.Handler())
	t.Cleanup(srv.Close)
	c := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, o)
	transport := &mcp.StreamableClientTransport{Endpoint: srv.URL + "/mcp", HTTPClient: &http.Client{Transport: to}}
	s, err := c.Connect(t.Context(), transport, &mcp.ClientSessionOptions{ProtocolVersion: speak})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func each(t *testing.T, f func(t *testing.T, speak string)) {
	for _, r := range revisions {
		t.Run(r.name, func(t *testing.T) { f(t, r.speak) })
	}
}

func call(t *testing.T, s *mcp.ClientSession, name string, args any) (text string, failed bool) {
	t.Helper()
	res, err := s.CallTool(t.Context(), &mcp.CallToolParams{Name: name, Arguments: args})
	if err != nil {
		t.Fatalf("calling %s: %v", name, err)
	}
	return res.Content[0].(*mcp.TextContent).Text, res.IsError
}

func TestRevisionsAreServed(t *testing.T) {
	each(t, func(t *testing.T, speak string) {
		to := &said{}
		s := connect(t, speak, to, nil)
		if text, failed := call(t, s, "add", map[string]any{"a": 1, "b": 2.5}); failed || text != "3.5" {
			t.Errorf("add said %q, failed %v", text, failed)
		}
		if to.revision != speak {
			t.Errorf("spoke %s, want %s", to.revision, speak)
		}
		if speak == "2025-11-25" && s.ID() == "" {
			t.Error("no session in a revision that has them")
		}
	})
}

func TestWhoami(t *testing.T) {
	claims := `{"iss":"https://door.example","sub":"ada","idp":"https://id.example","client_id":"c1","scope":"mcp read"}`
	assertion := "e30." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".c2ln"
	each(t, func(t *testing.T, speak string) {
		s := connect(t, speak, &said{caller: assertion}, nil)
		res, err := s.CallTool(t.Context(), &mcp.CallToolParams{Name: "whoami"})
		if err != nil {
			t.Fatal(err)
		}
		got, _ := json.Marshal(res.StructuredContent)
		want := `{"client_id":"c1","issuer":"https://id.example","scope":"mcp read","subject":"ada","vouched_by":"https://door.example"}`
		if string(got) != want {
			t.Errorf("whoami said\n%s, want\n%s", got, want)
		}
	})
	t.Run("nobody", func(t *testing.T) {
		s := connect(t, "2025-11-25", &said{}, nil)
		if text, failed := call(t, s, "whoami", nil); failed || text != "nobody told me who calls" {
			t.Errorf("said %q, failed %v", text, failed)
		}
	})
	for name, bad := range map[string]string{"two parts": "e30.e30", "no base64": "e30.!!.e30", "no JSON": "e30.e30x.e30"} {
		t.Run(name, func(t *testing.T) {
			s := connect(t, "2025-11-25", &said{caller: bad}, nil)
			if text, failed := call(t, s, "whoami", nil); !failed {
				t.Errorf("took a broken assertion: %q", text)
			}
		})
	}
}

func TestSlowReportsProgress(t *testing.T) {
	each(t, func(t *testing.T, speak string) {
		steps := make(chan float64, 3)
		s := connect(t, speak, &said{}, &mcp.ClientOptions{
			ProgressNotificationHandler: func(_ context.Context, r *mcp.ProgressNotificationClientRequest) { steps <- r.Params.Progress },
		})
		p := &mcp.CallToolParams{Name: "slow", Arguments: map[string]any{"steps": 3, "delay_ms": 1}}
		p.SetProgressToken("token")
		if _, err := s.CallTool(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		for want := 1.0; want <= 3; want++ {
			if got := <-steps; got != want {
				t.Errorf("step %v, want %v", got, want)
			}
		}
	})
}

// post sends a message of a session and returns the answer's body, still open.
func post(t *testing.T, url, session, body string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "POST", url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json, text/event-stream"}}
	if session != "" {
		r.Header.Set("Mcp-Session-Id", session)
		r.Header.Set("Mcp-Protocol-Version", "2025-11-25")
	}
	res, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = res.Body.Close() })
	return res
}

// The stream of a call that would take 20 s ends when the call is cancelled after its first step: the tool itself has stopped.
func TestSlowCanBeCancelled(t *testing.T) {
	srv := httptest.NewServer(demo.Handler())
	t.Cleanup(srv.Close)
	res := post(t, srv.URL, "", `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`)
	session := res.Header.Get("Mcp-Session-Id")
	post(t, srv.URL, session, `{"jsonrpc":"2.0","method":"notifications/initialized"}`)
	slow := post(t, srv.URL, session, `{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"slow","arguments":{"steps":100,"delay_ms":200},"_meta":{"progressToken":1}}}`)
	post(t, srv.URL, session, `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":2}}`)
	ended := make(chan string, 1)
	go func() { all, _ := io.ReadAll(slow.Body); ended <- string(all) }()
	select {
	case answer := <-ended:
		if strings.Contains(answer, "done after") {
			t.Errorf("the call went on to its end: %s", answer)
		}
	case <-time.After(10 * time.Second):
		t.Error("the call goes on")
	}
}

func TestSlowIsBounded(t *testing.T) {
	s := connect(t, "2025-11-25", &said{}, nil)
	for _, args := range []map[string]any{{"steps": 101}, {"steps": 0}, {"delay_ms": 5001}, {"delay_ms": -1}, {"steps": 1.5}} {
		res, err := s.CallTool(t.Context(), &mcp.CallToolParams{Name: "slow", Arguments: args})
		if err == nil && !res.IsError {
			t.Errorf("took %v", args)
		}
	}
}

func TestDeletingTwiceIsAToolError(t *testing.T) {
	each(t, func(t *testing.T, speak string) {
		s := connect(t, speak, &said{}, nil)
		if text, failed := call(t, s, "delete_user", map[string]any{"id": "ada"}); failed {
			t.Fatalf("the first deletion failed: %s", text)
		}
		if text, failed := call(t, s, "delete_user", map[string]any{"id": "ada"}); !failed {
			t.Errorf("the second deletion succeeded: %s", text)
		}
		res, err := s.ReadResource(t.Context(), &mcp.ReadResourceParams{URI: "demo://users"})
		if err != nil {
			t.Fatal(err)
		}
		var left []struct{ ID string }
		if err := json.Unmarshal([]byte(res.Contents[0].Text), &left); err != nil || len(left) != 3 || left[0].ID != "alan" {
			t.Errorf("users left: %s (%v)", res.Contents[0].Text, err)
		}
	})
}

func TestListsDescribeEverything(t *testing.T) {
	s := connect(t, "2025-11-25", &said{}, nil)
	tools, err := s.ListTools(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var destructive []string
	for _, tool := range tools.Tools {
		if tool.Description == "" || tool.Annotations == nil {
			t.Errorf("%s lacks a description or annotations", tool.Name)
		}
		if d := tool.Annotations.DestructiveHint; !tool.Annotations.ReadOnlyHint && d != nil && *d {
			destructive = append(destructive, tool.Name)
		}
		props, _ := tool.InputSchema.(map[string]any)["properties"].(map[string]any)
		for name, p := range props {
			if p.(map[string]any)["description"] == nil {
				t.Errorf("%s: %s has no description", tool.Name, name)
			}
		}
	}
	if len(tools.Tools) != 4 || strings.Join(destructive, " ") != "delete_user" {
		t.Errorf("%d tools, destructive: %v", len(tools.Tools), destructive)
	}
	resources, err := s.ListResources(t.Context(), nil)
	if err != nil || len(resources.Resources) != 2 {
		t.Errorf("resources: %v, %v", resources, err)
	}
	text, err := s.ReadResource(t.Context(), &mcp.ReadResourceParams{URI: "demo://welcome"})
	if err != nil || !strings.Contains(text.Contents[0].Text, "whoami") {
		t.Errorf("welcome: %v, %v", text, err)
	}
	prompt, err := s.GetPrompt(t.Context(), &mcp.GetPromptParams{Name: "introduce", Arguments: map[string]string{"language": "Welsh"}})
	if err != nil || !strings.Contains(prompt.Messages[0].Content.(*mcp.TextContent).Text, "Welsh") {
		t.Errorf("prompt: %v, %v", prompt, err)
	}
}
