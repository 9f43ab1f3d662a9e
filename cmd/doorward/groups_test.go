package main

import (
	"testing"
)

// A scope of a group is for its members, as long as they are: taking the group away ends what was allowed with it.
func TestGroupsOfPeople(t *testing.T) {
	s := protectFile(t, plainFile+`    scopes:
      - name: mcp
        sentence: Use it
      - name: mcp:admin
        sentence: Rule it
        groups: [ops]
`)
	carol := s.admin("user", "add", "carol", "--group", "ops")
	b := s.browser()
	b.signInBy(carol["sign_in_link"])
	app := s.app()
	got := app.redeem(app.code(b, "scope", "mcp mcp:admin")).tokens(t)
	if got.Scope != "mcp mcp:admin" {
		t.Errorf("a member gets %q", got.Scope)
	}
	s.works("a member's token", got.Access)
	s.admin("user", "groups", "carol", "ops", "staff")
	s.works("one more group", got.Access)
	s.admin("user", "groups", "carol", "staff")
	s.refuses("the group is taken away", got.Access)
	app.refresh(got.Refresh).wants(t, 400, "invalid_grant")
	eventually(t, "a token of after the change is good", func() bool { // times in tokens are whole seconds
		again := app.redeem(app.again().code(b, "scope", "mcp mcp:admin")).tokens(t)
		if again.Scope != "mcp" {
			t.Fatalf("who is no member gets %q", again.Scope)
		}
		return s.call(again.Access, "whoami", "{}").StatusCode == 200
	})
}
