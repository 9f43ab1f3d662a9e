package grant_test

import (
	"crypto/sha256"
	"testing"
	"time"

	"github.com/doorward-mcp/doorward/grant"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/token"
)

// RFC 9449 §5 and §10: which key redeems and refreshes what.
func TestBoundToAKey(t *testing.T) {
	for _, c := range []struct {
		name            string
		change          func(*grant.Approved)
		redeem, refresh string // the keys that are proved
		first, second   grant.Verdict
		cnf             string // of the refreshed token
	}{
		{"nobody proves anything", nil, "", "", grant.Good, grant.Good, ""},
		{"a public client is held to its key", nil, "k1", "k1", grant.Good, grant.Good, "k1"},
		{"a public client changes its key", nil, "k1", "k2", grant.Good, grant.Refused, ""},
		{"a public client forgets its key", nil, "k1", "", grant.Good, grant.Refused, ""},
		{"a public client begins to prove one", nil, "", "k1", grant.Good, grant.Good, "k1"},
		{"a client with credentials changes its key", confidential, "k1", "k2", grant.Good, grant.Good, "k2"},
		{"a code that is bound", func(a *grant.Approved) { a.CodeKey = "k1" }, "k1", "k1", grant.Good, grant.Good, "k1"},
		{"a code that is bound, another key", func(a *grant.Approved) { a.CodeKey = "k1" }, "k2", "", grant.Refused, grant.Refused, ""},
		{"a code that is bound, no key", func(a *grant.Approved) { a.CodeKey = "k1" }, "", "", grant.Refused, grant.Refused, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			g, code := approved(func(a *grant.Approved) {
				if c.change != nil {
					c.change(a)
				}
			})
			present := presented(code)
			present.Key = c.redeem
			g, v := g.Redeem(noon, present)
			if v != c.first {
				t.Fatalf("redeeming: %s, want %s", v, c.first)
			}
			if v != grant.Good {
				return
			}
			if got := g.Claims(noon, grant.Wanted{Key: c.redeem}, lives).Key; got != c.redeem {
				t.Errorf("the first token is bound to %q", got)
			}
			r := refresh(t, g.RefreshToken())
			r.Key = c.refresh
			g, v = g.Rotate(noon.Add(time.Minute), r, lives)
			if v != c.second {
				t.Fatalf("refreshing: %s, want %s", v, c.second)
			}
			if got := g.Claims(noon, grant.Wanted{Key: c.refresh}, lives).Key; v == grant.Good && got != c.cnf {
				t.Errorf("the second token is bound to %q, want %q", got, c.cnf)
			}
		})
	}
}

func confidential(a *grant.Approved) { a.Confidential = true }

// RFC 8628 §3.4: a grant for a device has the device's code, and neither redirect address nor challenge.
func TestADeviceRedeemsItsCodeOnce(t *testing.T) {
	code := token.NewSecret("dwd_X")
	g, none := approved(func(a *grant.Approved) {
		a.Redirect, a.Challenge, a.Device = "", "", &grant.Device{CodeHash: sha256.Sum256([]byte(code.Reveal())), Until: noon.Add(10 * time.Minute)}
	})
	if !none.Empty() {
		t.Error("a second code was made")
	}
	right := grant.Code{Raw: code, Client: client, Device: true}
	for name, wrong := range map[string]grant.Code{
		"as an authorization code": {Raw: code, Client: client, Verifier: verifier},
		"by another client":        {Raw: code, Client: "d", Device: true},
		"another code":             {Raw: token.NewSecret("dwd_Y"), Client: client, Device: true},
	} {
		if _, v := g.Redeem(noon, wrong); v != grant.Refused {
			t.Errorf("%s: %s", name, v)
		}
	}
	if _, v := g.Redeem(noon.Add(10*time.Minute), right); v != grant.Refused {
		t.Errorf("too late: %s", v)
	}
	used, v := g.Redeem(noon.Add(9*time.Minute), right)
	if v != grant.Good {
		t.Fatal(v)
	}
	if _, v := used.Redeem(noon.Add(9*time.Minute), right); v != grant.Stolen {
		t.Errorf("a second time: %s", v)
	}
}

// A grant for a task ends with the task, and so does every token of it.
func TestATaskEnds(t *testing.T) {
	task := &token.Task{ID: "t", Words: "w", Tools: []string{"add"}, Expires: noon.Add(5 * time.Minute)}
	g := redeemed(t, func(a *grant.Approved) { a.Task = task })
	if c := g.Claims(noon, grant.Wanted{}, lives); !c.Expires.Equal(task.Expires) || c.Task != task {
		t.Errorf("%+v", c)
	}
	narrower := &token.Task{ID: "t", Words: "w", Tools: []string{"add"}, Expires: noon.Add(time.Minute)}
	if c := g.Claims(noon, grant.Wanted{Task: narrower, Scopes: oauth.NewScopes("mcp")}, lives); !c.Expires.Equal(narrower.Expires) || c.Task != narrower {
		t.Errorf("narrowed: %+v", c)
	}
	if _, v := g.Rotate(noon.Add(4*time.Minute), refresh(t, g.RefreshToken()), lives); v != grant.Good {
		t.Errorf("before its end: %s", v)
	}
	if _, v := g.Rotate(noon.Add(5*time.Minute), refresh(t, g.RefreshToken()), lives); v != grant.Refused {
		t.Errorf("at its end: %s", v)
	}
}
