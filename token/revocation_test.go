package token_test

import (
	"testing"
	"time"

	"github.com/doorward-mcp/doorward/token"
)

// Rule 7: revocations of grant, client, subject, actor or jti, each with a not-before.
func TestRevocations(t *testing.T) {
	caller := token.Caller(full())
	bot := caller.Chain[0].Principal
	before, after := noon.Add(time.Second), noon
	for _, c := range []struct {
		name string
		r    token.Revocation
		hits bool
	}{
		{"its jti", token.Revocation{ID: "j", NotBefore: before}, true},
		{"another jti", token.Revocation{ID: "k", NotBefore: before}, false},
		{"its grant", token.Revocation{Grant: "g", NotBefore: before}, true},
		{"another grant", token.Revocation{Grant: "h", NotBefore: before}, false},
		{"its client", token.Revocation{Client: "c", NotBefore: before}, true},
		{"a client of its chain", token.Revocation{Client: caller.Chain[0].Client, NotBefore: before}, true},
		{"another client", token.Revocation{Client: "z", NotBefore: before}, false},
		{"its subject", token.Revocation{Subject: caller.Principal, NotBefore: before}, true},
		{"the subject of another issuer", token.Revocation{Subject: token.Principal{Issuer: "x", Subject: "alice"}, NotBefore: before}, false},
		{"its actor", token.Revocation{Actor: bot, NotBefore: before}, true},
		{"an older actor", token.Revocation{Actor: caller.Chain[1].Principal, NotBefore: before}, true},
		{"its actor as subject", token.Revocation{Subject: bot, NotBefore: before}, false},
		{"its subject as actor", token.Revocation{Actor: caller.Principal, NotBefore: before}, false},
		{"its client for its subject", token.Revocation{Client: "c", Subject: caller.Principal, NotBefore: before}, true},
		{"its client for another subject", token.Revocation{Client: "c", Subject: token.Principal{Issuer: issuer, Subject: "bob"}, NotBefore: before}, false},
		{"its actor for another client", token.Revocation{Actor: bot, Client: "e", NotBefore: before}, false},
		{"before it was issued", token.Revocation{Grant: "g", NotBefore: after}, false},
		{"nothing named", token.Revocation{NotBefore: before}, false},
		{"no time", token.Revocation{Grant: "g"}, false},
	} {
		if got := token.NewRevocations([]token.Revocation{{Grant: "other", NotBefore: before}, c.r}).Hits(caller); got != c.hits {
			t.Errorf("%s: %v, want %v", c.name, got, c.hits)
		}
	}
	var none *token.Revocations
	if none.Hits(caller) || (&token.Revocations{}).Hits(caller) {
		t.Error("nothing hits something")
	}
	// A caller without grant or chain is not hit by what names none.
	if token.NewRevocations([]token.Revocation{{Client: "c2", NotBefore: before}}).Hits(token.Caller{Issued: noon}) {
		t.Error("a caller without members is hit")
	}
}
